"""A system: one output of one row of the zoo, judged on the pooled test clips, seed by seed.

Thresholds are searched on the valid part of the same run and output; test is only counted.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import TaskError
from pipeline.report.bootstrap import Draws, resample, sum_by_group
from pipeline.report.pool import Part, Pool
from pipeline.tasks import metrics, selection, sentiment
from pipeline.tasks.task import Task

if TYPE_CHECKING:
    from pipeline.training.run import Run

Array = NDArray[np.float64]
Runs = Mapping[tuple[int, int], "Run"]
HEADS = {"text": "T", "audio": "A", "video": "V"}
"""A head's own annotation, where the row was trained on it."""


@dataclass(frozen=True)
class System:
    """Predictions of one output, all seeds.

    Args:
        output: `fusion`, a head (`text` …), or `without_<modality>`.
        annotation: the labels it is judged against.
        seeds: in rising order.
        preds: probabilities or values of the pooled test clips, (seeds, clips, outputs).
        statistics: additive statistics (pipeline/tasks/metrics.py), (seeds, clips, …).
        thresholds: (seeds, folds, labels), multi-label only.
    """

    output: str
    annotation: str
    seeds: tuple[int, ...]
    preds: Array
    statistics: Array
    thresholds: Array | None

    def take(self, kept: NDArray[np.bool_]) -> "System":
        """Return the same decisions on some of the pooled test clips, (clips,) bool."""
        return replace(self, preds=self.preds[:, kept], statistics=self.statistics[:, kept])

    def values(self, task: Task, pool: Pool, fold: int | None = None) -> dict[str, Array]:
        """Every metric of every seed, key → (seeds,), on all pooled test clips or those of one fold; rankings of the fused output only."""
        kept = np.ones(len(pool.fold), bool) if fold is None else pool.fold == fold
        counted = metrics.formula(task, self.statistics[:, kept].sum(axis=1))
        target = pool.targets(self.annotation)[kept]
        if self.output != "fusion":
            return dict(counted)
        ranked = [metrics.ranking_metrics(task, preds[kept], target) for preds in self.preds]
        return dict(counted) | {key: np.array([of_seed[key] for of_seed in ranked]) for key in ranked[0]}

    def resample(self, task: Task, pool: Pool, draws: Draws, names: Collection[str] | None = None) -> dict[str, Array]:
        """Every metric that has additive statistics, or those of `names`, on every bootstrap draw, key → (draws,)."""
        sums = np.stack([sum_by_group(of_seed, pool.groups, pool.num_groups) for of_seed in self.statistics])

        def formula(drawn: Array) -> dict[str, Array]:
            return {name: value for name, value in metrics.formula(task, drawn).items() if names is None or name in names}

        return resample(sums, formula, draws)

    def confusion(self, task: Task, pool: Pool) -> NDArray[np.int64]:
        """Decisions summed over seeds: (labels, truth, prediction) for yes/no labels, else (truth, prediction)."""
        sums = self.statistics.sum(axis=(0, 1))
        if task.config.kind == "multi_label":
            tp, fp, fn, tn = sums.T
            cells: NDArray[np.int64] = np.stack([np.stack([tn, fp], -1), np.stack([fn, tp], -1)], -2).astype(np.int64)
            return cells
        if task.config.kind == "multi_class":
            pairs: NDArray[np.int64] = sums.astype(np.int64)
            return pairs
        scale, name = task.config.scale, confusion_metric(task)
        size = len(confusion_classes(task))
        truth = sentiment.classes(scale, name, pool.targets(self.annotation)[:, 0])
        table = np.zeros((size, size), np.int64)
        for preds in self.preds:
            np.add.at(table, (truth, sentiment.classes(scale, name, preds[:, 0])), 1)
        return table


def confusion_metric(task: Task) -> str:
    """The metric whose classes a sentiment task's confusion matrix shows."""
    return "acc5" if task.config.scale == "sims" else "acc7"


def confusion_classes(task: Task) -> tuple[str, ...]:
    """Names of the rows and columns of a confusion matrix."""
    if task.config.kind == "multi_label":
        return ("no", "yes")
    if task.config.kind == "multi_class":
        return task.config.classes
    if task.config.scale == "sims":
        return ("negative", "weakly −", "neutral", "weakly +", "positive")
    return tuple(f"{value:+d}" if value else "0" for value in range(-3, 4))


def judge(task: Task, runs: Runs, output: str, pool: Pool) -> System:
    """Judge one output of all runs of a row; `runs` by (seed, fold).

    Raises:
        TaskError: a run lacks the output or predicts other clips than the split's parts.
    """
    seeds = tuple(sorted({seed for seed, _ in runs}))
    annotation = HEADS.get(output, "M")
    if annotation not in next(iter(runs.values())).annotations:
        annotation = "M"
    judged = [[_judge_run(task, runs[seed, k], output, annotation, *parts) for k, parts in _parts(pool)] for seed in seeds]
    thresholds = np.array([[t for _, _, t in folds] for folds in judged]) if task.config.kind == "multi_label" else None
    preds = np.stack([np.concatenate([p for p, _, _ in folds]) for folds in judged])
    statistics = np.stack([np.concatenate([s for _, s, _ in folds]) for folds in judged])
    return System(output, annotation, seeds, preds, statistics, thresholds)


def _parts(pool: Pool) -> list[tuple[int, tuple[Part, Part]]]:
    """Number, valid and test part of each fold."""
    return list(enumerate(zip(pool.valid, pool.test, strict=True)))


def _judge_run(task: Task, run: "Run", output: str, annotation: str, valid: Part, test: Part) -> tuple[Array, Array, Any]:
    """Return test predictions, their statistics, and the thresholds found on valid."""
    thresholds = None
    if task.config.kind == "multi_label":
        thresholds = selection.search_thresholds(_predict(task, run, "valid", output, valid), valid.targets[annotation] > 0)
    preds = _predict(task, run, "test", output, test)
    return preds, metrics.statistics(task, preds, test.targets[annotation], thresholds), thresholds


def _predict(task: Task, run: "Run", name: str, output: str, part: Part) -> Array:
    """Return a run's predictions for a part, in the part's order of clips."""
    where = f"run {run.row}, fold {run.fold}, seed {run.seed}"
    if output not in run.logits[name]:
        raise TaskError(f"{where} has no output `{output}` on {name}; run train again")
    if sorted(run.clip_ids[name]) != sorted(part.ids):
        raise TaskError(f"{where} predicts other {name} clips than the split has now; run train again")
    places = {clip_id: place for place, clip_id in enumerate(run.clip_ids[name])}
    return task.predict(run.logits[name][output][[places[i] for i in part.ids]])
