"""What runs take: a log beside the output, since time and memory never repeat, and the estimate that it allows."""

from __future__ import annotations

import csv
import logging
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.training.jobs import Job

log = logging.getLogger(__name__)

LOG_SUFFIX = ".log.csv"


@dataclass(frozen=True)
class Cost:
    """What a run took; it never repeats, so it stands in no output.

    Attributes:
        seconds: of wall clock.
        seconds_per_epoch: of training and validation.
        epochs: trained.
        best_epoch: whose weights were kept; 0 where nothing is trained by epochs.
        num_parameters: learned numbers.
        added_bytes: memory that the run added to its process at its highest (pipeline/training/memory.py); None where it is not known.
    """

    seconds: float
    seconds_per_epoch: float
    epochs: int
    best_epoch: int
    num_parameters: int
    added_bytes: int | None


@dataclass(frozen=True)
class Entry:
    """A line of the log: a run, where it was trained, and what it took."""

    row: str
    fold: int
    seed: int
    device: str
    cost: Cost


COLUMNS = ("row", "fold", "seed", "device", *(field.name for field in fields(Cost)))


def log_path(out: Path) -> Path:
    """Where the log of a folder of runs stands: beside it."""
    return out.with_name(out.name + LOG_SUFFIX)


def append_log(out: Path, job: Job, cost: Cost, device: str) -> None:
    """Add a line to the log beside the output; one that an earlier version of the pipeline began is brought to today's columns first."""
    path = log_path(out)
    if path.exists() and path.read_bytes()[-1:] == b"\n" and _read_header(path) == COLUMNS:
        with path.open("a", newline="", encoding="utf-8") as file:
            _write(file, [Entry(job.row.name, job.fold, job.seed, device, cost)])
        return
    entries = [*read_log(out), Entry(job.row.name, job.fold, job.seed, device, cost)]
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        file.write(",".join(COLUMNS) + "\n")
        _write(file, entries)
    temporary.replace(path)


def read_log(out: Path) -> list[Entry]:
    """Read the log beside a folder of runs, in the order in which runs ended; a line that is torn or malformed is left out, aloud."""
    path, entries = log_path(out), []
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.DictReader(file)
        for line in reader:
            try:
                entries.append(_parse(line))
            except (KeyError, TypeError, ValueError):
                log.warning("%s, line %d, is left out: it is torn or malformed", path, reader.line_num)
    return entries


def _read_header(path: Path) -> tuple[str, ...]:
    """The columns that a log names."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return tuple(next(csv.reader(file), ()))


def _write(file: Any, entries: Sequence[Entry]) -> None:
    """Write lines below the header."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows((e.row, e.fold, e.seed, e.device, *asdict(e.cost).values()) for e in entries)


def _parse(line: dict[str, Any]) -> Entry:
    """An entry from a line's texts; memory that an earlier version wrote, which was the process's own, is not taken for the run's."""
    if None in line or any(line[name] is None for name in line):
        raise ValueError("more or fewer values than columns")
    times = (float(line["seconds"]), float(line["seconds_per_epoch"]))
    added = line.get("added_bytes") or None
    if not line["row"] or not all(0 <= time < float("inf") for time in times):
        raise ValueError("no row, or no time")
    counts = (int(line["epochs"]), int(line["best_epoch"]), int(line["num_parameters"]))
    cost = Cost(*times, *counts, None if added is None else int(added))
    return Entry(line["row"], int(line["fold"]), int(line["seed"]), line["device"], cost)


def estimate(jobs: Sequence[Job], finished: dict[str, Path], out: Path, workers: int) -> dict[str, Any]:
    """What a training would do, with the time and size that earlier runs of the same rows suggest."""
    took = dict[str, list[float]]()
    for entry in read_log(out):
        took.setdefault(entry.row, []).append(entry.cost.seconds)
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
