"""One frame: room, head and clothes put together."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from pipeline.demo.action_units import Face
from pipeline.demo.canvas import LEFT, TOP, Canvas, Picture
from pipeline.demo.cast import Looks, Recording
from pipeline.demo.eyes import draw_brows, draw_eyes
from pipeline.demo.head import drop_chin
from pipeline.demo.mouth import draw_mouth, jaw_drop
from pipeline.demo.nose import draw_nose
from pipeline.demo.room import CENTRE, paint_clothes, paint_room

UNIT_SHARE = 0.5
"""Px of a face unit on the canvas, as a share of the picture's height: nearly twice as fine as in the picture."""


def draw_frames(looks: Looks, recording: Recording, faces: Iterable[Face], width: int, height: int) -> Iterator[Picture]:
    """Pictures (height, width, 3), blue, green, red, one for each face."""
    room = paint_room(recording, width, height)
    clothes = paint_clothes(recording, width, height)
    table = _light_table(recording)
    for face in faces:
        picture = _lay(room, _place_head(draw_head(looks, face, round(UNIT_SHARE * height)), recording, face, width, height))
        half = height // 2
        picture[half:] = _lay(picture[half:], clothes[half:])
        yield np.asarray(cv2.LUT(picture, table), np.uint8)


def draw_head(looks: Looks, face: Face, unit: int) -> Picture:
    """The head with its moving parts, (height, width, 4) on its canvas, unturned."""
    drop = jaw_drop(face)
    canvas = Canvas(drop_chin(looks, unit, round(50 * drop)).copy(), unit, face.yaw, face.pitch)
    draw_nose(canvas, looks, face)
    draw_mouth(canvas, looks, face)
    draw_eyes(canvas, looks, face)
    draw_brows(canvas, looks, face)
    return np.asarray(cv2.merge(list(canvas.planes)), np.uint8)


def _place_head(head: Picture, recording: Recording, face: Face, width: int, height: int) -> Picture:
    """Scale, tilt about the neck and move the head into the picture, (height, width, 4)."""
    unit = recording.zoom * height
    scale = unit / (UNIT_SHARE * height)
    cosine, sine = scale * np.cos(face.roll), scale * np.sin(face.roll)
    pivot = np.array([-LEFT, 1.0 - TOP]) * UNIT_SHARE * height
    x = CENTRE[0] * width + recording.offset[0] * height + face.shift[0] * unit
    y = CENTRE[1] * height + recording.offset[1] * height + (1.0 + face.shift[1] + 0.3 * face.pitch) * unit
    turn = np.array([[cosine, -sine], [sine, cosine]])
    matrix = np.column_stack([turn, np.array([x, y]) - turn @ pivot])
    return np.asarray(cv2.warpAffine(head, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0)), np.uint8)


def _lay(below: Picture, above: Picture) -> Picture:
    """Put a picture with alpha, its colours already multiplied by it, over another, (height, width, 3)."""
    clear = cv2.bitwise_not(above[..., 3])
    seen = cv2.multiply(below, cv2.merge([clear] * 3), scale=1 / 255)
    return np.asarray(cv2.add(cv2.cvtColor(above, cv2.COLOR_BGRA2BGR), seen), np.uint8)


def _light_table(recording: Recording) -> Picture:
    """The light's tint as a look-up table, (256, 1, 3)."""
    levels = np.arange(256)[:, None, None] * np.array(recording.light)
    return np.asarray(np.clip(levels, 0, 255).round(), np.uint8)
