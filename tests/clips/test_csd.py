"""Computational sequences: features and intervals of each video, whatever the root is called."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.clips.csd import read_csd
from pipeline.errors import ManifestError
from tests.clips.features.files import make_csd


def test_features_and_intervals_are_read_in_the_files_order(tmp_path: Path) -> None:
    values, intervals = np.arange(14, dtype=np.float32).reshape(2, 7), [[4.0, 6.0], [0.0, 2.0]]
    words = (np.array([[b"so"], [b"sp"]]), intervals)
    found = read_csd(make_csd(tmp_path / "a.csd", {"-abc": (values, intervals), "03bSnISJMiM": words}))
    np.testing.assert_array_equal(found["-abc"][0], values)
    np.testing.assert_array_equal(found["-abc"][1], intervals)
    assert found["03bSnISJMiM"][0].tolist() == [[b"so"], [b"sp"]]


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ({"v": (np.zeros((2, 3)), [[0.0, 1.0]])}, r"v has features \(2, 3\) and intervals \(1, 2\)"),
        ({"v": (np.zeros(3), [[0.0, 1.0]])}, "not \\(n, dim\\)"),
        ({"v": (np.zeros((1, 2), [("a", "f4")]), [[0.0, 1.0]])}, "not numbers"),
    ],
)
def test_another_layout_is_told(tmp_path: Path, videos: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_csd(make_csd(tmp_path / "a.csd", videos))


def test_other_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="does not exist"):
        read_csd(tmp_path / "absent.csd")
    (tmp_path / "text.csd").write_text("no HDF5")
    with pytest.raises(ManifestError, match="not a readable computational sequence"):
        read_csd(tmp_path / "text.csd")
    with h5py.File(tmp_path / "other.csd", "w") as file:
        file.create_dataset("x/y", data=[1])
        file.create_dataset("z/data/v/features", data=[[1.0]])
    with pytest.raises(ManifestError, match="v lacks `features` or `intervals`"):
        read_csd(tmp_path / "other.csd")
    with h5py.File(tmp_path / "empty.csd", "w") as file:
        file.create_group("a")
    with pytest.raises(ManifestError, match="one group with `data`"):
        read_csd(tmp_path / "empty.csd")


def test_a_header_that_claims_more_than_there_is_takes_no_memory(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.csd", "w") as file:
        file.create_dataset("r/data/v/features", shape=(10**10, 100), dtype="f8", chunks=(1000, 100))
        file.create_dataset("r/data/v/intervals", shape=(10**10, 2), dtype="f8", chunks=(1000, 2))
    with pytest.raises(ManifestError, match="claims 8160000000000 bytes and holds 0"):
        read_csd(tmp_path / "a.csd")
