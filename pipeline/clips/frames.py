"""A folder of numbered pictures as a recording: which files it is made of, and the number of each."""

import re
from pathlib import Path

STAR = "*"


def is_pattern(name: str) -> bool:
    """Whether a clip's media names the pictures of a folder: one star in the last part, in the place of the number."""
    folder, _, last = name.rpartition("/")
    return last.count(STAR) == 1 and STAR not in folder


def list_frames(media: Path, name: str) -> list[tuple[int, Path]]:
    """Return number and path of the pictures that the pattern `name` stands for, by number; none where its folder is absent."""
    folder, _, last = name.rpartition("/")
    number = re.compile(r"(\d+)".join(re.escape(part) for part in last.split(STAR)))
    files = (media / folder).iterdir() if (media / folder).is_dir() else ()
    found = ((number.fullmatch(file.name), file) for file in files)
    return sorted((int(match[1]), file) for match, file in found if match)
