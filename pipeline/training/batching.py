"""Which clips stand together in a batch: clips of like length, and no more steps than memory and speed allow.

A clip of 3 tokens beside one of 3,000 would be padded a thousandfold, so clips are sorted by their steps before they are cut into batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.fusion.base import Batch
from pipeline.training.dataset import FoldData

JITTER = 1.25  # lengths are multiplied by up to this before bucketing, so that batches differ from epoch to epoch
Positions = NDArray[np.int64]


def order_batches(lengths: Positions, batch_size: int, seed: int, epoch: int, batch_steps: int = 0) -> list[Positions]:
    """Positions 0 … n−1 in batches of clips of like length, in an order that depends on seed and epoch alone.

    Batches differ by at most one clip in size, so none is a left-over of one clip; but for those that were split for `batch_steps`.

    Args:
        lengths: steps of each clip and modality, (clips, modalities).
        batch_size: clips in a batch, at most.
        seed: of the run.
        epoch: from 1.
        batch_steps: most steps in a batch, of all modalities, padding included; 0: any number.
    """
    generator = np.random.default_rng((seed, epoch))
    jittered = lengths.sum(1) * generator.uniform(1.0, JITTER, len(lengths))
    batches = cut_batches(np.argsort(jittered, kind="stable"), lengths, batch_size, batch_steps)
    return [batches[i] for i in generator.permutation(len(batches))]


def cut_batches(order: Positions, lengths: Positions, batch_size: int, batch_steps: int) -> list[Positions]:
    """Cut clips, by rising length, into batches of like size; a batch of more steps than `batch_steps` into smaller ones."""
    batches: list[Positions] = np.array_split(order, math.ceil(len(order) / batch_size)) if len(order) else []
    return [part for batch in batches for part in (_split(batch, lengths, batch_steps) if batch_steps else [batch])]


def _split(batch: Positions, lengths: Positions, batch_steps: int) -> Iterator[Positions]:
    """Yield a batch in parts that hold no more than `batch_steps` steps each, padding included; a longer clip stands alone."""
    clips = max(1, batch_steps // max(1, int(lengths[batch].max(0).sum())))  # each modality is padded to its own longest
    yield from np.array_split(batch, math.ceil(len(batch) / clips))


def iterate(data: FoldData, index: Tensor, batch_size: int, batch_steps: int = 0) -> Iterator[tuple[Positions, Batch]]:
    """The clips at `index` by rising length, without chance: positions in `index`, and the batch."""
    lengths = data.lengths(index)
    for chosen in cut_batches(np.argsort(lengths.sum(1), kind="stable"), lengths, batch_size, batch_steps):
        yield chosen, data.batch(index[torch.from_numpy(chosen).to(index.device)])
