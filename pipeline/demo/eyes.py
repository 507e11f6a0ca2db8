"""Eyes and brows, moved by the action units of the upper face."""

from dataclasses import dataclass

import numpy as np

from pipeline.demo.action_units import Face
from pipeline.demo.canvas import Canvas, Points, both, curve, darken, ellipse, mix
from pipeline.demo.cast import Colour, Looks

EYE_LEVEL = -0.10
WHITE: Colour = (226, 232, 236)
LASH: Colour = (26, 26, 34)


@dataclass(frozen=True)
class _Lids:
    """The right side's lids as lines (points, 2), and how far they stand from the eye's middle, in face units."""

    over: Points
    under: Points
    upper: float
    lower: float


def draw_eyes(canvas: Canvas, looks: Looks, face: Face) -> None:
    """Eyes with their lids and folds, and glasses."""
    lids = _shape_lids(looks, face)
    if lids.upper + lids.lower > 0.02:
        _draw_eyeballs(canvas, looks, face, both(np.concatenate([lids.over, lids.under[1:-1]])))
    canvas.stroke(both(lids.over), 0.026, LASH, 0.95, blur=0.004)
    canvas.stroke(both(lids.under), 0.012, darken(looks.skin, 0.45), 0.7, blur=0.004)
    _draw_folds(canvas, looks, face, lids)
    if looks.glasses:
        _draw_glasses(canvas, looks)


def _place(looks: Looks, *knots: tuple[float, float], count: int = 18) -> Points:
    """A curve through knots given outward and down from the right eye's centre, in face units."""
    return np.asarray(curve(*knots, count=count) + np.array([looks.eye_distance, EYE_LEVEL]))


def _shape_lids(looks: Looks, face: Face) -> _Lids:
    units, size = face.units, looks.eye_size
    upper = 0.54 + 0.36 * units["lid_raise"] - 0.20 * units["lid_tighten"] - 0.14 * units["cheek_raise"] - 0.12 * units["lip_corner_down"]
    lower = 0.36 + 0.06 * units["lid_raise"] - 0.20 * units["lid_tighten"] - 0.20 * units["cheek_raise"]
    upper = size * (upper * (1 - face.blink) - 0.3 * lower * face.blink)
    lower = size * lower * (1 - 0.35 * face.blink)
    inner, outer = (-size, 0.018), (size, -0.012 + 0.03 * units["inner_brow"] * (1 - units["outer_brow"]))
    over = _place(looks, inner, (-0.45 * size, -0.86 * upper), (0.10 * size, -upper), (0.62 * size, -0.66 * upper), outer)
    under = _place(looks, outer, (0.45 * size, 0.90 * lower), (-0.10 * size, lower), (-0.62 * size, 0.62 * lower + 0.006), inner)
    return _Lids(over, under, upper, lower)


def _draw_eyeballs(canvas: Canvas, looks: Looks, face: Face, lids: list[Points]) -> None:
    size = looks.eye_size
    x = 0.16 * size * face.gaze[0] + 0.25 * canvas.turn[0]
    y = EYE_LEVEL - 0.035 * size + 0.08 * size * face.gaze[1] + 0.25 * canvas.turn[1]

    def discs(radius: float, right: float = 0.0, down: float = 0.0) -> list[Points]:
        middles = (x + side * looks.eye_distance + right * size for side in (-1, 1))
        return [ellipse(middle, y + down * size, radius * size, radius * size, 20) for middle in middles]

    canvas.fill(lids, WHITE, 0.97)
    canvas.fill(discs(0.47), darken(looks.iris, 0.55), inside=lids)
    canvas.fill(discs(0.37, down=0.03), mix(looks.iris, (200, 200, 200), 0.15), blur=0.006, inside=lids)
    canvas.fill(discs(0.20), (14, 14, 16), inside=lids)
    canvas.stroke([shape[:18] + np.array([0, 0.022]) for shape in lids], 0.04, (70, 70, 84), 0.55, blur=0.012, inside=lids)
    canvas.fill(discs(0.085, -0.15, -0.16), (252, 252, 252), 0.95, inside=lids)


def _draw_folds(canvas: Canvas, looks: Looks, face: Face, lids: _Lids) -> None:
    units, size = face.units, looks.eye_size
    fold = lids.upper + 0.052 - 0.02 * units["lid_raise"]
    crease = _place(looks, (-0.8 * size, -0.5 * fold), (0.0, -fold), (0.9 * size, -0.55 * fold))
    bag = 0.15 + 0.36 * max(units["cheek_raise"], 0.6 * units["lid_tighten"])
    pouch = lids.lower + 0.075 - 0.02 * units["cheek_raise"]
    under = _place(looks, (-0.75 * size, 0.7 * pouch), (0.0, pouch), (0.8 * size, 0.6 * pouch))
    feet = [_place(looks, (1.15 * size, 0.01 + 0.3 * slope), (1.55 * size, 0.01 + slope), count=4) for slope in (-0.05, 0.03, 0.10)]
    canvas.wrinkle(darken(looks.skin, 0.58), (crease, 0.55), (under, bag), *((foot, 0.6 * units["cheek_raise"]) for foot in feet))


def draw_brows(canvas: Canvas, looks: Looks, face: Face) -> None:
    """Brows, and the wrinkles of forehead and glabella."""
    units = face.units
    level = EYE_LEVEL - looks.brow_height
    frown = curve((0.055, level - 0.05), (0.048, level + 0.05), (0.062, level + 0.14), count=8)
    spread = 0.16 + 0.26 * units["outer_brow"]
    furrows = [
        curve((0.0, level - up), (0.5 * spread, level - up + 0.005), (spread, level - up + 0.02), count=8) for up in (0.17, 0.22, 0.27)
    ]
    raised = 0.45 * max(units["inner_brow"], units["outer_brow"])
    frowning = 0.75 * units["brow_lower"] * (1 - 0.5 * units["inner_brow"])
    canvas.wrinkle(darken(looks.skin, 0.62), (frown, frowning), *((furrow, raised) for furrow in furrows))
    hair = darken(mix(looks.hair, darken(looks.skin, 0.35), 0.6), 0.62)
    canvas.fill(both(_shape_brow(looks, face, level)), hair, 0.92, blur=0.010)


def _shape_brow(looks: Looks, face: Face, level: float) -> Points:
    """Outline of the right brow, (points, 2), about a level in face units."""
    units = face.units
    inner, outer, lower, wrinkle = units["inner_brow"], units["outer_brow"], units["brow_lower"], units["nose_wrinkle"]
    knots = np.array(
        [
            (-1.15 - 0.25 * lower, 0.005 - 0.125 * inner + 0.085 * lower + 0.05 * wrinkle),
            (-0.55 - 0.15 * lower, -0.015 - 0.095 * inner - 0.03 * outer + 0.075 * lower + 0.045 * wrinkle),
            (0.30, -0.035 - 0.035 * inner - 0.095 * outer + 0.040 * lower + 0.02 * wrinkle),
            (1.20, 0.015 + 0.02 * inner - 0.080 * outer + 0.015 * lower),
        ]
    )
    middle = knots * (looks.eye_size, 1) + (looks.eye_distance, level)
    half = 0.5 * looks.brow_thickness * np.array([(0, 0.75), (0, 1.0), (0, 0.85), (0, 0.15)])
    return np.concatenate([curve(*(middle - half)), curve(*(middle + half))[::-1]])


def _draw_glasses(canvas: Canvas, looks: Looks) -> None:
    away = looks.eye_distance
    rim = ellipse(away + 0.02, EYE_LEVEL + 0.02, 0.255, 0.19, 40)[np.arange(41) % 40]
    temple = np.array([(away + 0.27, EYE_LEVEL), (looks.width * 0.99, EYE_LEVEL + 0.03)])
    bridge = curve((-away + 0.235, EYE_LEVEL), (0.0, EYE_LEVEL - 0.03), (away - 0.235, EYE_LEVEL))
    canvas.stroke([bridge, *both(rim, temple)], 0.02, (38, 36, 44), 0.9)
