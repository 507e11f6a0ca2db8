"""Warnings about incomplete copies of a corpus, as index_clips recorded them, for every page that is made from one."""

from collections.abc import Mapping
from typing import Any

from pipeline.report.document import Items, Paragraph

Partial = Mapping[str, Any]


def warn_partial(corpus: str, partial: Partial | None) -> list[Paragraph | Items]:
    """Say what a copy of a corpus lacks; nothing where it is whole."""
    if partial is None:
        return []
    head = (
        f"Incomplete copy of `{corpus}`: {'; '.join(summarise_partial(partial))}. Numbers made from it are not those of the whole corpus."
    )
    details = tuple(_explain(found) for found in partial["discrepancies"] if found["missing"] or found["where"])
    absent = partial["absent_media"]
    if absent["count"]:
        details += (("clips without media", f"the first: {', '.join(absent['first'])}"),)
    return [Paragraph(head, notice=True), *([Items(details)] if details else [])]


def summarise_partial(partial: Partial) -> list[str]:
    """Return a few words for each number in which the copy differs."""
    words = [f"{found['found']:,} of {found['expected']:,} {found['what']}" for found in partial["discrepancies"]]
    count = partial["absent_media"]["count"]
    return words + ([f"{count:,} clips left out, whose media is not there"] if count else [])


def _explain(found: Mapping[str, Any]) -> tuple[str, str]:
    """What is missing of one number, and where it was looked for."""
    names = f"{found['num_missing']:,} missing, the first: {', '.join(found['missing'])}" if found["missing"] else ""
    where = f"looked at {found['where']}" if found["where"] else ""
    return found["what"], "; ".join(part for part in (names, where) if part)
