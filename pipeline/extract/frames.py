"""Sampling of pictures by time, and folders of pictures.

A folder's pictures follow each other at the clip's frame rate. Where the clip's media is a pattern, such as `take1/image_*.jpg`, the star
stands for the picture's number, and its time is (number − first number) / frame rate: pictures may be missing, and a folder may hold
several series.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from pipeline.clips.clip import Clip
from pipeline.clips.frames import list_frames
from pipeline.errors import MediaError
from pipeline.extract.media import ABSURD, MAX_PIXELS, UNREADABLE
from pipeline.shards import pulse
from pipeline.shards.extractor import Skip

NO_VIDEO = Skip("no_video")
SLACK = 0.002
"""Seconds that time stamps are off: some containers round them to 1 ms."""
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Frame:
    """One picture of a clip.

    Args:
        time: seconds from the clip's start.
        picture: RGB, uint8 (height, width, 3).
    """

    time: float
    picture: np.ndarray


class Sampler:
    """Decides, picture by picture in the order of presentation, which are taken.

    Args:
        fps: pictures per second; more than the video has takes each picture once.
    """

    def __init__(self, fps: float) -> None:
        self.fps, self._next = fps, 0

    def takes(self, time: float) -> bool:
        """Whether to take the picture shown at `time` (s from the clip's start)."""
        tick = math.floor((time + SLACK) * self.fps)
        if time < -SLACK or tick < self._next:
            return False
        self._next = tick + 1
        return True


def read_pictures(clip: Clip, media: Path, name: str, fps: float) -> Iterator[Frame] | Skip:
    """Read the pictures of a folder, or of a series in it, up to the first sampled one; pictures that cannot be decoded are left out.

    Args:
        clip: whose pictures they are.
        media: the corpus' media folder.
        name: of the folder or series below it.
        fps: pictures per second.

    Raises:
        MediaError: the clip has no frame rate, or the series is not on this machine.
    """
    path = media / name
    if not clip.frame_rate:
        raise MediaError(f"clip {clip.id}: {path} is a folder of pictures; give its frame_rate (Hz) in the corpus' labels")
    numbered = list(enumerate(_list_folder(path))) if path.is_dir() else list_frames(media, name)
    if not numbered and not path.is_dir():
        raise MediaError(f"clip {clip.id}: no picture {path} is here; add the folder, or pull the features (dvc pull)")
    refused: set[Skip] = set()
    times = [((number - numbered[0][0]) / clip.frame_rate - clip.start, file) for number, file in numbered]
    frames = _sample(clip, times, fps, refused)
    first = next(frames, None)
    if first is None:
        return ABSURD if ABSURD in refused else UNREADABLE if refused else NO_VIDEO
    return chain([first], frames)


def _list_folder(path: Path) -> list[Path]:
    """Return the pictures of a folder, in the order of the numbers in their names."""
    return sorted((file for file in path.iterdir() if file.suffix.lower() in PICTURES), key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Order names by the numbers in them: frame2 before frame10."""
    return [(int(digits or 0), text) for digits, text in re.findall(r"(\d*)(\D*)", path.name)]


def _sample(clip: Clip, files: list[tuple[float, Path]], fps: float, refused: set[Skip]) -> Iterator[Frame]:
    """Yield the sampled pictures of `files` (s from the clip's start, in order); why others cannot be had is added to `refused`."""
    sampler = Sampler(fps)
    for time, file in files:
        if clip.end is not None and time >= clip.end - clip.start - SLACK:
            return
        if sampler.takes(time):
            pulse.step()
            picture = _read_picture(file)
            if isinstance(picture, Skip):
                refused.add(picture)
            else:
                yield Frame(time, picture)


def _read_picture(file: Path) -> np.ndarray | Skip:
    """Decode a picture, RGB uint8 (height, width, 3), if its header asks for a size that a picture has."""
    from PIL import Image

    if not file.is_file():
        return UNREADABLE
    try:
        with Image.open(file) as header:
            width, height = header.size
    except Image.DecompressionBombError:
        return ABSURD
    except (OSError, ValueError):
        return UNREADABLE
    if width * height > MAX_PIXELS:
        return ABSURD
    picture = cv2.imread(str(file))
    return UNREADABLE if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
