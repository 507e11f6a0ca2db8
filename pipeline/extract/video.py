"""The pictures of a clip: sampled by presentation time, upright, cut to the clip's region.

A file's clock starts where its earliest stream starts, for sound and picture alike: what a player shows as 0:00. Sampling takes the first
picture at or after each multiple of 1/fps from the clip's start, so a variable frame rate is no matter and a clip never holds a picture of
the clip before. Pictures between the samples are decoded, since others are predicted from them, but never converted to RGB.
"""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.clips.clip import Clip
from pipeline.errors import ManifestError, MediaError
from pipeline.shards.extractor import Skip

UNREADABLE = Skip("unreadable_media")
NO_VIDEO = Skip("no_video")
SLACK = 0.002
"""Seconds that time stamps are off: some containers round them to 1 ms."""
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
REORDERING = 0.5
"""Seconds by which a key frame may be stored earlier than it is shown."""
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


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


def read_frames(clip: Clip, media: Path, fps: float) -> "Iterator[Frame] | Skip":
    """Read a clip's pictures, sampled at `fps`; what follows damage beyond repair is left out.

    Args:
        clip: whose media is a video file or a folder of pictures.
        media: the corpus' media folder.
        fps: pictures per second.

    Raises:
        MediaError: the media is not on this machine, or a folder of pictures has no frame rate.
        ManifestError: the clip's region is no part of a picture.
    """
    if clip.media is None:
        return NO_VIDEO
    path = media / clip.media
    if not os.access(path, os.R_OK):
        raise MediaError(f"clip {clip.id}: {path} is not here or not readable; add the file, or pull the features (dvc pull)")
    frames = _read_folder(clip, path, fps) if path.is_dir() else _open_file(clip, path, fps)
    return frames if isinstance(frames, Skip) else _cut(clip, frames)


def _cut(clip: Clip, frames: Iterator[Frame]) -> Iterator[Frame]:
    """Yield the clip's region of each frame."""
    if clip.region is None:
        yield from frames
        return
    left, top, right, bottom = clip.region
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ManifestError(f"clip {clip.id}: region {clip.region} must be left < right and top < bottom, as shares from 0 to 1")
    for frame in frames:
        height, width = frame.picture.shape[:2]
        rows = slice(round(top * height), max(round(bottom * height), round(top * height) + 1))
        columns = slice(round(left * width), max(round(right * width), round(left * width) + 1))
        yield Frame(frame.time, np.ascontiguousarray(frame.picture[rows, columns]))


def _read_folder(clip: Clip, path: Path, fps: float) -> Iterator[Frame]:
    """Yield the pictures of a folder, in the order of the numbers in their names."""
    if not clip.frame_rate or clip.frame_rate <= 0:
        raise MediaError(f"clip {clip.id}: {path} is a folder of pictures; give its frame_rate (Hz) in the corpus' labels")
    files = sorted((file for file in path.iterdir() if file.suffix.lower() in PICTURES), key=_natural)
    sampler = Sampler(fps)
    for index, file in enumerate(files):
        time = index / clip.frame_rate - clip.start
        if clip.end is not None and time >= clip.end - clip.start - SLACK:
            return
        if sampler.takes(time):
            picture = cv2.imread(str(file))
            if picture is not None:
                yield Frame(time, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))


def _natural(path: Path) -> list[tuple[int, str]]:
    """Order names by the numbers in them: frame2 before frame10."""
    return [(int(digits or 0), text) for digits, text in re.findall(r"(\d*)(\D*)", path.name)]


def _open_file(clip: Clip, path: Path, fps: float) -> Iterator[Frame] | Skip:
    """Open a video file up to its first sampled picture."""
    try:
        container = av.open(f"file:{path}", container_options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (av.FFmpegError, UnicodeError):
        return UNREADABLE
    stream = _choose(container)
    if stream is None:
        container.close()
        return NO_VIDEO
    decoder = Decoder(container, stream)
    frames = _sample(clip, decoder, fps)
    first = next(frames, None)
    if first is None:
        return UNREADABLE if decoder.num_damaged else NO_VIDEO
    return chain([first], frames)


def _choose(container: InputContainer) -> VideoStream | None:
    """Return the video stream that FFmpeg deems best; a picture of the cover is none."""
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.disposition & av.stream.Disposition.attached_pic:
        return None
    return stream


def _sample(clip: Clip, decoder: "Decoder", fps: float) -> Iterator[Frame]:
    """Yield the sampled pictures between the clip's start and end."""
    sampler = Sampler(fps)
    with decoder.container:
        for time, frame in decoder.decode_from(clip.start):
            if clip.end is not None and time >= clip.end - SLACK:
                return
            if sampler.takes(time - clip.start):
                yield Frame(max(time - clip.start, 0.0), _upright(frame))


def _upright(frame: VideoFrame) -> np.ndarray:
    """Return a decoded picture in RGB, turned as its rotation tag says."""
    picture = frame.to_ndarray(format="rgb24", threads=1)
    turn = TURNS.get(round(frame.rotation / 90) * 90 % 360)
    return picture if turn is None else cv2.rotate(picture, turn)


class Decoder:
    """Decodes one video stream, picture by picture; damaged packets are counted and passed over.

    Args:
        container: the open file.
        stream: of it.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.container, self._stream = container, stream
        self.num_damaged = 0
        self._origin = container.start_time or 0
        stream.codec_context.thread_count = 1
        for other in container.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all

    def decode_from(self, start: float) -> Iterator[tuple[float, VideoFrame]]:
        """Yield pictures with their presentation times (s): all that are shown from `start` on, and some before."""
        if start > REORDERING and self._seek(start - REORDERING):
            frames = self._decode()
            first = next(frames, None)
            if first is not None and first[0] <= start:
                yield from chain([first], frames)
                return
            self._seek(0.0)
        yield from self._decode()

    def _seek(self, time: float) -> bool:
        """Go to a key frame at or before `time` (s); containers without an index may miss it."""
        try:
            self.container.seek(self._origin + round(time * av.time_base))
        except av.FFmpegError:
            return False
        return True

    def _decode(self) -> Iterator[tuple[float, VideoFrame]]:
        """Yield what can be decoded from here on."""
        time = 0.0
        try:
            for packet in self.container.demux(self._stream):
                for frame in self._decode_packet(packet):
                    time = time if frame.time is None else frame.time - self._origin / av.time_base
                    yield time, frame
        except av.FFmpegError:
            self.num_damaged += 1

    def _decode_packet(self, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        try:
            return [frame for frame in packet.decode() if not frame.is_corrupt]
        except av.FFmpegError:
            self.num_damaged += 1
            return []
