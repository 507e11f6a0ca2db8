"""Weights are drawn from torch's global generator: each test begins it anew, whatever ran before, on one thread, as a training has."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seed() -> None:
    """Begin torch's generator anew."""
    torch.manual_seed(0)
