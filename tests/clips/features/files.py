"""Feature files as others write them, small."""

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.clips.features import load_reader
from pipeline.clips.features.feature_set import FeatureSet
from pipeline.params import build

SIZES = {"train": 5, "valid": 3, "test": 2}
DIMS = {"text": 8, "audio": 4, "vision": 3}


def read(path: Path, **row: Any) -> FeatureSet:
    """Read features as a row of `feature_sets` says."""
    reader = load_reader(row["format"])
    return reader.read(path, build(reader.Config, row, "feature_sets.mine"))


def make_part(name: str, number: int, aligned: bool = False, time: int = 6) -> dict[str, Any]:
    """One part in MMSA's layout: padded at the end, lengths or a text mask beside."""
    rng = np.random.default_rng(number + len(name))
    lengths = {m: rng.integers(1, time + 1, number) for m in ("text", "audio", "vision")}
    if aligned:
        lengths = dict.fromkeys(lengths, lengths["text"])
    part: dict[str, Any] = {
        "id": np.array([f"{name}_{k // 2}$_${k:04d}" for k in range(number)]),
        "raw_text": np.array([f"text {k}, 表达" for k in range(number)]),
        "annotations": np.array(["Neutral"] * number),
        "classification_labels": np.ones(number),
        "regression_labels": rng.integers(-5, 6, number) / 5,
        **{f"regression_labels_{m}": rng.integers(-5, 6, number) / 5 for m in "TAV"},
    }
    for m, dim in DIMS.items():
        part[m] = rng.normal(size=(number, time, dim)).astype(np.float32 if m == "text" else np.float64)
        part[m][np.arange(time) >= lengths[m][:, None]] = 0
    mask = (np.arange(time) < lengths["text"][:, None]).astype(np.float32)
    part["text_bert"] = np.stack([mask * 100, mask, mask * 0], axis=1)
    if not aligned:
        part |= {f"{m}_lengths": lengths[m].tolist() for m in ("audio", "vision")}
    return part


def make_mmsa(path: Path, aligned: bool = False, change: Any = None, protocol: int = 4) -> dict[str, Any]:
    """Write an MMSA pickle; `change` edits it before."""
    table = {name: make_part(name, number, aligned) for name, number in SIZES.items()}
    if change is not None:
        change(table)
    path.write_bytes(pickle.dumps(table, protocol))
    return table


def make_csd(path: Path, videos: dict[str, tuple[Any, Any]], root: str = "All Labels") -> Path:
    """Write a computational sequence: video → features (n, dim) and intervals (n, 2)."""
    with h5py.File(path, "w") as file:
        for video, (features, intervals) in videos.items():
            file.create_dataset(f"{root}/data/{video}/features", data=features)
            file.create_dataset(f"{root}/data/{video}/intervals", data=np.asarray(intervals, float), compression="gzip")
        file[root].create_group("metadata")
    return path
