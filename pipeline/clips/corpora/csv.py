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

import csv
from collections import defaultdict
from pathlib import Path

from pipeline.clips.clip import Clip, Label
from pipeline.clips.listing import Listing, below
from pipeline.clips.splits import PARTS, Fold
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


def read_csv(path: Path, required: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file with a header line: each row with its line number.

    Raises:
        ManifestError: the file is absent, not UTF-8, lacks a required column, or a row has more fields than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in required if name not in (reader.fieldnames or ())]
            twice = {name for name in reader.fieldnames or () if (reader.fieldnames or ()).count(name) > 1}
            if twice:
                raise ManifestError(f"{path} has more than one column named {', '.join(sorted(twice))}; rename or remove the others")
            if missing:
                raise ManifestError(f"{path} lacks the column(s) {', '.join(missing)}; its header is {reader.fieldnames}")
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError as error:
        raise ManifestError(f"{path} does not exist; put the corpus' labels there") from error
    except (UnicodeDecodeError, IsADirectoryError, csv.Error) as error:
        raise ManifestError(f"{path} is not a CSV file in UTF-8: {error}; save it as one") from error
    bad = [line for line, row in rows if None in row]
    if bad:
        raise ManifestError(f"{path}, line {bad[0]}: more fields than the header has; quote texts that hold commas")
    return [(line, {name: (value or "").strip() for name, value in row.items()}) for line, row in rows]


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
