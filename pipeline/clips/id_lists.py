"""Lists of clip ids that a paper published for its parts: train, valid and test, one id a line."""

from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.clips.listing import Discrepancy, count
from pipeline.clips.splits import PARTS
from pipeline.errors import ManifestError

NAMES = ("{}.txt", "{}_split.txt")
"""How the file of a part may be called."""


def read_id_lists(folder: Path) -> dict[str, tuple[str, ...]]:
    """Read the ids of each part from `folder`/train.txt or train_split.txt, and so on; empty lines are passed over.

    Raises:
        ManifestError: a part has no list, or it is not text.
    """
    return {part: _read_list(folder, part) for part in PARTS}


def _read_list(folder: Path, part: str) -> tuple[str, ...]:
    """Return the ids of one part."""
    names = [name.format(part) for name in NAMES]
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise ManifestError(f"{folder} holds no {' or '.join(names)}; put the list of ids of the {part} part there, one a line")
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not a list of ids in UTF-8: {error}; put the published list there") from error


def compare_lists(
    split: str, lists: Mapping[str, tuple[str, ...]], sizes: Mapping[str, int], ids: Collection[str], where: str
) -> tuple[Discrepancy, ...]:
    """Compare the published sizes of lists with the clips that are there; names those that are not.

    Args:
        split: the lists' name.
        lists: part to its ids.
        sizes: part to its published size.
        ids: of the clips that are there.
        where: the clips were looked for.
    """
    found: tuple[Discrepancy, ...] = ()
    for part, listed in lists.items():
        missing = [i for i in listed if i not in ids]
        found += count(f"clips of the list `{split}`, {part}", sizes[part], len(listed) - len(missing), missing, where)
    return found
