"""What a reader of features gives: clips, splits, and an array (time, dim) for each clip and modality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clips.clip import Clip, Label
from pipeline.clips.features.rules import SplitRule, make_splits, match_id
from pipeline.clips.listing import Discrepancy, count
from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import PARTS, Fold
from pipeline.errors import ManifestError

MODALITIES = ("text", "audio", "video")


@dataclass(frozen=True, kw_only=True)
class FeatureSetConfig:
    """What the rows of `feature_sets` have in common.

    Args:
        format: the reader, a file of this folder.
        group: regular expression whose first group, in a clip's id, names the recording.
        speaker: the same for the speaker.
        splits: name to how the split comes about.
        expected: split to part to the number of clips that the published corpus has (in the first fold).
        partial: accept a file with other numbers; every report made from it says so.
        replace_nonfinite: put 0 where a feature is NaN or infinite; without it such a feature is an error.
    """

    format: str
    group: str | None = None
    speaker: str | None = None
    splits: dict[str, SplitRule] = field(default_factory=dict)
    expected: dict[str, dict[str, int]] = field(default_factory=dict)
    partial: bool = False
    replace_nonfinite: bool = False

    def __post_init__(self) -> None:
        for split, parts in self.expected.items():
            if split not in self.splits or set(parts) - set(PARTS):
                raise ValueError(f"`expected` maps splits ({', '.join(self.splits) or 'none'}) to numbers of {', '.join(PARTS)}")


@dataclass(frozen=True)
class FeatureSet:
    """A corpus of ready-made features.

    Args:
        manifest: its clips; none has media.
        splits: name to folds.
        sequences: modality → clip id → (time, dim) float16 or float32; a clip without the modality is not there.
        files: that were read.
        replaced: modality → numbers that were not finite and are 0 now.
        discrepancies: numbers in which the file differs from the published corpus.
    """

    manifest: Manifest
    splits: Mapping[str, tuple[Fold, ...]]
    sequences: Mapping[str, Mapping[str, NDArray[Any]]]
    files: tuple[Path, ...]
    replaced: Mapping[str, int]
    discrepancies: tuple[Discrepancy, ...] = ()


@dataclass(frozen=True)
class Table:
    """What a reader found, a place for each clip in every list.

    Args:
        path: what was read, a file or a folder.
        files: of it.
        ids: of the clips.
        sequences: modality → (time, dim) each; a length of 0 says that the clip lacks it.
        labels: name to a value each.
        texts: transcripts, or none.
        groups, speakers: as the file names them, where the row has no rule.
        columns: what a split's `column` may name.
    """

    path: Path
    files: tuple[Path, ...]
    ids: Sequence[str]
    sequences: Mapping[str, Sequence[NDArray[Any]]]
    labels: Mapping[str, Sequence[Label]]
    texts: Sequence[str | None] | None = None
    groups: Sequence[str | None] | None = None
    speakers: Sequence[str | None] | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


def make_feature_set(table: Table, config: FeatureSetConfig) -> FeatureSet:
    """Build clips, splits and sequences.

    Raises:
        ManifestError: ids that are no ids or stand twice, no modality, widths that differ, numbers that are not finite, or a number of
            clips that the published corpus has not.
        SplitError: a split's rule needs what the clips have not.
    """
    if not table.ids:
        raise ManifestError(f"{table.path} holds no clips")
    clips = [_make_clip(table, place, config) for place in range(len(table.ids))]
    manifest = Manifest(clips)
    sequences, replaced = {}, {}
    for modality, arrays in table.sequences.items():
        where = f"{table.path}: {modality}"
        if modality not in MODALITIES:
            raise ManifestError(f"{where} is no modality; they are {', '.join(MODALITIES)}")
        found = {i: _as_float(array) for i, array in zip(table.ids, arrays, strict=True) if len(array)}
        _check_widths(found, where)
        sequences[modality], replaced[modality] = _check_finite(found, where, config.replace_nonfinite)
    if not sequences:
        raise ManifestError(f"{table.path} holds no features of {', '.join(MODALITIES)}")
    splits = make_splits(config.splits, clips, table.columns, table.path)
    discrepancies = tuple(
        discrepancy
        for split, parts in config.expected.items()
        for part, number in parts.items()
        for discrepancy in count(f"clips of the split `{split}` ({part})", number, splits[split][0].part(part), where=table.path.name)
    )
    if discrepancies and not config.partial:
        raise ManifestError(
            f"{table.path} is not the published corpus: {'; '.join(map(str, discrepancies))}; take the published file, or accept this one "
            "with `partial: true` in its row of `feature_sets`, and every report made from it will say so"
        )
    return FeatureSet(manifest, splits, sequences, table.files, {m: n for m, n in replaced.items() if n}, discrepancies)


def _make_clip(table: Table, place: int, config: FeatureSetConfig) -> Clip:
    """Return a clip of the table."""
    clip_id, where = table.ids[place], str(table.path)
    parts = PurePosixPath(clip_id.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts:
        raise ManifestError(f"{where}: the id {clip_id[:80]!r} is a path that leads elsewhere; give the clip another id")
    labels = {name: values[place] for name, values in table.labels.items()}
    text = table.texts[place] if table.texts is not None else None
    group = match_id(config.group, clip_id, "group", where) or (table.groups[place] if table.groups is not None else None)
    speaker = match_id(config.speaker, clip_id, "speaker", where) or (table.speakers[place] if table.speakers is not None else None)
    try:
        return Clip(id=clip_id, text=text, group=group, speaker=speaker, labels=labels)
    except ManifestError as error:
        raise ManifestError(f"{where}: {error}") from error


def _as_float(array: NDArray[Any]) -> NDArray[Any]:
    """Return float16 and float32 in native order as they are, anything else as float32."""
    kept = array.dtype if array.dtype.itemsize <= 4 and array.dtype.kind == "f" else np.dtype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is told as such
        return np.ascontiguousarray(array, dtype=kept.newbyteorder("="))


def _check_widths(sequences: Mapping[str, NDArray[Any]], where: str) -> None:
    """Raise ManifestError where clips differ in the width or type of a step."""
    kinds = {(array.shape[1], array.dtype.str): clip_id for clip_id, array in sequences.items()}
    if len(kinds) > 1:
        listed = ", ".join(f"{dtype}({dim}) of {clip_id}" for (dim, dtype), clip_id in list(kinds.items())[:3])
        raise ManifestError(f"{where} has steps of more than one kind: {listed}; all clips of a modality need the same")


def _check_finite(sequences: Mapping[str, NDArray[Any]], where: str, replace: bool) -> tuple[dict[str, NDArray[Any]], int]:
    """Return the sequences without numbers that are not finite, and how many were replaced by 0."""
    spoilt = {i: int((~np.isfinite(array)).sum()) for i, array in sequences.items()}
    spoilt = {i: number for i, number in spoilt.items() if number}
    if spoilt and not replace:
        raise ManifestError(
            f"{where}: {sum(spoilt.values())} numbers of {len(spoilt)} clips are NaN or infinite: {', '.join(list(spoilt)[:10])}; "
            "correct the file, or set `replace_nonfinite: true` in its row of `feature_sets` to put 0 in their place"
        )
    mended = {i: np.where(np.isfinite(array), array, np.zeros((), array.dtype)) if i in spoilt else array for i, array in sequences.items()}
    return mended, sum(spoilt.values())
