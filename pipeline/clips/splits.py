"""Splits: which clips train, select and test; and what their parts must not share."""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.errors import SplitError
from pipeline.storage import read_lines, write_lines

FILE_NAME = "splits.json"
PARTS = ("train", "valid", "test")
PAIRS = tuple(combinations(PARTS, 2))
RULES = ("none", "group", "speaker")
COPIED_SHARE = 0.5
"""Of the shorter of two stretches of one recording: from here on they count as the same."""


@dataclass(frozen=True)
class Fold:
    """The ids of each part, sorted; one fold, or one of k."""

    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]

    def part(self, name: str) -> tuple[str, ...]:
        """Return the ids of the part `name` (train, valid or test)."""
        ids: tuple[str, ...] = getattr(self, name)
        return ids

    @classmethod
    def of(cls, parts: Mapping[str, Iterable[str]]) -> "Fold":
        """Build a fold from the ids of each part, in any order."""
        return cls(**{name: tuple(sorted(parts.get(name, ()))) for name in PARTS})


def rotate_folds(ids: Mapping[str, str], k: int, speakers: Iterable[str] = ()) -> tuple[Fold, ...]:
    """Deal speakers to k blocks and rotate them: fold i tests on block i, selects on block i + 1 (mod k) and trains on the others.

    The speakers are sorted by name, numbers in it by value, and cut into k consecutive blocks whose sizes differ by one at most. Blocks,
    not every k-th speaker: where women and men take turns (RAVDESS: odd actors are men, even ones women), every k-th one of an even k is of
    one sex, while a block of consecutive ones holds both.

    Args:
        ids: clip id to its speaker.
        k: number of folds, 3 or more.
        speakers: all that the published corpus has, so that a copy with fewer of them has the same folds.

    Raises:
        SplitError: there are fewer than three folds, or fewer speakers than folds.
    """
    names = sorted({*speakers, *ids.values()}, key=lambda name: [int(s) if s.isdecimal() else s for s in re.split(r"(\d+)", name)])
    if not 3 <= k <= len(names):
        raise SplitError(f"{len(names)} speakers cannot be dealt to {k} folds; it takes three folds or more, and a speaker for each")
    block = {name: place * k // len(names) for place, name in enumerate(names)}
    blocks: list[list[str]] = [[] for _ in range(k)]
    for i, speaker in ids.items():
        blocks[block[speaker]].append(i)
    return tuple(_rotate(blocks, test) for test in range(k))


def _rotate(blocks: list[list[str]], test: int) -> Fold:
    """Return the fold that tests on a block and selects on the next one."""
    valid = (test + 1) % len(blocks)
    train = [i for place, block in enumerate(blocks) if place not in (test, valid) for i in block]
    return Fold.of({"train": train, "valid": blocks[valid], "test": blocks[test]})


def check_ids(splits: Mapping[str, tuple[Fold, ...]], manifest: Manifest) -> None:
    """Check that every id of a split is a clip, and stands in one part of a fold only.

    Raises:
        SplitError: lists the first ten offenders.
    """
    for name, folds in splits.items():
        for number, fold in enumerate(folds):
            counts = Counter(i for part in PARTS for i in fold.part(part))
            _refuse(name, number, "are no clips of the corpus", sorted(counts.keys() - set(manifest.ids)))
            _refuse(name, number, "stand in more than one part", [i for i, count in counts.items() if count > 1])


def _refuse(split: str, fold: int, problem: str, ids: list[str]) -> None:
    """Raise SplitError if there are offending ids."""
    if ids:
        raise SplitError(f"split `{split}`, fold {fold}: {len(ids)} ids {problem}: {', '.join(ids[:10])}; correct the corpus' split lists")


def read_splits(folder: Path) -> dict[str, tuple[Fold, ...]]:
    """Read `folder`/splits.json: split name to its folds.

    Raises:
        SplitError: the file is absent, not a table of folds, or not what its checksum says.
    """
    path = folder / FILE_NAME
    try:
        table = json.loads("".join(read_lines(path)))
        return {name: tuple(_read_fold(fold) for fold in folds) for name, folds in table.items()}
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SplitError(f"{path} does not exist; run index_clips, or `dvc pull` to get it") from error
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise SplitError(f"{path} is not a table of folds: {error}; delete it and run index_clips again") from error


def _read_fold(fold: Mapping[str, list[str]]) -> Fold:
    """Return the fold that a JSON object holds."""
    if set(fold) != set(PARTS) or not all(isinstance(i, str) for ids in fold.values() for i in ids):
        raise ValueError(f"a fold needs lists of ids for {', '.join(PARTS)}")
    return Fold.of(fold)


def write_splits(splits: Mapping[str, tuple[Fold, ...]], folder: Path) -> None:
    """Write `folder`/splits.json and its checksum; the same splits give the same bytes."""
    table = {name: [asdict(fold) for fold in folds] for name, folds in splits.items()}
    write_lines((json.dumps(table, indent=1, sort_keys=True, ensure_ascii=False), "\n"), folder / FILE_NAME)


def overlaps(fold: Fold, manifest: Manifest) -> dict[str, dict[str, int]]:
    """Count what each pair of parts shares: {"train-test": {"speaker": 0, "group": 3, "media": 0}, …}.

    `media` counts the clips of the second part that repeat one of the first, see `find_copies`.
    """
    keys = {part: _keys(fold.part(part), manifest) for part in PARTS}
    counts = {(a, b): {kind: len(keys[a][kind] & keys[b][kind]) for kind in keys[a]} for a, b in PAIRS}
    copies = {(a, b): len(find_copies(fold.part(a), fold.part(b), manifest)) for a, b in PAIRS}
    return {f"{a}-{b}": {**counts[a, b], "media": copies[a, b]} for a, b in PAIRS}


def _keys(ids: tuple[str, ...], manifest: Manifest) -> dict[str, set[str]]:
    """Return the speakers and groups that clips come from."""
    clips = [manifest[i] for i in ids]
    return {
        "speaker": {clip.speaker for clip in clips if clip.speaker is not None},
        "group": {clip.group for clip in clips if clip.group is not None},
    }


def find_copies(of: Iterable[str], among: Iterable[str], manifest: Manifest) -> list[str]:
    """Return the clips of `among` that repeat a clip of `of`: the same media under another id.

    A copy has the same bytes of picture and of sound (digests), the same channel and part of the picture, and shares at least half of the
    shorter one's time: a list that was cut anew, with borders a little aside, is told too. Neighbours in a recording that overlap at
    their borders, or two speakers' turns told apart by channel or region, are no copies. Media that were encoded again have other bytes
    and are not found here.
    """
    stretches: dict[Hashable, list[tuple[float, float]]] = defaultdict(list)
    for clip in map(manifest.__getitem__, of):
        if clip.digest or clip.audio_digest:
            stretches[_source(clip)].append(_stretch(clip))
    return [i for i in among if any(_repeats(_stretch(manifest[i]), other) for other in stretches.get(_source(manifest[i]), ()))]


def _source(clip: Clip) -> Hashable:
    """Return what a clip is cut from."""
    return clip.digest, clip.audio_digest, clip.channel, clip.region


def _stretch(clip: Clip) -> tuple[float, float]:
    """Return a clip's start and end, s."""
    return clip.start, math.inf if clip.end is None else clip.end


def _repeats(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether two stretches share at least half of the shorter one."""
    return min(a[1], b[1]) - max(a[0], b[0]) >= COPIED_SHARE * min(a[1] - a[0], b[1] - b[0])


def check_disjoint(fold: Fold, manifest: Manifest, rules: Mapping[str, str], where: str, copies: str = "refuse") -> None:
    """Check that the parts share nothing that the task forbids; identical media is forbidden, whatever the rules say.

    Args:
        fold: the fold.
        manifest: the corpus' clips.
        rules: pair of parts ("train-test") to `none`, `group` or `speaker`; a pair that is not named must be disjoint by speaker.
        where: heads the message.
        copies: `refuse` identical media, or `count` it: `overlaps` says how much there is.

    Raises:
        SplitError: says which parts share how many of what, or that a rule is none of these.
    """
    pairs = [f"{a}-{b}" for a, b in PAIRS]
    bad = [f"{pair}: {rule}" for pair, rule in rules.items() if pair not in pairs or rule not in RULES]
    if bad:
        raise SplitError(f"{where}: `disjoint` holds {bad[0]!r}; a pair is one of {', '.join(pairs)} and a rule one of {', '.join(RULES)}")
    for a, b in PAIRS if copies == "refuse" else ():
        refuse_copies(find_copies(fold.part(a), fold.part(b), manifest), "media", (a, b), where)
    counts = overlaps(fold, manifest)
    for pair in pairs:
        rule = rules.get(pair, "speaker")
        if rule != "none" and counts[pair][rule]:
            declare = f"correct the split, or declare `disjoint: {{{pair}: none}}` in the task"
            raise SplitError(f"{where}: {pair} share {counts[pair][rule]} {rule}(s); {declare}")


def refuse_copies(ids: Sequence[str], kind: str, pair: tuple[str, str], where: str) -> None:
    """Refuse clips of one part that repeat a clip of another.

    Args:
        ids: of the second part.
        kind: what they repeat: media, or features.
        pair: the parts.
        where: heads the message.

    Raises:
        SplitError: counts them and names the first ten.
    """
    if ids:
        raise SplitError(
            f"{where}: {len(ids)} clips of the {pair[1]} part have the {kind} of a clip of the {pair[0]} part: {', '.join(ids[:10])}; "
            "take them out of the split, or have them counted beside the table with `copies: count` in the task"
        )
