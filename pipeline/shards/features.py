"""A folder of shards, read whole into memory in a few large sequential reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import ShardError
from pipeline.shards.extractor import Row
from pipeline.shards.shard import Header, Shard, read_shard

PATTERN = "shard-*.h5"


def list_shards(folder: Path) -> list[Path]:
    """Return a folder's shards in the order of their numbers."""
    return sorted(folder.glob(PATTERN))


@dataclass(frozen=True)
class Features:
    """The rows of a whole folder.

    Args:
        folder: where they were read.
        header: of the shards, all of them alike.
        ids: every clip, skipped ones too, in the order of the shards.
        fingerprints: of the rows.
        skips: clip to reason, for the clips without arrays.
        values: for each array, all clips' parts one behind the other, (sum of lengths, …).
        offsets: for each array, where each clip's part begins, (clips + 1,).
    """

    folder: Path
    header: Header
    ids: tuple[str, ...]
    fingerprints: tuple[str, ...]
    skips: dict[str, str]
    values: dict[str, np.ndarray]
    offsets: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", {clip_id: place for place, clip_id in enumerate(self.ids)})

    def __contains__(self, clip_id: str) -> bool:
        """Whether the clip has arrays."""
        return clip_id in self._places and clip_id not in self.skips  # type: ignore[attr-defined]

    def __getitem__(self, clip_id: str) -> Row:
        """Return a clip's arrays, as views."""
        place = self._places[clip_id]  # type: ignore[attr-defined]
        return {name: values[self.offsets[name][place] : self.offsets[name][place + 1]] for name, values in self.values.items()}

    def fingerprint(self, clip_id: str) -> str:
        """Return the fingerprint of a clip's row."""
        place: int = self._places[clip_id]  # type: ignore[attr-defined]
        return self.fingerprints[place]


def read_features(folder: Path, arrays: Sequence[str] | None = None) -> Features:
    """Read the shards of a folder, all arrays or those named.

    Raises:
        ShardError: no shards, a shard that cannot be read, shards of different headers or array shapes, a clip in two shards, or an
            array that none of them has.
    """
    shards = [read_shard(path) for path in list_shards(folder)]
    if not shards:
        raise ShardError(f"{folder} holds no shards; run the stage that makes it, or `dvc pull` to get it")
    for shard in shards:
        if shard.header != shards[0].header:
            raise ShardError(f"{shard.path} was made with other settings than {shards[0].path.name}; run the stage that makes them again")
    ids = tuple(i for shard in shards for i in shard.ids)
    if len(set(ids)) < len(ids):
        raise ShardError(f"{folder} holds a clip in two shards; run the stage that makes them again")
    filled = [shard for shard in shards if shard.offsets]
    names = list(arrays) if arrays is not None else sorted(filled[0].offsets) if filled else []
    return Features(
        folder,
        shards[0].header,
        ids,
        tuple(f for shard in shards for f in shard.fingerprints),
        {i: reason for shard in shards for i, reason in zip(shard.ids, shard.skip_reasons, strict=True) if reason},
        {name: _read_values(filled, name) for name in names} if filled else {},
        {name: _join_offsets(shards, name) for name in names} if filled else {},
    )


def _read_values(shards: Sequence[Shard], name: str) -> np.ndarray:
    """Return an array of all shards, (sum of lengths, …), each shard read straight into its place."""
    for shard in shards:
        if name not in shard.shapes:
            raise ShardError(f"{shard.path} has no array `{name}`; it has {', '.join(shard.shapes)}")
        if (shard.shapes[name][1:], shard.dtypes[name]) != (shards[0].shapes[name][1:], shards[0].dtypes[name]):
            raise ShardError(f"{shard.path}: {name} differs in shape or dtype from {shards[0].path.name}; run the stage again")
    total = sum(shard.shapes[name][0] for shard in shards)
    values = np.empty((total, *shards[0].shapes[name][1:]), shards[0].dtypes[name])
    begin = 0
    for shard in shards:
        end = begin + shard.shapes[name][0]
        shard.read_values(name, values[begin:end])
        begin = end
    return values


def _join_offsets(shards: Sequence[Shard], name: str) -> np.ndarray:
    """Return where each clip's part begins in the joined values, (clips + 1,)."""
    lengths = [np.diff(shard.offsets[name]) if name in shard.offsets else np.zeros(len(shard), np.int64) for shard in shards]
    return np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
