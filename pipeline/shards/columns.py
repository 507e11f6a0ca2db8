"""Rows of ragged arrays as columns, as a shard packs them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ShardError
from pipeline.shards.extractor import Row, Skip

if TYPE_CHECKING:
    from pipeline.shards.shard import ShardRow


def to_columns(path: Path, rows: "Sequence[ShardRow]") -> dict[str, list[np.ndarray]]:
    """Return each array's parts, one a row, empty for skipped rows; names in sorted order."""
    full = [row for row in rows if not isinstance(row.content, Skip)]
    if not full:
        return {}
    model: Row = full[0].content  # type: ignore[assignment]
    empty = {name: np.empty((0, *array.shape[1:]), array.dtype) for name, array in sorted(model.items())}
    columns: dict[str, list[np.ndarray]] = {name: [] for name in empty}
    for row in rows:
        content = empty if isinstance(row.content, Skip) else row.content
        if content.keys() != empty.keys():
            raise ShardError(f"{path}: clip {row.clip_id} has arrays {sorted(content)}, others {sorted(empty)}")
        for name, like in empty.items():
            array = content[name]
            if array.ndim < 1 or array.shape[1:] != like.shape[1:] or array.dtype != like.dtype:
                raise ShardError(
                    f"{path}: {name} of clip {row.clip_id} is {array.dtype}{array.shape}, others {like.dtype}(rows, *{like.shape[1:]})"
                )
            columns[name].append(array)
    return columns


def to_bytes(texts: list[str]) -> np.ndarray:
    """Return texts as fixed-length UTF-8 bytes, (texts,)."""
    array = np.array([text.encode() for text in texts])
    return array if array.dtype.itemsize else array.astype("S1")
