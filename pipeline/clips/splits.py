"""Splits: which clips train, select and test; and what their parts must not share."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

from pipeline.clips.manifest import Manifest
from pipeline.errors import SplitError

FILE_NAME = "splits.json"
PARTS = ("train", "valid", "test")
RULES = ("none", "group", "speaker")


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
        SplitError: the file is absent or not a table of folds.
    """
    path = folder / FILE_NAME
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
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
    """Write `folder`/splits.json; the same splits give the same bytes."""
    table = {name: [asdict(fold) for fold in folds] for name, folds in splits.items()}
    (folder / FILE_NAME).write_text(json.dumps(table, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def overlaps(fold: Fold, manifest: Manifest) -> dict[str, dict[str, int]]:
    """Count what each pair of parts shares: {"train-test": {"speaker": 0, "group": 3, "media": 0}, …}.

    `media` counts identical media (by digest, start, end and region): one clip under two ids.
    """
    keys = {part: _keys(fold.part(part), manifest) for part in PARTS}
    return {f"{a}-{b}": {kind: len(keys[a][kind] & keys[b][kind]) for kind in keys[a]} for a, b in combinations(PARTS, 2)}


def _keys(ids: tuple[str, ...], manifest: Manifest) -> dict[str, set[object]]:
    """Return the speakers, groups and media stretches that clips come from."""
    clips = [manifest[i] for i in ids]
    return {
        "speaker": {clip.speaker for clip in clips if clip.speaker is not None},
        "group": {clip.group for clip in clips if clip.group is not None},
        "media": {(c.digest, c.audio_digest, c.channel, c.region, c.start, c.end) for c in clips if c.digest or c.audio_digest},
    }


def check_disjoint(fold: Fold, manifest: Manifest, rules: Mapping[str, str], where: str) -> None:
    """Check that the parts share nothing that the task forbids; identical media is always forbidden.

    Args:
        fold: the fold.
        manifest: the corpus' clips.
        rules: pair of parts ("train-test") to `none`, `group` or `speaker`; a pair that is not named must be disjoint by speaker.
        where: heads the message.

    Raises:
        SplitError: says which parts share how many of what, or that a rule is none of these.
    """
    pairs = [f"{a}-{b}" for a, b in combinations(PARTS, 2)]
    bad = [f"{pair}: {rule}" for pair, rule in rules.items() if pair not in pairs or rule not in RULES]
    if bad:
        raise SplitError(f"{where}: `disjoint` holds {bad[0]!r}; a pair is one of {', '.join(pairs)} and a rule one of {', '.join(RULES)}")
    for pair, counts in overlaps(fold, manifest).items():
        rule = rules.get(pair, "speaker")
        for kind in ("media", rule) if rule != "none" else ("media",):
            if counts[kind]:
                declare = f"correct the split, or declare `disjoint: {{{pair}: none}}` in the task"
                remedy = "remove the copies" if kind == "media" else declare
                raise SplitError(f"{where}: {pair} share {counts[kind]} {kind}(s); {remedy}")
