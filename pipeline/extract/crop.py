"""Cutting a face out of a picture."""

import math

import cv2
import numpy as np


def crop_face(picture: np.ndarray, box: np.ndarray, size: int, margin: float, square: bool, tilt: float = 0.0) -> np.ndarray:
    """Return a face at a fixed size, uint8 (size, size, 3); beyond the picture's edge its last pixels are repeated.

    Args:
        picture: uint8 (height, width, 3).
        box: left, top, right, bottom of the face (px).
        size: side of the crop (px).
        margin: added to the box, as a share of its sides, half of it at each end. facenet-pytorch's margin of m px is m / (size − m).
        square: cut a square by the box's longer side; otherwise the box is stretched to a square, as facenet-pytorch does.
        tilt: angle (degrees, clockwise in the picture) to turn the face back by.
    """
    sides = (box[2:] - box[:2]) * (1 + margin)
    sides = np.maximum(np.rint(np.repeat(sides.max(), 2) if square else sides), 1).astype(int)
    centre = (box[:2] + box[2:]) / 2
    part = _cut_turned(picture, centre, sides, tilt) if tilt else _cut(picture, centre, sides)
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if sides.min() > size else cv2.INTER_LINEAR)


def tilt_of_eyes(landmarks: np.ndarray) -> float:
    """Return how far the line through the eyes is turned clockwise in the picture (degrees); landmarks (5, 2) px, the eyes first."""
    across, down = landmarks[1] - landmarks[0]
    return math.degrees(math.atan2(down, across))


def _cut(picture: np.ndarray, centre: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Cut an upright rectangle of whole pixels."""
    height, width = picture.shape[:2]
    left, top = np.rint(centre - sides / 2).astype(int)
    right, bottom = left + sides[0], top + sides[1]
    part = picture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    above, below, before, after = (max(int(pixels), 0) for pixels in (-top, bottom - height, -left, right - width))
    if above or below or before or after:
        return cv2.copyMakeBorder(part, above, below, before, after, cv2.BORDER_REPLICATE)
    return part


def _cut_turned(picture: np.ndarray, centre: np.ndarray, sides: np.ndarray, tilt: float) -> np.ndarray:
    """Cut a rectangle that is turned around its centre."""
    pixel = centre - 0.5  # pixel k reaches from k to k + 1; OpenCV counts from its centre
    matrix = cv2.getRotationMatrix2D((float(pixel[0]), float(pixel[1])), tilt, 1.0)
    matrix = matrix + np.column_stack([np.zeros((2, 2)), (sides - 1) / 2 - pixel])
    size = (int(sides[0]), int(sides[1]))
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
