"""The nose, moved by action unit 9."""

from pipeline.demo.action_units import Face
from pipeline.demo.canvas import Canvas, both, curve, darken, ellipse, mix
from pipeline.demo.cast import Looks


def draw_nose(canvas: Canvas, looks: Looks, face: Face) -> None:
    """Bridge, tip, wings and nostrils; a wrinkled nose lifts its wings and folds the skin of its bridge."""
    wrinkled = face.units["nose_wrinkle"]
    tip, wide = -0.08 + looks.nose_length, looks.nose_width
    shade, dark, light = darken(looks.skin, 0.68), darken(looks.skin, 0.55), mix(looks.skin, (255, 255, 255), 0.35)
    canvas.stroke([curve((0.075, -0.16), (0.065, 0.08), (0.55 * wide, tip - 0.10), count=12)], 0.05, shade, 0.34, blur=0.028)
    canvas.stroke([curve((-0.085, -0.18), (-0.06, -0.02), (-0.05, 0.06), count=12)], 0.03, shade, 0.22, blur=0.02)
    bridge = curve((-0.012, -0.12), (-0.015, 0.10), (-0.01, tip - 0.08), count=12)
    canvas.stroke([bridge], 0.04, light, 0.40, blur=0.022)
    canvas.fill([ellipse(-0.015, tip - 0.065, 0.055, 0.045)], light, 0.45, blur=0.025)
    canvas.fill([ellipse(0.01, tip + 0.045, 0.85 * wide, 0.028)], shade, 0.55, blur=0.022)
    up = tip - 0.035 * wrinkled
    wing = curve((0.72 * wide, up - 0.13), (wide, up - 0.06), (0.92 * wide, up), (0.62 * wide, tip + 0.012), count=12)
    canvas.fill(both(ellipse(0.48 * wide, 0.5 * (tip + up) + 0.004, 0.27 * wide, 0.022, 14)), darken(looks.skin, 0.26), 0.85, blur=0.007)
    levels = (-0.10, -0.045, 0.01)
    folds = [curve((0.015, y), (0.08, y - 0.025), (0.12, y - 0.06), count=8) for y in levels]
    canvas.wrinkle(dark, (wing, 0.62), *((fold, 0.75 * wrinkled) for fold in folds))
