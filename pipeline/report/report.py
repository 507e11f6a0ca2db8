"""The whole report: a section for each task, data quality, definitions of the metrics, and the parameters behind it all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.clips.listing import read_partial
from pipeline.clips.manifest import read_manifest
from pipeline.errors import TaskError
from pipeline.params import build
from pipeline.report.document import Block, Code, Details, Heading, Items, Paragraph
from pipeline.report.files import read_scores, write_json
from pipeline.report.html import render_html
from pipeline.report.markdown import render_markdown
from pipeline.report.quality import Corpus, FeatureQuality, describe_corpus
from pipeline.report.results import describe_task
from pipeline.report.table import Table
from pipeline.report.tables import make_main_table
from pipeline.shards.previous import hold
from pipeline.storage import write_text
from pipeline.tasks.config import TaskConfig
from pipeline.tasks.metrics import METRICS

Corpora = Mapping[str, Corpus]


@dataclass(frozen=True)
class ReportConfig:
    """The section `report` of params.yaml: the page's title."""

    title: str = "Emotion recognition from text, audio and video"


def read_task_scores(folder: Path, tasks: Mapping[str, Any], zoo: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Read the scores of the tasks that params.yaml names, with only the rows that it names.

    Raises:
        TaskError: a task or a row has no scores.
    """
    found = {}
    for name, values in tasks.items():
        scores = read_scores(folder / name)
        config = build(TaskConfig, values, f"tasks.{name}")
        rows = [row for row in config.rows(zoo) if row in scores["rows"] or not config.trains_all]
        missing = [row for row in rows if row not in scores["rows"]]
        if missing:
            raise TaskError(f"{folder / name} has no scores of {', '.join(missing)}; run train@{name} and evaluate@{name}")
        found[name] = {**scores, "rows": {row: scores["rows"][row] for row in rows}}
    return found


def read_corpora(params: Mapping[str, Any], clips: Path, folders: Mapping[str, Path]) -> Corpora:
    """Read clips and feature quality of every corpus that params.yaml names in `corpora` and, where it came as features, `feature_sets`.

    Args:
        params: params.yaml.
        clips: the folder of all corpora's clips.
        folders: table (faces, logmels, tokens) → the folder of all its rows.

    Raises:
        ManifestError: a corpus has no clips.jsonl, or its partial.json is torn.
        ShardError: a row has no shards.
    """
    found = {}
    for corpus in (*(params.get("corpora") or {}), *(params.get("feature_sets") or {})):
        rows = [(t, r) for t in folders for r, config in (params.get(t) or {}).items() if (config or {}).get("corpus") == corpus]
        qualities = [FeatureQuality.read(t, r, folders[t] / r) for t, r in rows]
        found[corpus] = Corpus(read_manifest(clips / corpus), qualities, read_partial(clips / corpus))
    return found


def make_report(title: str, params: Mapping[str, Any], scores: Mapping[str, dict[str, Any]], corpora: Corpora) -> list[Block]:
    """Return the report's blocks: tasks with claims first, then those without, each under a heading of its own."""
    blocks: list[Block] = [Heading(1, title), Paragraph(_introduce(scores))]
    for claims in (True, False):
        blocks += [block for of_task in scores.values() if of_task["config"]["claims"] is claims for block in describe_task(of_task)]
    blocks.append(Heading(2, "Data quality"))
    blocks += [block for name, corpus in corpora.items() for block in describe_corpus(name, corpus)]
    blocks += [Heading(2, "Metrics"), Items(_define(scores)), Heading(2, "Parameters")]
    blocks += [Paragraph("All that changes a result, as params.yaml has it."), *_show_params(params)]
    return blocks


def _introduce(scores: Mapping[str, dict[str, Any]]) -> str:
    """What the page holds."""
    rows = max((len(of_task["rows"]) for of_task in scores.values()), default=0)
    return (
        f"{rows} models on {len(scores)} tasks. Each table is headed by the trivial and the linear predictor: what a model adds is what it "
        "adds to them. Encoders are frozen and their embeddings cached, so every row of a table reads the same features."
    )


def _define(scores: Mapping[str, dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Definitions of the metrics that the page shows."""
    shown = {key.split("/")[0] for s in scores.values() for d in s["rows"].values() for key in d["outputs"]["fusion"]["metrics"]}
    return tuple((metric.title, metric.definition) for name, metric in METRICS.items() if name in shown)


def _show_params(params: Mapping[str, Any]) -> list[Block]:
    """The tables and sections of params.yaml, one fold each."""
    shown = {name: value for name, value in params.items() if value}
    dumped = {name: yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=130) for name, value in shown.items()}
    return [Details(f"`{name}`", (Code(text),)) for name, text in dumped.items()]


def write_report(blocks: Sequence[Block], scores: Mapping[str, dict[str, Any]], corpora: Corpora, out: Path) -> None:
    """Write report.html, report.md and report.json; the same input gives the same bytes."""
    tasks = {name: {"claims": s["config"]["claims"], "table": _plain(make_main_table(s)), **s} for name, s in scores.items()}
    data = {name: {f"{q.table}/{q.row}": q.to_json() for q in corpus.qualities} for name, corpus in corpora.items()}
    partial = {name: corpus.partial for name, corpus in corpora.items() if corpus.partial is not None}
    with hold(out):
        write_text(render_html(blocks), out / "report.html")
        write_text(render_markdown(blocks), out / "report.md")
        write_json({"tasks": tasks, "data": data, "partial": partial}, out / "report.json")


def _plain(table: Table) -> dict[str, Any]:
    """A table as titles and rows of text."""
    titles = [f"{column.group}_{column.title}" if column.group else column.title for column in table.columns]
    return {"caption": table.caption, "columns": titles, "rows": [[cell.text for cell in line.cells] for line in table.lines]}
