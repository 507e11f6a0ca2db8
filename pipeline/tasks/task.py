"""A task: labels of a corpus, a split of it, and one encoder per modality.

Three kinds: `multi_label` (independent yes/no labels), `multi_class` (one of several classes) and `regression` (a value, possibly annotated
more than once: M from all modalities, T, A and V from one each, as CH-SIMS has them).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import Fold, check_disjoint
from pipeline.errors import SplitError, TaskError
from pipeline.params import read_row
from pipeline.tasks import confusion, selection
from pipeline.tasks.config import MODALITIES, TaskConfig

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MODALITIES", "Task", "TaskConfig", "pos_weight"]

MAX_POS_WEIGHT = 20.0
"""Cap of negatives / positives as the weight of a positive example."""
NO_SUBSET = "none"
"""Stands for the test clips that have no value of a task's column `subsets`."""
MAX_SUBSETS = 12
"""A column of more values than that is a measurement and no division of the clips."""


@dataclass(frozen=True)
class Task:
    """A task by name; everything the trainer and the evaluation ask of it."""

    name: str
    config: TaskConfig

    @classmethod
    def read(cls, params: Path, name: str) -> "Task":
        """Read the row `name` of `tasks` in params.yaml.

        Raises:
            ParamsError: no such row, or it is not a valid TaskConfig.
        """
        return cls(name, read_row(params, "tasks", name, TaskConfig, wiring=()))

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that have an encoder, in the order text, audio, video."""
        return tuple(m for m in MODALITIES if m in self.config.encoders)

    @property
    def annotations(self) -> tuple[str, ...]:
        """The annotations of each clip: M alone, or M, T, A, V."""
        return tuple(self.config.annotations) or ("M",)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs: the labels, the classes, or the column of annotation M."""
        return self.config.labels or self.config.classes or (self.config.annotations["M"],)

    @property
    def num_outputs(self) -> int:
        """Width of the logits."""
        return len(self.output_names)

    def folds(self, manifest: Manifest, splits: Mapping[str, tuple[Fold, ...]]) -> tuple[Fold, ...]:
        """Return the folds of the task's split, checked for what their parts must not share.

        Raises:
            SplitError: no such split, an empty part, or parts that overlap or repeat each other's media undeclared.
            TaskError: the column `subsets` is none.
        """
        if self.config.split not in splits:
            raise SplitError(f"tasks.{self.name}: the corpus has no split `{self.config.split}`; its splits: {', '.join(splits) or 'none'}")
        folds = splits[self.config.split]
        for number, fold in enumerate(folds):
            where = f"tasks.{self.name}, split `{self.config.split}`, fold {number}"
            empty = [part for part in ("train", "valid", "test") if not fold.part(part)]
            if empty:
                raise SplitError(f"{where}: no clips in {', '.join(empty)}; correct the corpus' split lists")
            check_disjoint(fold, manifest, self.config.disjoint, where, self.config.copies)
        if self.config.subsets is not None:
            self.subsets([manifest[i] for fold in folds for i in fold.test])
        return folds

    def subsets(self, clips: Sequence[Clip]) -> list[str]:
        """Return each test clip's value of the column `subsets`, in words; `none` where it has none.

        Raises:
            TaskError: no clip has the column, or it has too many values to be scored apart.
        """
        column = self.config.subsets or ""
        labels = [clip.labels.get(column) for clip in clips]
        values = [NO_SUBSET if label in (None, "") else _word(label) for label in labels]
        if set(values) == {NO_SUBSET}:
            known = ", ".join(sorted({name for clip in clips for name in clip.labels})) or "none"
            raise TaskError(f"tasks.{self.name}.subsets: no test clip has the label `{column}`; their labels: {known}")
        if len(set(values)) > MAX_SUBSETS:
            raise TaskError(f"tasks.{self.name}.subsets: `{column}` has {len(set(values))} values; name a label of at most {MAX_SUBSETS}")
        return values

    def targets(self, clips: Sequence[Clip]) -> dict[str, NDArray[Any]]:
        """Return annotation → target: multi_label (clips, labels) float32 0/1, multi_class (clips,) int64, regression (clips, 1) float32.

        Raises:
            TaskError: lists clips without a label, or with one that the task does not know.
        """
        if self.config.kind == "multi_label":
            values = self._numbers(clips, self.config.labels)
            return {"M": (values > 0).astype(np.float32)}
        if self.config.kind == "regression":
            return {a: self._numbers(clips, (column,)).astype(np.float32) for a, column in self.config.annotations.items()}
        columns = self.config.annotations or {"M": self.config.label or ""}
        return {a: self._classes(clips, column) for a, column in columns.items()}

    def _numbers(self, clips: Sequence[Clip], columns: Sequence[str]) -> NDArray[np.float64]:
        """Return label columns as numbers, (clips, columns)."""
        rows = [[_number(clip.labels.get(column)) for column in columns] for clip in clips]
        values = np.asarray(rows, dtype=np.float64).reshape(len(clips), len(columns))
        bad = [clip.id for clip, row in zip(clips, values, strict=True) if not np.isfinite(row).all()]
        self._refuse(bad, f"lack a number for {', '.join(columns)}")
        return values

    def _classes(self, clips: Sequence[Clip], column: str) -> NDArray[np.int64]:
        """Return the class of each clip in a label column, (clips,)."""
        names = [_word(clip.labels.get(column)) for clip in clips]
        known = {name: i for i, name in enumerate(self.config.classes)}
        bad = [f"{clip.id} ({name})" for clip, name in zip(clips, names, strict=True) if name not in known]
        self._refuse(bad, f"have a {column} that is none of {', '.join(known)}")
        return np.asarray([known[name] for name in names], dtype=np.int64)

    def _refuse(self, bad: Sequence[str], problem: str) -> None:
        """Raise TaskError if there are offending clips."""
        if bad:
            listed = ", ".join(bad[:10])
            raise TaskError(
                f"tasks.{self.name}: {len(bad)} clips {problem}: {listed}; correct the label file or leave them out of the split"
            )

    def criterion(self, train_target: NDArray[Any]) -> Callable[["Tensor", "Tensor"], "Tensor"]:
        """Return the mean loss of logits (clips, outputs) against a target of the same annotation.

        Binary cross-entropy with `pos_weight` = negatives / positives of `train_target`, capped at 20; cross-entropy; mean absolute error.
        """
        import torch
        from torch.nn import functional

        if self.config.kind == "multi_class":
            return lambda logits, target: functional.cross_entropy(logits, target)
        if self.config.kind == "regression":
            return lambda logits, target: functional.l1_loss(logits, target)
        weight = torch.from_numpy(pos_weight(train_target))
        return lambda logits, target: functional.binary_cross_entropy_with_logits(logits, target, pos_weight=weight.to(logits))

    def predict(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Return probabilities (sigmoid, softmax) or values clipped to `range`, (clips, outputs).

        Raises:
            TaskError: a logit is not finite, or the shape is wrong.
        """
        if logits.ndim != 2 or logits.shape[1] != self.num_outputs:
            raise TaskError(f"tasks.{self.name}: logits of shape {logits.shape} where (clips, {self.num_outputs}) is expected")
        bad = int((~np.isfinite(logits)).any(axis=1).sum())
        if bad:
            raise TaskError(f"tasks.{self.name}: the logits of {bad} of {len(logits)} clips are not finite; lower the learning rate")
        values = logits.astype(np.float64)
        if self.config.kind == "regression":
            return values if self.config.range is None else np.clip(values, *self.config.range)
        if self.config.kind == "multi_label":
            return 0.5 * (1 + np.tanh(values / 2))
        exponential: NDArray[np.float64] = np.exp(values - values.max(axis=1, keepdims=True))
        probability: NDArray[np.float64] = exponential / exponential.sum(axis=1, keepdims=True)
        return probability

    @property
    def selection(self) -> str:
        """Name of the number that selects an epoch on valid, the same for every row of the zoo."""
        return {"multi_label": f"f1_plus_{self.config.accuracy}", "multi_class": "ua", "regression": "negative_mae"}[self.config.kind]

    def select(self, logits: NDArray[Any], target: NDArray[Any]) -> float:
        """Score logits on the valid part; larger is better.

        Multi-label: mean over labels of F1 plus accuracy, at the thresholds found on the same clips; multi-class: UA; regression: −MAE.

        Raises:
            TaskError: no clips, or logits that are not finite.
        """
        if not len(target):
            raise TaskError(f"tasks.{self.name}: no clips to select on; give the split a valid part")
        preds = self.predict(logits)
        if self.config.kind == "regression":
            return -float(np.abs(preds - target).mean())
        if self.config.kind == "multi_class":
            return selection.recall_mean(preds.argmax(axis=1), target)
        truth = target > 0
        counts = confusion.count(preds > selection.search_thresholds(preds, truth), truth)
        return float(confusion.f1(counts).mean() + getattr(confusion, self.config.accuracy)(counts).mean())


def pos_weight(target: NDArray[Any]) -> NDArray[np.float32]:
    """Return negatives / positives per label, at most 20; 1 for a label that has no negatives, (labels,)."""
    positives = (target > 0).sum(axis=0)
    negatives = len(target) - positives
    weight = np.minimum(negatives / np.maximum(positives, 1), MAX_POS_WEIGHT)
    return np.where(positives == 0, MAX_POS_WEIGHT, np.where(negatives == 0, 1.0, weight)).astype(np.float32)


def _number(label: float | str | None) -> float:
    """Return a label as a number, NaN where it is none."""
    return float(label) if isinstance(label, (int, float)) else float("nan")


def _word(label: float | str | None) -> str:
    """Return a class name; a class that a CSV reader took for a number is written as one would write it."""
    return f"{label:g}" if isinstance(label, (int, float)) else str(label)
