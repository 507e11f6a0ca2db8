"""The faces of a clip, from the JPEG bytes of a faces row to pictures."""

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ShardError
from pipeline.shards.extractor import Row, Skip

if TYPE_CHECKING:
    from torch import Tensor


def decode_faces(row: Row, image_size: int, frames: np.ndarray) -> "list[Tensor] | Skip":
    """Return the pictures of these frames, (image_size, image_size, 3) uint8 RGB each.

    A JPEG decodes at an eighth, a quarter or half its size at less cost; that is used where it is still large enough.

    Raises:
        ShardError: the bytes are no JPEG.
    """
    import cv2
    import torch

    if not len(frames):
        return Skip("no_face")
    ends = np.cumsum(row["jpeg_size"], dtype=np.int64)
    pictures = []
    for frame in frames:
        data = row["jpeg"][ends[frame] - int(row["jpeg_size"][frame]) : ends[frame]]
        picture = cv2.imdecode(data, _decoding(data, image_size))
        if picture is None:
            raise ShardError(f"the picture of frame {frame} is no JPEG; delete the faces and run crop_faces again")
        if picture.shape[:2] != (image_size, image_size):
            picture = cv2.resize(picture, (image_size, image_size), interpolation=cv2.INTER_AREA)
        pictures.append(torch.from_numpy(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)))
    return pictures


def found_times(row: Row) -> np.ndarray:
    """Return the times of the frames with a face, (frames,) s from the clip's start."""
    times: np.ndarray = row["time"][row["jpeg_size"] > 0].astype(np.float32)
    return times


def _decoding(data: np.ndarray, image_size: int) -> int:
    """Return OpenCV's flag for the smallest size that is still large enough."""
    import cv2

    flags = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
    side = _jpeg_side(data)
    return next((flag for part, flag in flags.items() if side >= part * image_size), cv2.IMREAD_COLOR)


def _jpeg_side(data: np.ndarray) -> int:
    """Return the shorter side in pixels that a JPEG's frame header states, 0 where there is none (ITU-T T.81, B.2.2)."""
    place, data = 2, np.asarray(data)
    while place + 9 < len(data) and data[place] == 0xFF:
        if 0xC0 <= data[place + 1] <= 0xC2:
            height, width = (int(data[place + i]) * 256 + int(data[place + i + 1]) for i in (5, 7))
            return min(height, width)
        place += 2 + int(data[place + 2]) * 256 + int(data[place + 3])
    return 0
