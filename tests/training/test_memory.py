"""A run answers for its own memory, whatever its process held or freed before."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.training import memory
from pipeline.training.memory import AddedMemory

MIB = 2**20
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets a process's high-water mark back")


def use(mebibytes: int) -> None:
    """Hold and free memory."""
    assert np.ones(mebibytes * MIB, np.uint8)[-1] == 1


@linux
def test_what_was_held_for_a_moment_counts_and_what_came_before_does_not() -> None:
    use(128)
    held, added = np.ones(32 * MIB, np.uint8), AddedMemory(torch.device("cpu"))
    use(64)
    assert held[-1] == 1
    assert 60 * MIB < (added.peak() or 0) < 80 * MIB
    small = AddedMemory(torch.device("cpu"))
    use(8)
    assert 7 * MIB < (small.peak() or 0) < 24 * MIB


def test_where_no_mark_can_be_set_back_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "PROCESS", tmp_path / "none")
    assert AddedMemory(torch.device("cpu")).peak() is None
