"""Every metric by its exact definition, as sufficient statistics and a formula.

A statistic is additive over clips: `statistics(…)` gives one row per clip, and `formula(sum of rows)` gives the metrics. So one set of
definitions serves a test part, a fold, and ten thousand bootstrap draws (a draw is a weighted sum of rows). Metrics that need the ranking
of all clips (ROC-AUC, average precision) have no such statistics and stand apart, computed by scikit-learn. Sentiment: sentiment.py.

A key is `metric` for the value of the whole task (multi-label: the unweighted mean over labels) and `metric/label` for one label or class.
Undefined ratios (0/0) are 0, the correlation with a constant is 0; a ranking metric of a label with one class is NaN, left out of the mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import TaskError
from pipeline.tasks import confusion, sentiment
from pipeline.tasks.confusion import divide
from pipeline.tasks.task import Task

Array = NDArray[np.float64]
Values = Mapping[str, Array]


@dataclass(frozen=True)
class Metric:
    """How a metric is named, defined and read."""

    title: str
    definition: str
    higher_is_better: bool = True


METRICS = {
    "accuracy": Metric("Acc", "share of right yes/no decisions, (TP + TN) / all"),
    "balanced_accuracy": Metric("Wa", "balanced accuracy, ½(TP/P + TN/N); the “weighted accuracy” of the MOSEI tables"),
    "f1": Metric("F1", "F1 of the positive class, 2TP / (2TP + FP + FN)"),
    "weighted_f1": Metric("wF1", "F1 of each class, averaged with the number of its clips in truth as weight"),
    "macro_f1": Metric("mF1", "F1 of each class, averaged without weights over the classes that truth or prediction has"),
    "precision": Metric("Prec", "TP / (TP + FP)"),
    "recall": Metric("Rec", "TP / (TP + FN)"),
    "roc_auc": Metric("AUC", "area under the ROC curve, unweighted mean over labels (one against the rest)"),
    "average_precision": Metric("AP", "average precision Σ (Rₙ − Rₙ₋₁) Pₙ, unweighted mean over labels (one against the rest)"),
    "ua": Metric("UA", "unweighted average recall: mean over the classes that truth has"),
    "wa": Metric("WA", "weighted accuracy: share of right decisions over all clips"),
    "acc2": Metric("Acc2", "agreement of two classes, ≤ 0 and > 0, no clip left out"),
    "acc3": Metric("Acc3", "agreement of three classes with edges ±0.1"),
    "acc5": Metric("Acc5", "agreement of five classes with edges ±0.1 and ±0.7"),
    "sims_f1": Metric("F1", "F1 of the two classes ≤ 0 and > 0, weighted by their numbers in truth (truth first, prediction second)"),
    "acc2_with_zero": Metric("Acc2 ≥0", "agreement of two classes, < 0 and ≥ 0"),
    "f1_with_zero": Metric("F1 ≥0", "weighted F1 of the classes < 0 and ≥ 0"),
    "acc2_without_zero": Metric("Acc2 ≠0", "agreement of two classes, ≤ 0 and > 0, on clips whose true value is not 0"),
    "f1_without_zero": Metric("F1 ≠0", "weighted F1 of the classes ≤ 0 and > 0, on clips whose true value is not 0"),
    "acc7": Metric("Acc7", "agreement of the values clipped to ±3 and rounded"),
    "acc5_rounded": Metric("Acc5", "agreement of the values clipped to ±2 and rounded"),
    "mae": Metric("MAE", "mean absolute error", higher_is_better=False),
    "corr": Metric("Corr", "Pearson's correlation"),
    "ccc": Metric("CCC", "Lin's concordance correlation"),
}


def statistics(task: Task, preds: NDArray[np.float64], target: NDArray[np.float64], thresholds: Array | None = None) -> Array:
    """Return one row of additive statistics per clip.

    Args:
        task: whose kind and scale decide.
        preds: probabilities or values, (clips, outputs), as `Task.predict` gives them.
        target: as `Task.targets` gives it.
        thresholds: (labels,), multi-label only.

    Returns:
        multi-label (clips, labels, 4); multi-class (clips, truth, prediction); regression (clips, statistics).

    Raises:
        TaskError: no clips, lengths that differ, or values that are not finite.
    """
    if not len(target) or len(preds) != len(target) or not (np.isfinite(preds).all() and np.isfinite(target).all()):
        raise TaskError(
            f"tasks.{task.name}: {len(preds)} predictions for {len(target)} clips, or values that are not finite; run train again"
        )
    if task.config.kind == "multi_label":
        if thresholds is None:
            raise TaskError(f"tasks.{task.name}: yes/no decisions need thresholds; search them on the valid part")
        decided, truth = preds > thresholds, target > 0
        return np.stack([decided & truth, decided & ~truth, ~decided & truth, ~decided & ~truth], axis=-1).astype(np.float64)
    if task.config.kind == "multi_class":
        one_hot = np.eye(task.num_outputs)
        pairs: Array = np.einsum("nt,np->ntp", one_hot[target.astype(int)], one_hot[preds.argmax(axis=1)])
        return pairs
    return sentiment.statistics(task.config.scale, preds[:, 0], target.reshape(-1).astype(np.float64))


def formula(task: Task, sums: Array) -> Values:
    """Return every metric of summed statistics, key → (…) for `sums` (…, statistics of a clip)."""
    if task.config.kind == "multi_label":
        return _multi_label(sums, task.output_names)
    if task.config.kind == "multi_class":
        return _multi_class(sums, task.output_names)
    return sentiment.formula(task.config.scale, sums)


def _multi_label(sums: Array, labels: tuple[str, ...]) -> Values:
    """Per-label metrics and their unweighted means, from (…, labels, 4)."""
    tp, fp, fn, tn = np.moveaxis(sums, -1, 0)
    per_label = {
        "accuracy": confusion.accuracy(sums),
        "balanced_accuracy": confusion.balanced_accuracy(sums),
        "f1": confusion.f1(sums),
        "weighted_f1": divide((tp + fn) * confusion.f1(sums) + (tn + fp) * confusion.f1(sums[..., ::-1]), tp + fp + fn + tn),
        "precision": divide(tp, tp + fp),
        "recall": divide(tp, tp + fn),
    }
    values = {name: value.mean(axis=-1) for name, value in per_label.items()}
    return values | {f"{name}/{label}": value[..., i] for name, value in per_label.items() for i, label in enumerate(labels)}


def _multi_class(sums: Array, classes: tuple[str, ...]) -> Values:
    """UA, WA and F1 from a confusion matrix (…, truth, prediction)."""
    hits, support, chosen = np.diagonal(sums, axis1=-2, axis2=-1), sums.sum(axis=-1), sums.sum(axis=-2)
    per_class = {"recall": divide(hits, support), "precision": divide(hits, chosen), "f1": confusion.class_f1(sums)}
    values = {
        "wa": divide(hits.sum(axis=-1), support.sum(axis=-1)),
        "ua": divide(per_class["recall"].sum(axis=-1), (support > 0).sum(axis=-1).astype(np.float64)),
        "weighted_f1": confusion.weighted_f1(sums),
        "macro_f1": divide(per_class["f1"].sum(axis=-1), (support + chosen > 0).sum(axis=-1).astype(np.float64)),
    }
    return values | {f"{name}/{label}": value[..., i] for name, value in per_class.items() for i, label in enumerate(classes)}


def ranking_metrics(task: Task, preds: Array, target: Array) -> dict[str, float]:
    """ROC-AUC and average precision, per label and macro, NaN where a label has one class only; nothing for regression.

    Args:
        task: whose kind decides.
        preds: probabilities (clips, outputs).
        target: as `Task.targets` gives it.
    """
    if task.config.kind == "regression":
        return {}
    from sklearn.metrics import average_precision_score, roc_auc_score

    truth = target > 0 if task.config.kind == "multi_label" else np.eye(task.num_outputs)[target.astype(int)] > 0
    values: dict[str, float] = {}
    for name, score in (("roc_auc", roc_auc_score), ("average_precision", average_precision_score)):
        columns = zip(truth.T, preds.T, strict=True)
        per_label = np.array([score(y, p) if 0 < y.sum() < len(y) else np.nan for y, p in columns])
        defined = per_label[np.isfinite(per_label)]
        values[name] = float(defined.mean()) if len(defined) else float("nan")
        values |= {f"{name}/{label}": float(per_label[i]) for i, label in enumerate(task.output_names)}
    return values
