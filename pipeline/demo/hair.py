"""Hair styles: shapes behind and in front of the face, and the hair's texture."""

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.demo.canvas import Points, curve, ellipse
from pipeline.demo.cast import Looks
from pipeline.demo.seeding import generator

Field = npt.NDArray[np.float32]

FALL = {"short": None, "receding": None, "bun": None, "bob": 0.72, "long": 1.60, "curly": 0.45}
"""How far down the hair falls behind the face, in face units; None: not at all."""

HAIRLINE = {"short": -0.72, "receding": -0.84, "bun": -0.72, "bob": -0.70, "long": -0.74, "curly": -0.72}
"""Height of the hair's edge over the forehead, in face units."""

VOLUME = {"short": 1.07, "receding": 1.03, "bun": 1.06, "bob": 1.13, "long": 1.12, "curly": 1.20}
"""Size of the hair's outline, as a factor on the skull's."""


def hair_back(looks: Looks) -> list[Points]:
    """Shapes behind neck and face, (points, 2) each."""
    fall = FALL[looks.style]
    if looks.style == "bun":
        return [ellipse(0.0, -1.22, 0.30, 0.26)]
    if fall is None:
        return []
    wide = looks.width * VOLUME[looks.style]
    if looks.style == "curly":
        return [_curls(looks, wide, fall)]
    tip = 0.86 if looks.style == "bob" else 1.02
    knots = [(-wide * tip, fall), (-wide * 1.10, 0.5 * fall), (-wide * 1.04, -0.45), (-0.62 * wide, -1.06), (0.0, -1.24)]
    return [curve(*knots, *[(-x, y) for x, y in reversed(knots[:-1])], count=64)]


def hair_front(looks: Looks) -> list[Points]:
    """The cap of hair over the skull, down to the hairline, (points, 2) each."""
    wide, line, size = looks.width, HAIRLINE[looks.style], VOLUME[looks.style]
    temple = -0.14 if FALL[looks.style] else -0.24
    start = np.arcsin(-temple / (1.06 * size))
    angle = np.linspace(np.pi - start, start, 90)
    ripple = _ripple(looks, angle) if looks.style == "curly" else 1.0
    across, up = np.cos(angle), np.sin(angle)
    outer = np.stack([wide * size * ripple * np.sign(across) * np.abs(across) ** 0.85, -1.06 * size * ripple * up], axis=1)
    part = 0.22 if looks.style in ("short", "bob", "long") else 0.0
    above, middle = line + 0.25, line + 0.02
    side, front = (0.95 * np.sqrt(1 - (y / 1.06) ** 2) for y in (above, middle))
    edge = [(0.985, temple), (side, above), (0.75 * front, middle), (part, line - 0.07)]
    edge += [(-0.70 * front, middle), (-side, above), (-0.985, temple)]
    return [np.concatenate([outer, curve(*edge, count=40) * (wide, 1)])]


def hair_texture(looks: Looks, x: Field, y: Field, unit: int) -> Field:
    """Colour of hair everywhere on the canvas: strands or curls, and a band of light, (height, width, 3)."""
    random = generator(0, "hair", round(1e6 * looks.width))
    noise = random.standard_normal(x.shape).astype(np.float32)
    curly = looks.style == "curly"
    blurred = cv2.GaussianBlur(noise, (0, 0), (0.03 if curly else 0.010) * unit, sigmaY=(0.03 if curly else 0.20) * unit)
    strands = blurred / blurred.std()
    shine = np.exp(-(((np.hypot(x + 0.25, 0.8 * (y + 0.2)) - 0.80) / 0.16) ** 2)) * (y < -0.2)
    factor = 0.86 + 0.10 * strands + 0.30 * shine - 0.12 * (x > 0) * np.clip(x, 0, 1)
    return np.asarray(np.array(looks.hair, np.float32) * factor[..., None] + 22 * shine[..., None], np.float32).clip(0, 255)


def _curls(looks: Looks, wide: float, bottom: float) -> Points:
    """A mass of curls behind the head, (points, 2)."""
    angle = np.linspace(0, 2 * np.pi, 140, endpoint=False)
    middle, ripple = (bottom - 1.30) / 2, _ripple(looks, angle)
    return np.stack([1.06 * wide * ripple * np.cos(angle), middle + (bottom - middle) * ripple * np.sin(angle)], axis=1)


def _ripple(looks: Looks, angle: Points) -> Points:
    """Bumps of an outline, as factors on its radius, (points,)."""
    return np.asarray(1 + 0.05 * np.abs(np.sin(7.5 * angle + 10 * looks.width)) + 0.02 * np.sin(17 * angle))
