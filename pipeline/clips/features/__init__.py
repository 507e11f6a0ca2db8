"""Corpora that come as ready-made features, without media: one reader a file; the file's name is the `format` of a row of `feature_sets`.

A reader has `Config`, the dataclass of its rows, and `read(path, config) → FeatureSet`. Nothing that a reader opens is executed.
"""

import importlib
from pathlib import Path
from typing import Any, Protocol

from pipeline.clips.features.feature_set import FeatureSet, FeatureSetConfig
from pipeline.errors import ParamsError
from pipeline.params import build, read_table

SHARED = ("__init__", "feature_set", "sequences", "rules")  # the files of this folder that are no readers


class Reader(Protocol):
    """A reader module."""

    Config: type[FeatureSetConfig]

    def read(self, path: Path, config: Any) -> FeatureSet:
        """Read clips, splits and arrays."""


def load_reader(name: str) -> Reader:
    """Import the reader of a format.

    Raises:
        ParamsError: no file of that name in pipeline/clips/features.
    """
    known = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem not in SHARED)
    if name not in known:
        raise ParamsError(f"there is no reader of the format {name!r}; `format` is one of {', '.join(known)}")
    reader: Reader = importlib.import_module(f"{__name__}.{name}")  # type: ignore[assignment]
    return reader


def read_feature_set(params: Path, row: str, path: Path) -> FeatureSet:
    """Read the features at `path` as the row of `feature_sets` says.

    Raises:
        ParamsError: no such row, or its keys are not those of its format.
        ManifestError: the file is not what the row says.
    """
    rows = read_table(params, "feature_sets")
    where = f"{params}: feature_sets.{row}"
    if row not in rows:
        raise ParamsError(f"{params}: feature_sets has no row `{row}`; its rows: {', '.join(rows) or 'none'}")
    values = {key: value for key, value in rows[row].items() if key != "features"}
    if not isinstance(values.get("format"), str):
        raise ParamsError(f"{where} lacks `format`, the kind of file")
    reader = load_reader(values["format"])
    return reader.read(path, build(reader.Config, values, where))
