"""Tables that compare: rows with the reference row, heads with the fused output, all modalities with one removed, subsets of the clips."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.report.table import NOTHING, Cell, Column, Line, Table
from pipeline.report.tables import Scores, is_first, ordered_rows, show
from pipeline.tasks.metrics import METRICS


def make_comparison_table(scores: Scores) -> Table:
    """Intervals, spreads, and differences from the reference row with corrected p-values."""
    evaluate, groups = scores["evaluate"], scores["groups"]
    columns = [Column("Model", numeric=False)]
    for metric in scores["tested"]:
        group = f"average {METRICS[metric].title}" if scores["config"]["kind"] == "multi_label" else METRICS[metric].title
        columns += [Column(title, group) for title in ("value [interval]", "sd seeds", "sd folds", "difference [interval]", "p Holm")]
    lines = []
    for row in ordered_rows(scores):
        cells = [Cell(row)]
        for metric in scores["tested"]:
            cells += _compare(scores, row, metric)
        lines.append(Line(tuple(cells), "first" if is_first(scores, row) else ""))
    kept = [i for i in range(len(columns)) if columns[i].title != "sd folds" or len(scores["folds"]) > 1]
    lines = [replace(line, cells=tuple(line.cells[i] for i in kept)) for line in lines]
    drawn = f"{evaluate['draws']:,} paired bootstrap draws over {groups['count']} groups of test clips (by {groups['by']})"
    caption = (
        f"{100 * evaluate['level']:g} % intervals of {drawn} and {len(scores['seeds'])} seeds; differences from `{evaluate['reference']}`; "
        "two-sided p, corrected by Holm over this table."
    )
    return Table(caption, tuple(columns[i] for i in kept), tuple(lines))


def _compare(scores: Scores, row: str, metric: str) -> list[Cell]:
    """Cells of one metric of one row: value, sds, difference, p."""
    found = scores["rows"][row]["outputs"]["fusion"]["metrics"][metric]
    other = scores["rows"][row]["differences"].get(metric)
    sds = [Cell(show(scores, metric, found[name])) for name in ("sd_seeds", "sd_folds")]
    if other is None:
        return [_with_interval(scores, metric, found, "mean"), *sds, Cell("reference"), Cell("")]
    p = "< 0.001" if other["p_holm"] < 0.001 else f"{other['p_holm']:.3f}"
    return [_with_interval(scores, metric, found, "mean"), *sds, _with_interval(scores, metric, other, "difference", sign=True), Cell(p)]


def _with_interval(scores: Scores, metric: str, found: Mapping[str, Any], name: str, sign: bool = False) -> Cell:
    """A value with its interval beside it."""
    low, high = (show(scores, metric, found[end], sign) for end in ("low", "high"))
    return Cell(show(scores, metric, found[name], sign), f"[{low}, {high}]" if found["low"] is not None else "")


def make_outputs_table(scores: Scores) -> Table | None:
    """Each row's fused output, heads, and change when a modality is removed, on the first tested metric; None if no row has any."""
    metric = scores["tested"][1 if scores["config"]["kind"] == "multi_label" else 0]
    columns = [("fusion", "", "fused")] + [(m, "head", m) for m in ("text", "audio", "video")]
    columns += [(f"without_{m}", "change without", m) for m in ("text", "audio", "video")]
    used = [c for c in columns if any(c[0] in described["outputs"] for described in scores["rows"].values())]
    rows = [row for row in ordered_rows(scores) if len(scores["rows"][row]["outputs"]) > 1]
    if not rows:
        return None
    lines = [Line((Cell(row), *(_output_cell(scores, scores["rows"][row]["outputs"].get(c[0]), metric) for c in used))) for row in rows]
    searched = " (thresholds searched anew on valid)" if scores["config"]["kind"] == "multi_label" else ""
    caption = (
        f"{METRICS[metric].title} of the fused output, of each head, and its change when a modality is removed at test time{searched}. "
        "A head trained on an annotation of its own, named beside it, is judged by that one."
    )
    return Table(caption, (Column("Model", numeric=False), *(Column(title, group) for _, group, title in used)), tuple(lines))


def _output_cell(scores: Scores, output: Mapping[str, Any] | None, metric: str) -> Cell:
    """A cell of the table of outputs."""
    if output is None:
        return Cell(NOTHING)
    if "differences" in output:
        return _with_interval(scores, metric, output["differences"][metric], "difference", sign=True)
    found = output["metrics"][metric]
    return Cell(show(scores, metric, found["mean"]), output["annotation"] if output["annotation"] != "M" else "")


def make_subset_table(scores: Scores) -> Table:
    """Each row's main metrics on the test clips of each value of the task's column `subsets`, with their intervals."""
    found = scores["subsets"]
    metrics = [*scores["tested"], *(["weighted_f1"] if scores["config"]["kind"] == "multi_class" else [])]
    columns = [
        Column(METRICS[metric].title, f"{value}, {of['clips']:,} clips") for value, of in found["values"].items() for metric in metrics
    ]
    lines = []
    for row in ordered_rows(scores):
        subsets = scores["rows"][row]["subsets"]
        cells = [_with_interval(scores, metric, subsets[value][metric], "mean") for value in found["values"] for metric in metrics]
        lines.append(Line((Cell(row), *cells), "first" if is_first(scores, row) else ""))
    groups = ", ".join(f"{value} {of['groups']}" for value, of in found["values"].items())
    caption = (
        f"Test clips by `{found['column']}`: predictions, thresholds and bootstrap as above, nothing chosen anew. "
        f"Groups of test clips (by {scores['groups']['by']}): {groups}."
    )
    return Table(caption, (Column("Model", numeric=False), *columns), tuple(lines))


def explain_subsets(scores: Scores) -> str:
    """Why the subsets stand apart: how many of their texts a model has read in train."""
    found = scores["subsets"]
    counted = {value: of for value, of in found["values"].items() if of["recurring_texts"] is not None}
    said = "; ".join(f"{value}: {of['recurring_texts']:,} of {of['clips']:,}" for value, of in counted.items())
    counts = f" Test clips whose text stands, word for word, in the train part too: {said}." if counted else ""
    why = (
        " Where the same scripts recur in every session, a model knows a text from train, even though speakers are disjoint; what it "
        "scores on new texts says more."
    )
    recur = any(of["recurring_texts"] for of in counted.values()) or not counted
    return f"The test clips of each value of `{found['column']}` apart.{why if recur else ''}{counts}"
