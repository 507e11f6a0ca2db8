"""What surrounds the head: a blurred room behind it and the shoulders in front of the neck."""

import functools

import cv2
import numpy as np

from pipeline.demo.canvas import Picture, curve, darken, draw_mask, mix
from pipeline.demo.cast import Recording
from pipeline.demo.seeding import generator

CENTRE = (0.5, 0.47)
"""The head's usual place, as shares of the picture's width and height."""


@functools.lru_cache(maxsize=64)
def paint_room(recording: Recording, width: int, height: int) -> Picture:
    """A wall with a few pieces of furniture out of focus, (height, width, 3)."""
    random = generator(recording.number, "room", round(1e6 * recording.zoom))
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = recording.wall
    for _ in range(5):
        left, top = random.uniform(-0.1, 0.9) * width, random.uniform(-0.1, 0.9) * height
        size = random.uniform(0.10, 0.35, 2) * height
        shade = darken(recording.wall, float(random.uniform(0.55, 1.25)))
        colour = mix(shade, (float(random.uniform(40, 200)),) * 3, 0.25)
        cv2.rectangle(picture, (int(left), int(top)), (int(left + size[0]), int(top + size[1])), colour, -1)
    across, down = np.linspace(-1, 1, width)[None, :, None], np.linspace(-1, 1, height)[:, None, None]
    light = 1.04 - 0.10 * across - 0.08 * down - 0.10 * (across**2 + down**2)
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 0.028 * height) * light, 0, 255).round().astype(np.uint8)


@functools.lru_cache(maxsize=64)
def paint_clothes(recording: Recording, width: int, height: int) -> Picture:
    """Shoulders with a collar, (height, width, 4), the colours multiplied by alpha."""
    unit = recording.zoom * height
    x, y = CENTRE[0] * width + recording.offset[0] * height, (CENTRE[1] + recording.offset[1]) * height
    half = [(0.34, 1.22), (0.56, 1.30), (1.05, 1.42), (1.50, 1.62), (1.75, 2.20), (1.80, 3.00)]
    right = curve(*half, count=40)
    neckline = curve((-0.34, 1.22), (-0.20, 1.45), (0.0, 1.55), (0.20, 1.45), (0.34, 1.22), count=20)
    outline = np.concatenate([right[::-1] * (-1, 1), neckline, right]) * unit + (x, y)
    mask = draw_mask(outline, (height, width))
    columns, rows = np.arange(width)[None, :, None], np.arange(height)[:, None, None]
    light = 1.0 - 0.16 * (columns - x) / (1.6 * unit) - 0.22 * np.clip((rows - y) / unit - 1.2, 0, 2)
    colour = np.clip(np.array(recording.clothes) * light, 0, 255)
    hem = draw_mask(neckline * unit + (x, y), (height, width), max(1, round(0.07 * unit)))[..., None] / 255
    colour = colour * (1 - 0.35 * hem)
    return np.dstack([colour * (mask[..., None] / 255), mask]).round().astype(np.uint8)
