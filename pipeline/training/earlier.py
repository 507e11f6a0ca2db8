"""Finished runs of earlier versions: found by fingerprint, copied into the version being written."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import CheckpointError
from pipeline.shards.previous import Previous
from pipeline.training.jobs import Job
from pipeline.training.run import FILES, RUN, check_run, read_fingerprint

log = logging.getLogger(__name__)


def find_finished(jobs: Sequence[Job], previous: Previous) -> dict[str, Path]:
    """Fingerprint → folder of a whole earlier run, looking no further than needed."""
    found: dict[str, Path] = {}
    for folder in previous.folders():
        for job in (job for job in jobs if job.fingerprint not in found):
            try:
                if read_fingerprint(job.folder(folder)) == job.fingerprint:
                    check_run(job.folder(folder))
                    found[job.fingerprint] = job.folder(folder)
            except CheckpointError as error:
                log.warning("an earlier run is left out and trained again: %s", error)
        if len(found) == len(jobs):
            break
    return found


def copy_finished(jobs: Sequence[Job], finished: dict[str, Path], partial: Path) -> None:
    """Copy earlier runs into the folder being written; what an interrupted training finished is there already."""
    for job in jobs:
        source, target = finished.get(job.fingerprint), job.folder(partial)
        if source is None or source.resolve() == target.resolve():
            continue
        temporary = target.with_name(f"{target.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name in (*FILES, RUN):
            shutil.copyfile(source / name, temporary / name)
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)


def remove_others(jobs: Sequence[Job], partial: Path) -> None:
    """Remove runs that the zoo no longer has, and what a killed training left half-written."""
    wanted = {job.folder(partial) for job in jobs}
    for seed in partial.glob("*/*/*"):
        if seed not in wanted:
            shutil.rmtree(seed)
    for folder in (*partial.glob("*/*"), *partial.glob("*")):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
