"""Opening media: which files may be opened, by which demuxers, and what is refused before memory is taken for it.

A clip names a regular file below the corpus' media folder. Links are followed, the folder's own and those in it: whoever put them there
chose what they lead to (DVC and git-annex fill folders with links). Names are never URLs or patterns to FFmpeg, and playlists, which would
open further files, are no media.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath

import av
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from pipeline.clips.frames import is_pattern
from pipeline.errors import ManifestError, MediaError
from pipeline.shards import pulse
from pipeline.shards.extractor import Skip

UNREADABLE = Skip("unreadable_media")
NO_STREAM = Skip("no_such_stream")
ABSURD = Skip("absurd_header")
MAX_PIXELS = 1 << 26
"""Of a picture: 8192 × 8192, twice 8K video. In RGB that is 200 MB."""
MIN_RATE, MAX_RATE = 1000, 384_000
"""Hz. No sound card goes higher; from a lower rate, resampling would multiply the samples."""
MAX_CHANNELS = 64
"""Ambisonics of the seventh order; a cinema has 24."""
REFUSED = {"concat", "dash", "hds", "hls", "image2", "imf", "mlv", "rtp", "rtsp", "sap", "sdp", "vobsub"} | {"lavfi", "tty"}
"""Demuxers that open files or addresses which the file names, and two that make pictures of any text."""


def locate(media: Path, name: str, clip_id: str) -> Path:
    """Return where a clip's file lies.

    Raises:
        ManifestError: the name leads out of the media folder.
    """
    path = media / name
    if "\0" in name or ".." in PurePosixPath(name).parts or not path.is_relative_to(media):
        raise ManifestError(f"clip {clip_id}: {name!r} leads out of the corpus' media folder; correct the labels and run index_clips again")
    return path


def require(path: Path, clip_id: str) -> None:
    """Make sure that a file or folder is on this machine.

    Raises:
        MediaError: it is not.
    """
    if not os.access(path, os.R_OK):
        raise MediaError(f"clip {clip_id}: {path} is not here or not readable; add the file, or pull the features (dvc pull)")


def is_series(media: Path, name: str) -> bool:
    """Whether a clip's media stands for a series of pictures; a file may have a star in its name, too."""
    return is_pattern(name) and not os.path.exists(media / name)


def open_container(path: Path, quick: bool = False) -> InputContainer:
    """Open a media file.

    Args:
        path: of a regular file.
        quick: read the header alone; FFmpeg would decode pictures to describe a video stream.

    Raises:
        av.FFmpegError: it is no media.
        UnicodeError: neither is its name.
    """
    container_options = {"protocol_whitelist": "file", "format_whitelist": _admitted()}
    options = {"max_pixels": str(MAX_PIXELS)}
    if quick:
        container_options["probesize"] = "32"
        options |= {"skip_frame": "all", "threads": "1"}
    return av.open(f"file:{path}", container_options=container_options, options=options, metadata_errors="replace")


def demux(container: InputContainer, stream: VideoStream | AudioStream) -> Iterator[Packet]:
    """Yield a stream's packets, with a sign of life for each; PyAV's loop breaks where another stream appears late, and is begun again."""
    is_over = False
    while not is_over:
        try:
            for packet in container.demux(stream):
                pulse.step()
                yield packet
            is_over = True
        except IndexError:
            pulse.step()


def why_unreadable(path: Path) -> Skip:
    """Return why no picture of a file can be decoded; FFmpeg says in its log alone that one is too large."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as messages, suppress(av.FFmpegError, UnicodeError):
            open_container(path).close()
    finally:
        av.logging.set_level(level)
    return ABSURD if any(text.startswith("Picture size") for _, _, text in messages) else UNREADABLE


@cache
def _admitted() -> str:
    return ",".join(sorted(av.formats_available - REFUSED))


def refuse(stream: VideoStream | AudioStream) -> Skip | None:
    """Return why a stream is not decoded: no codec is known for it, or its header asks for what no recording has."""
    if stream.codec_context is None:
        return UNREADABLE
    if isinstance(stream, VideoStream):
        is_absurd = stream.codec_context.width * stream.codec_context.height > MAX_PIXELS
    else:
        is_absurd = bool(stream.rate and not is_rate(stream.rate)) or stream.channels > MAX_CHANNELS
    return ABSURD if is_absurd else None


def is_rate(sampling_rate: int) -> bool:
    """Whether a recording can have a sampling rate (Hz)."""
    return MIN_RATE <= sampling_rate <= MAX_RATE
