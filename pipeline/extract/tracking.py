"""The main face of a clip: the path through the faces found in its frames that is worth most.

A face is worth its probability and its size, times the duration of a frame; a step of the path costs as far as the boxes before and after
it fail to overlap. Frames may be left out. So a bystander found while the main face is missed for a moment costs two jumps and earns
little: that frame counts as without a face. One who is seen alone for longer is followed. Dynamic programming finds the best path of the
whole clip.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.extract.detector import Faces

JUMP_SECONDS = 0.3
"""Duration of the best face that a jump to a box without overlap costs; at least JUMP_FRAMES frames, so that one frame never pays two."""
JUMP_FRAMES = 0.6
FREE_OVERLAP = 0.3
"""Intersection over union from which on a step costs nothing."""
LARGEST = 1.5
"""Size, in main faces, beyond which a face earns no more: a false detection can be huge."""


def follow(faces: "Sequence[Faces]", times: Sequence[float]) -> list[int | None]:
    """Choose the main face of each frame.

    Args:
        faces: found in each frame.
        times: of each frame (s), increasing.

    Returns:
        Per frame, the index of its main face, or None.
    """
    chosen: list[int | None] = [None] * len(faces)
    counts = [len(found.box) for found in faces]
    if not sum(counts):
        return chosen
    interval = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    jump = max(JUMP_SECONDS, JUMP_FRAMES * interval)
    boxes = np.concatenate([found.box for found in faces]).astype(np.float64)
    values = _values(faces, boxes) * interval
    frame = np.repeat(np.arange(len(faces)), counts)
    for index in _best_path(boxes, values, frame, jump):
        chosen[frame[index]] = int(index - np.searchsorted(frame, frame[index]))
    return chosen


def _values(faces: "Sequence[Faces]", boxes: np.ndarray) -> np.ndarray:
    """Return the worth of each face per second, (faces,): 1 for a sure one of the main face's size."""
    side = np.sqrt((boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(1))
    probability = np.concatenate([found.probability for found in faces])
    largest = [np.sqrt((found.box[:, 2:] - found.box[:, :2]).clip(min=0).prod(1)).max() for found in faces if len(found.box)]
    return (side / max(np.median(largest), 1e-6)).clip(max=LARGEST) * (2 * probability - 1).clip(min=0)


def _best_path(boxes: np.ndarray, values: np.ndarray, frame: np.ndarray, jump: float) -> list[int]:
    """Return the faces of the path that is worth most, in the order of time.

    Args:
        boxes: (faces, 4) px, in the order of time.
        values: worth of each face.
        frame: index of each face's frame, not decreasing.
        jump: what a step between boxes without overlap costs.
    """
    worth, previous = values.copy(), np.full(len(values), -1)
    for index in range(len(boxes)):
        earlier = int(np.searchsorted(frame, frame[index]))
        if not earlier:
            continue
        step = worth[:earlier] - jump * (1 - overlaps(boxes[index], boxes[:earlier]) / FREE_OVERLAP).clip(min=0)
        best = int(earlier - 1 - step[::-1].argmax())
        if step[best] > 0:
            worth[index] += step[best]
            previous[index] = best
    path = [int(worth.argmax())]
    while previous[path[-1]] >= 0:
        path.append(int(previous[path[-1]]))
    return path[::-1]


def overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over union of a box with each of `others`, (n,)."""
    sides = (np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])).clip(min=0)
    intersection = sides.prod(1)
    return intersection / ((box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - intersection).clip(min=1e-9)
