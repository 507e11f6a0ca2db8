"""A canvas in face units that is drawn on at twice the final resolution: anti-aliased, and soft where wanted."""

import functools
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.demo.cast import Colour

Points = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]
Shapes = Sequence[Points]

BITS = 4
ONE = 1 << BITS
"""OpenCV draws at a sixteenth of a px."""

LEFT, TOP, RIGHT, BOTTOM = -1.45, -1.75, 1.45, 1.75
"""Extent of the canvas in face units: the origin between eyes and mouth, y down, the chin at 1."""


FLATTEN = 1 / np.array([0.95, 1.25])
"""The face as a paraboloid: the reciprocals of its half-axes, in face units."""

CORNER = np.array([LEFT, TOP])
MIRROR = np.array([-1.0, 1.0])


class Canvas:
    """The planes (blue, green, red, alpha) of a head's picture, (4, height, width): plane by plane, blending is fastest.

    Args:
        planes: drawn on in place.
        unit: px per face unit.
        yaw: shift of the nearest point to the right, in face units.
        pitch: shift of the nearest point down, in face units.
    """

    def __init__(self, planes: Picture, unit: float, yaw: float = 0.0, pitch: float = 0.0) -> None:
        self.planes = planes
        self.unit = unit
        self.turn = np.array([yaw, pitch])

    def project(self, points: Points) -> Points:
        """Face units to px, (points, 2); the nearer to the nose, the more a turn of the head shifts a point."""
        away = points * FLATTEN
        nearness = 1 - np.einsum("ij,ij->i", away, away)
        return np.asarray((points + nearness[:, None] * self.turn - CORNER) * self.unit)

    def fill(self, shapes: Shapes, colour: Colour, opacity: float = 1.0, blur: float = 0.0, inside: Shapes = ()) -> None:
        """Fill polygons, (points, 2) each, in face units; blur in face units; `inside` clips them to other polygons."""
        self._blend(shapes, -1, colour, opacity, blur * self.unit, inside)

    def stroke(self, shapes: Shapes, width: float, colour: Colour, opacity: float = 1.0, blur: float = 0.0, inside: Shapes = ()) -> None:
        """Draw open lines, (points, 2) each, of a width in face units."""
        self._blend(shapes, max(1, round(width * self.unit)), colour, opacity, blur * self.unit, inside)

    def wrinkle(self, colour: Colour, *folds: tuple[Points, float]) -> None:
        """Draw folds of the skin and their mirror images, all at once: soft lines (points, 2), each with an opacity."""
        seen = [(line, opacity) for line, opacity in folds if opacity > 0.02]
        if seen:
            levels = [round(255 * opacity) for _, opacity in seen] * 2
            self._blend(both(*(line for line, _ in seen)), max(1, round(0.018 * self.unit)), colour, 1.0, 0.009 * self.unit, (), levels)

    def _blend(
        self, shapes: Shapes, thickness: int, colour: Colour, opacity: float, blur: float, inside: Shapes, levels: Sequence[int] = ()
    ) -> None:
        if opacity <= 0.01:
            return
        drawn = _fixed(self.project(np.concatenate(shapes)))
        margin = int(3 * blur) + max(thickness, 0) + 2
        left, top, across, down = cv2.boundingRect(drawn)
        height, width = self.planes.shape[1:]
        right, bottom = min((left + across) // ONE + margin, width), min((top + down) // ONE + margin, height)
        left, top = max(left // ONE - margin, 0), max(top // ONE - margin, 0)
        if right <= left or bottom <= top:
            return
        mask = _mask(drawn, shapes, (left, top, right, bottom), thickness, levels)
        if blur >= 0.3:
            radius = max(1, round(2.45 * blur - 0.6))
            mask = np.asarray(cv2.stackBlur(mask, (2 * radius + 1, 2 * radius + 1)), np.uint8)
        weight = np.multiply(mask, np.float32(opacity / 255), dtype=np.float32)
        if inside:
            clip = _mask(_fixed(self.project(np.concatenate(inside))), inside, (left, top, right, bottom), -1)
            weight *= np.multiply(clip, np.float32(1 / 255), dtype=np.float32)
        area = self.planes[:3, top:bottom, left:right]
        area[:] = area + (np.array(colour, np.float32)[:, None, None] - area) * weight + np.float32(0.5)


def _fixed(points: Points) -> npt.NDArray[np.int32]:
    """Px to OpenCV's fixed-point numbers, (points, 2)."""
    return np.asarray(points * ONE + 0.5).astype(np.int32)


def _mask(
    drawn: npt.NDArray[np.int32], shapes: Shapes, box: tuple[int, int, int, int], thickness: int, levels: Sequence[int] = ()
) -> Picture:
    """Anti-aliased mask of joined shapes within a box (left, top, right, bottom) in px, (height, width), each at its level."""
    left, top, right, bottom = box
    moved, pieces, start = drawn - np.array([left * ONE, top * ONE], np.int32), [], 0
    for shape in shapes:
        pieces.append(moved[start : start + len(shape)])
        start += len(shape)
    mask = np.zeros((bottom - top, right - left), np.uint8)
    if levels:
        for piece, level in zip(pieces, levels, strict=True):
            cv2.polylines(mask, [piece], False, (level,), thickness, cv2.LINE_AA, shift=BITS)
    elif thickness < 0:
        cv2.fillPoly(mask, pieces, (255,), cv2.LINE_AA, shift=BITS)
    else:
        cv2.polylines(mask, pieces, False, (255,), thickness, cv2.LINE_AA, shift=BITS)
    return mask


def draw_mask(shape: Points, size: tuple[int, int], thickness: int = -1) -> Picture:
    """Anti-aliased mask (height, width) of a polygon in px, or of an open line where the thickness is positive."""
    return _mask(_fixed(shape), [shape], (0, 0, size[1], size[0]), thickness)


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """Between two colours; share 1 is the other."""
    blue, green, red = (a + (b - a) * share for a, b in zip(colour, other, strict=True))
    return blue, green, red


def darken(colour: Colour, factor: float) -> Colour:
    """The colour in shade: darker, and warmer the darker it is."""
    blue, green, red = colour
    return blue * factor**1.25, green * factor**1.1, red * factor


def curve(*knots: tuple[float, float], count: int = 24) -> Points:
    """A smooth line through knots (Catmull-Rom), (points, 2)."""
    return np.asarray(_spline(len(knots), count) @ np.array(knots, dtype=np.float64))


@functools.lru_cache
def _spline(num_knots: int, count: int) -> Points:
    """Weights of the knots in each point of a Catmull-Rom spline, (count, num_knots)."""
    knots = np.eye(num_knots)
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    position = np.linspace(0, num_knots - 1 - 1e-9, count)
    start = position.astype(int)
    t = (position - start)[:, None]
    a, b, c, d = (padded[start + k] for k in range(4))
    return np.asarray(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))


def both(*shapes: Points) -> list[Points]:
    """The shapes and their mirror images on the other side of the face."""
    return [*shapes, *(shape * MIRROR for shape in shapes)]


def ellipse(x: float, y: float, across: float, down: float, count: int = 24) -> Points:
    """An ellipse of half-axes across and down, (points, 2)."""
    return np.asarray(_circle(count) * np.array([across, down]) + np.array([x, y]))


@functools.lru_cache
def _circle(count: int) -> Points:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)
