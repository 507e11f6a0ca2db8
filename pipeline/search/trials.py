"""A row of the zoo at each point of the search.

What the names of hyperparameters say: `dim` and those that end in _dim, _out, _lstm or _head are widths, and a trial multiplies all of
them by its one factor, rounded up to a multiple of `num_heads` where the model has heads; 0 (no such layer) stays 0. `dropout` and those
that end in _dropout all get the trial's one value. A row without them is searched in what is left; one that is fitted in closed form has
nothing to search, and its own values are its only trial.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.fusion.base import ClosedFormModel, ModelSpec, find_model
from pipeline.search.config import Point, SearchConfig
from pipeline.training.jobs import make_outline
from pipeline.training.zoo import ZooRow


@dataclass(frozen=True)
class Trial:
    """A trial of a row.

    Args:
        number: 0: the row's own values, those that it has for every task.
        row: with the trial's values, and the search's seed alone.
        width: the factor that its widths were multiplied by.
        dropout: None: the row's own, or the row has none.
    """

    number: int
    row: ZooRow
    width: float = 1.0
    dropout: float | None = None

    def chosen(self) -> dict[str, Any]:
        """What a row of the zoo says to be trained like this."""
        names = [name for name in self.row.hyperparams if is_searched(name)]
        rates = {"learning_rate": self.row.train.learning_rate, "weight_decay": self.row.train.weight_decay}
        return {**{name: self.row.hyperparams[name] for name in names}, "train": rates}


def without_own(row: ZooRow, general: ZooRow) -> ZooRow:
    """Return a task's row with the general values of what is searched: those that the row has for this task may come from a search."""
    hyperparams = {name: general.hyperparams[name] if is_searched(name) else value for name, value in row.hyperparams.items()}
    rate, decay = general.train.learning_rate, general.train.weight_decay
    train = dataclasses.replace(row.train, learning_rate=rate, weight_decay=decay)
    return dataclasses.replace(row, hyperparams=hyperparams, train=train)


def make_trials(row: ZooRow, points: Sequence[Point], config: SearchConfig, spec: ModelSpec) -> list[Trial]:
    """Return a row's trials: its own values, then the points; `spec` is what its model is built for.

    Raises:
        ModelError: the task cannot serve the row.
    """
    own = dataclasses.replace(row, train=dataclasses.replace(row.train, seeds=(config.run_seed,)))
    if issubclass(find_model(row.model), ClosedFormModel):
        return [Trial(0, own)]
    return [Trial(0, own), *(_make_trial(number, own, point, config, spec) for number, point in enumerate(points, 1))]


def _make_trial(number: int, row: ZooRow, point: Point, config: SearchConfig, spec: ModelSpec) -> Trial:
    """A row at a point."""
    width = point.width if any(is_width(name) and value for name, value in row.hyperparams.items()) else 1.0
    hyperparams = change(row.hyperparams, width, point.dropout)
    if width != 1 and count_parameters(row.model, hyperparams, spec) > config.max_parameters:
        width, hyperparams = 1.0, change(row.hyperparams, 1.0, point.dropout)
    train = dataclasses.replace(row.train, learning_rate=point.learning_rate, weight_decay=point.weight_decay)
    dropout = point.dropout if any(map(is_dropout, row.hyperparams)) else None
    return Trial(number, dataclasses.replace(row, hyperparams=hyperparams, train=train), width, dropout)


def change(hyperparams: Mapping[str, Any], width: float, dropout: float) -> dict[str, Any]:
    """Return hyperparameters with their widths multiplied by a factor and one dropout."""
    heads, changed = int(hyperparams.get("num_heads", 1)), dict(hyperparams)
    for name, value in hyperparams.items():
        if is_dropout(name):
            changed[name] = dropout
        elif is_width(name) and value and width != 1:
            changed[name] = math.ceil(value * width / heads) * heads
    return changed


def is_searched(name: str) -> bool:
    """Whether a hyperparameter of that name is searched."""
    return is_width(name) or is_dropout(name)


def is_width(name: str) -> bool:
    """Whether a hyperparameter of that name is a layer's width."""
    return name == "dim" or name.endswith(("_dim", "_out", "_lstm", "_head"))


def is_dropout(name: str) -> bool:
    """Whether a hyperparameter of that name is a probability of dropout."""
    return name == "dropout" or name.endswith("_dropout")


def count_parameters(model: str, hyperparams: Mapping[str, Any], spec: ModelSpec) -> int:
    """Return how many numbers a model would learn, without making them."""
    return sum(p.numel() for p in make_outline(model, hyperparams, spec).parameters())
