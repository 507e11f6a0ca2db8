"""One trial on one fold: trained as a run is, kept as a score on valid; neither its weights nor any test clip are read or written."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from pipeline.errors import ModelError, TaskError
from pipeline.training.costs import Cost
from pipeline.training.jobs import Job
from pipeline.training.memory import AddedMemory
from pipeline.training.trainer import fit
from pipeline.training.worker import Workplace

log = logging.getLogger(__name__)

FILE = "trial.json"


@dataclass(frozen=True)
class TrialRun:
    """What a trial gave on a fold.

    Attributes:
        fingerprint: of everything that could change it.
        score: the selection score on valid of its best epoch; None: it failed.
        failed: why, where its loss or its logits are no longer finite; a failed trial is counted and never chosen.
        epochs: trained.
        best_epoch: whose score it is.
        num_parameters: learned numbers.
        seconds: of wall clock.
    """

    fingerprint: str
    score: float | None
    failed: str
    epochs: int
    best_epoch: int
    num_parameters: int
    seconds: float


def trial_folder(root: Path, job: Job) -> Path:
    """Where a trial's run stands."""
    return root / job.row.name / job.fingerprint


def run_trial(job: Job, place: Workplace) -> Cost:
    """Train a trial and write its score below the workplace's root."""
    began, device = time.perf_counter(), torch.device(place.device)
    memory, (data, _) = AddedMemory(device), place.select(job)
    score, failed, epochs, best, count = None, "", 0, 0, 0
    try:
        fitted = fit(job.row, place.task, data, job.seed)
        epochs, best, count = len(fitted.history), fitted.best_epoch, sum(p.numel() for p in fitted.model.parameters())
        score = fitted.history[max(0, best - 1)]["valid_selection"]
    except (ModelError, TaskError) as error:
        failed = str(error)
    seconds = time.perf_counter() - began
    _write(TrialRun(job.fingerprint, score, failed, epochs, best, count, round(seconds, 3)), trial_folder(place.root, job))
    return Cost(seconds, seconds / max(1, epochs), epochs, best, count, memory.peak())


def _write(run: TrialRun, folder: Path) -> None:
    """Write the file whole, or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{FILE}.tmp"
    temporary.write_text(json.dumps(asdict(run), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    temporary.rename(folder / FILE)


def find_trial_runs(jobs: Sequence[Job], root: Path) -> dict[str, TrialRun]:
    """Fingerprint → the trial's run, of those that are finished."""
    found = {}
    for job in jobs:
        path = trial_folder(root, job) / FILE
        try:
            run = TrialRun(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
        except (ValueError, TypeError) as error:
            log.warning("%s is no trial (%s) and is trained again", path, error)
            continue
        if run is not None and run.fingerprint == job.fingerprint:
            found[job.fingerprint] = run
    return found
