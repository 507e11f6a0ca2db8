"""The sound of a clip: decoded once a file and never held whole, cut by presentation time, mixed to one channel.

Every clip's sound is decoded from the file's beginning on, where counting samples is exact: a codec that starts in the middle gives other
bits. That is a thousand times faster than the sound lasts, and clips of one recording, asked for in order, share one pass.
"""

from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from pipeline.clips.clip import Clip
from pipeline.extract.media import NO_STREAM, UNREADABLE, is_series, locate, open_container, refuse, require
from pipeline.extract.sound import Sound
from pipeline.extract.track import NO_AUDIO, Track
from pipeline.shards.extractor import Skip


class AudioReader:
    """Reads the sound of clips; the recording read last stays open, so that its clips decode it once if they come in order of their start.

    Args:
        media: the corpus' media folder.
        audio_stream: which of a file's sound streams, from 0; None: its default one, or the best.
    """

    def __init__(self, media: Path, audio_stream: int | None = None) -> None:
        self.media, self._stream = media, audio_stream
        self._key: tuple[str, int | None] | None = None
        self._track: Track | Skip = NO_AUDIO

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_key": None, "_track": NO_AUDIO}

    def read(self, clip: Clip) -> Sound | Skip:
        """Return the clip's sound from its start to its end, at the rate it was recorded with.

        Raises:
            MediaError: the file is not on this machine, or has no such channel.
            ManifestError: its name leads out of the media folder.
        """
        name = clip.audio or clip.media
        if name is None:
            return NO_AUDIO
        path = locate(self.media, name, clip.id)
        if is_series(self.media, name):
            return NO_AUDIO
        if self._key != (name, clip.channel) or (isinstance(self._track, Track) and not self._track.holds(clip.audio_stretch[0])):
            require(path, clip.id)
            self._key, self._track = None, NO_AUDIO  # what is held of another recording is let go first
            self._track = open_track(path, clip.channel, self._stream)
            self._key = (name, clip.channel)
        return self._track if isinstance(self._track, Skip) else self._track.cut(*clip.audio_stretch)


def read_sound(path: Path, start: float = 0.0, end: float | None = None, channel: int | None = None) -> Sound | Skip:
    """Read a file's sound between two presentation times (s)."""
    track = open_track(path, channel)
    return track if isinstance(track, Skip) else track.cut(start, end)


def open_track(path: Path, channel: int | None = None, audio_stream: int | None = None) -> "Track | Skip":
    """Open the sound of a file: a stream by its number, or the default one; of several the one with most channels, of the highest rate.

    Raises:
        MediaError: the sound has no such channel.
    """
    if path.is_dir():
        return NO_AUDIO
    if not path.is_file():  # a pipe, which would wait for ever, or a device
        return UNREADABLE
    try:
        container, stream = _open(path, audio_stream)
    except (av.FFmpegError, UnicodeError):
        return UNREADABLE
    if isinstance(stream, Skip):
        container.close()
        return stream
    track = Track(container, stream, channel)
    return track if track.rate else track.why_empty


def _open(path: Path, number: int | None) -> tuple[InputContainer, AudioStream | Skip]:
    """Open a file by its header alone where that tells enough."""
    quick = open_container(path, quick=True)
    stream = _choose(quick, number)
    if isinstance(stream, AudioStream) and stream.rate and (quick.start_time is not None or len(quick.streams) == 1):
        return quick, stream
    quick.close()
    thorough = open_container(path)
    return thorough, _choose(thorough, number)


def _choose(container: InputContainer, number: int | None) -> AudioStream | Skip:
    """Return the sound to take of several, or why there is none."""

    def merit(stream: AudioStream) -> tuple[bool, bool, int, int, int]:
        is_default, is_known = bool(stream.disposition & av.stream.Disposition.default), stream.codec_context is not None
        return is_known, is_default, stream.channels if is_known else 0, stream.rate or 0 if is_known else 0, -stream.index

    streams = container.streams.audio
    if not streams:
        return NO_AUDIO
    if number is not None and number >= len(streams):
        return NO_STREAM
    stream = max(streams, key=merit) if number is None else streams[number]
    return refuse(stream) or stream
