"""Pictures as SVG text: bars per label, confusion matrices, learning curves, histograms. The only door to matplotlib.

Colours are placeholders that become the page's CSS variables, so that a picture follows the reader's light or dark theme; ids are hashed
with a fixed salt and carry the picture's name, and no date is written: the same numbers give the same bytes.
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE, ACCENT, SECOND, PAPER = "#010203", "#010204", "#010205", "#010206", "#010207", "#010208"
VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", ACCENT: "accent", SECOND: "second", PAPER: "paper"}
STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": INK,
    "axes.titlesize": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 0,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
}


@dataclass(frozen=True)
class Bar:
    """A value with its interval (None: none), of a row that may be a trivial or linear one."""

    row: str
    value: float | None
    low: float | None
    high: float | None
    first: bool


def plot_bars(name: str, panels: Mapping[str, Sequence[Bar]], same_scale: bool) -> str:
    """One panel per metric or label, the same rows in each: a bar for the value, a line for its interval.

    Args:
        name: of the picture, unique on its page.
        panels: title → bars from top to bottom.
        same_scale: whether all panels share their scale.
    """
    rows = [bar.row for bar in next(iter(panels.values()))]
    figure, axes = _grid(
        1,
        len(panels),
        (1.3, 0.21 * len(rows) + 0.5),
        left=_width(rows) + 0.08,
        bottom=0.3,
        gaps=(0.2, 0.0),
        sharey=True,
        sharex=same_scale,
    )
    for axis, (title, bars) in zip(axes[0], panels.items(), strict=True):
        for place, bar in enumerate(bars):
            if bar.value is not None:
                axis.barh(
                    place, bar.value, height=0.62, color=MUTED if bar.first else ACCENT, alpha=0.38 if bar.first else 0.5, linewidth=0
                )
            if bar.low is not None and bar.high is not None:
                axis.plot([bar.low, bar.high], [place, place], color=INK, linewidth=1.1, solid_capstyle="butt")
        axis.set_title(title, loc="left")
        axis.set_yticks(range(len(rows)), rows)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.xaxis.set_major_locator(_ticks(3))
        axis.grid(axis="x", color=LINE, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines["bottom"].set_visible(False)
    return _save(figure, name)


def plot_confusions(name: str, tables: Mapping[str, Mapping[str, Sequence[Sequence[int]]]], classes: Sequence[str], columns: int) -> str:
    """Confusion matrices; each cell shows the share of its row of truth, in per cent, and is darker the larger it is.

    Args:
        name: of the picture, unique on its page.
        tables: row of the zoo → label ("" where there is one table) → (truth, prediction) counts.
        classes: names of truth and prediction.
        columns: matrices beside each other.
    """
    titled = [(row, label, table) for row, of_row in tables.items() for label, table in of_row.items()]
    per_label = len(next(iter(tables.values()))) > 1
    size = 0.26 * len(classes) + 0.1 if per_label else 0.34 * len(classes) + 0.12
    height = -(-len(titled) // columns)
    gaps = (0.12, 0.12) if per_label else (0.2, 0.3)
    left = _width(tables if per_label else classes) + 0.12
    figure, axes = _grid(height, columns, (size, size), left=left, bottom=_width(classes) + 0.12, top=0.3, gaps=gaps)
    for place, axis in enumerate(axes.flat):
        if place >= len(titled):
            axis.set_visible(False)
            continue
        row, label, table = titled[place]
        _draw_confusion(axis, np.asarray(table, dtype=float))
        first, last = place % columns == 0, place + columns >= len(titled)
        axis.set_xticks(range(len(classes)), classes if last else [], rotation=90)
        axis.set_yticks(range(len(classes)), [] if per_label or not first else classes)
        if per_label and first:
            axis.set_ylabel(row, rotation=0, ha="right", va="center", color=INK)
        if not per_label or place < columns:
            axis.set_title(label or row, fontsize=8.5, loc="center" if per_label else "left")
    return _save(figure, name)


def _draw_confusion(axis: "Axes", table: "np.ndarray[Any, np.dtype[np.float64]]") -> None:
    """Draw one matrix into its axis."""
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    for truth in range(len(table)):
        for choice in range(len(table)):
            share = shares[truth, choice]
            color = ACCENT if truth == choice else SECOND
            axis.add_patch(_square(choice, truth, color, 0.06 + 0.74 * share))
            if table[truth].sum():
                light = PAPER if share > 0.7 else INK
                axis.text(choice, truth, f"{100 * share:.0f}", ha="center", va="center", fontsize=6.8, color=light)
    axis.set_xlim(-0.5, len(table) - 0.5)
    axis.set_ylim(len(table) - 0.5, -0.5)
    axis.tick_params(length=0, pad=2)
    for spine in axis.spines.values():
        spine.set_visible(False)


def plot_curves(name: str, rows: Mapping[str, Sequence[Mapping[str, Any]]], columns: int = 5) -> str:
    """Score on valid by epoch, one panel per row and one line per run; a dot marks the epoch that was selected.

    Args:
        name: of the picture, unique on its page.
        rows: row of the zoo → its runs, as scores.json holds them.
        columns: panels beside each other.
    """
    height = -(-len(rows) // columns)
    figure, axes = _grid(height, columns, (1.75, 1.25), sharex=True, sharey=True, left=0.32, bottom=0.25, gaps=(0.3, 0.5))
    for axis in axes.flat[len(rows) :]:
        axis.set_visible(False)
    for axis, (row, runs) in zip(axes.flat, rows.items(), strict=False):
        for run in runs:
            epochs = [record["epoch"] for record in run["history"]]
            values = [record["valid_selection"] for record in run["history"]]
            axis.plot(epochs, values, color=ACCENT, alpha=0.6, linewidth=1)
            best = [(e, v) for e, v in zip(epochs, values, strict=True) if e == run["best_epoch"]]
            axis.plot(*zip(*best, strict=True), "o", color=SECOND, markersize=3.2, markeredgewidth=0) if best else None
        axis.set_title(row, loc="left", fontsize=8.5)
        axis.grid(color=LINE, linewidth=0.6)
        axis.tick_params(labelbottom=True, labelleft=axis.get_subplotspec().is_first_col(), labelcolor=MUTED)
        axis.xaxis.set_major_locator(_ticks(4, integer=True))
        axis.yaxis.set_major_locator(_ticks(4))
    return _save(figure, name)


def plot_histograms(name: str, panels: Mapping[str, "np.ndarray[Any, Any]"]) -> str:
    """Histograms beside each other: title (with the unit) → values."""
    figure, axes = _grid(1, len(panels), (2.6, 1.35), left=0.32, bottom=0.3, gaps=(0.5, 0.0))
    for axis, (title, values) in zip(axes[0], panels.items(), strict=True):
        axis.hist(values, bins=24, color=ACCENT, alpha=0.6, linewidth=0)
        axis.set_title(title, loc="left")
        axis.tick_params(labelcolor=MUTED)
        axis.grid(axis="y", color=LINE, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.yaxis.set_major_locator(_ticks(3, integer=True))
    return _save(figure, name)


def _grid(
    rows: int,
    columns: int,
    size: tuple[float, float],
    left: float,
    bottom: float,
    top: float = 0.25,
    gaps: tuple[float, float] = (0.12, 0.12),
    **shared: bool,
) -> tuple["Figure", Any]:
    """A figure of axes of a given size, with margins; all in inches."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcdefaults()
    mpl.rcParams.update(STYLE)
    width = left + columns * size[0] + (columns - 1) * gaps[0] + 0.15
    height = bottom + rows * size[1] + (rows - 1) * gaps[1] + top
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(rows, columns, squeeze=False, sharex=shared.get("sharex", False), sharey=shared.get("sharey", False))
    edges = {"left": left / width, "right": 1 - 0.15 / width, "bottom": bottom / height, "top": 1 - top / height}
    figure.subplots_adjust(**edges, wspace=gaps[0] / size[0], hspace=gaps[1] / size[1])
    return figure, axes


def _width(labels: Iterable[str]) -> float:
    """Room for the longest label, in inches: a browser's letters are wider than they are for matplotlib, and an m is wider than most."""
    return max(0.066 * len(label) + 0.035 * sum(map(label.count, "mwMW")) for label in labels)


def _ticks(most: int, integer: bool = False) -> Any:
    """A locator of a few round ticks."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(most, integer=integer, steps=[1, 2, 5, 10])


def _square(x: float, y: float, color: str, alpha: float) -> Any:
    """A cell of a matrix, with a thin gap to its neighbours."""
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, facecolor=color, alpha=alpha, linewidth=0)


def _save(figure: "Figure", name: str) -> str:
    """Return the figure as SVG for a page: colours as CSS variables, ids under its name, without prologue, metadata or fonts."""
    import matplotlib as mpl

    target = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = target.getvalue()
    svg = svg[svg.index("<svg") :]
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var(--{variable})")
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([0-9.]+)px [^;\"]+", r"font-size: \1px", svg)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    return re.sub(r'(href="|url\()#', rf"\1#{name}-", svg).strip()
