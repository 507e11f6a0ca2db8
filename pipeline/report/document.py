"""A document as blocks, which markdown.py and html.py render. In texts, `backticks` mark names and values."""

from dataclasses import dataclass

from pipeline.report.table import Table


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the page's title."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text; a `notice` is set apart, since the reader must not miss it."""

    text: str
    notice: bool = False


@dataclass(frozen=True)
class Items:
    """A list of terms with their meaning."""

    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Figure:
    """A picture as SVG, what it shows in words (`alt`), and its caption."""

    svg: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Code:
    """Text to be shown as it is."""

    text: str


@dataclass(frozen=True)
class Details:
    """Blocks that stand folded behind a summary."""

    summary: str
    blocks: tuple["Block", ...]


Block = Heading | Paragraph | Items | Figure | Code | Details | Table
