"""Area averaging by summed-area tables (Crow, 1984): any number of resizings of one picture, each a few look-ups.

The arithmetic is that of `torch.nn.functional.interpolate(mode="area")`, which MTCNN's networks were given in facenet-pytorch: output
pixel i of n averages the input pixels from floor(i·size/n) up to ceil((i+1)·size/n). MTCNN's boxes move by several pixels under other
ways of scaling.
"""

import cv2
import numpy as np


class AreaTable:
    """The sums of a picture over every rectangle from its corner.

    Args:
        picture: RGB, uint8 (height, width, 3).
    """

    def __init__(self, picture: np.ndarray) -> None:
        self.height, self.width = picture.shape[:2]
        self._sums = cv2.integral(picture)

    def resize(self, width: int, height: int) -> np.ndarray:
        """Return the picture at another size, float32 (height, width, 3)."""
        top, bottom = _edges(0, self.height, height)
        left, right = _edges(0, self.width, width)
        rows = self._sums.take(bottom, 0) - self._sums.take(top, 0)
        sums = rows.take(right, 1) - rows.take(left, 1)
        return _mean(sums, (bottom - top)[:, None, None] * (right - left)[None, :, None])

    def crop(self, boxes: np.ndarray, side: int) -> np.ndarray:
        """Return parts of the picture, each resized to a square.

        Args:
            boxes: int (n, 4): left, top, right, bottom (px), the last two exclusive; not empty.
            side: of each crop (px).

        Returns:
            float32 (n, side, side, 3).
        """
        left, right = _edges(boxes[:, :1], boxes[:, 2:3] - boxes[:, :1], side)
        top, bottom = _edges(boxes[:, 1:2], boxes[:, 3:4] - boxes[:, 1:2], side)
        sums = self._at(bottom, right) - self._at(top, right) - self._at(bottom, left) + self._at(top, left)
        return _mean(sums, (bottom - top)[:, :, None, None] * (right - left)[:, None, :, None])

    def _at(self, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Look up a grid of rows and columns for each crop, (n, side) and (n, side) → (n, side, side, 3)."""
        index = row[:, :, None] * (self.width + 1) + column[:, None, :]
        return self._sums.reshape(-1, 3).take(index, 0)


def _edges(first: np.ndarray | int, length: np.ndarray | int, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where each of `num` cells of a stretch of pixels begins and ends."""
    cell = np.arange(num)
    return first + cell * length // num, first - (-(cell + 1) * length // num)


def _mean(sums: np.ndarray, area: np.ndarray) -> np.ndarray:
    return np.multiply(sums, np.reciprocal(area.astype(np.float32)), dtype=np.float32)
