"""A metric in numbers: its mean over seeds, its interval, and its spreads, as scores.json holds them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.report.bootstrap import interval

Array = NDArray[np.float64]


def summarise(key: str, of_seeds: Array, samples: Mapping[str, Array], level: float, over_folds: Sequence[float] = ()) -> dict[str, Any]:
    """Sum up a metric.

    Args:
        key: its name in `samples`.
        of_seeds: its value for each seed, (seeds,).
        samples: key → its value on each bootstrap draw; without `key` there is no interval.
        level: of the interval.
        over_folds: its mean over seeds for each fold, where there are several.
    """
    low, high = interval(samples[key], level) if key in samples else (math.nan, math.nan)
    return {
        "mean": number(of_seeds.mean()),
        "low": number(low),
        "high": number(high),
        "sd_seeds": number(of_seeds.std(ddof=1)) if len(of_seeds) > 1 else None,
        "sd_folds": number(float(np.std(over_folds, ddof=1))) if len(over_folds) > 1 else None,
        "seeds": [number(value) for value in of_seeds],
    }


def number(value: float) -> float | None:
    """Return a number of six decimals as JSON holds it; None where it is undefined."""
    return round(float(value), 6) + 0.0 if math.isfinite(value) else None
