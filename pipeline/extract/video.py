"""The pictures of a clip: sampled by presentation time, upright, cut to the clip's region.

A file's clock starts where its earliest stream starts, for sound and picture alike: what a player shows as 0:00. Sampling takes the first
picture at or after each multiple of 1/fps from the clip's start, so a variable frame rate is no matter and a clip never holds a picture of
the clip before. Pictures between the samples are decoded, since others are predicted from them, but never converted to RGB.
"""

from collections.abc import Iterator
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
from pipeline.errors import ManifestError
from pipeline.extract.frames import NO_VIDEO, SLACK, Frame, Sampler, read_pictures
from pipeline.extract.media import (
    MAX_PIXELS,
    NO_STREAM,
    UNREADABLE,
    demux,
    is_series,
    locate,
    open_container,
    refuse,
    require,
    why_unreadable,
)
from pipeline.shards.extractor import Skip

REORDERING = 0.5
"""Seconds by which a key frame may be stored earlier than it is shown."""
SETTLING = 2.0
"""Seconds until the times are right in the middle of an MPEG program stream, of which not every picture has a time stamp."""
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


def read_frames(clip: Clip, media: Path, fps: float, video_stream: int | None = None) -> Iterator[Frame] | Skip:
    """Read a clip's pictures, sampled at `fps`; what follows damage beyond repair is left out.

    Args:
        clip: whose media is a video file, a folder of pictures, or a series of them (pipeline/extract/frames.py).
        media: the corpus' media folder.
        fps: pictures per second.
        video_stream: which of a file's video streams, from 0; None: its default one, or the best.

    Raises:
        MediaError: the media is not on this machine, or a folder of pictures has no frame rate.
        ManifestError: the clip's region is no part of a picture, or its media leads out of the media folder.
    """
    if clip.media is None:
        return NO_VIDEO
    path = locate(media, clip.media, clip.id)
    if is_series(media, clip.media) or path.is_dir():
        frames = read_pictures(clip, media, clip.media, fps)
    else:
        require(path, clip.id)
        frames = _open_file(clip, path, fps, video_stream)
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


def _open_file(clip: Clip, path: Path, fps: float, video_stream: int | None) -> Iterator[Frame] | Skip:
    """Open a video file up to its first sampled picture."""
    if not path.is_file():  # a pipe, which would wait for ever, or a device
        return UNREADABLE
    try:
        container = open_container(path)
    except (av.FFmpegError, UnicodeError):
        return why_unreadable(path)
    stream = _choose(container, video_stream)
    if isinstance(stream, Skip):
        container.close()
        return stream
    decoder = Decoder(container, stream)
    frames = _sample(clip, decoder, fps)
    first = next(frames, None)
    if first is None:
        return why_unreadable(path) if decoder.num_damaged else NO_VIDEO
    return chain([first], frames)


def _choose(container: InputContainer, number: int | None = None) -> VideoStream | Skip:
    """Return the video stream of a number, or that which FFmpeg deems best; a picture of the cover is none."""
    videos = [stream for stream in container.streams.video if not stream.disposition & av.stream.Disposition.attached_pic]
    if not videos:
        return NO_VIDEO
    if number is not None and number >= len(videos):
        return NO_STREAM
    best = container.streams.best("video") if number is None else videos[number]
    stream = best if isinstance(best, VideoStream) and best in videos else videos[0]
    return refuse(stream) or stream


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
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        for other in container.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all

    def decode_from(self, start: float) -> Iterator[tuple[float, VideoFrame]]:
        """Yield pictures with their presentation times (s): all that are shown from `start` on, and some before."""
        early = SETTLING if self.container.format.name == "mpeg" else REORDERING
        if start > early and self._seek(start - early):
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
            for packet in demux(self.container, self._stream):
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
