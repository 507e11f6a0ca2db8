"""All scores of a task, as one JSON object: every row, output and metric, with its spread, interval and test.

Notable decisions:
- A metric's value is the mean over seeds of its value on the pooled test clips of all folds. Sd over seeds and over folds stand apart; the
  latter is of each fold's mean over seeds.
- Each row's `fusion` output is compared with the reference row on the metrics `TESTED` of its kind of task; Holm's correction runs over
  all these p-values of the table. A removed modality is compared with the same row's fused output, with an interval and no test.
- Numbers are rounded to six decimals, so that the order of a sum does not reach the bytes.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import Fold
from pipeline.errors import TaskError
from pipeline.report.bootstrap import Draws, correct_holm, interval, p_value
from pipeline.report.overlap import describe_fold
from pipeline.report.pool import Pool
from pipeline.report.subsets import Subset, describe_subsets, make_subsets
from pipeline.report.summary import number, summarise
from pipeline.report.system import Runs, System, confusion_classes, judge
from pipeline.tasks.task import Task

if TYPE_CHECKING:
    from pipeline.training.run import Run

Samples = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class EvaluateConfig:
    """The section `evaluate` of params.yaml.

    Args:
        draws: bootstrap draws.
        seed: of the draws.
        level: of the intervals.
        reference: row of the zoo that all others are compared with.
    """

    draws: int
    seed: int
    level: float = 0.95
    reference: str = "linear"

    def __post_init__(self) -> None:
        if self.draws < 1 or not 0 < self.level < 1:
            raise ValueError("`draws` must be at least 1 and `level` between 0 and 1")


def tested_metrics(task: Task) -> tuple[str, ...]:
    """The metrics that rows are compared on."""
    if task.config.kind == "multi_label":
        return (task.config.accuracy, "f1")
    if task.config.kind == "multi_class":
        return ("ua", "wa")
    return ("acc2" if task.config.scale == "sims" else "acc2_without_zero", "mae")


def compute_scores(
    task: Task, rows: Sequence[str], runs: Sequence["Run"], manifest: Manifest, folds: Sequence[Fold], config: EvaluateConfig
) -> dict[str, Any]:
    """Score every output of every row from saved predictions.

    Raises:
        TaskError: a row's runs are incomplete or predict other clips, or the reference row is not in the zoo.
    """
    by_row = _sort_runs(task, rows, runs, len(folds))
    if config.reference not in by_row:
        raise TaskError(f"evaluate.reference `{config.reference}` is no row of the zoo; its rows: {', '.join(by_row)}")
    pool = Pool.read(task, manifest, folds)
    seeds = sorted({run.seed for run in runs})
    draws = Draws.make(pool.num_groups, len(seeds), config.draws, config.seed)
    subsets = make_subsets(task, pool, manifest, folds, draws)
    scored, samples = {}, {}
    for row, of_row in by_row.items():
        scored[row], samples[row] = _score_row(task, of_row, pool, draws, subsets, config.level)
    _compare(scored, samples, tested_metrics(task), config)
    return {
        "task": task.name,
        "config": dataclasses.asdict(task.config),
        "outputs": list(task.output_names),
        "confusion_classes": list(confusion_classes(task)),
        "tested": list(tested_metrics(task)),
        "evaluate": dataclasses.asdict(config),
        "seeds": seeds,
        "groups": {"by": pool.grouped_by, "count": pool.num_groups},
        "folds": [describe_fold(fold, manifest) for fold in folds],
        "subsets": describe_subsets(task, subsets),
        "rows": scored,
    }


def _sort_runs(task: Task, rows: Sequence[str], runs: Sequence["Run"], num_folds: int) -> dict[str, dict[tuple[int, int], "Run"]]:
    """Return row → (seed, fold) → run, in the order of `rows`, every row with the same seeds and all folds."""
    by_row: dict[str, dict[tuple[int, int], Run]] = {row: {} for row in rows}
    for run in runs:
        if run.row in by_row:
            by_row[run.row][run.seed, run.fold] = run
    wanted = {(seed, fold) for seed in {run.seed for run in runs} for fold in range(num_folds)}
    missing = [f"{row} (seed {s}, fold {k})" for row, of_row in by_row.items() for s, k in sorted(wanted - set(of_row))]
    if missing or not wanted:
        raise TaskError(f"tasks.{task.name}: {len(missing)} runs are missing: {', '.join(missing[:10])}; run train first")
    return {row: {key: of_row[key] for key in sorted(wanted)} for row, of_row in by_row.items()}


def _score_row(
    task: Task, runs: Runs, pool: Pool, draws: Draws, subsets: Sequence[Subset], level: float
) -> tuple[dict[str, Any], dict[str, Samples]]:
    """Return a row's description and scores, and the bootstrap samples of its outputs."""
    first = next(iter(runs.values()))
    described: dict[str, Any] = {
        "model": first.model,
        "hyperparams": first.hyperparams,
        "num_parameters": first.num_parameters,
        "annotations": list(first.annotations),
        "modalities": list(first.modalities),
        "encoders": _describe_encoders(runs),
        "runs": [
            {
                "fold": r.fold,
                "seed": r.seed,
                "num_train_clips": r.num_train_clips,
                "truncated": r.truncated,
                "fingerprint": r.fingerprint,
                "best_epoch": r.best_epoch,
                "history": r.history,
            }
            for r in runs.values()
        ],
        "outputs": {},
    }
    samples: dict[str, Samples] = {}
    for output in first.logits["test"]:
        system = judge(task, runs, output, pool)
        samples[output] = system.resample(task, pool, draws, None if output == "fusion" else tested_metrics(task))
        described["outputs"][output] = _score_system(task, system, pool, samples[output], level)
        if output == "fusion" and subsets:
            described["subsets"] = {subset.value: subset.score(task, system, level) for subset in subsets}
    return described, samples


def _describe_encoders(runs: Runs) -> dict[str, Any]:
    """Return the first fold's encoder of each modality, with the digests of all folds'."""
    of_folds = {fold: run.encoders for (_, fold), run in sorted(runs.items(), key=lambda item: item[0][1])}
    first = next(iter(of_folds.values()))
    return {m: {**encoder, "digests": [encoders[m]["digest"] for encoders in of_folds.values()]} for m, encoder in first.items()}


def _score_system(task: Task, system: System, pool: Pool, samples: Samples, level: float) -> dict[str, Any]:
    """Return one output's metrics, thresholds and confusion."""
    values = system.values(task, pool)
    if system.output != "fusion":
        values = {key: value for key, value in values.items() if "/" not in key}
    folds = [system.values(task, pool, k) for k in range(len(pool.test))] if len(pool.test) > 1 else []
    scores = {
        key: summarise(key, of_seeds, samples, level, [float(of_fold[key].mean()) for of_fold in folds]) for key, of_seeds in values.items()
    }
    thresholds = None if system.thresholds is None else system.thresholds.tolist()
    confusion = system.confusion(task, pool).tolist()
    return {"annotation": system.annotation, "metrics": scores, "thresholds": thresholds, "confusion": confusion}


def _compare(scored: dict[str, Any], samples: Mapping[str, Mapping[str, Samples]], tested: Sequence[str], config: EvaluateConfig) -> None:
    """Add each row's differences from the reference row, and each removed modality's from its row."""
    reference = config.reference
    tests = []
    for row, described in scored.items():
        fused = samples[row]["fusion"]
        described["differences"] = {}
        for metric in tested if row != reference else ():
            found = _difference(described, "fusion", metric, scored[reference], fused, samples[reference]["fusion"], config.level)
            described["differences"][metric] = found
            tests.append((found, p_value(fused[metric] - samples[reference]["fusion"][metric])))
        for output in [o for o in described["outputs"] if o.startswith("without_")]:
            described["outputs"][output]["differences"] = {
                metric: _difference(described, output, metric, described, samples[row][output], fused, config.level) for metric in tested
            }
    for (found, p), corrected in zip(tests, correct_holm([p for _, p in tests]), strict=True):
        found |= {"p": number(p), "p_holm": number(corrected)}


def _difference(
    row: dict[str, Any], output: str, metric: str, other: dict[str, Any], samples: Samples, other_samples: Samples, level: float
) -> dict[str, Any]:
    """Return the difference of an output from another row's fused output, with its paired interval."""
    mean = row["outputs"][output]["metrics"][metric]["mean"] - other["outputs"]["fusion"]["metrics"][metric]["mean"]
    low, high = interval(samples[metric] - other_samples[metric], level)
    return {"difference": number(mean), "low": number(low), "high": number(high)}
