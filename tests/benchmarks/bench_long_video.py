"""One long 4K recording cut into many clips: time of a clip near the start and near the end, and the peak memory of the stage's process.

    python -m tests.benchmarks.bench_long_video [--minutes 20] [--clips 500] [--measured 24]

The recording is 3840 × 2160 at 25 fps with a key frame every 2 s (H.264) and sound at 48 kHz (AAC). Two seconds are encoded, and their
packets repeated. `measured` of the clips, spread evenly, go through crop_faces and compute_logmel as the stages do it, in one worker
process, whose peak memory is shown; the times are those of a warm extractor. Expected: a clip of pictures costs the same anywhere; sound is
decoded from the beginning on, so that the first clip asked for near the end costs more, and those after it nothing; 1.5 GB or less.
"""

import re
import statistics
import tempfile
import time
from collections.abc import Iterable
from fractions import Fraction
from multiprocessing import active_children
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import av
import cv2
import numpy as np
import typer

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.extract.faces import FaceExtractor, FacesConfig
from pipeline.extract.logmel import LogmelExtractor
from pipeline.extract.logmel_config import DAVENET
from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded
from pipeline.shards.extractor import Extractor
from tests.extract.media import background, draw_face

FPS, GOP, RATE = 25, 50, 48000
WIDTH, HEIGHT = 3840, 2160


def main(
    minutes: Annotated[float, typer.Option(help="Length of the recording.")] = 20.0,
    clips: Annotated[int, typer.Option(help="Clips that it is cut into.")] = 500,
    measured: Annotated[int, typer.Option(help="Clips that are processed, spread evenly.")] = 24,
    fps: Annotated[float, typer.Option(help="Sampled frames per second.")] = 5.0,
) -> None:
    """Print seconds a clip near the start and near the end, and the peak memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        size = write_recording(folder / "a.mp4", minutes * 60).stat().st_size
        print(f"{minutes:g} min of {WIDTH} × {HEIGHT}, {size / 1e6:.0f} MB, written in {time.perf_counter() - began:.0f} s", flush=True)
        edges = np.linspace(0, minutes * 60, clips + 1)
        all_clips = [Clip(id=f"{k:05d}", media="a.mp4", start=edges[k], end=edges[k + 1], digest="-") for k in range(clips)]
        spread = [all_clips[k] for k in np.linspace(0, clips - 1, measured).round().astype(int)]
        for extractor in (FaceExtractor(FacesConfig(fps=fps), folder), LogmelExtractor(DAVENET, folder)):
            _time_clips(extractor, all_clips)
            _run_stage(extractor, spread, folder / extractor.name)


def _time_clips(extractor: Extractor[Clip], clips: list[Clip]) -> None:
    """Show the seconds of clips from either end of the recording."""
    extractor.extract(clips[0])
    for where, some in (("start", clips[1:6]), ("middle", clips[len(clips) // 2 :][:5]), ("end", clips[-5:])):
        first, *others = _seconds(extractor, some)
        print(f"{extractor.name:>7}, near the {where:<6}: first {first:.2f} s, then {statistics.median(others):.2f} s a clip", flush=True)


def _seconds(extractor: Extractor[Clip], clips: Iterable[Clip]) -> list[float]:
    times = [time.perf_counter()]
    for clip in clips:
        if not isinstance(extractor.extract(clip), dict):
            raise RuntimeError(f"clip {clip.id} was skipped")
        times.append(time.perf_counter())
    return list(np.diff(times))


def _run_stage(extractor: Extractor[Clip], clips: list[Clip], out: Path) -> None:
    """Show the figures of a run in one worker process."""
    peaks, is_done = [0.0], Event()
    watcher = Thread(target=_watch, args=(peaks, is_done))
    watcher.start()
    summary = run_sharded(Manifest(clips), extractor, out, ShardSettings(1, 0.0), RunOptions())
    is_done.set()
    watcher.join()
    print(f"{extractor.name:>7}, {len(clips)} clips as a stage: {summary['seconds']:.1f} s, peak memory {max(peaks):.2f} GB", flush=True)


def _watch(peaks: list[float], is_done: Event) -> None:
    """Note the peak memory (GB) of this process' children until told to stop."""
    while not is_done.wait(0.05):
        for child in active_children():
            status = Path(f"/proc/{child.pid}/status")
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
            peaks.append(int(found[1]) / 1e6 if found else 0.0)


def write_recording(path: Path, duration: float) -> Path:
    """Write a recording of `duration` s: 2 s of a face that moves, and of a tone, again and again."""
    small = [draw_face(background(480, 270), (240 + k, 135), 135) for k in (0, 1)]
    pictures = [cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for picture in small]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "23", "g": str(GOP), "bf": "0"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="stereo")
        streams = ((video, _frames(pictures)), (audio, _tone()))
        packets = [(packet, stream) for stream, frames in streams for packet in _encode(stream, frames)]
        spans = {video: GOP / FPS, audio: 2.0}
        for repeat in range(round(duration / 2)):
            for packet, stream in packets:
                copy = av.Packet(bytes(packet))
                shift = round(repeat * spans[stream] / packet.time_base)
                copy.stream, copy.time_base, copy.is_keyframe = stream, packet.time_base, packet.is_keyframe
                copy.pts, copy.dts, copy.duration = packet.pts + shift, packet.dts + shift, packet.duration
                container.mux(copy)
    return path


def _encode(stream: Any, frames: Iterable[Any]) -> list[Any]:
    return [packet for frame in (*frames, None) for packet in stream.encode(frame) if packet.pts is not None and packet.pts >= 0]


def _frames(pictures: list[np.ndarray]) -> Iterable[av.VideoFrame]:
    for index in range(GOP):
        frame = av.VideoFrame.from_ndarray(pictures[index % 2], format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        yield frame


def _tone() -> Iterable[av.AudioFrame]:
    samples = (0.3 * np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    for begin in range(0, len(samples) - 1023, 1024):
        frame = av.AudioFrame.from_ndarray(np.stack([samples[begin : begin + 1024]] * 2), format="fltp", layout="stereo")
        frame.pts, frame.time_base, frame.sample_rate = begin, Fraction(1, RATE), RATE
        yield frame


if __name__ == "__main__":
    typer.run(main)
