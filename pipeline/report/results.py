"""A task's section of the report: what it is, its tables, its pictures, and what the literature has."""

from collections.abc import Iterable

from pipeline.errors import TaskError
from pipeline.report import plots
from pipeline.report.comparisons import explain_subsets, make_comparison_table, make_outputs_table, make_subset_table
from pipeline.report.document import Block, Details, Figure, Heading, Paragraph
from pipeline.report.overlap import explain_overlap
from pipeline.report.partial import warn_partial
from pipeline.report.plots import Bar
from pipeline.report.provenance import explain_shares, list_hyperparams, make_encoder_table, make_runs_table, make_split_table
from pipeline.report.published import PUBLISHED
from pipeline.report.tables import Scores, is_first, main_metrics, make_main_table, make_published_table, ordered_rows
from pipeline.tasks.metrics import METRICS

FEW_GROUPS = 20
"""Below so many groups a percentile interval is too narrow to be relied on."""
MANY_ROWS = 16
"""Above so many rows the matrices would take pages between a table and the next."""
KINDS = {"multi_label": "independent yes/no labels", "multi_class": "one of several classes", "regression": "a value"}


def describe_task(scores: Scores) -> list[Block]:
    """Every block of a task's section.

    Raises:
        TaskError: its `published` names no table of the literature.
    """
    blocks: list[Block] = [Heading(2, f"`{scores['task']}`"), Paragraph(_introduce(scores)), *_warn(scores)]
    blocks += [Heading(3, "Test results"), make_main_table(scores), *explain_overlap(scores), _draw_bars(scores)]
    if scores["subsets"]:
        blocks += [Heading(3, f"By {scores['subsets']['column']}"), Paragraph(explain_subsets(scores)), make_subset_table(scores)]
    blocks += [Heading(3, "Intervals and differences"), make_comparison_table(scores)]
    outputs = make_outputs_table(scores)
    blocks += [Heading(3, "Heads and removed modalities"), outputs] if outputs else []
    blocks += [Heading(3, "Confusion"), *_draw_confusions(scores), Heading(3, "Learning curves"), *_draw_curves(scores)]
    blocks += [
        Heading(3, "Encoders"),
        make_encoder_table(scores),
        *explain_shares(scores),
        Heading(3, "Split"),
        make_split_table(scores),
    ]
    blocks.append(Details("Runs: fingerprints, parameters and hyperparameters", (make_runs_table(scores), list_hyperparams(scores))))
    return blocks + list(_show_published(scores))


def _introduce(scores: Scores) -> str:
    """What is predicted, from what."""
    config = scores["config"]
    count = ", ".join(f"{sum(fold[part] for fold in scores['folds']):,} {part}" for part in ("train", "valid", "test"))
    folds = f" over {len(scores['folds'])} folds, test predictions pooled" if len(scores["folds"]) > 1 else ""
    chosen = "Epochs and thresholds are" if config["kind"] == "multi_label" else "Epochs are"
    return (
        f"Corpus `{config['corpus']}`, {KINDS[config['kind']]} ({', '.join(scores['outputs'])}). "
        f"Split `{config['split']}`: {count} clips{folds}. {chosen} selected on valid; test is scored once."
    )


def _warn(scores: Scores) -> Iterable[Block]:
    """What the reader must not miss."""
    groups = scores["groups"]
    yield from warn_partial(scores["config"]["corpus"], scores.get("partial"))
    if not scores["config"]["claims"]:
        yield Paragraph(
            "No claims. These numbers show that the pipeline works from end to end; they rank no models and say nothing about emotion "
            "recognition, and they must not stand beside numbers of real corpora.",
            notice=True,
        )
    if groups["count"] < FEW_GROUPS:
        yield Paragraph(
            f"The test clips come from {groups['count']} groups only (by {groups['by']}). With fewer than {FEW_GROUPS}, bootstrap "
            "intervals are too narrow and p-values too small: read both as a lower bound of the uncertainty.",
            notice=True,
        )


def _bars(scores: Scores, key: str) -> list[Bar]:
    """The bars of one metric, ×100."""
    found = {row: scores["rows"][row]["outputs"]["fusion"]["metrics"][key] for row in ordered_rows(scores)}
    scaled = {row: [None if value[n] is None else 100 * value[n] for n in ("mean", "low", "high")] for row, value in found.items()}
    return [Bar(row, mean, low, high, is_first(scores, row)) for row, (mean, low, high) in scaled.items()]


def _draw_bars(scores: Scores) -> Figure:
    """Bars per label, or per metric where there are no labels."""
    kind = scores["config"]["kind"]
    metric = {"multi_label": "f1", "multi_class": "recall", "regression": ""}[kind]
    if metric:
        keys = [(f"{metric}/{name}", name) for name in scores["outputs"]] + [("f1", "average") if metric == "f1" else ("ua", "UA")]
        what = f"{METRICS[metric].title} of each label"
    else:
        keys = [(key, METRICS[key].title) for key, _ in main_metrics(scores)[:4]]
        what = "The main metrics"
    panels = {title: _bars(scores, key) for key, title in keys}
    svg = plots.plot_bars(f"{scores['task']}-bars", panels, same_scale=bool(metric))
    level = f"{100 * scores['evaluate']['level']:g} %"
    caption = f"{what}, ×100, mean over seeds, with {level} bootstrap intervals. Grey: the trivial and linear rows."
    return Figure(svg, f"Bar chart. {caption} The numbers stand in the table above.", caption)


def _draw_confusions(scores: Scores) -> Iterable[Block]:
    """Confusion matrices of the fused output; those of many rows stand folded."""
    found = {row: scores["rows"][row]["outputs"]["fusion"]["confusion"] for row in ordered_rows(scores)}
    per_label = scores["config"]["kind"] == "multi_label"
    tables = {row: dict(zip(scores["outputs"], table, strict=True)) if per_label else {"": table} for row, table in found.items()}
    columns = len(scores["outputs"]) if per_label else 4
    svg = plots.plot_confusions(f"{scores['task']}-confusion", tables, scores["confusion_classes"], columns)
    caption = (
        "Confusion of the fused output: truth from top to bottom, prediction from left to right, each cell the share of its row of truth "
        "in per cent, all seeds together. Right decisions lie on the diagonal."
    )
    figure = Figure(svg, caption, caption)
    yield Details(f"Confusion of {len(found)} rows", (figure,)) if len(found) > MANY_ROWS else figure


def _draw_curves(scores: Scores) -> Iterable[Block]:
    """Learning curves of the rows that train by epochs."""
    rows = {row: scores["rows"][row]["runs"] for row in ordered_rows(scores)}
    trained = {row: runs for row, runs in rows.items() if max(len(run["history"]) for run in runs) > 1}
    if not trained:
        yield Paragraph("No row trains by epochs.")
        return
    caption = "Selection score on valid by epoch, larger is better; one line per run (fold and seed), a dot where its epoch was selected."
    left = [row for row in rows if row not in trained]
    fitted = f" Fitted without epochs: {', '.join(f'`{row}`' for row in left)}." if left else ""
    yield Figure(plots.plot_curves(f"{scores['task']}-curves", trained), f"Line charts. {caption}", caption + fitted)


def _show_published(scores: Scores) -> Iterable[Block]:
    """The literature's tables, in a block of their own, headed by what differs."""
    name = scores["config"]["published"]
    if name is not None and name not in PUBLISHED:
        raise TaskError(f"tasks.{scores['task']}: no published table `{name}`; there are {', '.join(PUBLISHED)}")
    for number, published in enumerate(PUBLISHED.get(name, ())):
        if number == 0:
            yield Heading(3, "Published numbers")
        yield Paragraph(" ".join(published.differs), notice=True)
        yield make_published_table(published)
