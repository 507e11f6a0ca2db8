"""A task's main table and the published ones, in the layout of the source documents.

Multi-label: accuracy and F1 of each label, then their averages; a sentiment: Annotation, Acc2, F1, MAE, Corr. The trivial and the linear
row head each table; rows trained on M alone and on M, T, A, V are families apart. The best value is marked only where a task has claims.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.report.published import Published
from pipeline.report.table import NOTHING, Cell, Column, Line, Table
from pipeline.tasks.metrics import METRICS

Scores = Mapping[str, Any]
FIRST = ("constant", "linear")


def ordered_rows(scores: Scores) -> list[str]:
    """The rows of the zoo, trivial and linear first, then as params.yaml orders them."""
    rows = list(scores["rows"])
    return [r for name in FIRST for r in rows if scores["rows"][r]["model"] == name] + [r for r in rows if not is_first(scores, r)]


def is_first(scores: Scores, row: str) -> bool:
    """Whether a row is trivial or linear."""
    return scores["rows"][row]["model"] in FIRST


def main_metrics(scores: Scores) -> list[tuple[str, str]]:
    """Keys of the metrics of the main table, each with the group of columns it stands under."""
    config, names = scores["config"], scores["outputs"]
    if config["kind"] == "multi_label":
        pair = (config["accuracy"], "f1")
        per_label = [(f"{metric}/{name}", name) for name in names for metric in pair]
        return per_label + [(metric, "average") for metric in pair] + [("roc_auc", "no threshold"), ("average_precision", "no threshold")]
    if config["kind"] == "multi_class":
        whole = [(metric, "all classes") for metric in ("ua", "wa", "weighted_f1", "macro_f1")]
        recalls = [(f"recall/{name}", "recall") for name in names]
        return recalls + whole + [("roc_auc", "no threshold"), ("average_precision", "no threshold")]
    if config["scale"] == "sims":
        return [(m, "") for m in ("acc2", "sims_f1", "mae", "corr", "acc3", "acc5", "ccc")]
    zero = [
        ("acc2_with_zero", "with zero"),
        ("f1_with_zero", "with zero"),
        ("acc2_without_zero", "without"),
        ("f1_without_zero", "without"),
    ]
    return [*zero, *((m, "") for m in ("acc7", "acc5_rounded", "mae", "corr", "ccc"))]


def show(scores: Scores, key: str, value: float | None, sign: bool = False) -> str:
    """Write a metric's value as the sources do: ×100, with one decimal or CH-SIMS' two; MAE and correlations of MOSI as they are."""
    if value is None:
        return NOTHING
    plus = "+" if sign else ""
    if scores["config"]["kind"] != "regression":
        return f"{100 * value:{plus}.1f}".replace("-", "−")
    if scores["config"]["scale"] == "mosi" and key in ("mae", "corr", "ccc"):
        return f"{value:{plus}.3f}".replace("-", "−")
    return f"{100 * value:{plus}.2f}".replace("-", "−")


def show_annotations(annotations: Sequence[str]) -> str:
    """Name what a row was trained on: M, or M, T, A, V, or M×4 where M stands for all of them."""
    return f"M×{len(annotations)}" if len(annotations) > 1 and set(annotations) == {"M"} else ", ".join(annotations)


def make_main_table(scores: Scores) -> Table:
    """Every row of the zoo by every metric of its kind of task, mean over seeds."""
    keys = main_metrics(scores)
    regression = scores["config"]["kind"] == "regression"
    annotated = regression or any(len(described["annotations"]) > 1 for described in scores["rows"].values())
    titles = [_title(scores, key) for key, _ in keys]
    columns = [Column("Model", numeric=False), *([Column("Annotation", numeric=False)] if annotated else [])]
    columns += [Column(title, group) for title, (_, group) in zip(titles, keys, strict=True)]
    lines = []
    for row in ordered_rows(scores):
        described = scores["rows"][row]
        metrics = described["outputs"]["fusion"]["metrics"]
        values = [show_mean(scores, key, metrics[key]) for key, _ in keys]
        named = [Cell(row), *([Cell(show_annotations(described["annotations"]))] if annotated else [])]
        lines.append(Line((*named, *values), "first" if is_first(scores, row) else ""))
    if scores["config"]["claims"]:
        lines = _mark_best(scores, lines, [key for key, _ in keys])
    scaled = "as the heads say" if scores["config"]["scale"] == "mosi" and regression else "all ×100"
    caption = f"Test results, {explain_seeds(scores, labels=any('/' in key for key, _ in keys))}, {scaled}."
    return Table(caption, tuple(columns), tuple(_split_families(scores, lines)))


def show_mean(scores: Scores, key: str, found: Mapping[str, Any]) -> Cell:
    """A metric's mean with its sd over seeds beside it; of a single label the mean alone, since there are many."""
    alone = "/" in key or found["sd_seeds"] is None or found["mean"] is None
    return Cell(show(scores, key, found["mean"]), "" if alone else f"± {show(scores, key, found['sd_seeds'])}")


def explain_seeds(scores: Scores, labels: bool = False) -> str:
    """What a value is, and what ± is; `labels`: whether there are columns of single labels."""
    count = len(scores["seeds"])
    rest = " (of single labels: in scores.json)" if labels else ""
    return f"mean over {count} seeds ± sd over seeds{rest}" if count > 1 else "one seed"


def _title(scores: Scores, key: str) -> str:
    """Title of a metric's column: the class for a recall, else the metric's short name."""
    metric, _, label = key.partition("/")
    return label if metric == "recall" else METRICS[metric].title


def _mark_best(scores: Scores, lines: Sequence[Line], keys: Sequence[str]) -> list[Line]:
    """Mark the best value of each column within its family of annotations; ties are all marked."""
    rows = ordered_rows(scores)
    families = {row: tuple(scores["rows"][row]["annotations"]) for row in rows}
    marked = [list(line.cells) for line in lines]
    offset = len(lines[0].cells) - len(keys)
    for column, key in enumerate(keys):
        better = max if METRICS[key.split("/")[0]].higher_is_better else min
        values = {row: scores["rows"][row]["outputs"]["fusion"]["metrics"][key]["mean"] for row in rows}
        for number, row in enumerate(rows):
            family = [values[r] for r in rows if families[r] == families[row] and values[r] is not None]
            if family and values[row] == better(family):
                marked[number][offset + column] = replace(marked[number][offset + column], best=True)
    return [replace(line, cells=tuple(cells)) for line, cells in zip(lines, marked, strict=True)]


def _split_families(scores: Scores, lines: Sequence[Line]) -> Iterable[Line]:
    """Return the lines, under a heading for each family of annotations where there is more than one."""
    rows = ordered_rows(scores)
    families = list(dict.fromkeys(tuple(scores["rows"][row]["annotations"]) for row in rows))
    for family in families:
        if len(families) > 1:
            yield Line((Cell(f"trained on {show_annotations(family)}"),), "heading")
        yield from (line for line, row in zip(lines, rows, strict=True) if tuple(scores["rows"][row]["annotations"]) == family)


def make_published_table(published: Published) -> Table:
    """A table of the literature; averages of multi-label rows are computed here."""
    if not published.labels:
        columns = [Column("Model", numeric=False), Column("Annotation", numeric=False), *(Column(name) for name in published.columns)]
        written = [(name, a, [f"{v:.{published.decimals}f}".replace("-", "−") for v in values]) for name, a, values in published.rows]
        lines = [Line(tuple(Cell(text) for text in (name, annotations, *texts))) for name, annotations, texts in written]
        return Table(f"{published.title}. Source: {published.source}.", tuple(columns), tuple(lines))
    pair = (published.accuracy, "F1")
    columns = [Column("Model", numeric=False), *(Column(title, label) for label in (*published.labels, "average") for title in pair)]
    lines = []
    for name, _, values in published.rows:
        averages = [round(math.fsum(values[start::2]) / len(published.labels) + 1e-9, 1) for start in (0, 1)]
        lines.append(Line((Cell(name), *(Cell(f"{v:.1f}") for v in (*values, *averages)))))
    return Table(f"{published.title}. Source: {published.source}.", tuple(columns), tuple(lines))
