"""The section `search` of params.yaml, and the points that it draws: the same ones for every row.

The points are a scrambled Halton sequence, which covers the ranges more evenly than chance does. No point depends on a result, as those of
Optuna's TPE do; so no row gets luckier draws than another, trials run in any order on any number of processes, a killed search resumes at
its last trial, more trials keep those that there are, and no database or queue has to be kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class SearchConfig:
    """The section `search`.

    Args:
        trials: of every row: its own values first, then points of the sequence.
        seed: of the points.
        run_seed: of every trial's run; never one of `train.seeds`, whose runs are reported.
        folds: of the task's split that are searched, from 0; empty: all.
        learning_rate: smallest and largest, drawn on a logarithmic scale.
        weight_decay: smallest and largest, drawn on a logarithmic scale.
        dropout: smallest and largest.
        widths: factors of the row's own widths.
        max_parameters: a wider or narrower model of more learned numbers than that keeps the row's own widths.
    """

    trials: int
    seed: int
    run_seed: int
    folds: tuple[int, ...]
    learning_rate: tuple[float, float]
    weight_decay: tuple[float, float]
    dropout: tuple[float, float]
    widths: tuple[float, ...]
    max_parameters: int

    def __post_init__(self) -> None:
        if self.trials < 1 or self.max_parameters < 1:
            raise ValueError("trials and max_parameters must be at least 1")
        if len(set(self.folds)) < len(self.folds) or any(fold < 0 for fold in self.folds):
            raise ValueError(f"folds {self.folds} are numbers from 0, each once; [] stands for all")
        for name in ("learning_rate", "weight_decay"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} is drawn on a logarithmic scale, from above 0 to as much or more, not {[low, high]}")
        if not 0 <= self.dropout[0] <= self.dropout[1] < 1:
            raise ValueError(f"dropout lies from 0 to below 1, the smaller first, not {list(self.dropout)}")
        if not self.widths or min(self.widths) <= 0:
            raise ValueError(f"widths are factors above 0, not {list(self.widths)}")


@dataclass(frozen=True)
class Point:
    """What one trial of every row is trained with; `width` is a factor."""

    learning_rate: float
    weight_decay: float
    dropout: float
    width: float


def draw_points(config: SearchConfig) -> tuple[Point, ...]:
    """Return the points of all trials but the first, which has the row's own values; rounded, so that they can be read and copied."""
    from scipy.stats import qmc

    draws = qmc.Halton(4, scramble=True, rng=config.seed).random(config.trials - 1).tolist()
    return tuple(
        Point(
            float(f"{_between(rate, config.learning_rate):.2g}"),
            float(f"{_between(decay, config.weight_decay):.2g}"),
            round(config.dropout[0] + dropout * (config.dropout[1] - config.dropout[0]), 2),
            config.widths[int(width * len(config.widths))],
        )
        for rate, decay, dropout, width in draws
    )


def _between(share: float, bounds: tuple[float, float]) -> float:
    """The value at a share of the way between two bounds, on a logarithmic scale."""
    low, high = bounds
    return low * math.exp(share * math.log(high / low))
