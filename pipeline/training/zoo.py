"""The section `train` and the table `zoo` of params.yaml: which models are trained, and how."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import ModelError, ParamsError
from pipeline.fusion.base import find_model, model_names
from pipeline.params import build, read_params, read_table


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

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"`seeds` {self.seeds} must be one or more numbers, each once")
        if min(self.max_epochs, self.patience, self.batch_size) < 1:
            raise ValueError("max_epochs, patience and batch_size must be at least 1")
        if self.learning_rate <= 0 or self.weight_decay < 0 or self.grad_clip < 0 or not 0 <= self.warmup < 1:
            raise ValueError("learning_rate must be above 0, weight_decay and grad_clip 0 or more, warmup a share from 0 to below 1")


@dataclass(frozen=True)
class ZooRow:
    """A row of the zoo: its name, the model's, all hyperparameters (defaults too), and how it is trained."""

    name: str
    model: str
    hyperparams: dict[str, Any]
    train: TrainConfig


def read_zoo(params: Path, only: str | None = None) -> tuple[ZooRow, ...]:
    """Read the rows of the zoo.

    Args:
        params: params.yaml.
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
    return tuple(_read_row(name, row, defaults, f"{params}: zoo.{name}") for name, row in table.items())


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
        hyperparams: Any = build(cls, {k: v for k, v in row.items() if k not in ("model", "train")}, where)
    except ParamsError as error:
        raise ModelError(str(error)) from error
    return ZooRow(name, model, dataclasses.asdict(hyperparams), train)
