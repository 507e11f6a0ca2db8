"""Label tables: CSV files with a header line, read as text, each row with the number of its line for the messages."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import ManifestError


def read_csv(path: Path, required: Sequence[str], encodings: Sequence[str] = ("utf-8-sig",)) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file with a header line: each row with its line number, fields without white space around them.

    Args:
        path: the file.
        required: columns that it must have; others may stand beside them.
        encodings: tried in turn.

    Raises:
        ManifestError: the file is absent, in none of the encodings, lacks a required column, names one twice, or a row has more fields
            than the header.
    """
    try:
        text = _decode(path.read_bytes(), encodings)
        reader = csv.DictReader(io.StringIO(text, newline=""))
        header = list(reader.fieldnames or ())
        rows = [(reader.line_num, row) for row in reader]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ManifestError(f"{path} does not exist; put the corpus' labels there") from error
    except (UnicodeDecodeError, IsADirectoryError, csv.Error) as error:
        raise ManifestError(f"{path} is not a CSV file in {' or '.join(map(_title, encodings))}: {error}; save it as one") from error
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise ManifestError(f"{path} has more than one column named {', '.join(twice)}; rename or remove the others")
    if missing := [name for name in required if name not in header]:
        raise ManifestError(f"{path} lacks the column(s) {', '.join(missing)}; its header is {header}")
    if bad := [line for line, row in rows if None in row]:
        raise ManifestError(f"{path}, line {bad[0]}: more fields than the header has; quote texts that hold commas")
    return [(line, {name: (value or "").strip() for name, value in row.items()}) for line, row in rows]


def _decode(data: bytes, encodings: Sequence[str]) -> str:
    """Return the text in the first encoding that fits."""
    for encoding in encodings[:-1]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode(encodings[-1])


def _title(encoding: str) -> str:
    """Name an encoding as users know it."""
    return "UTF-8" if encoding == "utf-8-sig" else encoding
