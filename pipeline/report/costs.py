"""The page of what runs cost: parameters, time, memory and epochs of every row, from the logs beside folders of runs.

It stands beside the report and not in it, since no time repeats: a report made twice of the same scores is the same.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.errors import TaskError
from pipeline.report.document import Block, Heading, Paragraph
from pipeline.report.html import render_html
from pipeline.report.markdown import render_markdown
from pipeline.report.table import NOTHING, Cell, Column, Line, Table
from pipeline.training.costs import Entry, log_path, read_log

UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
COLUMNS = (
    Column("Model", numeric=False),
    Column("Device", numeric=False),
    Column("parameters"),
    Column("s / epoch"),
    Column("s / run"),
    Column("memory added"),
    Column("trained", "epochs"),
    Column("best on valid", "epochs"),
    Column("runs"),
)
CAPTION = (
    "Medians over runs (seeds and folds), [lowest, highest] beside those of epochs. An epoch is training and validation. On a CPU, with "
    "one thread a run and as many runs beside each other as there were workers. Memory added: what a run, at its highest, added to the "
    "memory of its process, which held the embeddings before; of tensors on a GPU. The least of its runs, since the first run of a process "
    f"loads code besides. {NOTHING}: fitted without epochs, or not known."
)


def read_costs(runs: Sequence[Path]) -> dict[str, list[Entry]]:
    """Read what the present runs of each folder took: name → the last line of each run, as far as its folder is there.

    Raises:
        TaskError: a folder has no log.
    """
    found = {}
    for folder in runs:
        if not log_path(folder).exists():
            raise TaskError(f"{log_path(folder)} does not exist: it is written where runs are trained, and stays there; run train here")
        last = {(e.row, e.fold, e.seed, e.device): e for e in read_log(folder)}
        found[folder.name] = [entry for entry in last.values() if not folder.exists() or (folder / entry.row).is_dir()]
    return found


def make_costs(costs: Mapping[str, Sequence[Entry]]) -> list[Block]:
    """A heading and a table for each folder of runs."""
    blocks: list[Block] = [Heading(1, "What training costs"), Paragraph("As the logs beside the runs have it; no result depends on it.")]
    for name, entries in costs.items():
        blocks += [Heading(2, f"`{name}`"), make_costs_table(entries)]
    return blocks


def make_costs_table(entries: Sequence[Entry]) -> Table:
    """One line for each row and device, in the order in which they were first trained."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.row, entry.device), []).append(entry)
    return Table(CAPTION, COLUMNS, tuple(_line(*key, of_row) for key, of_row in groups.items()))


def write_costs(blocks: Sequence[Block], out: Path) -> None:
    """Write the page: HTML where the name ends in .html, else Markdown."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(render_html(blocks) if out.suffix == ".html" else render_markdown(blocks), encoding="utf-8")


def _line(row: str, device: str, entries: Sequence[Entry]) -> Line:
    """The costs of one row on one device."""
    costs = [entry.cost for entry in entries]
    added = [cost.added_bytes for cost in costs if cost.added_bytes is not None]
    by_epochs = [cost for cost in costs if cost.best_epoch]
    cells = (
        Cell(row),
        Cell(device),
        _spread((cost.num_parameters for cost in costs), lambda value: f"{value:,.0f}"),
        Cell(_seconds(statistics.median(cost.seconds_per_epoch for cost in by_epochs)) if by_epochs else NOTHING),
        Cell(_seconds(statistics.median(cost.seconds for cost in costs))),
        Cell(_bytes(min(added)) if added else NOTHING),
        _spread((cost.epochs for cost in by_epochs), lambda value: f"{value:g}"),
        _spread((cost.best_epoch for cost in by_epochs), lambda value: f"{value:g}"),
        Cell(str(len(costs))),
    )
    return Line(cells)


def _spread(values: Iterable[float], show: Callable[[float], str]) -> Cell:
    """The median, and the range where values differ."""
    ordered = sorted(values)
    if not ordered:
        return Cell(NOTHING)
    differs = ordered[0] < ordered[-1]
    return Cell(show(statistics.median(ordered)), f"[{show(ordered[0])}, {show(ordered[-1])}]" if differs else "")


def _seconds(value: float) -> str:
    """Seconds, with three digits that say something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _bytes(value: float) -> str:
    """A size in the largest unit that it reaches."""
    for size, unit in UNITS:
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} B"
