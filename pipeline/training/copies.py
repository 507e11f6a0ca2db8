"""Copies among features: clips of one part whose embeddings repeat, byte for byte, those of a clip in another part.

Imported feature sets hold such rows under other ids, and no digest of media tells them. A clip is a copy of another if every modality that
both have is the same, and audio or video is among them: the same words come back in every corpus that has a script, or a "yes", so text
alone proves nothing. A modality whose values are all one number (the zeros that stand for a missing one) is none.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from pipeline.clips.splits import PAIRS, Fold, refuse_copies
from pipeline.errors import CacheError
from pipeline.shards.features import Features
from pipeline.storage import read_record, remove, write_record

FILE_NAME = "copies.json"
TELLING = ("audio", "video")


def count_copies(features: Mapping[str, Features], fold: Fold) -> dict[str, int]:
    """Return for each pair of parts how many clips of the second one are copies: {"train-test": 466, …}."""
    return {f"{a}-{b}": len(find_copies(features, fold.part(a), fold.part(b))) for a, b in PAIRS}


def check_copies(features: Mapping[str, Features], fold: Fold, where: str) -> None:
    """Check that no clip's features stand in two parts.

    Raises:
        SplitError: they do; the message counts and names the clips.
    """
    for a, b in PAIRS:
        refuse_copies(find_copies(features, fold.part(a), fold.part(b)), "features", (a, b), where)


def find_copies(features: Mapping[str, Features], of: Sequence[str], among: Sequence[str]) -> list[str]:
    """Return the clips of `among` whose features repeat those of a clip of `of`; `features` has those of each modality."""
    marks = {m: _mark(each, of, among) for m, each in features.items()}
    owners: dict[tuple[str, Hashable], list[str]] = defaultdict(list)
    for m in (m for m in TELLING if m in marks):
        for i in of:
            if i in marks[m]:
                owners[m, marks[m][i]].append(i)
    alike = {i: [j for m in TELLING if m in marks and i in marks[m] for j in owners.get((m, marks[m][i]), ())] for i in among}
    return [i for i in among if any(_repeats(marks, i, j) for j in alike[i])]


def _repeats(marks: Mapping[str, Mapping[str, Hashable]], i: str, j: str) -> bool:
    """Whether every modality that both clips have is the same."""
    return all(mark[i] == mark[j] for mark in marks.values() if i in mark and j in mark)


def _mark(features: Features, of: Sequence[str], among: Sequence[str]) -> dict[str, Hashable]:
    """Return what tells each clip's sequence from others; nothing for a clip that has none, or a constant one.

    Length, first and last vector tell most apart; only where they meet in both lists is the whole sequence hashed: 20,000 clips of a
    hundred steps are gigabytes.
    """
    rows = {i: features[i]["sequence"] for i in (*of, *among) if i in features}
    marks: dict[str, Hashable] = {i: (len(x), x[0].tobytes(), x[-1].tobytes()) for i, x in rows.items() if not _is_constant(x)}
    both = {marks[i] for i in of if i in marks} & {marks[i] for i in among if i in marks}
    return {i: blake2b(rows[i].tobytes()).digest() if mark in both else mark for i, mark in marks.items()}


def _is_constant(sequence: np.ndarray) -> bool:
    """Whether a sequence (time, dim) has no value or only one."""
    return not sequence.size or (not bool((sequence[0] != sequence[0, 0]).any()) and not bool((sequence != sequence[0, 0]).any()))


def write_copies(folds: Sequence[Mapping[str, int]], folder: Path) -> None:
    """Write `folder`/copies.json, the counts of each fold, for the report; no file where there are none."""
    remove(folder / FILE_NAME)
    if any(count for fold in folds for count in fold.values()):
        write_record({"folds": list(folds)}, folder / FILE_NAME)


def read_copies(folder: Path) -> list[dict[str, int]]:
    """Return the counts of each fold that `folder`/copies.json holds; none where training found no copy.

    Raises:
        CacheError: the file is not what train writes.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return []
    try:
        return [{pair: int(count) for pair, count in fold.items()} for fold in read_record(path)["folds"]]
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise CacheError(f"{path} is not a table of counts: {error}; delete it and run train again") from error
