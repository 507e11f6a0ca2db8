"""Fingerprints: a hash of everything that can change a row, and of nothing else."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LATER = {"later": True}
"""Metadata of a config's field that came after rows had been computed: JSON names it only where it differs from its default."""


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
        named = {field.name: (getattr(value, field.name), field) for field in dataclasses.fields(value)}
        return {name: given for name, (given, field) in named.items() if not (field.metadata.get("later") and given == field.default)}
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
