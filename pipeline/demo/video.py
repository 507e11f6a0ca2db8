"""Writing a clip: H.264 and AAC in an MP4 file, the same bytes each time."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.demo.canvas import Picture

VIDEO_OPTIONS = {"preset": "veryfast", "crf": "21", "threads": "1", "bf": "0"}
AUDIO_BIT_RATE = 64_000
BIT_EXACT = {"fflags": "+bitexact", "movflags": "+faststart"}
"""No dates and no version of the writer in the file."""


def write_video(path: Path, frames: Iterable[Picture], fps: int, sound: npt.NDArray[np.float32], sampling_rate: int) -> None:
    """Write pictures (height, width, 3), blue, green, red, with a sound (samples,) in [-1, 1]."""
    import av

    with av.open(str(path), "w", format="mp4", options=BIT_EXACT) as container:
        frames = iter(frames)
        first = next(frames)
        video: Any = container.add_stream("libx264", rate=fps, options=VIDEO_OPTIONS)
        video.height, video.width, video.pix_fmt = *first.shape[:2], "yuv420p"
        audio: Any = container.add_stream("aac", rate=sampling_rate, layout="mono")
        audio.bit_rate = AUDIO_BIT_RATE
        for stream in (video, audio):
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
        number = 0
        for number, picture in enumerate(_chain(first, frames)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(_audio_frame(sound, sampling_rate)))
        container.mux(audio.encode(None))


def _chain(first: Picture, rest: Iterable[Picture]) -> Iterable[Picture]:
    yield first
    yield from rest


def _audio_frame(sound: npt.NDArray[np.float32], sampling_rate: int) -> Any:
    import av

    frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = sampling_rate, 0, Fraction(1, sampling_rate)
    return frame
