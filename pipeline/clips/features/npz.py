"""Features as numpy arrays: a `.npz` file, a folder of `.npy` files, or one `.npy` file that holds a dictionary.

The row says which array is what. Each has one entry a clip: ids, features (clips, dim) or (clips, time, dim), labels, split, text.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from pipeline.clips.features.feature_set import FeatureSet, FeatureSetConfig, Table, make_feature_set
from pipeline.clips.features.rules import LabelRule, find_column, read_labels
from pipeline.clips.features.sequences import read_sequences
from pipeline.clips.pickles import unpickle
from pipeline.errors import ManifestError


@dataclass(frozen=True, kw_only=True)
class Config(FeatureSetConfig):
    """A row of `feature_sets` of the format npz.

    Args:
        ids: the array of the clips' ids.
        modalities: modality to its array.
        lengths: modality to the array of its real lengths; without it all-zero steps at the end are padding.
        padding: where it stands.
        labels: name to the array, or to a rule.
        text: the array of the transcripts.
    """

    ids: str
    modalities: dict[str, str]
    lengths: dict[str, str] = field(default_factory=dict)
    padding: Literal["start", "end"] = "end"
    labels: dict[str, str | LabelRule] = field(default_factory=dict)
    text: str | None = None


def read(path: Path, config: Config) -> FeatureSet:
    """Read the arrays at `path` as the row says.

    Raises:
        ManifestError: a file is absent, torn, or not what the row says.
    """
    columns = read_arrays(path)
    where = str(path)
    ids = _texts(find_column(columns, config.ids, where), f"{where}: `{config.ids}`")
    for name in _named(config):
        if name not in columns or _count(columns[name]) != len(ids):
            raise ManifestError(
                f"{where} has no array `{name}` with as many entries as `{config.ids}` ({len(ids)}); it has "
                + ", ".join(f"{key} ({_count(value)})" for key, value in list(columns.items())[:30])
            )
    lengths = {m: columns[name] for m, name in config.lengths.items()}
    sequences = {
        m: read_sequences(columns[name], lengths.get(m), config.padding, ids, f"{where}: `{name}`") for m, name in config.modalities.items()
    }
    labels = {name: read_labels(columns, rule, where) for name, rule in config.labels.items()}
    texts = _texts(columns[config.text], f"{where}: `{config.text}`") if config.text else None
    files = tuple(sorted(path.glob("*.npy"))) if path.is_dir() else (path,)
    return make_feature_set(Table(path, files, ids, sequences, labels, texts, columns=columns), config)


def _named(config: Config) -> list[str]:
    """Return the arrays that the row names."""
    labels = [rule if isinstance(rule, str) else rule.column for rule in config.labels.values()]
    columns = [rule.column for rule in config.splits.values() if rule.column]
    return [*config.modalities.values(), *config.lengths.values(), *labels, *columns, *([config.text] if config.text else [])]


def _count(values: Any) -> int:
    """Return the entries of an array or list, 0 of what is neither."""
    return len(values) if isinstance(values, (list, tuple)) or (isinstance(values, np.ndarray) and values.ndim) else 0


def _texts(values: Any, where: str) -> list[str]:
    """Return an array of texts or whole numbers as texts."""
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "USOiu":
        raise ManifestError(f"{where} is {array.dtype}{array.shape}, not one text a clip")
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in array.tolist()]


def read_arrays(path: Path) -> Mapping[str, Any]:
    """Return the arrays of a .npz file, of a folder of .npy files, or of a .npy file that holds a dictionary, by name.

    Raises:
        ManifestError: nothing is there, or it is torn, or asks for what no array needs.
    """
    try:
        if path.is_dir():
            return {file.stem: _open_array(file) for file in sorted(path.glob("*.npy"))}
        if not zipfile.is_zipfile(path):
            held = _open_array(path)
            held = held[()] if held.ndim == 0 else held
            if not isinstance(held, dict):
                raise ManifestError(f"{path} holds one array and no ids; put it into a folder, as <name>.npy beside the ids' .npy")
            return {str(name): value for name, value in held.items()}
        with zipfile.ZipFile(path) as archive:
            return {entry.filename.removesuffix(".npy"): _open_member(archive, entry, path) for entry in archive.infolist()}
    except FileNotFoundError as error:
        raise ManifestError(f"{path} does not exist; put the features there") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError, MemoryError) as error:
        raise ManifestError(f"{path} is not a readable file of numpy arrays ({error}); copy it again") from error


def _open_array(path: Path) -> Any:
    """Read a .npy file."""
    with path.open("rb") as file:
        return _read_array(file, path.stat().st_size, str(path))


def _open_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> Any:
    """Read a member of a .npz file."""
    if entry.file_size > 1100 * entry.compress_size + 4096:  # deflate makes nothing more than 1032 times smaller
        raise ManifestError(f"{path}: {entry.filename[:80]!r} claims {entry.file_size} bytes and holds {entry.compress_size}")
    with archive.open(entry) as file:
        return _read_array(file, entry.file_size, f"{path}: {entry.filename[:80]!r}")  # type: ignore[arg-type]


def _read_array(file: BinaryIO, size: int, where: str) -> Any:
    """Read one array in numpy's format; objects through the restricted unpickler, and no more bytes than there are.

    Raises:
        ManifestError: the header claims another size, or a structured dtype.
    """
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ManifestError(f"{where} is of numpy's format {version}; save it with numpy.savez again")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        if dtype.kind != "O":
            raise ManifestError(f"{where} is a structured array of objects; save its columns apart")
        held = unpickle(file, size, where)
        if not isinstance(held, np.ndarray) or held.shape != shape:
            raise ManifestError(f"{where} does not hold the array that its header announces")
        return held
    claimed, held_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize, size - file.tell()
    if claimed != held_bytes:
        raise ManifestError(f"{where} claims {claimed} bytes in its header and holds {held_bytes}; it is torn: copy it again")
    values = np.frombuffer(file.read(claimed), dtype) if claimed else np.empty(0, dtype)
    return values.reshape(shape, order="F" if fortran else "C")
