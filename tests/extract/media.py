"""Videos that a test makes: drawn faces, grey levels that tell the frames apart."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np


def draw_face(picture: np.ndarray, centre: tuple[float, float], height: float) -> np.ndarray:
    """Draw a face that MTCNN takes for one: shaded skin, hair, brows, eyes, nose and mouth; `height` of the head in px."""
    big, shift = cv2.resize(picture, None, fx=4, fy=4), np.array(centre) * 4
    unit = height * 4 / 260

    def ellipse(x: float, y: float, across: float, down: float, colour: tuple[int, int, int], arc: tuple[int, int] = (0, 360)) -> None:
        place = (int(shift[0] + x * unit), int(shift[1] + y * unit))
        cv2.ellipse(big, place, (max(1, int(across * unit)), max(1, int(down * unit))), 0, *arc, colour, -1, cv2.LINE_AA)

    ellipse(0, -25, 105, 130, (50, 35, 25))
    for ring in range(12):
        ellipse(0, 10, 92 - 3 * ring, 122 - 4 * ring, (190 + 4 * ring, 145 + 4 * ring, 115 + 4 * ring))
    for side in (-1, 1):
        ellipse(38 * side, -42, 24, 7, (60, 40, 30))
        ellipse(38 * side, -16, 21, 13, (150, 105, 85))
        ellipse(38 * side, -15, 17, 9, (245, 245, 240))
        ellipse(38 * side, -15, 8, 8, (70, 45, 30))
        ellipse(38 * side, -15, 4, 4, (10, 10, 10))
        ellipse(9 * side, 36, 6, 4, (130, 80, 65))
    ellipse(0, 12, 9, 26, (215, 170, 140))
    ellipse(0, 28, 17, 11, (205, 155, 128))
    ellipse(0, 72, 36, 13, (175, 80, 80))
    ellipse(0, 70, 30, 4, (90, 30, 35))
    small = cv2.resize(cv2.GaussianBlur(big, (0, 0), 2 * unit + 0.5), picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    picture[:] = small
    return picture


def background(width: int = 320, height: int = 240) -> np.ndarray:
    """A quiet wall, RGB uint8 (height, width, 3)."""
    shade = np.linspace(90, 130, height)[:, None, None] + np.linspace(0, 20, width)[None, :, None]
    return np.repeat(shade, 3, 2).astype(np.uint8)


CODECS = {
    ".avi": ("mpeg4", {"g": "12", "bf": "0"}),
    ".mpg": ("mpeg1video", {"g": "12", "bf": "2"}),
    ".webm": ("libvpx", {"g": "12", "deadline": "realtime", "cpu-used": "8"}),
}


def write_video(path: Path, pictures: Sequence[np.ndarray], times: Sequence[float] | None = None, fps: int = 25) -> Path:
    """Write RGB pictures as H.264 with B-frames, or in the codec of the container (in AVI, which knows no presentation times, no B-frames).

    `times` (s) makes the frame rate variable.
    """
    codec, options = CODECS.get(path.suffix, ("libx264", {"crf": "12", "g": "12", "bf": "2"}))
    tick = Fraction(1, fps if times is None else 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 0 if codec == "libx264" else 4_000_000
        stream.codec_context.time_base = tick
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.time_base = tick
            frame.pts = round((index / fps if times is None else times[index]) / tick)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def grey_levels(num: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Pictures whose grey level tells their index: 10 + 4 · index."""
    return [np.full((height, width, 3), 10 + 4 * index, np.uint8) for index in range(num)]


def level(picture: np.ndarray) -> int:
    """The index that a picture of `grey_levels` was made with."""
    return round((float(picture.mean()) - 10) / 4)
