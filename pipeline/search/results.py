"""What a search found: search.json with every trial, search.md to read, and tuned.yaml, the overlay of params.yaml with the best values."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.params import read_table
from pipeline.report.markdown import render_markdown
from pipeline.report.table import NOTHING, Cell, Column, Line, Table
from pipeline.search.config import SearchConfig
from pipeline.search.trial_run import TrialRun
from pipeline.search.trials import Trial
from pipeline.tasks.task import Task

JSON, MARKDOWN, TUNED = "search.json", "search.md", "tuned.yaml"
TITLES = ("own values", "best", "trial", "learning rate", "weight decay", "dropout", "width", "parameters", "failed", "seconds")


@dataclass(frozen=True)
class TrialResult:
    """A trial and its run on each searched fold."""

    trial: Trial
    runs: tuple[TrialRun, ...]

    @property
    def score(self) -> float | None:
        """Mean of the folds' selection scores on valid; None where a fold failed."""
        scores = [run.score for run in self.runs if run.score is not None]
        return statistics.fmean(scores) if len(scores) == len(self.runs) else None

    @property
    def failed(self) -> str:
        """Why it has no score."""
        return next((run.failed for run in self.runs if run.failed), "")

    def describe(self) -> dict[str, Any]:
        """For search.json."""
        trial, runs = self.trial, [{k: v for k, v in dataclasses.asdict(run).items() if k != "fingerprint"} for run in self.runs]
        named = {"trial": trial.number, "width": trial.width, "dropout": trial.dropout, "score": self.score}
        return {**named, "values": trial.chosen(), "num_parameters": max(run.num_parameters for run in self.runs), "runs": runs}


@dataclass(frozen=True)
class RowResult:
    """A row's trials."""

    name: str
    trials: tuple[TrialResult, ...]

    @property
    def best(self) -> TrialResult:
        """The trial of the best score; of equals, the earlier."""
        return max((each for each in self.trials if each.score is not None), key=lambda each: (each.score or 0.0, -each.trial.number))

    @property
    def seconds(self) -> float:
        """What all trials took, one after the other."""
        return sum(run.seconds for each in self.trials for run in each.runs)

    def describe(self) -> dict[str, Any]:
        """For search.json."""
        trials = [each.describe() for each in self.trials]
        return {"best": self.best.trial.number, "seconds": round(self.seconds, 1), "trials": trials}


def write_results(results: Sequence[RowResult], task: Task, config: SearchConfig, voters: tuple[int, int], params: Path, out: Path) -> None:
    """Write the three files; results of other rows that an earlier search with the same section `search` left stay.

    Args:
        results: of this search.
        task: searched.
        config: the section `search`.
        voters: how many test clips stand in a searched valid part too, and of how many.
        params: what the overlay extends.
        out: the folder.
    """
    searched = {"task": task.name, "selection": task.selection, "search": json.loads(json.dumps(dataclasses.asdict(config)))}
    searched |= {"test_clips_with_a_say": voters[0], "test_clips": voters[1]}
    rows = {**_read_others(out / JSON, searched), **{result.name: result.describe() for result in results}}
    table = read_table(params, "zoo")
    rows = {name: rows[name] for name in sorted(rows, key=[*table, *sorted(set(rows) - set(table))].index)}
    _write(out / JSON, json.dumps({**searched, "rows": rows}, indent=1, allow_nan=False) + "\n")
    _write(out / MARKDOWN, render_markdown([make_table(searched, rows)]))
    _write(out / TUNED, make_overlay(task.name, rows, table, os.path.relpath(params.resolve(), out.resolve())))


def _read_others(path: Path, searched: Mapping[str, Any]) -> dict[str, Any]:
    """Rows of an earlier search of the same kind."""
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
        same = all(earlier.get(name) == value for name, value in searched.items())
        return dict(earlier["rows"]) if same else {}
    except (OSError, ValueError, KeyError, AttributeError):
        return {}


def _write(path: Path, text: str) -> None:
    """Write a file whole."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.rename(path)


def make_table(searched: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """A line for each row: what its own values and the best ones score on valid, the best values, and what all its trials took."""
    config, total = searched["search"], sum(row["seconds"] for row in rows.values())
    where = f"fold {', '.join(map(str, config['folds']))}" if config["folds"] else "every fold"
    text = (
        f"Search of {searched['task']}: {config['trials']} trials of each row, one run each of seed {config['run_seed']} on {where}. "
        f"Scores are {searched['selection']} on valid, larger is better; the best of many flatters. {searched['test_clips_with_a_say']} of "
        f"{searched['test_clips']} test clips stand in a searched valid part. All trials took {total:.0f} s, one after the other."
    )
    columns = (Column("row", numeric=False), *(Column(title) for title in TITLES))
    return Table(text, columns, tuple(_make_line(name, row) for name, row in rows.items()))


def _make_line(name: str, row: Mapping[str, Any]) -> Line:
    """A row's line."""
    best, own = row["trials"][row["best"]], row["trials"][0]
    scores = [NOTHING if each["score"] is None else f"{each['score']:.4f}" for each in (own, best)]
    failed = sum(each["score"] is None for each in row["trials"])
    values, train = [NOTHING] * 4, best["values"]["train"]
    if len(row["trials"]) > 1:
        dropout = "own" if best["dropout"] is None else f"{best['dropout']:g}"
        values = [f"{train['learning_rate']:g}", f"{train['weight_decay']:g}", dropout, f"×{best['width']:g}"]
    words = [*scores, f"{best['trial']}", *values, f"{best['num_parameters']:,}", f"{failed}", f"{row['seconds']:.0f}"]
    return Line(tuple(map(Cell, (name, *words))))


def tune(task: str, rows: Mapping[str, Mapping[str, Any]], table: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the rows of the zoo that a trial was better for, with that one's values for the task, under `tasks`."""
    zoo = {}
    for name, row in rows.items():
        own = dict(table.get(name, {"default": False}))
        tasks = dict(own.get("tasks") or {})
        if row["best"] or task in tasks:
            before, values = dict(tasks.get(task) or {}), row["trials"][row["best"]]["values"]
            tasks[task] = {**before, **values, "train": {**(before.get("train") or {}), **values["train"]}}
            zoo[name] = {**own, "tasks": tasks}
    return zoo


def make_overlay(task: str, rows: Mapping[str, Mapping[str, Any]], table: Mapping[str, Mapping[str, Any]], extends: str) -> str:
    """Return tuned.yaml, which is laid over the params.yaml searched."""
    zoo = tune(task, rows, table)
    lines = [f"  {name}: {yaml.safe_dump(row, default_flow_style=True, sort_keys=False, width=10**6).strip()}" for name, row in zoo.items()]
    head = f"# What stages.search chose for {task}: give it as --params; with --apply, the search writes the same into params.yaml."
    return "\n".join([head, f"extends: {json.dumps(extends)}", "zoo:" if lines else "zoo: {}", *lines]) + "\n"
