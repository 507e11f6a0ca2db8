"""The setting of the CH-SIMS tables: text 39 × 768, audio 400 × 33, video 55 × 709, one value, labels of each modality."""

from itertools import pairwise

import torch

from pipeline.fusion.base import Batch, ModelSpec, make_model

SHAPES = {"text": (39, 768), "audio": (400, 33), "video": (55, 709)}
SPEC = ModelSpec("regression", 1, {m: dim for m, (_, dim) in SHAPES.items()}, {}, ("M", "T", "A", "V"), 0.5, ("text",))


def make_sims_batch(size: int = 2) -> Batch:
    """Clips of the longest length, with labels in [−1, 1]."""
    generator = torch.Generator().manual_seed(0)
    features = {m: torch.randn(size, *shape, generator=generator) for m, shape in SHAPES.items()}
    padding_mask = {m: torch.zeros(size, time, dtype=torch.bool) for m, (time, _) in SHAPES.items()}
    present = {m: torch.ones(size, dtype=torch.bool) for m in SHAPES}
    targets = {a: torch.rand(size, 1, generator=generator) * 2 - 1 for a in SPEC.annotations}
    return Batch(torch.arange(size), features, padding_mask, present, {}, targets, epoch=1)


def count_parameters(name: str, **hyperparams: int) -> int:
    """Learned numbers of a row with its defaults, but for `hyperparams`."""
    return sum(p.numel() for p in make_model(name, hyperparams, SPEC).parameters())


def linear(*widths: int) -> int:
    """Weights and biases of linear layers one after the other."""
    return sum((a + 1) * b for a, b in pairwise(widths))


def lstm(in_dim: int, dim: int) -> int:
    """Weights and torch's two biases of an LSTM."""
    return 4 * dim * (in_dim + dim + 2)


def average_net(in_dim: int, dim: int) -> int:
    """Batch normalisation and three layers."""
    return 2 * in_dim + linear(in_dim, dim, dim, dim)
