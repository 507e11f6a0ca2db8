"""What a shard, a folder of shards or a run holds, in words."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import PipelineError, ShardError
from pipeline.shards.features import list_shards
from pipeline.shards.shard import Shard, read_shard
from pipeline.training.run import read_run


def describe(path: Path, clip: str | None = None) -> dict[str, Any]:
    """Describe a shard, a folder of shards or a run; every checksum of a shard is tested on the way.

    Args:
        path: the file or folder.
        clip: of a folder of shards or a shard, describe this clip's row only.

    Raises:
        ShardError: a shard is damaged, or the clip is in none.
        PipelineError: the path holds nothing that is known.
    """
    if path.is_file() and path.suffix == ".h5":
        return _describe_shards([path], clip)
    if list_shards(path):
        return _describe_shards(list_shards(path), clip)
    if (path / "run.json").exists():
        return _describe_run(path)
    if not path.is_dir():
        raise PipelineError(f"{path} is no shard" if path.exists() else f"{path} does not exist")
    inside = sorted({file.parent.relative_to(path).as_posix() for pattern in ("shard-*.h5", "run.json") for file in path.rglob(pattern)})
    hint = f"; below it: {', '.join(inside[:10])}" if inside else ""
    raise PipelineError(f"{path} is no shard, no folder of shards and no run{hint}")


def _describe_shards(paths: list[Path], clip: str | None) -> dict[str, Any]:
    """Describe shards as one feature."""
    shards = [read_shard(path) for path in paths]
    if clip is not None:
        return _describe_row(shards, clip)
    for shard in shards:
        shard.verify()
    header = shards[0].header
    filled = [shard for shard in shards if shard.offsets]
    return {
        "feature": header.feature,
        "version": header.version,
        "config": header.config_values,
        "encoder_digest": header.encoder_digest or None,
        "shards": len(shards),
        "bytes": sum(shard.path.stat().st_size for shard in shards),
        "clips": sum(map(len, shards)),
        "skipped": dict(sorted(Counter(reason for shard in shards for reason in shard.skip_reasons if reason).items())),
        "arrays": {name: _describe_array(filled, name) for name in (filled[0].offsets if filled else ())},
        "checksums": "all match",
    }


def _describe_array(shards: list[Shard], name: str) -> str:
    """Describe an array: dtype, shape, and how long a clip's part is."""
    lengths = np.concatenate([np.diff(shard.offsets[name]) for shard in shards])
    trailing = "".join(f", {size}" for size in shards[0].shapes[name][1:])
    return f"{shards[0].dtypes[name]} (rows{trailing}), rows a clip: {lengths.min()} to {lengths.max()}, mean {lengths.mean():.1f}"


def _describe_row(shards: list[Shard], clip: str) -> dict[str, Any]:
    """Describe one clip's row."""
    for shard in shards:
        if clip in shard.ids:
            place = shard.ids.index(clip)
            content = shard.read_rows([place])[0].content
            found = {"clip": clip, "shard": shard.path.name, "fingerprint": shard.fingerprints[place]}
            if not isinstance(content, dict):
                return {**found, "skipped": content.reason}
            return {**found, "arrays": {name: f"{array.dtype}{array.shape}" for name, array in content.items()}}
    raise ShardError(f"no clip {clip!r} in {shards[0].path.parent}; its first clips: {', '.join(shards[0].ids[:5])}")


def _describe_run(folder: Path) -> dict[str, Any]:
    """Describe a trained run; reading it tests it."""
    run = read_run(folder)
    shapes = {part: {name: list(logits.shape) for name, logits in outputs.items()} for part, outputs in run.logits.items()}
    return {**json.loads((folder / "run.json").read_text(encoding="utf-8")), "epochs": len(run.history), "logits": shapes}
