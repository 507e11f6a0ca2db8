"""The pulse of a worker process: what it is at, in memory that its supervisor reads, also when the process is dead.

Decoders call `step` for each packet or picture, so that slow work can be told from work that hangs. Where nobody supervises, the same
calls write into a list.
"""

from typing import Any

STEPS, PLACE, ROWS = range(3)
"""Cells: signs of life so far; the place in the job of the clip at hand; rows of the job that are finished."""
NUM_CELLS = 3
NO_CLIP = -1
_cells: Any = [0, NO_CLIP, 0]


def attach(cells: Any) -> None:
    """Write the pulse of this process into shared cells from now on."""
    global _cells
    _cells = cells


def step() -> None:
    """Give a sign of life."""
    _cells[STEPS] += 1


def begin_job() -> None:
    """Begin to count a job's rows."""
    _cells[PLACE], _cells[ROWS] = NO_CLIP, 0


def begin_clip(place: int) -> None:
    """Say which clip of the job is at hand from now on."""
    _cells[STEPS] += 1
    _cells[PLACE] = place


def finish(num_rows: int) -> None:
    """Count finished rows; no clip is at hand any more."""
    _cells[PLACE] = NO_CLIP
    _cells[ROWS] += num_rows
