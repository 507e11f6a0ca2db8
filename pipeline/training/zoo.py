"""The section `train` and the table `zoo` of params.yaml: which models are trained, and how."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import ModelError, ParamsError
from pipeline.fusion.base import find_model, model_names
from pipeline.params import build, read_params, read_table
from pipeline.tasks.config import MODALITIES


@dataclass(frozen=True)
class TrainConfig:
    """The section `train`; a row of the zoo may override all but the seeds under its key `train`.

    Args:
        seeds: every row is trained once with each.
        max_epochs: at most.
        patience: epochs without a better selection score on valid before the run stops.
        batch_size: clips in a step.
        learning_rate: AdamW's.
        weight_decay: AdamW's.
        grad_clip: largest norm of the gradient of each group of parameters; 0: no clipping.
        schedule: of the learning rate: constant, or a cosine down to 0 at max_epochs.
        warmup: share of all steps in which the learning rate rises from 0.
        precision: fp32, or bf16 for autocast of the forward pass.
        modality_dropout: probability that a clip of the train part loses a modality in an epoch; it always keeps one.
        batch_steps: most steps of all modalities in a batch, padding included; clips too long to stand together are split into smaller
            batches. 0: as many as `batch_size` clips have.
        max_steps: modality to the steps that are read of a clip; what is longer is truncated, and counted in the run.
    """

    seeds: tuple[int, ...]
    max_epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    grad_clip: float
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: float = 0.0
    precision: Literal["fp32", "bf16"] = "fp32"
    modality_dropout: float = 0.0
    batch_steps: int = 0
    max_steps: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"`seeds` {self.seeds} must be one or more numbers, each once")
        if min(self.max_epochs, self.patience, self.batch_size) < 1:
            raise ValueError("max_epochs, patience and batch_size must be at least 1")
        if self.learning_rate <= 0 or self.weight_decay < 0 or self.grad_clip < 0 or not 0 <= self.warmup < 1:
            raise ValueError("learning_rate must be above 0, weight_decay and grad_clip 0 or more, warmup a share from 0 to below 1")
        if not 0 <= self.modality_dropout < 1 or self.batch_steps < 0:
            raise ValueError("modality_dropout must be a probability from 0 to below 1, batch_steps 0 or more")
        if set(self.max_steps) - set(MODALITIES) or any(steps < 1 for steps in self.max_steps.values()):
            raise ValueError(f"max_steps maps {', '.join(MODALITIES)} to 1 or more steps, not {self.max_steps}")


@dataclass(frozen=True)
class ZooRow:
    """A row of the zoo: its name, the model's, all hyperparameters (defaults too), and how it is trained."""

    name: str
    model: str
    hyperparams: dict[str, Any]
    train: TrainConfig


def read_zoo(params: Path, only: str | None = None, task: str | None = None) -> tuple[ZooRow, ...]:
    """Read the rows of the zoo.

    A row's key `tasks` holds, for a task by name, what it does otherwise there: hyperparameters, and keys of `train`. One of
    `default: false` is trained for tasks that name it.

    Args:
        params: params.yaml.
        task: whose values are taken, where a row has some of its own for it.
        only: None: the table's rows; "all": also every model that has no row, with its defaults; else one row or model by name.

    Raises:
        ParamsError: an unknown, missing or ill-typed key of `train` or of a row's `train`.
        ModelError: an unknown model or hyperparameter; the message lists the nearest names.
    """
    table = read_table(params, "zoo")
    if only is not None:
        named = {str(row.get("model", name)) for name, row in table.items()}
        spare: dict[str, dict[str, Any]] = {name: {} for name in model_names() if name not in named}
        table = {**table, **spare} if only == "all" else {only: table.get(only, {})}
    defaults = read_params(params).get("train")
    if not isinstance(defaults, Mapping):
        raise ParamsError(f"{params} has no section `train`")
    return tuple(
        _read_row(name, for_task(row, task, f"{params}: zoo.{name}"), defaults, f"{params}: zoo.{name}") for name, row in table.items()
    )


def for_task(row: Mapping[str, Any], task: str | None, where: str) -> dict[str, Any]:
    """Return a row with the values that it has for a task in the place of its general ones.

    Raises:
        ParamsError: its key `tasks` is no table of tables.
    """
    general = {key: value for key, value in row.items() if key != "tasks"}
    own = row.get("tasks") or {}
    if not isinstance(own, Mapping) or not all(isinstance(values, Mapping) for values in own.values()):
        raise ParamsError(
            f"{where}.tasks maps a task to what the row does otherwise there, {{task: {{dim: 128, train: {{…}}}}}}; it is {own!r}"
        )
    special = dict(own.get(task, {}))
    if "model" in special:
        raise ParamsError(f"{where}.tasks.{task}: a row has one model for all tasks; write a row of its own")
    trains = [values.get("train") or {} for values in (general, special)]
    merged = {**trains[0], **trains[1]} if all(isinstance(train, Mapping) for train in trains) else trains
    return {**general, **special, **({"train": merged} if merged else {})}


def _read_row(name: str, row: Mapping[str, Any], defaults: Mapping[str, Any], where: str) -> ZooRow:
    """One row, complete."""
    if not name.replace("-", "_").replace(".", "_").isidentifier():
        raise ParamsError(f"{where}: a row's name becomes a folder; write it with letters, digits and underscores")
    overrides = row.get("train") or {}
    if not isinstance(overrides, Mapping) or "seeds" in overrides:
        raise ParamsError(f"{where}.train overrides keys of the section `train`, and never its seeds: every row is trained with the same")
    train = build(TrainConfig, {**defaults, **overrides}, f"{where}.train")
    model = str(row.get("model", name))
    try:
        cls: type[Any] = find_model(model).Hyperparams
        hyperparams: Any = build(cls, {k: v for k, v in row.items() if k not in ("model", "train", "default")}, where)
    except ParamsError as error:
        raise ModelError(str(error)) from error
    return ZooRow(name, model, dataclasses.asdict(hyperparams), train)
