"""A clip's faces side by side, to be looked at."""

from pathlib import Path

import numpy as np

from pipeline.errors import ShardError
from pipeline.shards.extractor import Row
from pipeline.shards.features import list_shards
from pipeline.shards.shard import read_shard

COLUMNS = 8
LABEL_HEIGHT = 22


def write_contact_sheet(faces: Path, clip: str, picture: Path) -> int:
    """Write a clip's faces as one PNG, each with its time and probability; frames without a face are left grey.

    Args:
        faces: a folder of face shards, or one shard.
        clip: whose faces.
        picture: the PNG to write.

    Returns:
        How many frames it shows.

    Raises:
        ShardError: the clip is not there, was skipped, or the shards hold no faces.
    """
    import cv2

    row = _read_row(faces, clip)
    tiles = [_tile(row, frame, jpeg) for frame, jpeg in enumerate(split_jpegs(row))]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % min(COLUMNS, len(tiles)))
    columns = min(COLUMNS, len(tiles))
    sheet = np.concatenate([np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)])
    if not cv2.imwrite(str(picture), sheet):
        raise ShardError(f"{picture} could not be written; give a path that ends in .png in a folder that exists")
    return len(row["time"])


def split_jpegs(row: Row) -> list[np.ndarray | None]:
    """Return each frame's JPEG bytes, None where no face was found."""
    ends = np.cumsum(row["jpeg_size"].astype(np.int64))
    sizes = row["jpeg_size"]
    return [row["jpeg"][end - size : end] if size else None for end, size in zip(ends, sizes.astype(np.int64), strict=True)]


def _read_row(faces: Path, clip: str) -> Row:
    """Return a clip's row of faces."""
    for path in [faces] if faces.is_file() else list_shards(faces):
        shard = read_shard(path)
        if clip in shard.ids:
            content = shard.read_rows([shard.ids.index(clip)])[0].content
            if not isinstance(content, dict):
                raise ShardError(f"clip {clip!r} has no faces: it was skipped as {content.reason}")
            if "jpeg" not in content:
                raise ShardError(f"{path} holds {shard.header.feature}, not faces")
            return content
    raise ShardError(f"no clip {clip!r} in {faces}")


def _tile(row: Row, frame: int, jpeg: np.ndarray | None) -> np.ndarray:
    """Return one face with its caption, (height, 260, 3), blue-green-red."""
    import cv2

    face = None if jpeg is None else cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    face = np.full((260, 260, 3), 128, np.uint8) if face is None else cv2.resize(face, (260, 260))
    label = np.full((LABEL_HEIGHT, 260, 3), 255, np.uint8)
    text = f"{row['time'][frame]:.2f} s" + (f"  p {row['probability'][frame]:.3f}" if jpeg is not None else "  no face")
    cv2.putText(label, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([label, face])
