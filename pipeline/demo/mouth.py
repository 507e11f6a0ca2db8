"""Mouth and nose, moved by speech and by the action units of the lower face."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.demo.action_units import Face
from pipeline.demo.canvas import Canvas, Points, both, curve, darken, ellipse, mix
from pipeline.demo.cast import Colour, Looks

Array = npt.NDArray[np.float64]

MOUTH_LEVEL = 0.58
TEETH: Colour = (214, 224, 230)
GULLET: Colour = (30, 22, 52)
TONGUE: Colour = (86, 84, 168)

ALONG = np.linspace(-1, 1, 33)
"""Positions from the mouth's right corner to its left."""


def jaw_drop(face: Face) -> float:
    """How far the mouth stands open, in face units; the chin follows by half of it."""
    units = face.units
    speech = 0.165 * face.opening * (1 - 0.35 * units["lip_tighten"])
    return 0.042 * units["lips_part"] + 0.28 * units["jaw_drop"] * (1 - 0.3 * face.opening) + speech


@dataclass(frozen=True)
class _Lips:
    """Edges of the lips: heights at ALONG, (33,), in face units, and half the mouth's width."""

    half: float
    outer_top: Array
    inner_top: Array
    inner_bottom: Array
    outer_bottom: Array

    def edge(self, heights: Array) -> Points:
        points = np.empty((len(ALONG), 2))
        points[:, 0], points[:, 1] = self.half * ALONG, heights
        return points

    def between(self, top: Array, bottom: Array) -> Points:
        return np.concatenate([self.edge(top), self.edge(bottom)[::-1]])


def draw_mouth(canvas: Canvas, looks: Looks, face: Face) -> None:
    """Teeth, tongue, lips, and the folds around them."""
    lips = _shape_lips(looks, face)
    colour = mix(darken(looks.skin, 0.74), (86, 76, 176), 0.42)
    if (lips.inner_bottom - lips.inner_top).max() > 0.012:
        _draw_cavity(canvas, lips)
    canvas.fill([lips.between(lips.outer_top, lips.inner_top)], darken(colour, 0.90), 0.95, blur=0.004)
    canvas.fill([lips.between(lips.inner_bottom, lips.outer_bottom)], colour, 0.95, blur=0.004)
    canvas.stroke([lips.edge(lips.inner_top)], 0.014, darken(colour, 0.42), 0.85, blur=0.004)
    shine = lips.edge(0.45 * lips.inner_bottom + 0.55 * lips.outer_bottom)[10:23]
    canvas.stroke([shine - (0.015, 0)], 0.025, mix(colour, (255, 255, 255), 0.45), 0.5, blur=0.014)
    _draw_folds(canvas, looks, face, lips)


def _shape_lips(looks: Looks, face: Face) -> _Lips:
    units = face.units
    smile, frown, stretch, drop = units["lip_corner_up"], units["lip_corner_down"], units["lip_stretch"], units["jaw_drop"]
    width = 1 + 0.30 * smile + 0.24 * stretch - 0.30 * face.rounding - 0.12 * units["lip_tighten"] - 0.30 * drop + 0.04 * frown
    full = looks.lip_fullness * (1 - 0.55 * units["lip_tighten"] - 0.15 * smile - 0.15 * stretch + 0.25 * face.rounding)
    gap = jaw_drop(face)
    corner = -0.018 - 0.125 * smile + 0.095 * frown + 0.035 * stretch + 0.02 * units["upper_lip"] + 0.30 * gap
    middle = MOUTH_LEVEL - 0.035 * units["chin_raise"] - 0.02 * units["upper_lip"] + 0.012 * smile - 0.10 * gap
    arch = np.clip(1 - ALONG**2, 0, None)
    line = middle + corner * np.abs(ALONG) ** 1.8
    raised = 0.060 * units["upper_lip"] + 0.030 * units["nose_wrinkle"] * units["upper_lip"]
    top = line - (0.22 * gap + raised) * arch**0.7
    bottom = line + 0.90 * gap * arch ** (0.75 - 0.35 * stretch - 0.2 * drop) - 0.03 * raised
    bow = 0.22 * np.exp(-((ALONG / 0.13) ** 2))
    return _Lips(
        half=looks.mouth_width * width,
        outer_top=top - 0.80 * full * (arch**0.75) * (1 - bow),
        inner_top=top,
        inner_bottom=bottom,
        outer_bottom=bottom + (1.0 + 0.20 * units["chin_raise"]) * full * arch**0.6,
    )


def _draw_cavity(canvas: Canvas, lips: _Lips) -> None:
    inside = [lips.between(lips.inner_top, lips.inner_bottom)]
    gap = float((lips.inner_bottom - lips.inner_top).max())
    canvas.fill(inside, GULLET)
    low = float(lips.inner_bottom.max())
    canvas.fill([ellipse(0.0, low + 0.01, 0.55 * lips.half, 0.38 * gap)], TONGUE, 0.9, blur=0.015, inside=inside)
    teeth = np.minimum(lips.inner_top + min(0.065, 0.62 * gap), lips.inner_bottom)
    canvas.fill([lips.between(lips.inner_top, teeth)], TEETH, 0.95, blur=0.006, inside=inside)
    canvas.stroke([lips.edge(lips.inner_top)], 0.03, GULLET, 0.45, blur=0.012, inside=inside)


def _draw_folds(canvas: Canvas, looks: Looks, face: Face, lips: _Lips) -> None:
    units = face.units
    shade = darken(looks.skin, 0.64)
    depth = 0.18 + 0.62 * max(units["lip_corner_up"], 0.9 * units["upper_lip"], 0.7 * units["nose_wrinkle"], 0.4 * units["lip_stretch"])
    corner, low = float(lips.outer_top[0]), float(lips.outer_bottom.max())
    wing, out = 0.8 * looks.nose_width + 0.03, lips.half + 0.06
    cheek = curve((wing, 0.26), (0.5 * (wing + out) + 0.03, 0.36), (out, corner - 0.03), count=12)
    canvas.fill(both(ellipse(lips.half + 0.012, corner, 0.022, 0.018, 12)), shade, 0.7, blur=0.01)
    droop = curve((out * 0.98, corner + 0.02), (out * 1.03, corner + 0.10), (out * 0.98, corner + 0.16), count=8)
    canvas.wrinkle(shade, (cheek, depth), (droop, 0.7 * units["lip_corner_down"]))
    canvas.fill(both(ellipse(0.43, 0.20, 0.15, 0.10)), mix(looks.skin, (190, 200, 255), 0.35), 0.40 * units["cheek_raise"], blur=0.05)
    canvas.fill([ellipse(0.0, low + 0.05, 0.15, 0.03)], shade, 0.45 + 0.2 * units["chin_raise"], blur=0.025)
    dimples = [ellipse(x, low + 0.13, 0.02, 0.016, 10) for x in (-0.07, 0.0, 0.07)]
    canvas.fill(dimples, shade, 0.7 * units["chin_raise"], blur=0.01)
