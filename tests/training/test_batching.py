"""Batches of clips of like length, none too large, in an order that depends on seed and epoch alone."""

import numpy as np
import pytest
import torch

from pipeline.training.batching import iterate, order_batches
from tests.training.test_dataset import make_data


def test_the_order_depends_on_seed_and_epoch_alone_and_covers_every_clip_once() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, (70, 1))
    first, again = order_batches(lengths, 16, 3, 1), order_batches(lengths, 16, 3, 1)
    assert [b.tolist() for b in first] == [b.tolist() for b in again]
    assert sorted(np.concatenate(first).tolist()) == list(range(70))
    for other in (order_batches(lengths, 16, 4, 1), order_batches(lengths, 16, 3, 2)):
        assert [b.tolist() for b in first] != [b.tolist() for b in other]
    assert {len(b) for b in first} == {14}


def test_batches_hold_clips_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 3000, (512, 1))
    padded = sum(lengths[b].max() * len(b) for b in order_batches(lengths, 16, 0, 1))
    assert padded < 1.4 * lengths.sum()


def test_evaluation_visits_every_clip_once() -> None:
    data = make_data([3, 1, 0, 2, 5])
    seen = np.concatenate([chosen for chosen, _ in iterate(data, data.parts["train"], 2)])
    assert sorted(seen.tolist()) == [0, 1, 2, 3, 4]
    assert list(iterate(data, torch.tensor([], dtype=torch.int64), 2)) == []


@pytest.mark.parametrize("budget", [1, 500, 4000, 10**9])
@pytest.mark.parametrize("modalities", [1, 3])
def test_a_batch_holds_no_more_steps_than_it_may(budget: int, modalities: int) -> None:
    lengths = np.random.default_rng(0).integers(0, 3000, (300, modalities))
    batches = order_batches(lengths, 32, 0, 1, budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(300))
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max(0).sum() <= budget for batch in batches)
    assert max(map(len, batches)) <= 32


def test_a_clip_of_3_steps_is_not_padded_to_one_of_3000() -> None:
    lengths = np.array([[3]] * 63 + [[3000]])
    batches = order_batches(lengths, 32, 0, 1, 16384)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 6 * lengths.sum()


def test_a_budget_that_no_batch_reaches_changes_nothing() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, (70, 1))
    free, bound = order_batches(lengths, 16, 3, 1), order_batches(lengths, 16, 3, 1, 16 * 50)
    assert [batch.tolist() for batch in free] == [batch.tolist() for batch in bound]
