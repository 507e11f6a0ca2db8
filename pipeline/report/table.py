"""A table as data, which Markdown and HTML render alike."""

from dataclasses import dataclass

NOTHING = "–"


@dataclass(frozen=True)
class Column:
    """A column: its title, the group it stands under, and whether it holds numbers."""

    title: str
    group: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    """A cell: its text, a smaller addition, and whether it is the column's best."""

    text: str
    small: str = ""
    best: bool = False


@dataclass(frozen=True)
class Line:
    """A row; `kind` is `first` (trivial or linear), `heading` (one cell over all columns) or empty."""

    cells: tuple[Cell, ...]
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its caption."""

    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
