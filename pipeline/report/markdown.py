"""A document as Markdown; pictures stay in the HTML page and are named here."""

from collections.abc import Iterable, Sequence

from pipeline.report.document import Block, Code, Details, Figure, Heading, Items, Paragraph
from pipeline.report.table import Cell, Table


def render_markdown(blocks: Sequence[Block]) -> str:
    """Render the blocks, one blank line between them."""
    return "\n\n".join(text for block in blocks for text in _render(block)) + "\n"


def _render(block: Block) -> Iterable[str]:
    """The paragraphs of a block."""
    if isinstance(block, Heading):
        yield f"{'#' * block.level} {block.text}"
    elif isinstance(block, Paragraph):
        yield f"> {block.text}" if block.notice else block.text
    elif isinstance(block, Items):
        yield "\n".join(f"- **{term}**: {meaning}" for term, meaning in block.entries)
    elif isinstance(block, Figure):
        yield f"*Picture in report.html: {block.caption}*"
    elif isinstance(block, Code):
        yield f"```yaml\n{block.text.rstrip()}\n```"
    elif isinstance(block, Details):
        yield f"**{block.summary}**"
        for inner in block.blocks:
            yield from _render(inner)
    else:
        yield block.caption
        yield _render_table(block)


def _render_table(table: Table) -> str:
    """A pipe table; grouped columns are named group_title, as the source documents do."""
    titles = [f"{column.group}_{column.title}" if column.group else column.title for column in table.columns]
    rules = ["---:" if column.numeric else "---" for column in table.columns]
    rows = [[_render_cell(cell) for cell in line.cells] for line in table.lines]
    padded = [row + [""] * (len(titles) - len(row)) for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (titles, rules, *padded))


def _render_cell(cell: Cell) -> str:
    """A cell's text, its addition behind it, the best in bold."""
    text = f"**{cell.text}**" if cell.best else cell.text
    return f"{text} {cell.small}".strip().replace("|", "\\|")
