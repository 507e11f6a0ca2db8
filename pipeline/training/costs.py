"""What runs take: a log beside the output, since time and memory never repeat, and the estimate that it allows."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.training.jobs import Job

LOG_SUFFIX = ".log.csv"


@dataclass(frozen=True)
class Cost:
    """What a run took; it never repeats, so it stands in no output.

    Attributes:
        seconds: of wall clock.
        seconds_per_epoch: of training and validation.
        epochs: trained.
        best_epoch: whose weights were kept.
        num_parameters: learned numbers.
        peak_bytes: of the process so far on a CPU; of the run's tensors on a GPU.
    """

    seconds: float
    seconds_per_epoch: float
    epochs: int
    best_epoch: int
    num_parameters: int
    peak_bytes: int


def append_log(out: Path, job: Job, cost: Cost, device: str) -> None:
    """Add a line to the log beside the output."""
    path = out.with_name(out.name + LOG_SUFFIX)
    entry = {"row": job.row.name, "fold": job.fold, "seed": job.seed, "device": device, **asdict(cost)}
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(entry), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(entry)


def estimate(jobs: Sequence[Job], finished: dict[str, Path], out: Path, workers: int) -> dict[str, Any]:
    """What a training would do, with the time and size that earlier runs of the same rows suggest."""
    path, took = out.with_name(out.name + LOG_SUFFIX), dict[str, list[float]]()
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                took.setdefault(line["row"], []).append(float(line["seconds"]))
    missing = [job for job in jobs if job.fingerprint not in finished]
    typical = statistics.median(s for seconds in took.values() for s in seconds) if took else None
    seconds = sum(statistics.median(took[job.row.name]) if job.row.name in took else typical for job in missing) if typical else None
    sizes = [sum(file.stat().st_size for file in folder.iterdir()) for folder in finished.values()]
    return {
        "plan": True,
        "to_compute": len(missing),
        "reused": len(jobs) - len(missing),
        "estimated_seconds": round(seconds / workers, 1) if seconds is not None else None,
        "estimated_bytes": round(statistics.mean(sizes) * len(missing)) if sizes else None,
        "rows": sorted({job.row.name for job in missing}),
    }
