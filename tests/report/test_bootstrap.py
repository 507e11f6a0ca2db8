"""The bootstrap against a plain loop, scipy and a case whose coverage is known; Holm against a worked example."""

import numpy as np
import pytest
import scipy.stats

from pipeline.report.bootstrap import Draws, correct_holm, interval, p_value, resample, sum_by_group
from pipeline.tasks import metrics
from tests.tasks.test_metrics import make_task


def mean(sums):
    """Mean of a value from its (…, 2) sums: how many, and how much."""
    return {"mean": sums[..., 1] / sums[..., 0]}


def make_sums(values, groups):
    """Return (1, groups, 2) sums of one seed."""
    rows = np.stack([np.ones_like(values), values], axis=-1)
    return sum_by_group(rows, groups, groups.max() + 1)[None]


def test_resampling_equals_a_plain_loop_over_clips():
    rng = np.random.default_rng(0)
    task, groups = make_task("regression"), np.repeat(np.arange(5), 6)
    target, preds = rng.uniform(-1, 1, (30, 1)), rng.uniform(-1, 1, (2, 30, 1))
    rows = np.stack([metrics.statistics(task, p, target) for p in preds])
    draws = Draws.make(5, 2, draws=7, seed=3)
    found = resample(np.stack([sum_by_group(r, groups, 5) for r in rows]), lambda sums: metrics.formula(task, sums), draws)
    for d in range(7):
        clips = np.concatenate([np.flatnonzero(groups == g) for g in range(5) for _ in range(int(draws.groups[d, g]))])
        seeds = [s for s in range(2) for _ in range(round(2 * draws.seeds[d, s]))]
        corr = np.mean([np.corrcoef(target[clips, 0], preds[s, clips, 0])[0, 1] for s in seeds])
        assert found["corr"][d] == pytest.approx(corr)
        assert found["mae"][d] == pytest.approx(np.mean([abs(target - preds[s])[clips].mean() for s in seeds]))


def test_the_interval_of_a_mean_agrees_with_scipy():
    values = np.random.default_rng(1).normal(3, 2, 60)
    draws = Draws.make(60, 1, draws=20000, seed=0)
    low, high = interval(resample(make_sums(values, np.arange(60)), mean, draws)["mean"], 0.95)
    rng = np.random.default_rng(5)
    expected = scipy.stats.bootstrap((values,), np.mean, n_resamples=20000, method="percentile", rng=rng).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.03)


def test_intervals_over_groups_cover_the_truth_where_intervals_over_clips_do_not():
    rng, hits = np.random.default_rng(2), {"groups": 0, "clips": 0}
    for trial in range(200):
        values = np.repeat(rng.normal(0, 1, 30), 8) + rng.normal(0, 0.5, 240)
        for name, groups in (("groups", np.repeat(np.arange(30), 8)), ("clips", np.arange(240))):
            draws = Draws.make(groups.max() + 1, 1, draws=300, seed=trial)
            low, high = interval(resample(make_sums(values, groups), mean, draws)["mean"], 0.95)
            hits[name] += low <= 0 <= high
    assert 0.89 <= hits["groups"] / 200 <= 0.99
    assert hits["clips"] / 200 < 0.7


def test_seeds_add_their_own_uncertainty():
    sums = np.stack([make_sums(np.full(20, level), np.arange(20))[0] for level in (0.0, 1.0, 2.0)])
    samples = resample(sums, mean, Draws.make(20, 3, draws=5000, seed=0))["mean"]
    assert samples.mean() == pytest.approx(1.0, abs=0.03)
    assert samples.std() == pytest.approx(np.sqrt(2 / 3 / 3), abs=0.02)


def test_the_same_seed_gives_the_same_draws_in_any_chunks():
    draws, again = Draws.make(4, 3, 5000, seed=1), Draws.make(4, 3, 5000, seed=1)
    assert (draws.groups == again.groups).all()
    assert (draws.groups.sum(axis=1) == 4).all()
    assert draws.seeds.sum(axis=1) == pytest.approx(1)
    assert len(resample(make_sums(np.arange(8.0), np.repeat(np.arange(4), 2)).repeat(3, 0), mean, draws)["mean"]) == 5000


def test_p_values_count_both_sides_and_never_reach_zero():
    assert p_value(np.zeros(99)) == 1.0
    assert p_value(np.ones(999)) == pytest.approx(2 / 1000)
    assert p_value(np.r_[-np.ones(9), np.ones(90)]) == pytest.approx(2 * 10 / 100)


def test_p_values_are_uniform_where_nothing_differs():
    rng = np.random.default_rng(4)
    found = []
    for trial in range(200):
        draws = Draws.make(40, 1, draws=300, seed=trial)
        found.append(p_value(resample(make_sums(rng.normal(0, 1, 40), np.arange(40)), mean, draws)["mean"]))
    assert np.mean(np.array(found) < 0.05) < 0.12
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.12)


def test_holm_equals_a_worked_example():
    assert correct_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert correct_holm([0.6, 0.7]) == [1.0, 1.0]
    assert correct_holm([]) == []
