"""A document as one self-contained HTML page: style inline, pictures as SVG, no script and no request."""

import html
import re
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from pathlib import Path

from pipeline.report.document import Block, Code, Details, Figure, Heading, Items, Paragraph
from pipeline.report.table import Cell, Column, Line, Table

STYLE = Path(__file__).with_name("page.css")
LONG = 20
"""Above so many lines a table is no taller than the window."""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<nav aria-label="Contents">{contents}</nav>
<main>
{body}
</main>
</body>
</html>
"""


def render_html(blocks: Sequence[Block]) -> str:
    """Render the blocks as a page; its title is the first heading."""
    headings = [block for block in blocks if isinstance(block, Heading)]
    contents = "".join(f'<a href="#{_anchor(h.text)}">{_text(h.text)}</a>' for h in headings if h.level == 2)
    body = "\n".join(part for block in blocks for part in _render(block))
    return PAGE.format(title=html.escape(headings[0].text), style=STYLE.read_text(encoding="utf-8"), contents=contents, body=body)


def _render(block: Block) -> Iterable[str]:
    """The elements of a block."""
    if isinstance(block, Heading):
        yield f'<h{block.level} id="{_anchor(block.text)}">{_text(block.text)}</h{block.level}>'
    elif isinstance(block, Paragraph):
        yield f'<p class="notice" role="note">{_text(block.text)}</p>' if block.notice else f"<p>{_text(block.text)}</p>"
    elif isinstance(block, Items):
        entries = "".join(f"<div><dt>{_text(term)}</dt><dd>{_text(meaning)}</dd></div>" for term, meaning in block.entries)
        yield f"<dl>{entries}</dl>"
    elif isinstance(block, Figure):
        picture = f'<div class="scroll" role="img" aria-label="{html.escape(block.alt)}">{block.svg}</div>'
        yield f"<figure>{picture}<figcaption>{_text(block.caption)}</figcaption></figure>"
    elif isinstance(block, Code):
        yield f"<pre>{html.escape(block.text)}</pre>"
    elif isinstance(block, Details):
        inner = "\n".join(part for child in block.blocks for part in _render(child))
        yield f"<details><summary>{_text(block.summary)}</summary>\n{inner}\n</details>"
    else:
        yield _render_table(block)


def _render_table(table: Table) -> str:
    """A table that scrolls in its own box, its first column staying in sight, and its head too where it is long."""
    lines = "\n".join(_render_line(line, table.columns) for line in table.lines)
    head = _render_head(table.columns)
    label = html.escape(re.sub("`", "", table.caption))
    box = f'<div class="scroll{" long" if len(table.lines) > LONG else ""}" role="region" tabindex="0" aria-label="{label}">'
    caption = f"<figcaption>{_text(table.caption)}</figcaption>"
    return f"<figure>{box}<table>\n<thead>{head}</thead>\n<tbody>\n{lines}\n</tbody></table></div>{caption}</figure>"


def _render_head(columns: Sequence[Column]) -> str:
    """One row of titles, under a row of groups where there are any."""
    titles = "".join(f'<th scope="col"{_class(column)}>{_text(column.title)}</th>' for column in columns)
    if not any(column.group for column in columns):
        return f"<tr>{titles}</tr>"
    groups = [(group, len(list(members))) for group, members in groupby(columns[1:], key=lambda column: column.group)]
    spans = "<td></td>" + "".join(
        f'<th colspan="{n}" scope="colgroup" class="group">{_text(g)}</th>' if g else f'<td colspan="{n}"></td>' for g, n in groups
    )
    return f"<tr>{spans}</tr><tr>{titles}</tr>"


def _render_line(line: Line, columns: Sequence[Column]) -> str:
    """A row of the table; its first cell heads it."""
    if line.kind == "heading":
        rest = f'<td colspan="{len(columns) - 1}"></td>' if len(columns) > 1 else ""
        return f'<tr class="heading"><th scope="rowgroup">{_text(line.cells[0].text)}</th>{rest}</tr>'
    starts = [column.group and column.group != before.group for before, column in pairwise(columns)]
    cells = [
        f"<td{_class(column, start)}>{_cell(cell)}</td>" for cell, column, start in zip(line.cells[1:], columns[1:], starts, strict=True)
    ]
    return f'<tr{" class=first" if line.kind else ""}><th scope="row">{_cell(line.cells[0])}</th>{"".join(cells)}</tr>'


def _class(column: Column, starts_group: bool | str = False) -> str:
    """The class attribute of a column's cells."""
    names = ([] if column.numeric else ["text"]) + (["start"] if starts_group else [])
    return f' class="{" ".join(names)}"' if names else ""


def _cell(cell: Cell) -> str:
    """A cell's text; its addition smaller, the best strong."""
    text = f"<strong>{_text(cell.text)}</strong>" if cell.best else _text(cell.text)
    return f"{text} <small>{_text(cell.small)}</small>" if cell.small else text


def _text(text: str) -> str:
    """Escaped text, with names in backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _anchor(text: str) -> str:
    """A heading's id."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
