"""All runs of a task: those that an earlier version holds are copied, the others spread over processes that share one copy of the data."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from pipeline.embed.device import choose_device
from pipeline.errors import ModelError, PipelineError
from pipeline.params import read_table
from pipeline.progress import show_progress
from pipeline.shards.engine import LOCAL, Engine
from pipeline.shards.previous import Previous, is_dvc_output, open_partial, publish
from pipeline.tasks.task import Task
from pipeline.training.copies import write_copies
from pipeline.training.costs import Cost, append_log, estimate
from pipeline.training.dataset import FoldData
from pipeline.training.earlier import copy_finished, find_finished, remove_others
from pipeline.training.folds import Folders, FoldsReader
from pipeline.training.jobs import Job, make_jobs, make_outline
from pipeline.training.on_ray import RunJob, train_on_ray
from pipeline.training.worker import Workplace, keep_freed_memory, one_thread, run_job
from pipeline.training.zoo import ZooRow, read_zoo

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 0.5
_place: list[Workplace] = []  # of this worker process


@dataclass(frozen=True)
class TrainOptions:
    """What changes a training's speed or reach, and no run.

    Args:
        workers: processes on a CPU; a GPU has one.
        device: auto, cpu, cuda or cuda:<n>.
        only: "all" models, or one row or model by name, for development; None: the table `zoo`.
        rows: those of the table that are trained in the place of the task's own, as far as it can serve them; empty: its own.
        recompute: train runs again whose recorded version cannot be read.
        plan: count only, write nothing.
        engine: what spreads the runs.
    """

    workers: int = 1
    device: str = "auto"
    only: str | None = None
    recompute: bool = False
    plan: bool = False
    engine: Engine = LOCAL
    rows: tuple[str, ...] = ()


def train_zoo(
    params: Path,
    task_name: str,
    clips: Path,
    embeddings: Path,
    encoders: Path,
    out: Path,
    options: TrainOptions,
    features: Mapping[str, Path] = MappingProxyType({}),
) -> dict[str, Any]:
    """Bring every run of a task's zoo below `out`, training only those that no earlier version holds.

    `features`: "faces" and "logmel" → the folder of their rows, read where a row of the zoo reads them itself.

    Returns:
        The summary: computed, reused, seconds.

    Raises:
        ModelError: the task cannot serve a row, or a loss is no longer finite.
        SplitError: an encoder saw clips of the valid or test part.
        CacheError: earlier runs are recorded and cannot be read.
    """
    began = time.monotonic()
    if options.only is not None and not options.plan and is_dvc_output(out):
        raise PipelineError(f"--model is for development and {out} is an output of dvc.yaml; give another folder")
    task, rows = Task.read(params, task_name), read_zoo(params, options.only, task_name)
    if options.only is None:
        chosen = options.rows or task.config.rows(read_table(params, "zoo"))
        rows = tuple(row for row in rows if row.name in chosen)
    reader = FoldsReader(task, Folders(clips, embeddings, encoders, features), rows)
    folds = [reader.read(number) for number in range(len(reader.folds))]
    if options.only == "all" or options.rows or (options.only is None and task.config.trains_all):
        rows = leave_out_refusing(rows, task, folds[0][0])
    jobs = make_jobs(task, rows, folds, reader.pictures)
    with Previous(out, options.recompute) as previous:
        if options.plan:
            return estimate(jobs, find_finished(jobs, previous), out, options.workers)
        with open_partial(out) as partial:
            finished = find_finished(jobs, previous)
            copy_finished(jobs, finished, partial)
            missing = [job for job in jobs if job.fingerprint not in finished]
            device = options.device if options.engine.is_ray else str(choose_device(options.device))
            place = Workplace.of(task, reader.load_pictures(folds, missing), partial, device, reader.pictures)
            train_jobs(missing, place, options.workers, out, engine=options.engine)
            remove_others(jobs, partial)
            write_copies(reader.embeddings.copies, partial)
            publish(partial, out)
    return {"computed": len(missing), "reused": len(jobs) - len(missing), "seconds": round(time.monotonic() - began, 1)}


def leave_out_refusing(rows: Sequence[ZooRow], task: Task, data: FoldData) -> tuple[ZooRow, ...]:
    """The rows that a task can serve; the others are named aloud, with their reason."""
    served = []
    for row in rows:
        try:
            make_outline(row.model, row.hyperparams, data.read_by(row).spec(task.config.kind, task.num_outputs))
            served.append(row)
        except ModelError as error:
            log.warning("%s is left out: %s", row.name, error)
    return tuple(served)


def train_jobs(jobs: Sequence[Job], place: Workplace, workers: int, out: Path, run: RunJob = run_job, engine: Engine = LOCAL) -> None:
    """Train runs here, in worker processes or on other machines, and log what each took."""
    if engine.is_ray:
        for job, (cost, device) in train_on_ray(engine, jobs, place, workers, run):
            append_log(out, job, cost, device)
        return
    devices = [place.device]
    if place.device == "cuda":
        devices = [f"cuda:{n}" for n in range(torch.cuda.device_count())]
    count = min(len(jobs), workers if place.device == "cpu" else len(devices))
    if count <= 1:
        keep_freed_memory()
        with one_thread(), show_progress("train", len(jobs), "runs") as bar:
            here = place.on(devices[0])
            for job in jobs:
                append_log(out, job, run(job, here), here.device)
                bar.advance()
        return
    for job, (cost, device) in run_in_workers(jobs, place, count, devices, run):
        append_log(out, job, cost, device)


def run_in_workers(
    jobs: Sequence[Job], place: Workplace, count: int, devices: Sequence[str], run: RunJob
) -> Iterator[tuple[Job, tuple[Cost, str]]]:
    """Yield runs as they finish. Forked CPU workers read the parent's own memory; for GPUs, spawned ones get it as shared memory."""
    import torch._dynamo  # what the first optimizer of a process imports, for seconds: once here, not in every fork
    import torch.multiprocessing  # noqa: F401  registers how tensors travel to spawned processes: as shared memory

    context = multiprocessing.get_context(start_method(place.device))
    numbers = context.SimpleQueue()
    for n in range(count):
        numbers.put(devices[n % len(devices)])
    with ProcessPoolExecutor(count, context, start_worker, (place, numbers, os.getpid())) as pool:
        pending = {pool.submit(run_in_worker, job, run): job for job in jobs}
        try:
            with show_progress("train", len(jobs), "runs") as bar:
                for future in as_completed(pending):
                    yield pending[future], future.result()
                    bar.advance()
        except BrokenProcessPool as error:
            raise ModelError("a training process ended at once (out of memory?); run train again: it resumes") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def start_method(device: str) -> str:
    """How processes begin that train on a device: CUDA does not live through a fork."""
    return "fork" if device == "cpu" else "spawn"


def start_worker(place: Workplace, devices: Any, parent: int) -> None:
    """Set up a worker process: one thread, its device, the shared data, and an end with its parent, even if that is gone already."""
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)
    keep_freed_memory()
    _place[:] = [place.on(devices.get())]
    threading.Thread(target=end_with, args=(parent,), daemon=True).start()


def end_with(parent: int) -> None:
    """End this process soon after its parent, however that ended: a fork holds the parent's lock on the folder being written."""
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


def run_in_worker(job: Job, run: RunJob) -> tuple[Cost, str]:
    """Train a job with this process' workplace; return what it took, and of which device."""
    return run(job, _place[0]), _place[0].device
