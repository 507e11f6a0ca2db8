"""A shard: the packed ragged arrays of many clips in one HDF5 file. The only door to h5py.

    clip_id      (rows,) fixed-length bytes          values/<array>    all rows' arrays, one behind the other
    fingerprint  (rows,) 40 bytes                    offsets/<array>   (rows + 1,) where each row's part begins
    skip_reason  (rows,) bytes, empty: not skipped   attributes: schema, feature, version, config, encoder_digest

One dataset an array, never one a clip. Strings are fixed-length bytes and every dataset carries fletcher32, so that a flipped bit is an
error and not another number. Nothing of time, host or path is written: the same rows give the same bytes. A finished file is never opened
for writing again.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.errors import ShardError
from pipeline.shards.columns import to_bytes, to_columns
from pipeline.shards.extractor import Row, Skip
from pipeline.storage import own_temporary_of, replacing

SCHEMA = 1
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Header:
    """What a shard says of all its rows.

    Args:
        feature: the extractor's name.
        version: the extractor's version.
        config: the extractor's config as canonical JSON.
        encoder_digest: of the encoder, for embeddings.
    """

    feature: str
    version: int
    config: str
    encoder_digest: str = ""

    @cached_property
    def config_values(self) -> Any:
        """The config as a JSON value."""
        return json.loads(self.config)


@dataclass(frozen=True)
class ShardRow:
    """One clip's row: its arrays, or why it has none."""

    clip_id: str
    fingerprint: str
    content: Row | Skip


def write_shard(path: Path, rows: Sequence[ShardRow], header: Header) -> None:
    """Write a shard under a temporary name, flush it to the disk, and rename it to `path`.

    The name is this call's own: another may write the shard too. HDF5 works in memory: a full disk under it takes the process down.

    Args:
        path: the file to be.
        rows: at least one, in the order in which they shall stand.
        header: what holds for all rows.

    Raises:
        ShardError: no rows, or rows whose arrays differ in names, trailing shapes or dtypes.
    """
    if not rows:
        raise ShardError(f"{path}: a shard without rows is not written")
    columns = to_columns(path, rows)
    with h5py.File(path, "w", driver="core", backing_store=False, block_size=4 * CHUNK_BYTES, libver=("v110", "v110")) as file:
        file.attrs["schema"] = SCHEMA
        file.attrs["feature"] = np.bytes_(header.feature.encode())
        file.attrs["version"] = header.version
        file.attrs["encoder_digest"] = np.bytes_(header.encoder_digest.encode() or b"-")
        _write_dataset(file, "config", np.frombuffer(header.config.encode(), np.uint8))
        _write_dataset(file, "clip_id", to_bytes([row.clip_id for row in rows]))
        _write_dataset(file, "fingerprint", to_bytes([row.fingerprint for row in rows]))
        _write_dataset(file, "skip_reason", to_bytes([r.content.reason if isinstance(r.content, Skip) else "" for r in rows]))
        for name, parts in columns.items():
            _write_dataset(file, f"values/{name}", np.concatenate(parts))
            _write_dataset(file, f"offsets/{name}", np.cumsum([0, *map(len, parts)], dtype=np.int64))
        file.flush()
        image = file.id.get_file_image()
    with replacing(path, own_temporary_of(path)) as written:
        written.write(image)


def _write_dataset(file: h5py.File, name: str, array: np.ndarray) -> None:
    """Write a checksummed dataset in chunks of about 1 MiB, none larger than the data; an empty one without chunks."""
    if not array.size:
        file.create_dataset(name, data=array)
        return
    row_bytes = max(1, array.nbytes // len(array))
    chunk = (max(1, min(len(array), CHUNK_BYTES // row_bytes)), *array.shape[1:])
    file.create_dataset(name, data=array, chunks=chunk, fletcher32=True)


@dataclass(frozen=True)
class Shard:
    """What a shard holds; its arrays are read when they are asked for.

    Args:
        path: the file.
        header: what holds for all rows.
        ids: the clips, in the file's order.
        fingerprints: of the rows.
        skip_reasons: empty where a row has arrays.
        offsets: for each array, (rows + 1,).
    """

    path: Path
    header: Header
    ids: tuple[str, ...]
    fingerprints: tuple[str, ...]
    skip_reasons: tuple[str, ...]
    offsets: dict[str, np.ndarray] = field(repr=False)
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, np.dtype[Any]]

    def __len__(self) -> int:
        return len(self.ids)

    def read_values(self, name: str, out: np.ndarray | None = None) -> np.ndarray:
        """Return a whole array's values, (sum of lengths, …), read in one go, into `out` where given.

        Raises:
            ShardError: the checksum does not match.
        """
        out = np.empty(self.shapes[name], self.dtypes[name]) if out is None else out
        with _Reading(self.path) as file:
            if out.size:
                file[f"values/{name}"].read_direct(out)
        return out

    def read_rows(self, places: Sequence[int]) -> list[ShardRow]:
        """Return the rows at `places`.

        Raises:
            ShardError: the checksum does not match.
        """
        if 4 * len(places) > len(self):  # one read of everything beats many of parts
            values: dict[str, Any] = {name: self.read_values(name) for name in self.offsets}
            return [self._row(values, place) for place in places]
        return list(self.stream_rows(places))

    def stream_rows(self, places: Sequence[int]) -> Iterator[ShardRow]:
        """Yield the rows at `places`, each read when its turn comes, from the file opened once.

        Raises:
            ShardError: the checksum does not match.
        """
        with _Reading(self.path) as file:
            values = {name: file[f"values/{name}"] for name in self.offsets}
            for place in places:
                yield self._row(values, place)

    def _row(self, values: dict[str, Any], place: int) -> ShardRow:
        """Return one row, cut from arrays or open datasets."""
        content: Row | Skip = Skip(self.skip_reasons[place])
        if not self.skip_reasons[place]:
            content = {name: values[name][offsets[place] : offsets[place + 1]] for name, offsets in self.offsets.items()}
        return ShardRow(self.ids[place], self.fingerprints[place], content)

    def verify(self) -> None:
        """Read every value, so that every checksum is tested.

        Raises:
            ShardError: one does not match.
        """
        with _Reading(self.path) as file:
            for name in self.offsets:
                file[f"values/{name}"][()]


class _Reading:
    """Opens a shard for reading and turns what HDF5 may raise into a ShardError that names the file and the remedy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: h5py.File | None = None

    def __enter__(self) -> h5py.File:
        try:
            self.file = h5py.File(self.path, "r", libver=("v110", "v110"), locking=False)
        except PermissionError as error:
            raise PermissionError(error.errno, "Permission denied", str(self.path)) from error
        except (OSError, ValueError, RuntimeError) as error:
            raise self._shard_error(error) from error
        return self.file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if self.file is not None:
            self.file.close()
        if isinstance(error, (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError, IndexError, MemoryError)):
            raise self._shard_error(error) from error

    def _shard_error(self, error: BaseException) -> ShardError:
        return ShardError(f"{self.path} is not a readable shard ({error}); delete it and run the stage that made it again")


def read_shard(path: Path) -> Shard:
    """Read a shard's header, ids, fingerprints and offsets.

    Raises:
        ShardError: the file is absent, torn, corrupted, or of another schema.
    """
    with _Reading(path) as file:
        if int(file.attrs["schema"]) != SCHEMA:
            raise ValueError(f"schema {file.attrs['schema']}, this program reads {SCHEMA}")
        digest = bytes(file.attrs["encoder_digest"]).decode()
        about = [file[name] for name in ("config", "clip_id", "fingerprint", "skip_reason")]
        values = dict(sorted(file["values"].items())) if "values" in file else {}
        starts = {name: file[f"offsets/{name}"] for name in values}
        if sum(int(dataset.nbytes) for dataset in (*about, *values.values(), *starts.values())) > path.stat().st_size:
            raise ValueError("it claims more data than the file can hold")
        header = Header(bytes(file.attrs["feature"]).decode(), int(file.attrs["version"]), bytes(about[0][()]).decode(), digest.strip("-"))
        ids, fingerprints, reasons = (tuple(text.decode() for text in dataset[()].tolist()) for dataset in about[1:])
        offsets = {name: dataset[()] for name, dataset in starts.items()}
        shapes = {name: tuple(dataset.shape) for name, dataset in values.items()}
        dtypes = {name: dataset.dtype for name, dataset in values.items()}
        if not len(ids) == len(fingerprints) == len(reasons) > 0 or any(
            len(o) != len(ids) + 1 or o[0] != 0 or o[-1] != shapes[name][0] or (np.diff(o) < 0).any() for name, o in offsets.items()
        ):
            raise ValueError("its ids, offsets and values do not fit each other")
        return Shard(path, header, ids, fingerprints, reasons, offsets, shapes, dtypes)
