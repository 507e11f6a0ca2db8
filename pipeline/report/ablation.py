"""An ablation: the rows of an overlay trained on a task and scored, as a grid of two hyperparameters and as the report's own tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import read_splits
from pipeline.errors import ParamsError, PipelineError
from pipeline.params import read_overlaid, read_params, read_section
from pipeline.report.comparisons import make_comparison_table
from pipeline.report.document import Block, Heading, Paragraph
from pipeline.report.files import write_json
from pipeline.report.html import render_html
from pipeline.report.markdown import render_markdown
from pipeline.report.scores import EvaluateConfig, compute_scores
from pipeline.report.table import NOTHING, Cell, Column, Line, Table
from pipeline.report.tables import Scores, explain_seeds, make_main_table, show_mean
from pipeline.shards.previous import is_dvc_output
from pipeline.storage import write_text
from pipeline.tasks.metrics import METRICS
from pipeline.tasks.task import Task
from pipeline.training.run import read_runs
from pipeline.training.runner import TrainOptions, train_zoo

PARAMS, RUNS = "ablation.yaml", "runs"


@dataclass(frozen=True)
class AblationConfig:
    """The section `ablation` of an overlay: what the grid shows downwards and across, `model` or hyperparameters."""

    down: str
    across: str


def ablate(overlay: Path, task: str, data: Path, out: Path, options: TrainOptions) -> dict[str, Any]:
    """Train the rows that an overlay adds on a task, score them, and write ablation.html, ablation.md and scores.json below `out`.

    Finished runs are kept, so that a second call trains nothing and writes the same.

    Args:
        overlay: of params.yaml, with rows in `zoo` and the section `ablation`.
        task: its name.
        data: the folder of clips/, embeddings/ and encoders/, and of faces/ and logmel/ where a row reads them.
        out: an empty folder or that of the same ablation before; nothing that dvc.yaml knows.
        options: of the training.

    Returns:
        How many runs were trained and reused.

    Raises:
        ParamsError: the overlay adds no row, or lacks the section or the task.
        PipelineError: `out` holds something else, or belongs to dvc.yaml.
    """
    config = read_section(overlay, "ablation", AblationConfig)
    _claim(out)
    params = _write_params(overlay, task, out / PARAMS)
    of_task = Task.read(params, task)
    clips, embeddings = (data / name / of_task.config.corpus for name in ("clips", "embeddings"))
    features = {name: data / name for name in ("faces", "logmel")}
    trained = train_zoo(params, task, clips, embeddings, data / "encoders", out / RUNS, options, features)
    manifest, rows = read_manifest(clips), list(of_task.config.zoo)
    evaluate = read_section(params, "evaluate", EvaluateConfig)
    folds = of_task.folds(manifest, read_splits(clips))
    scores = compute_scores(of_task, rows, read_runs(out / RUNS, rows), manifest, folds, evaluate)
    blocks = describe_ablation(scores, config)
    write_json(scores, out / "scores.json")
    write_text(render_html(blocks), out / "ablation.html")
    write_text(render_markdown(blocks), out / "ablation.md")
    return {name: trained[name] for name in ("computed", "reused")}


def _claim(out: Path) -> None:
    """Make the folder of an ablation, and nothing of anything else."""
    if out.exists() and not (out.is_dir() and ((out / PARAMS).exists() or not any(out.iterdir()))):
        raise PipelineError(f"{out} holds something else than an ablation; give a folder of its own")
    if any(is_dvc_output(folder) for folder in (out, *out.absolute().parents)):
        raise PipelineError(f"{out} belongs to an output of dvc.yaml, which an ablation must not touch; give another folder")
    out.mkdir(parents=True, exist_ok=True)


def _write_params(overlay: Path, task: str, path: Path) -> Path:
    """Write the parameters that an overlay comes to, the task's zoo being the overlay's own rows."""
    params, rows = read_params(overlay), read_overlaid(overlay, "zoo")
    if not rows:
        raise ParamsError(f"{overlay} adds no row to `zoo`, so there is nothing to compare")
    tasks = params.get("tasks") or {}
    if task not in tasks:
        raise ParamsError(f"{overlay}: tasks has no row `{task}`; its rows: {', '.join(tasks) or 'none'}")
    params["tasks"] = {**tasks, task: {**tasks[task], "zoo": list(rows)}}
    write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True), path)
    return path


def describe_ablation(scores: Scores, config: AblationConfig) -> list[Block]:
    """The grid of each tested metric, then the report's tables of all rows."""
    blocks: list[Block] = [Heading(1, f"Ablation on `{scores['task']}`: {config.down} × {config.across}")]
    if not scores["config"]["claims"]:
        blocks.append(Paragraph("No claims. These numbers show that the pipeline works; they rank nothing.", notice=True))
    for metric in scores["tested"]:
        blocks += [Heading(2, METRICS[metric].title), make_grid(scores, config, metric)]
    return [*blocks, Heading(2, "All rows"), make_main_table(scores), make_comparison_table(scores)]


def make_grid(scores: Scores, config: AblationConfig, metric: str) -> Table:
    """One metric of the fused output by two hyperparameters; a row of the zoo that lacks either stands in the other tables only."""
    cells: dict[tuple[Any, Any], Cell] = {}
    for described in scores["rows"].values():
        values: Mapping[str, Any] = {"model": described["model"], **described["hyperparams"]}
        if config.down in values and config.across in values:
            cells[values[config.down], values[config.across]] = show_mean(scores, metric, described["outputs"]["fusion"]["metrics"][metric])
    if not cells:
        raise ParamsError(f"no row of the overlay has both `{config.down}` and `{config.across}`, which its section `ablation` names")
    down, across = _ordered([key[0] for key in cells]), _ordered([key[1] for key in cells])
    lines = [Line((Cell(str(value)), *(cells.get((value, other), Cell(NOTHING)) for other in across))) for value in down]
    columns = (Column(config.down, numeric=False), *(Column(str(value), config.across) for value in across))
    return Table(f"{METRICS[metric].title}, {explain_seeds(scores)}.", columns, tuple(lines))


def _ordered(values: Sequence[Any]) -> list[Any]:
    """Each value once: numbers by size, words as they come."""
    once = list(dict.fromkeys(values))
    return sorted(once) if all(isinstance(value, (int, float)) for value in once) else once
