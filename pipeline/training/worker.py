"""One run from job to finished folder, in whatever process it happens."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import ModelError
from pipeline.fusion.base import FusionModel, find_model
from pipeline.tasks.task import Task
from pipeline.training.costs import Cost
from pipeline.training.dataset import FoldData, Mover
from pipeline.training.embeddings import Source
from pipeline.training.features import PictureRow
from pipeline.training.jobs import Job, learned_config
from pipeline.training.memory import AddedMemory
from pipeline.training.run import Logits, Run, write_run
from pipeline.training.trainer import Fitted, fit, predict

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's mallopt


@dataclass(frozen=True)
class Workplace:
    """What every run of a task shares: the folds in memory, where they came from, and where runs are written."""

    task: Task
    folds: tuple[FoldData, ...]
    encoders: tuple[Mapping[str, dict[str, Any]], ...]
    root: Path
    device: str
    pictures: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        task: Task,
        folds: Sequence[tuple[FoldData, Mapping[str, Source]]],
        root: Path,
        device: str,
        pictures: Mapping[str, PictureRow] = MappingProxyType({}),
    ) -> Workplace:
        """From the folds and their sources, and the rows of pictures that runs read."""
        described = tuple({m: source.describe() for m, source in sources.items()} for _, sources in folds)
        of_pictures = {m: row.describe() for m, row in pictures.items()}
        return cls(task, tuple(data for data, _ in folds), described, root, device, of_pictures)

    def describe(self, fold: int, model: FusionModel) -> dict[str, dict[str, Any]]:
        """Modality → what a run of a model keeps of its encoder, or of the features that the model reads itself."""
        of_fold = {**self.encoders[fold], **{m: self.pictures[m] for m in model.feature_modalities if m in self.pictures}}
        return {m: of_fold[m] for m in model.modalities}

    def select(self, job: Job) -> tuple[FoldData, dict[str, int]]:
        """What a job's model reads of its fold; and modality → clips that `max_steps` cut short."""
        model = find_model(job.row.model)
        data = self.folds[job.fold].read_by(job.row).select(model.uses, model.map_modalities)
        return data.truncate(job.row.train.max_steps)

    def on(self, device: str) -> Workplace:
        """With the folds on a device, once for all runs there; on a GPU with its deterministic kernels."""
        if device != "cpu":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True, warn_only=True)
            torch.backends.cuda.enable_mem_efficient_sdp(False)  # not deterministic while others may warn only
        move = Mover(torch.device(device))
        return dataclasses.replace(self, device=device, folds=tuple(data.to(move) for data in self.folds))


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch and BLAS at one thread: the last bits of a sum depend on how many share it."""
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> None:
    """Have glibc keep what is freed for the next step: gradients of 140 MB that come from the system each time slow TFN by a fifth."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def run_job(job: Job, place: Workplace) -> Cost:
    """Train a job's run and write its folder below the workplace's root.

    Raises:
        ModelError: the GPU's memory is too small for it.
    """
    began, device = time.perf_counter(), torch.device(place.device)
    memory = AddedMemory(device)
    data, truncated = place.select(job)
    try:
        fitted = fit(job.row, place.task, data, job.seed)
        epochs_took = time.perf_counter() - began
        run = make_run(job, place, data, fitted, truncated)
    except torch.OutOfMemoryError as error:
        remedy = "give the row a smaller batch_size or batch_steps, or --device cpu; finished runs are kept"
        raise ModelError(f"{job.row.name} needs more memory than {device} has free; {remedy}") from error
    write_run(run, job.folder(place.root), fitted.model.state_dict())
    epochs = len(fitted.history)
    return Cost(time.perf_counter() - began, epochs_took / epochs, epochs, fitted.best_epoch, run.num_parameters, memory.peak())


def make_run(job: Job, place: Workplace, data: FoldData, fitted: Fitted, truncated: dict[str, int]) -> Run:
    """What is kept of a trained model."""
    return Run(
        task=place.task.name,
        row=job.row.name,
        model=job.row.model,
        fold=job.fold,
        seed=job.seed,
        fingerprint=job.fingerprint,
        hyperparams=job.row.hyperparams,
        train={name: value for name, value in dataclasses.asdict(job.row.train).items() if name != "seeds"},
        spec=dataclasses.asdict(fitted.model.spec),
        task_config=learned_config(place.task),
        num_parameters=sum(p.numel() for p in fitted.model.parameters()),
        num_train_clips=len(data.clips_with_input("train")),
        truncated=truncated,
        best_epoch=fitted.best_epoch,
        annotations=fitted.model.annotations,
        modalities=fitted.model.modalities,
        encoders=place.describe(job.fold, fitted.model),
        clip_ids={part: tuple(data.ids[i] for i in data.parts[part].tolist()) for part in ("valid", "test")},
        logits=predict_all(fitted, data, job.row.train.precision),
        history=fitted.history,
    )


def predict_all(fitted: Fitted, data: FoldData, precision: str) -> Logits:
    """Logits of valid and test: the fused output, every head, and the fused output with each modality removed."""
    logits: Logits = {}
    removable = fitted.model.modalities if len(fitted.model.modalities) > 1 else ()
    for part in ("valid", "test"):
        found: dict[str, NDArray[np.float32]] = predict(fitted.model, data, part, precision)
        for m in removable:
            found[f"without_{m}"] = predict(fitted.model, data, part, precision, without=m)["fusion"]
        logits[part] = found
    return logits
