"""crop_faces against the plain loop most people write, clip by clip, in one run.

    python -m tests.benchmarks.bench_crop_faces [clip or folder …] [--seconds 4] [--repeats 3]

The plain loop: OpenCV decodes (pictures between the samples are only grabbed, which favours the loop), `MTCNN(image_size=260)` with its
defaults takes each sampled frame, and torch uses all cores. Ours: one worker process a core, each with the clip to itself, as the stage
does with a corpus; frames per second are those of all workers. Both decode, and both take the same frames. Same face: the share of the
frames where both find one in which the boxes' intersection over union is at least 0.7 (the loop's face is its largest).
"""

import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from pipeline.clips.clip import Clip
from pipeline.extract.faces import FaceExtractor, FacesConfig
from pipeline.shards.extractor import Row, Skip

REALDATA = Path(__file__).resolve().parents[2].parent / "shared" / "realdata"
DEFAULT = [REALDATA / name for name in ("clips", "cremad", "grid", "mtcnn")]
VIDEOS = {".mp4", ".mov", ".flv", ".mpg", ".mkv", ".webm", ".avi"}
_worker: FaceExtractor | None = None


@dataclass(frozen=True)
class Result:
    """One clip's comparison; `boxes` of each frame by the plain loop, None where it finds no face."""

    name: str
    lines: int
    boxes: list[np.ndarray | None]
    row: Row | Skip
    plain_fps: float
    ours_fps: float
    ratio: float

    @property
    def same_face(self) -> float:
        """Share of the frames where both find a face in which it is the same."""
        if isinstance(self.row, Skip):
            return float("nan")
        both = [(box, self.row["box"][k]) for k, box in enumerate(self.boxes) if box is not None and self.row["found"][k]]
        return float(np.mean([_overlap(*pair) >= 0.7 for pair in both])) if both else float("nan")

    @property
    def num_plain(self) -> int:
        """Frames with a face by the plain loop."""
        return sum(box is not None for box in self.boxes)

    @property
    def num_ours(self) -> int:
        """Frames with a face by ours."""
        return 0 if isinstance(self.row, Skip) else int(self.row["found"].sum())


def main(
    paths: Annotated[list[Path] | None, typer.Argument(help="Clips or folders; default: the clips of ../shared/realdata.")] = None,
    seconds: Annotated[float, typer.Option(help="Of each clip, from its start.")] = 4.0,
    fps: Annotated[float, typer.Option(help="Sampled frames per second.")] = 5.0,
    repeats: Annotated[int, typer.Option(help="Runs of each side, alternating; the median is shown.")] = 3,
    workers: Annotated[int, typer.Option(help="Worker processes of ours.")] = os.cpu_count() or 1,
) -> None:
    """Print frames per second of the plain loop and of crop_faces side by side."""
    from facenet_pytorch import MTCNN

    config, mtcnn = FacesConfig(fps=fps), MTCNN(image_size=260)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers to come; torch has counted its threads here already
    print(f"{'clip':<46} lines frames  plain/s   ours/s  ratio  same face  faces plain/ours", flush=True)
    results = []
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, (config,)) as pool:
        for path in _videos(paths or DEFAULT):
            result = _compare(path, config, mtcnn, pool, seconds, repeats, workers)
            results.append(result)
            counts = f"{result.num_plain:>8}/{result.num_ours}"
            speeds = f"{result.plain_fps:8.1f} {result.ours_fps:8.1f} {result.ratio:6.1f}"
            print(f"{result.name:<46} {result.lines:>5} {len(result.boxes):>6} {speeds}  {result.same_face:9.1%}  {counts}", flush=True)
    for label, low, high in (("≥ 720 lines", 720, 10**9), ("360–480 lines", 360, 480)):
        ratios = [result.ratio for result in results if low <= result.lines <= high]
        if ratios:
            print(f"{label}: ratio {min(ratios):.1f} to {max(ratios):.1f}, median {statistics.median(ratios):.1f} over {len(ratios)} clips")


def _videos(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(file for file in path.iterdir() if file.suffix in VIDEOS) if path.is_dir() else [path]


def _compare(path: Path, config: FacesConfig, mtcnn: Any, pool: ProcessPoolExecutor, seconds: float, repeats: int, workers: int) -> Result:
    """Run both sides on one clip, alternating."""
    clip = Clip(id=path.name, media=path.resolve().relative_to("/").as_posix(), end=seconds)
    indices, lines = _sampled_indices(clip, config.fps)
    boxes: list[np.ndarray | None] = []
    row: Row | Skip = Skip("")
    plain, ours = [], []
    list(pool.map(_extract, [clip] * workers))
    for _ in range(repeats):
        begin = time.perf_counter()
        boxes = _plain_loop(path, indices, mtcnn)
        plain.append(len(indices) / (time.perf_counter() - begin))
        begin = time.perf_counter()
        row = list(pool.map(_extract, [clip] * workers)).pop()
        ours.append(workers * len(indices) / (time.perf_counter() - begin))
    ratio = statistics.median(fast / slow for fast, slow in zip(ours, plain, strict=True))
    return Result(f"{path.parent.name}/{path.name}", lines, boxes, row, statistics.median(plain), statistics.median(ours), ratio)


def _start(config: FacesConfig) -> None:
    global _worker
    _worker = FaceExtractor(config, Path("/"))


def _extract(clip: Clip) -> Row | Skip:
    if _worker is None:
        raise RuntimeError("the worker was not started")
    return _worker.extract(clip)


def _sampled_indices(clip: Clip, fps: float) -> tuple[list[int], int]:
    """Return which pictures of the file are sampled, by their order, and how many lines they have."""
    import av

    from pipeline.extract.video import SLACK, Decoder, Sampler, _choose

    container = av.open(f"/{clip.media}")
    stream = _choose(container)
    if isinstance(stream, Skip) or clip.end is None:
        raise ValueError(f"{clip.media} has no video stream")
    sampler, indices = Sampler(fps), []
    for index, (shown, _) in enumerate(Decoder(container, stream).decode_from(0.0)):
        if shown >= clip.end - SLACK:
            break
        if sampler.takes(shown):
            indices.append(index)
    return indices, stream.height


def _plain_loop(path: Path, indices: list[int], mtcnn: Any) -> list[np.ndarray | None]:
    """Decode with OpenCV, detect and crop frame by frame; the steps are those of MTCNN.forward, which does not return the boxes."""
    import cv2

    video, boxes = cv2.VideoCapture(str(path)), []
    wanted = set(indices)
    for index in range(indices[-1] + 1):
        if not video.grab():
            break
        if index in wanted:
            rgb = cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB)
            found, probabilities, points = mtcnn.detect(rgb, landmarks=True)
            main, _, _ = mtcnn.select_boxes(found, probabilities, points, rgb, method="largest")
            mtcnn.extract(rgb, main, None)
            boxes.append(None if main is None else main[0].astype(float))
    return boxes + [None] * (len(indices) - len(boxes))


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    sides = (np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])).clip(min=0)
    return float(sides.prod() / ((first[2:] - first[:2]).prod() + (second[2:] - second[:2]).prod() - sides.prod()))


if __name__ == "__main__":
    typer.run(main)
