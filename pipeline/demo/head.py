"""The still parts of a speaker's head: neck, ears, shaded face and hair. Eyes, brows, nose and mouth are drawn on top."""

import functools

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.demo.canvas import BOTTOM, LEFT, MIRROR, RIGHT, TOP, Picture, Points, curve, draw_mask, ellipse
from pipeline.demo.cast import Looks
from pipeline.demo.hair import hair_back, hair_front, hair_texture

Field = npt.NDArray[np.float32]

LIGHT = (-0.42, -0.50, 0.76)
"""Where the light comes from: left, above, in front; of length 1."""


@functools.lru_cache(maxsize=256)
def drop_chin(looks: Looks, unit: int, drop: int) -> Picture:
    """The head with its chin dropped by hundredths of a face unit, as planes (4, height, width): cheeks stretch, the neck shrinks."""
    head = paint_head(looks, unit)
    y, x = (axis.astype(np.float32) / unit for axis in np.mgrid[: head.shape[0], : head.shape[1]])
    across, down = np.abs(x + LEFT) / (1.15 * looks.width), y + TOP
    falling = np.interp(down, (0.10, 1.0, 1.10, 1.55), (0, 1, 1, 0)) * np.clip(1 - across**4, 0, 1)
    rows = ((y - drop / 100 * falling) * unit).astype(np.float32)
    return np.stack(cv2.split(cv2.remap(head, x * unit, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)))


@functools.lru_cache(maxsize=16)
def paint_head(looks: Looks, unit: int) -> Picture:
    """The head without its moving parts, (height, width, 4), the colours multiplied by alpha."""
    size = (round((BOTTOM - TOP) * unit), round((RIGHT - LEFT) * unit))
    y, x = (axis.astype(np.float32) for axis in np.mgrid[: size[0], : size[1]] / unit)
    head = _Head(np.zeros((*size, 3), np.float32), np.zeros(size, np.float32), unit)
    x, y = x + LEFT, y + TOP
    texture = hair_texture(looks, x, y, unit)
    skin = np.array(looks.skin, np.float32) * _shade(looks, x, y)
    for shape in hair_back(looks):
        head.lay(shape, 0.62 * texture)
    head.lay(_neck(looks), 0.92 * skin * (1 - 0.30 * _blob(x, y, 0.05, 1.0, 0.50, 0.22))[..., None])
    for side in (-1, 1):
        head.lay(ellipse(side * looks.width * 1.01, 0.12, 0.10, 0.20), 0.86 * skin)
        head.lay(ellipse(side * looks.width * 1.03, 0.12, 0.045, 0.11), 0.68 * skin, blur=0.02)
    outline = _face_outline(looks)
    head.lay(outline, _beard(looks, skin, x, y))
    for shape in hair_front(looks):
        head.darken(shape, outline)
        head.lay(shape, texture)
    return np.dstack([np.clip(head.colour, 0, 255) * head.alpha[..., None], 255 * head.alpha]).round().astype(np.uint8)


def _face_outline(looks: Looks) -> Points:
    """From the top of the skull round the chin, (points, 2)."""
    angle = np.linspace(-np.pi / 2, 1.5 * np.pi, 72, endpoint=False)
    across, down = np.cos(angle), np.sin(angle)
    exponent = np.where(down > 0, 1.70 - 0.83 * looks.jaw, 0.92)
    x = looks.width * np.sign(across) * np.abs(across) ** exponent
    y = np.where(down > 0, down, 1.04 * down)
    return np.stack([x, y], axis=1)


class _Head:
    """Layers of a head on a transparent ground."""

    def __init__(self, colour: Field, alpha: Field, unit: int) -> None:
        self.colour = colour
        self.alpha = alpha
        self.unit = unit

    def _mask(self, shape: Points, blur: float, shift: float = 0.0) -> Field:
        mask = draw_mask((shape - np.array([LEFT, TOP - shift])) * self.unit, self.alpha.shape[:2])
        return np.asarray((cv2.GaussianBlur(mask, (0, 0), blur * self.unit) if blur else mask) / np.float32(255), np.float32)

    def lay(self, shape: Points, colour: Field, blur: float = 0.0) -> None:
        """Put a shape, coloured by a field (height, width, 3), over what is there."""
        mask = self._mask(shape, blur)
        first = (self.alpha == 0)[..., None]
        self.colour[:] = np.where(first, colour, self.colour + (colour - self.colour) * mask[..., None])
        self.alpha[:] = self.alpha + mask * (1 - self.alpha)

    def darken(self, shape: Points, within: Points) -> None:
        """The soft shadow that a shape throws on what is below it."""
        shadow = self._mask(shape, 0.06, shift=0.05) * self._mask(within, 0.0)
        self.colour *= 1 - 0.30 * shadow[..., None]


def _shade(looks: Looks, x: Field, y: Field) -> Field:
    """Light on an egg-shaped head, sockets, cheeks and lips' shadow, as factors on the skin's colour, (height, width, 3)."""
    across, down = x / (looks.width * 1.08), y / 1.18
    toward = np.sqrt(np.clip(1 - across**2 - down**2, 0.02, 1))
    light = np.clip(across * LIGHT[0] + down * LIGHT[1] + toward * LIGHT[2], 0, 1)
    shade = 0.60 + 0.50 * light
    for side in (-1, 1):
        shade -= 0.13 * _blob(x, y, side * looks.eye_distance * 0.96, -0.10, 0.20, 0.13)
        shade += 0.05 * _blob(x, y, side * 0.40, 0.22, 0.18, 0.14)
        shade -= 0.05 * _blob(x, y, side * 0.52, 0.55, 0.14, 0.22)
    shade += 0.07 * _blob(x, y, -0.10, -0.55, 0.34, 0.16) + 0.05 * _blob(x, y, -0.02, 0.90, 0.12, 0.07)
    shade -= 0.10 * _blob(x, y, 0.0, 0.79, 0.17, 0.045)
    flush = sum(_blob(x, y, side * 0.44, 0.30, 0.17, 0.13) for side in (-1, 1)) + 0.7 * _blob(x, y, 0.0, 0.30, 0.13, 0.09)
    shade = np.clip(shade, 0.3, 1.2)
    return np.stack([shade**1.25 * (1 - 0.10 * flush), shade**1.10 * (1 - 0.075 * flush), shade], axis=-1).astype(np.float32)


def _beard(looks: Looks, skin: Field, x: Field, y: Field) -> Field:
    """Skin with the stubble or beard that a speaker may have: jaw and upper lip, not the mouth."""
    if not looks.beard:
        return skin
    jaw = 1 / (1 + np.exp(-(y - 0.52 - 0.75 * (0.55 - np.abs(x)).clip(0, 1) * 0.62) / 0.05))
    lip = np.exp(-(((x / 0.26) ** 2) ** 2) - ((y - 0.455) / 0.045) ** 2)
    cover = np.clip(jaw + lip, 0, 1) * (1 - np.exp(-((x / 0.22) ** 4) - ((y - 0.60) / 0.10) ** 4)) * looks.beard * 0.75
    hair = np.array(looks.hair, np.float32) * 0.85
    return np.asarray(skin + (hair - skin) * cover[..., None], np.float32)


def _neck(looks: Looks) -> Points:
    half = 0.42 + 0.14 * (looks.jaw - 0.8)
    side = curve((half + 0.03, 0.30), (half, 1.10), (half + 0.20, 1.72))
    return np.concatenate([side * MIRROR, side[::-1]])


def _blob(x: Field, y: Field, centre: float, level: float, across: float, down: float) -> Field:
    return np.exp(-(((x - centre) / across) ** 2) - ((y - level) / down) ** 2)
