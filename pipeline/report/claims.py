"""The sources' claims as differences between rows, each with a paired interval: supported, or not supported.

A claim is a sum of scores with signs: "matchmap − concatenation", or the change of such a difference when a modality is weakened. All its
terms are scored on the same bootstrap draws of test speakers and seeds (pipeline/report/bootstrap.py), so the differences are paired.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import read_splits
from pipeline.report.bootstrap import Draws, interval
from pipeline.report.pool import Pool
from pipeline.report.scores import EvaluateConfig, tested_metrics
from pipeline.report.summary import number
from pipeline.report.system import judge
from pipeline.report.table import Cell, Column, Line, Table
from pipeline.tasks.task import Task
from pipeline.training.run import read_runs

Term = tuple[str, str]  # task, row of the zoo


@dataclass(frozen=True)
class Claim:
    """A claim: its number and words, and the terms that are added up, each with its sign."""

    name: str
    words: str
    terms: Mapping[Term, int]


def difference(more: Term, less: Term) -> dict[Term, int]:
    """One score minus another."""
    return {more: 1, less: -1}


def change(gain: Mapping[Term, int], weak: str) -> dict[Term, int]:
    """A gain on the task `weak` minus the same gain."""
    return {(weak, row): sign for (_, row), sign in gain.items()} | {term: -sign for term, sign in gain.items()}


def make_claims(task: str) -> tuple[Claim, ...]:
    """The claims of the two sources on a task; those about weakened modalities and own labels need its variants."""
    fusion = difference((task, "matchmap_plain"), (task, "concat_av_projected"))
    margin = difference((task, "matchmap_margin"), (task, "matchmap_plain"))
    own = difference((f"{task}_own", "multitask_mbt"), (task, "multitask_mbt"))
    same = difference((task, "multitask_mbt"), (task, "multitask_mbt_single"))
    claims = [
        Claim("C1a", "source 1: multi-task with the same label − a single loss", same),
        Claim("C1b", "source 1: multi-task with each modality's own label − the same label", own),
        Claim("C2a", "source 2: matchmap without margin loss − concatenation", fusion),
        Claim("C2b", "source 2: matchmap with margin loss − without", margin),
    ]
    for modality in ("audio", "video"):
        weak = f"{task}_weak_{modality}"
        claims += [
            Claim("C2c", f"source 2: the gain of C2a with weak {modality} − at full strength", change(fusion, weak)),
            Claim("C2c", f"source 2: the gain of C2b with weak {modality} − at full strength", change(margin, weak)),
        ]
    return tuple(claims)


@dataclass(frozen=True)
class Scored:
    """A row's score: the mean over seeds, the learned numbers, and its value on each draw, (draws,)."""

    mean: float
    num_parameters: int
    draws: NDArray[np.float64]


def score_rows(task: Task, clips: Path, runs: Path, config: EvaluateConfig) -> dict[Term, Scored]:
    """Score a task's rows on their first tested metric.

    Raises:
        TaskError: a row's runs are incomplete.
    """
    manifest, rows = read_manifest(clips), [folder.name for folder in sorted(runs.iterdir()) if folder.is_dir()]
    pool = Pool.read(task, manifest, task.folds(manifest, read_splits(clips)))
    metric, scored = tested_metrics(task)[0], {}
    for row in rows:
        of_row = {(run.seed, run.fold): run for run in read_runs(runs, [row])}
        system = judge(task, of_row, "fusion", pool)
        draws = Draws.make(pool.num_groups, len(system.seeds), config.draws, config.seed)
        samples = system.resample(task, pool, draws, (metric,))[metric]
        parameters = next(iter(of_row.values())).num_parameters
        scored[task.name, row] = Scored(float(system.values(task, pool)[metric].mean()), parameters, samples)
    return scored


def judge_claims(task: str, scored: Mapping[Term, Scored], level: float) -> list[dict[str, Any]]:
    """Judge the claims whose terms were all scored: supported only if the whole interval lies above 0."""
    found = []
    for claim in make_claims(task):
        if claim.terms.keys() <= scored.keys():
            mean = sum(sign * scored[term].mean for term, sign in claim.terms.items())
            low, high = interval(np.sum([sign * scored[term].draws for term, sign in claim.terms.items()], axis=0), level)
            found.append(
                {
                    "claim": claim.name,
                    "words": claim.words,
                    "difference": number(mean),
                    "low": number(low),
                    "high": number(high),
                    "verdict": "supported" if low > 0 else "not supported",
                }
            )
    return found


def make_claims_table(found: list[dict[str, Any]], metric: str, config: EvaluateConfig, seeds: int) -> Table:
    """The claims with their differences, in points."""
    lines = [
        Line(
            (
                Cell(f["claim"]),
                Cell(f["words"]),
                *(Cell(f"{100 * f[key]:+.1f}") for key in ("difference", "low", "high")),
                Cell(f["verdict"]),
            )
        )
        for f in found
    ]
    names = ("", "Claim", "difference", "low", "high", "verdict")
    columns = tuple(Column(name, numeric=name in ("difference", "low", "high")) for name in names)
    kept = ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(config).items() if name in ("draws", "level"))
    return Table(
        f"Differences in {metric} × 100, {seeds} seeds; paired bootstrap over test speakers and seeds ({kept}).", columns, tuple(lines)
    )


def make_scores_table(scored: Mapping[Term, Scored], level: float) -> Table:
    """Every row that a claim may name."""
    columns = (Column("Task", numeric=False), Column("Model", numeric=False), Column("parameters"), Column("score"), Column("interval"))
    lines = []
    for (task, row), each in scored.items():
        low, high = interval(each.draws, level)
        texts = (task, row, f"{each.num_parameters:,}", f"{100 * each.mean:.1f}", f"[{100 * low:.1f}, {100 * high:.1f}]")
        lines.append(Line(tuple(Cell(text) for text in texts)))
    return Table("Scores of the rows.", columns, tuple(lines))
