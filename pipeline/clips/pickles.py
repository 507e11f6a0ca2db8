"""Pickles of others, read without running anything of them: numbers, texts, containers and numpy arrays; everything else is refused.

A pickle is a program. Here it can name nothing but the few words of `ADMITTED` (pickled_values.py), and gets stand-ins for them. Python's
reader in Python is used, since C's keeps its memo in an array that one hostile index makes 64 GB large.
"""

import pickle
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from pipeline.clips.pickled_values import ADMITTED, Plain, RefusedError, refuse
from pipeline.errors import ManifestError

REMEDY = "Write it again with plain lists, dictionaries and numpy arrays (a tensor: `.numpy()`; a table: `.to_numpy()`)"
_FAILURES = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(ImportError, MemoryError, RecursionError, OverflowError, OSError, NotImplementedError, AssertionError),
)


def read_pickle(path: Path) -> object:
    """Read a pickle of numbers, texts, bytes, containers and numpy arrays; nothing of the file is executed.

    Texts of Python 2 are read as UTF-8, else as Latin-1. Arrays are read-only views of what was read; an OrderedDict comes as a dict.

    Raises:
        ManifestError: the file is absent, torn or no pickle, or it asks for anything else; the message names what.
    """
    try:
        with path.open("rb") as file:
            return unpickle(file, path.stat().st_size, str(path))
    except FileNotFoundError as error:
        raise ManifestError(f"{path} does not exist; put the file there") from error
    except IsADirectoryError as error:
        raise ManifestError(f"{path} is a folder and must be a pickle") from error


def unpickle(file: BinaryIO, size: int, where: str) -> object:
    """Read a pickle from an open file whose last byte is the `size`-th.

    Raises:
        ManifestError: as `read_pickle`; `where` names the file.
    """
    try:
        return Plain().plain(_Reader(_Source(file, size)).load())
    except RefusedError as error:
        raise ManifestError(f"{where} {error}; nothing of it was executed. {REMEDY}") from error
    except _FAILURES as error:
        reason = f"{type(error).__name__}: {str(error)[:200]}".rstrip(": ")
        raise ManifestError(f"{where} is not a readable pickle ({reason}); it is torn or of another kind: copy it again") from error


class _Source:
    """A file that reads no more than it holds, so that a length which only claims to be there takes no memory."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self.readline = file.readline

    def read(self, count: int) -> bytes:
        """Return `count` bytes."""
        if count > self._size or count > self._size - self._file.tell():
            raise EOFError(f"{count} bytes are announced and not there")
        return self._file.read(count)

    def readinto(self, buffer: bytearray) -> int:
        """Fill a buffer."""
        data = self.read(len(buffer))
        buffer[:] = data
        return len(data)


class _Reader(pickle._Unpickler):
    """Python's reader with the admitted words only."""

    def __init__(self, source: _Source) -> None:
        super().__init__(source, encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type]

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of an admitted word."""
        word = f"{module}.{name}"
        if word not in ADMITTED:
            if not word.replace(".", "").isidentifier():
                raise pickle.UnpicklingError("it begins as no pickle does")
            refuse(f"asks for `{word[:200]}`, which is no number, text, container or numpy array")
        return ADMITTED[word]

    def get_extension(self, code: int) -> NoReturn:
        """Refuse the registered extensions of the machine that wrote it."""
        refuse(f"asks for the copyreg extension {code}")

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refuse what lies outside the pickle, such as the storages of torch."""
        refuse(f"refers to a storage outside of it (`{str(pid)[:80]}`), as files of torch.save do")
