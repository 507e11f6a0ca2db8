"""Fingerprints: a hash of everything that can change a row, and of nothing else."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces; dataclasses as objects, paths as text.

    Raises:
        TypeError: the value holds something that JSON cannot say.
        ValueError: the value holds a NaN or an infinity.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    """Return a JSON value for what json does not know."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} has no place in a fingerprint")


def fingerprint(*parts: Any) -> str:
    """Return the blake2b hash of the parts' canonical JSON, 40 hexadecimal digits."""
    return hashlib.blake2b(canonical_json(parts).encode(), digest_size=20).hexdigest()


def digest_file(path: Path) -> str:
    """Return the blake2b hash of a file's bytes, 40 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()


def shard_number(recording: str, num_shards: int) -> int:
    """Return the shard of a recording: its clips stay together, and a new recording moves no other."""
    return int.from_bytes(hashlib.blake2b(recording.encode(), digest_size=8).digest(), "big") % num_shards
