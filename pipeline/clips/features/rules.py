"""What a row of `feature_sets` says beyond where the arrays are: labels, groups, speakers and splits, by rule."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.clips.clip import Clip, Label
from pipeline.clips.splits import PARTS, Fold, rotate_folds
from pipeline.errors import ManifestError, SplitError

PART_NAMES = {"train": "train", "valid": "valid", "val": "valid", "dev": "valid", "test": "test"}


@dataclass(frozen=True)
class LabelRule:
    """Where a label stands.

    Args:
        column: the array, one value (or one row) a clip.
        index: which of a row's values.
        names: value to class name; without it numbers stay numbers.
    """

    column: str
    index: int | None = None
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitRule:
    """How a named split comes about, by one of `column`, `rotate` and `lists`.

    Args:
        column: the array that says train, valid (val, dev) or test of each clip; any other word leaves the clip out.
        valid_groups: so many groups of the train part, chosen by a hash of their names, select instead of training.
        rotate: folds disjoint by speaker: test is block k, valid block k + 1, train the others.
        lists: part to a text file, beside the features, with the ids or groups that form it, a line each.
    """

    column: str | None = None
    valid_groups: int = 0
    rotate: int | None = None
    lists: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sum(map(bool, (self.column, self.rotate, self.lists))) != 1:
            raise ValueError("a split comes from exactly one of `column`, `rotate` and `lists`")
        if set(self.lists) - set(PARTS):
            raise ValueError(f"`lists` maps {', '.join(PARTS)} to files, not {sorted(set(self.lists) - set(PARTS))}")
        if self.valid_groups < 0 or (self.valid_groups and self.rotate):
            raise ValueError("`valid_groups` is a number of groups that go from train to valid, and `rotate` makes a valid part itself")


def read_labels(columns: Mapping[str, Any], rule: str | LabelRule, where: str) -> list[Label]:
    """Return a label of each clip.

    Raises:
        ManifestError: no such column, or a value without a name.
    """
    rule = LabelRule(rule) if isinstance(rule, str) else rule
    values = find_column(columns, rule.column, where)
    if rule.index is not None:
        if values.ndim != 2 or not -values.shape[1] <= rule.index < values.shape[1]:
            raise ManifestError(f"{where}: `{rule.column}` is {values.shape} and has no value {rule.index} a clip")
        values = values[:, rule.index]
    values = values.reshape(len(values)) if values.size == len(values) else values
    if values.ndim != 1:
        raise ManifestError(f"{where}: `{rule.column}` is {values.shape}, not one value a clip; its label rule needs `index`")
    return [_name(value, rule, where) for value in values.tolist()]


def find_column(columns: Mapping[str, Any], name: str, where: str) -> Any:
    """Return an array by its key.

    Raises:
        ManifestError: there is none, or it is none.
    """
    if name not in columns:
        raise ManifestError(f"{where} has no array `{name}`; it has {', '.join(map(str, list(columns)[:30]))}")
    try:
        return np.asarray(columns[name])
    except ValueError as error:
        raise ManifestError(f"{where}: `{name}` is no array of one value a clip ({error})") from error


def _name(value: Any, rule: LabelRule, where: str) -> Label:
    """Return a label: a class name, a number, or None where it is missing."""
    value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if value is None or value == "" or (isinstance(value, float) and np.isnan(value)):
        return None
    if not rule.names:
        return float(value) if isinstance(value, (int, float)) else str(value)
    key = f"{value:g}" if isinstance(value, (int, float)) else str(value)
    if key not in rule.names:
        raise ManifestError(f"{where}: `{rule.column}` holds {key[:40]!r}, which `names` does not name: {', '.join(rule.names)}")
    return rule.names[key]


def match_id(pattern: str | None, clip_id: str, what: str, where: str) -> str | None:
    """Return what the pattern's first group finds in an id, None without a pattern.

    Raises:
        ManifestError: the pattern is none, has no group, or the id does not match.
    """
    if pattern is None:
        return None
    try:
        found = re.search(pattern, clip_id)
        if found is None or not found.group(1):
            raise ManifestError(f"{where}: the id {clip_id!r} has no {what} by the rule {pattern!r}; correct the rule")
        return found.group(1)
    except (re.error, IndexError) as error:
        raise ManifestError(f"{where}: {pattern!r} is no regular expression with a group ({error}); `{what}` needs one") from error


def make_splits(
    rules: Mapping[str, SplitRule], clips: Sequence[Clip], columns: Mapping[str, Any], where: Path
) -> dict[str, tuple[Fold, ...]]:
    """Return the named splits.

    Raises:
        ManifestError: a column or a list is absent.
        SplitError: clips lack the speaker or group that a rule needs.
    """
    return {name: _make_split(name, rule, clips, columns, where) for name, rule in rules.items()}


def _make_split(name: str, rule: SplitRule, clips: Sequence[Clip], columns: Mapping[str, Any], where: Path) -> tuple[Fold, ...]:
    """Return the folds of one rule."""
    if rule.rotate:
        _need([clip for clip in clips if clip.speaker is None], name, "speaker")
        return rotate_folds({clip.id: clip.speaker or "" for clip in clips}, rule.rotate)
    parts: dict[str, list[str]] = defaultdict(list)
    if rule.column:
        words = find_column(columns, rule.column, str(where)).reshape(-1).tolist()
        for clip, word in zip(clips, words, strict=True):
            parts[PART_NAMES.get(str(word).lower(), "")].append(clip.id)
    for part, file in rule.lists.items():
        listed = _read_list(where / file if where.is_dir() else where.parent / file)
        parts[part] = [clip.id for clip in clips if clip.id in listed or clip.group in listed]
    groups = {clip.id: clip.group for clip in clips}
    if rule.valid_groups:
        _need([clip for clip in clips if clip.group is None], name, "group")
        ranked = sorted({groups[i] or "" for i in parts["train"]}, key=_hash)
        chosen = set(ranked[: rule.valid_groups])
        parts["valid"] += [i for i in parts["train"] if groups[i] in chosen]
        parts["train"] = [i for i in parts["train"] if groups[i] not in chosen]
    return (Fold.of(parts),)


def _hash(group: str) -> str:
    """A group's place in the draw: the same on every machine, and whatever other groups there are."""
    return hashlib.blake2b(group.encode(), digest_size=8).hexdigest()


def _need(without: Sequence[Clip], split: str, what: str) -> None:
    """Raise SplitError if clips lack what a split needs."""
    if without:
        names = ", ".join(clip.id for clip in without[:10])
        raise SplitError(f"split `{split}`: {len(without)} clips have no {what}: {names}; give the row a rule `{what}`")


def _read_list(path: Path) -> set[str]:
    """Return the lines of a text file."""
    try:
        return {line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} is not a readable list of ids ({error}); put it beside the features") from error
