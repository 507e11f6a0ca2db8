"""Bring your own videos: any folder of media with a CSV beside it.

Columns, in any order; only `media` is required:

    media     file below the media folder            speaker   who speaks
    id        of the clip; default: the media's path  group     the recording that clips share
    start     seconds from the start of the media    split     train, valid or test
    end       seconds; empty: to the end             audio     a separate sound file below the media folder
    text      the transcript

Every other column is a label: numbers are read as numbers, an empty field is a missing label, everything else is a class name. The clips
that have a `split` form the split named `csv`.
"""

from collections import defaultdict
from pathlib import Path

from pipeline.clips.clip import Clip, Label
from pipeline.clips.listing import Listing, below
from pipeline.clips.splits import PARTS, Fold
from pipeline.clips.tables import read_csv
from pipeline.errors import ManifestError

FIELDS = ("id", "media", "audio", "start", "end", "text", "speaker", "group")


def read(labels: Path, media: Path) -> Listing:
    """Read the clips and the split `csv` from a CSV file.

    Args:
        labels: the CSV file, UTF-8, with a header line.
        media: the media folder; the CSV's paths must stay below it.

    Raises:
        ManifestError: no `media` column, or a field that is not what it should be; the message names the line.
    """
    clips: list[Clip] = []
    parts: dict[str, list[str]] = defaultdict(list)
    for line, row in read_csv(labels, ("media",)):
        clip = _read_clip(row, f"{labels}, line {line}")
        clips.append(clip)
        part = row.get("split", "")
        if part and part not in PARTS:
            raise ManifestError(f"{labels}, line {line}: split {part!r} must be {', '.join(PARTS)} or empty")
        if part:
            parts[part].append(clip.id)
    return Listing(clips, {"csv": (Fold.of(parts),)} if parts else {})


def _read_clip(row: dict[str, str], where: str) -> Clip:
    """Return the clip of a row."""
    try:
        return Clip(
            id=row.get("id") or row["media"],
            media=below(row["media"]),
            audio=below(row["audio"]) if row.get("audio") else None,
            start=float(row.get("start") or 0),
            end=float(row["end"]) if row.get("end") else None,
            text=row.get("text") if "text" in row else None,
            speaker=row.get("speaker") or None,
            group=row.get("group") or None,
            labels={name: _label(value) for name, value in row.items() if name not in (*FIELDS, "split")},
        )
    except (ValueError, ManifestError) as error:
        raise ManifestError(f"{where}: {error}") from error


def _label(value: str) -> Label:
    """Return a label: a number where it reads as one, None where it is empty."""
    try:
        return float(value) if value else None
    except ValueError:
        return value
