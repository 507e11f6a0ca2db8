"""A finished run on disk: run.json, history.csv, predictions.safetensors, model.safetensors; the same run gives the same bytes.

run.json holds what is needed to score a new clip with the weights beside it: task, model, hyperparameters, what the model was built for,
and the encoders with their digests and configs. It names the digest of each file beside it, and its own: a torn or changed one is noticed.
"""

from __future__ import annotations

import csv
import errno
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import CheckpointError
from pipeline.shards.fingerprint import digest_file
from pipeline.storage import check_types, read_record, write_record

if TYPE_CHECKING:
    from torch import Tensor

RUN, HISTORY, PREDICTIONS, WEIGHTS = "run.json", "history.csv", "predictions.safetensors", "model.safetensors"
FILES = (HISTORY, PREDICTIONS, WEIGHTS)
Logits = dict[str, dict[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class Run:
    """One row of the zoo, trained on one fold with one seed.

    Args:
        task: its name.
        row: of the zoo.
        model: file in pipeline/fusion.
        fold: from 0.
        seed: of weights, dropout and batches.
        fingerprint: of everything that could change it.
        hyperparams: the model's, complete.
        train: how it was trained: the section `train` with the row's overrides.
        spec: what the model was built for (pipeline.fusion.base.ModelSpec).
        task_config: the task's row of params.yaml.
        num_parameters: learned numbers.
        num_train_clips: clips of the train part that have one of the model's modalities.
        truncated: modality → clips that `max_steps` cut short.
        best_epoch: whose weights these are, from 1; 0: fitted without epochs.
        annotations: those it was trained on.
        modalities: those it reads.
        encoders: modality → row, digest, fit_share and config of its encoder.
        clip_ids: "valid" and "test" → ids in the order of the logits.
        logits: part → output → (clips, outputs): "fusion"; "text", "audio", "video" where the model has heads; "without_<modality>".
        history: one record an epoch: epoch, train_loss, valid_loss, valid_selection, learning_rate.
    """

    task: str
    row: str
    model: str
    fold: int
    seed: int
    fingerprint: str
    hyperparams: dict[str, Any]
    train: dict[str, Any]
    spec: dict[str, Any]
    task_config: dict[str, Any]
    num_parameters: int
    num_train_clips: int
    truncated: dict[str, int]
    best_epoch: int
    annotations: tuple[str, ...]
    modalities: tuple[str, ...]
    encoders: dict[str, dict[str, Any]]
    clip_ids: dict[str, tuple[str, ...]]
    logits: Logits
    history: list[dict[str, float]]


def run_folder(root: Path, row: str, fold: int, seed: int) -> Path:
    """Where a run stands below the task's folder."""
    return root / row / f"fold-{fold}" / f"seed-{seed}"


def write_run(run: Run, folder: Path, state_dict: Mapping[str, Tensor]) -> None:
    """Write a run's folder under a temporary name of its own, since another may be at the same run, then rename it into place."""
    temporary = folder.with_name(f"{folder.name}.{uuid4().hex}.tmp")
    try:
        temporary.mkdir(parents=True)
        _write_files(run, temporary, state_dict)
        shutil.rmtree(folder, ignore_errors=True)
        _rename(temporary, folder, run.fingerprint)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)  # on a full disk it would take the room of others
        raise


def _rename(temporary: Path, folder: Path, fingerprint: str) -> None:
    """Rename a written run into place, or remove it where another has just put the same there."""
    try:
        temporary.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or read_fingerprint(folder) != fingerprint:
            raise
        shutil.rmtree(temporary)


def _write_files(run: Run, folder: Path, state_dict: Mapping[str, Tensor]) -> None:
    """Write a run's files, run.json last."""
    from safetensors.numpy import save_file

    logits = {f"{part}/{output}": values for part, outputs in run.logits.items() for output, values in outputs.items()}
    save_file({name: np.ascontiguousarray(values) for name, values in sorted(logits.items())}, folder / PREDICTIONS)
    weights = {name: np.ascontiguousarray(value.detach().cpu().numpy()) for name, value in sorted(state_dict.items())}
    save_file(weights, folder / WEIGHTS)
    _write_history(run.history, folder / HISTORY)
    described = {field.name: getattr(run, field.name) for field in fields(run) if field.name not in ("logits", "history")}
    described["files"] = {name: digest_file(folder / name) for name in FILES}
    write_record(described, folder / RUN)
    for name in (*FILES, RUN):
        (folder / name).chmod(0o644)


def _write_history(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """One line an epoch; numbers in the shortest form that reads back the same."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


def read_fingerprint(folder: Path) -> str | None:
    """Fingerprint of the run in a folder, None where there is no run."""
    try:
        return str(read_record(folder / RUN)["fingerprint"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{folder / RUN} does not describe a run ({error}); delete {folder} and run train again") from error


def check_run(folder: Path) -> None:
    """Check that a run's files are those that run.json names.

    Raises:
        CheckpointError: a file is absent or was changed.
    """
    try:
        files = read_record(folder / RUN)["files"]
        bad = [name for name in FILES if not (folder / name).is_file() or digest_file(folder / name) != files.get(name)]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{folder / RUN} does not describe a run ({error}); delete {folder} and run train again") from error
    if bad:
        raise CheckpointError(f"{folder}: {', '.join(bad)} is absent or not what run.json describes; delete the folder and run train again")


def read_run(folder: Path) -> Run:
    """Read a run with its predictions, without its weights.

    Raises:
        CheckpointError: a file is absent, torn or changed.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    check_run(folder)
    try:
        values = read_record(folder / RUN)
        logits: Logits = {}
        for name, array in load_file(folder / PREDICTIONS).items():
            part, output = name.split("/", 1)
            logits.setdefault(part, {})[output] = array
        with (folder / HISTORY).open(newline="", encoding="utf-8") as file:
            history = [{key: float(value) for key, value in line.items()} for line in csv.DictReader(file)]
        values["clip_ids"] = {part: tuple(ids) for part, ids in values["clip_ids"].items()}
        values |= {name: tuple(values[name]) for name in ("annotations", "modalities")}
        values = {name: value for name, value in values.items() if name != "files"} | {"logits": logits, "history": history}
        check_types(values, Run)
        if any(len(rows) != len(values["clip_ids"][part]) for part, outputs in logits.items() for rows in outputs.values()):
            raise ValueError("its predictions and its clips differ in number")
        return Run(**values)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{folder} is not a readable run ({error}); delete it and run train again") from error


def find_trained(folder: Path, rows: Sequence[str]) -> list[str]:
    """Return those of these rows that have a folder of runs.

    Raises:
        CheckpointError: none has.
    """
    found = [row for row in rows if (folder / row).is_dir()]
    if not found:
        raise CheckpointError(f"{folder} holds no runs; run train, or `dvc pull` to get them")
    return found


def read_runs(folder: Path, rows: Sequence[str]) -> list[Run]:
    """Read the runs of these rows of the zoo below a task's folder, by row, fold and seed.

    Raises:
        CheckpointError: a row has no run, or a run cannot be read.
    """
    runs = []
    for row in rows:
        found = [read_run(path.parent) for path in sorted(folder.glob(f"{row}/fold-*/seed-*/{RUN}"))]
        if not found:
            raise CheckpointError(f"{folder / row} holds no run; run train, or `dvc pull` to get it")
        runs += sorted(found, key=lambda run: (run.fold, run.seed))
    return runs
