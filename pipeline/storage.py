"""What stands on a disk: files that are whole or not there, that say so themselves, and disks that fail told in one sentence.

A text file is written under a temporary name and renamed. A JSON record carries the checksum of its own values, a table of lines has it in
`<file>.sha256` beside it, as `sha256sum --check` reads it: a flipped bit, a torn file or an edit by hand is an error, not another number.
"""

import errno
import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Any, BinaryIO, get_args, get_origin, get_type_hints
from uuid import uuid4

from pipeline.errors import PipelineError, StorageError

CHECKSUM = "checksum"
SUFFIX = ".sha256"
DAMAGED = "its checksum does not match: it was damaged, or edited by hand"
REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "this user's share of the disk is used up: free some space",
    errno.EROFS: "it stands on a file system that can only be read: mount it writable, or give another folder",
    errno.EACCES: "this user has no right to it: mend its mode or its owner (`ls -ld`), or give another folder",
    errno.EPERM: "this user has no right to change it: mend its mode, its owner or its attributes (`ls -ld`, `lsattr -d`)",
    errno.EIO: "the disk or the network fails at it: mend that",
    errno.ENAMETOOLONG: "its name is too long for the file system: shorten it",
    errno.ENOLCK: "its file system knows no locks: mount it with them, or give another folder",
}
SQLITE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
}
_NUMBER = re.compile(r"(?:errno = |os error |Errno )(\d+)")  # HDF5 and safetensors tell it in words


@contextmanager
def telling_failures(path: Path) -> Iterator[None]:
    """Turn what a full disk, a read-only one, missing rights or too long a name raise into one message.

    Args:
        path: what is worked on, named where the failure names no file of its own.

    Raises:
        StorageError: says which file, why, and what to do.
    """
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:  # the libraries that write raise OSError, RuntimeError and exceptions of their own
        remedy = REMEDIES.get(_find_errno(error) or 0)
        if remedy is None:
            raise
        name = getattr(error, "filename", None)
        where = name if isinstance(name, str) and name else path
        raise StorageError(f"{where}: {remedy}, and run the stage again: what is finished is kept") from error


def _find_errno(error: Exception) -> int | None:
    """Return the operating system's number of a failure."""
    if isinstance(error, sqlite3.OperationalError):
        return SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    told = _NUMBER.search(str(error))
    return int(told[1]) if told else None


@contextmanager
def replacing(path: Path, temporary: Path | None = None) -> Iterator[BinaryIO]:
    """Open a file under a temporary name; once written it is flushed to the disk and renamed, and where writing fails it is removed."""
    temporary = temporary or temporary_of(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(text: str, path: Path) -> None:
    """Write a text file under a temporary name, then rename it into place."""
    _write((text,), path)


def write_lines(lines: Iterable[str], path: Path) -> None:
    """Write a text file, and its checksum beside it."""
    digest = _write(lines, path)
    write_text(f"{digest}  {path.name}\n", path.with_name(path.name + SUFFIX))


def _write(parts: Iterable[str], path: Path) -> str:
    """Write the parts of a text and return the SHA-256 of its bytes."""
    digest = hashlib.sha256()
    with replacing(path) as file:
        for part in parts:
            data = part.encode()
            digest.update(data)
            file.write(data)
    return digest.hexdigest()


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file that `write_lines` wrote; whoever takes them all knows them to be whole.

    Raises:
        ValueError: at the end: they are not what was written, or the checksum is not there.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for line in file:
            digest.update(line)
            yield line.decode()
    beside = path.with_name(path.name + SUFFIX)
    if not beside.is_file():
        raise ValueError(f"{beside.name}, its checksum, is not beside it")
    if beside.read_text(encoding="utf-8").split()[:1] != [digest.hexdigest()]:
        raise ValueError(DAMAGED)


def write_record(record: Mapping[str, Any], path: Path, sort_keys: bool = True) -> None:
    """Write a JSON object, one key a line, with the checksum of its values; the same values give the same bytes."""
    sealed = {**record, CHECKSUM: _checksum(record)}
    write_text(json.dumps(sealed, indent=1, sort_keys=sort_keys, ensure_ascii=False) + "\n", path)


def read_record(path: Path) -> dict[str, Any]:
    """Read what `write_record` wrote.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is torn, damaged, or something else.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(record, dict):
        raise ValueError("it is no JSON object")
    told = record.pop(CHECKSUM, None)
    if told != _checksum(record):
        raise ValueError(DAMAGED if told else "it has no checksum")
    return record


def check_types(values: Mapping[str, Any], cls: type) -> None:
    """Check that the values of a dataclass' fields, as JSON gives them, are of the types that it says, as far as their outermost goes.

    Raises:
        TypeError: names the field.
    """
    for name, hint in get_type_hints(cls).items():
        value, kinds = values.get(name), [get_origin(kind) or kind for kind in (get_args(hint) if isinstance(hint, UnionType) else (hint,))]
        if name in values and not isinstance(value, tuple(kinds)):
            raise TypeError(f"its `{name}` is no {' or '.join(kind.__name__ for kind in kinds)}")
        if isinstance(value, tuple) and get_args(hint)[0] is str and not all(isinstance(item, str) for item in value):
            raise TypeError(f"its `{name}` holds something else than text")


def _checksum(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record's values, as JSON gives them back."""
    values = json.loads(json.dumps(record))
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def remove(path: Path) -> None:
    """Remove a file, if it is there, and what a killed run left of it."""
    path.unlink(missing_ok=True)
    temporary_of(path).unlink(missing_ok=True)


def temporary_of(path: Path) -> Path:
    """Return the name under which a file is written."""
    return path.with_name(f".{path.name}.tmp")


def own_temporary_of(path: Path) -> Path:
    """Return a name of one's own under which a file is written that others may be writing too."""
    return path.with_name(f".{path.name}.{uuid4().hex}.tmp")
