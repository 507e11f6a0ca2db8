"""Metrics of a sentiment value, as CH-SIMS, and as MOSI and MOSEI define them (additive statistics and formulas, as in metrics.py)."""

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks import confusion
from pipeline.tasks.confusion import divide

Array = NDArray[np.float64]
EDGES = {"acc2": (0.0,), "acc3": (-0.1, 0.1), "acc5": (-0.7, -0.1, 0.1, 0.7)}
"""CH-SIMS: upper edges of the classes over [−1, 1], each interval closed on the right; zero counts as negative."""


def classes(scale: str, name: str, values: Array) -> NDArray[np.int64]:
    """Return the class of each value, (clips,): CH-SIMS by EDGES, MOSI and MOSEI by rounding. Compared in float32, as labels are stored."""
    if scale == "sims":
        found = np.digitize(np.clip(values, -1, 1).astype(np.float32), np.asarray(EDGES[name], np.float32), right=True)
        return found.astype(np.int64)
    limit = {"acc7": 3, "acc5_rounded": 2}[name]
    return np.round(np.clip(values, -limit, limit)).astype(np.int64) + limit


def statistics(scale: str, preds: Array, target: Array) -> Array:
    """Moments, then cells of the two-class tables, then agreements, (clips, statistics)."""
    if scale == "sims":
        preds, target = np.clip(preds, -1, 1), np.clip(target, -1, 1)
    moments = [np.ones_like(target), abs(preds - target), target, preds, target**2, preds**2, target * preds]
    if scale == "sims":
        cells = _cells(preds > 0, target > 0, np.ones_like(target))
    else:
        cells = _cells(preds >= 0, target >= 0, np.ones_like(target)) + _cells(preds > 0, target > 0, (target != 0).astype(float))
    agreements = [classes(scale, n, preds) == classes(scale, n, target) for n in _agreements(scale)]
    return np.stack([*moments, *cells, *(a.astype(np.float64) for a in agreements)], axis=-1)


def _agreements(scale: str) -> tuple[str, ...]:
    """The class agreements of a scale beside its two-class ones."""
    return ("acc3", "acc5") if scale == "sims" else ("acc7", "acc5_rounded")


def _cells(preds: NDArray[np.bool_], target: NDArray[np.bool_], weight: Array) -> list[Array]:
    """Weighted cells of a two-class table, in the order of (truth, prediction): 00, 01, 10, 11."""
    return [weight * ((target == truth) & (preds == choice)) for truth in (False, True) for choice in (False, True)]


def formula(scale: str, sums: Array) -> dict[str, Array]:
    """Metrics of a value from the sums of `statistics`, (…, statistics)."""
    n, error = sums[..., 0], sums[..., 1]
    names = {"sims": [("acc2", "sims_f1")], "mosi": [("acc2_with_zero", "f1_with_zero"), ("acc2_without_zero", "f1_without_zero")]}[scale]
    values: dict[str, Array] = {}
    for i, (acc2, f1) in enumerate(names):
        table = sums[..., 7 + 4 * i : 11 + 4 * i].reshape(*sums.shape[:-1], 2, 2)
        values |= {acc2: divide(table[..., 0, 0] + table[..., 1, 1], table.sum(axis=(-1, -2))), f1: confusion.weighted_f1(table)}
    first = 7 + 4 * len(names)
    values |= {name: divide(sums[..., first + i], n) for i, name in enumerate(_agreements(scale))}
    return values | {"mae": divide(error, n)} | _correlations(sums[..., :7])


def _correlations(moments: Array) -> dict[str, Array]:
    """Pearson's and Lin's correlations from (…, 7) moments; 0 where truth or prediction is constant."""
    n = np.maximum(moments[..., 0], 1)
    y, p, yy, pp, yp = (moments[..., i] / n for i in range(2, 7))
    y_variance, p_variance, covariance = yy - y * y, pp - p * p, yp - y * p
    varies = (y_variance > 1e-12 * yy) & (p_variance > 1e-12 * pp)
    covariance = np.where(varies, covariance, 0.0)
    spread = np.sqrt(np.maximum(y_variance, 0) * np.maximum(p_variance, 0))
    return {
        "corr": np.clip(divide(covariance, spread), -1, 1),
        "ccc": divide(2 * covariance, y_variance + p_variance + (y - p) ** 2),
    }
