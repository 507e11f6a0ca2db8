"""Paired hierarchical bootstrap over groups and seeds, and Holm's correction.

One draw takes as many groups as there are, with replacement, then as many seeds; every system is scored on the same draw: differences are
paired. Groups, not clips, are drawn, since clips of one speaker err together; seeds, since a training is one of many possible.
Metrics are functions of sums over clips (pipeline/tasks/metrics.py), so all draws of one system and seed are one matrix product.

Davison & Hinkley, Bootstrap Methods and their Application (1997), ch. 3.8 and 4.4; Holm, A simple sequentially rejective multiple test
procedure, Scand. J. Statist. 6 (1979).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Formula = Callable[[Array], Mapping[str, Array]]
CHUNK = 2000
"""Draws that are scored at once: bounds memory, changes no result."""


@dataclass(frozen=True)
class Draws:
    """Which groups and seeds each draw holds.

    Args:
        groups: how often each group is drawn, (draws, groups).
        seeds: the share of each seed, (draws, seeds).
    """

    groups: Array
    seeds: Array

    @classmethod
    def make(cls, num_groups: int, num_seeds: int, draws: int, seed: int) -> "Draws":
        """Draw groups and seeds with replacement; the same arguments give the same draws."""
        rng = np.random.default_rng(seed)
        groups = rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups), size=draws)
        seeds = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=draws)
        return cls(groups.astype(np.float64), seeds / num_seeds)

    def take(self, groups: NDArray[np.int64]) -> "Draws":
        """Return the same draws as some of the groups see them; a draw that holds none of these is left out."""
        taken = self.groups[:, groups]
        kept = taken.sum(axis=1) > 0
        return Draws(taken[kept], self.seeds[kept])


def sum_by_group(statistics: Array, groups: NDArray[np.int64], num_groups: int) -> Array:
    """Sum the rows (clips, …) of each group, (groups, …)."""
    sums = np.zeros((num_groups, *statistics.shape[1:]))
    np.add.at(sums, groups, statistics)
    return sums


def resample(sums: Array, formula: Formula, draws: Draws) -> dict[str, Array]:
    """Score every draw: each metric, averaged over the draw's seeds.

    Args:
        sums: statistics of each seed and group, (seeds, groups, …).
        formula: sums (…) of the groups together → metric name → value.
        draws: the groups and seeds of each draw.

    Returns:
        Metric name → (draws,).
    """
    chunks = [slice(start, start + CHUNK) for start in range(0, len(draws.groups), CHUNK)]
    parts = [_resample_chunk(sums, formula, draws.groups[chunk], draws.seeds[chunk]) for chunk in chunks]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _resample_chunk(sums: Array, formula: Formula, groups: Array, seeds: Array) -> dict[str, Array]:
    """Score some draws."""
    values: dict[str, Array] = {}
    for of_seed, share in zip(sums, seeds.T, strict=True):
        drawn = (groups @ of_seed.reshape(len(of_seed), -1)).reshape(len(groups), *of_seed.shape[1:])
        for name, value in formula(drawn).items():
            values[name] = values.get(name, 0.0) + share * value
    return values


def interval(samples: Array, level: float) -> tuple[float, float]:
    """Percentile interval that holds `level` of the draws."""
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def p_value(differences: Array) -> float:
    """Two-sided p of "no difference": twice the smaller share of draws on one side of 0, both ends counted, at most 1."""
    draws = len(differences)
    smaller = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (smaller + 1) / (draws + 1))


def correct_holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: sorted p times the number still in play, never falling, at most 1; in the order given."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.minimum(np.maximum.accumulate(np.asarray(p_values)[order] * factors), 1.0)
    return [float(p) for p in corrected[np.argsort(order, kind="stable")]]
