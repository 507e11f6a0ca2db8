"""Sequences aligned to the intervals of the labels: steps by their middle, ordered by time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ManifestError
from tests.clips.features.files import make_csd, read

ROW = {
    "format": "csd",
    "labels_file": "labels.csd",
    "labels": {"sentiment": 0, "happiness": 1},
    "modalities": {"audio": "covarep.csd"},
    "words": "words.csd",
}


def make_folder(folder: Path, **changes: dict[str, Any]) -> Path:
    """Two clips of video a, in an order of their own, one of b; ten steps a second of sound."""
    time = np.arange(0, 3, 0.1)
    sound = {"a": (np.stack([time, time], 1)[::-1], np.stack([time, time + 0.1], 1)[::-1])}
    words = {"a": (np.array([[b"well"], [b"sp"], [b"yes"]]), [[0.0, 0.9], [1.0, 1.9], [2.0, 2.9]])}
    labels = {
        "a": (np.array([[1.5, 0.0], [-1.0, 2.0]]), [[2.0, 3.0], [0.0, 2.0]]),
        "b": (np.array([[np.nan, 0.5]]), [[0.0, 1.0]]),
    }
    for name, videos in {"labels": labels, "covarep": sound, "words": words, **changes}.items():
        make_csd(folder / f"{name}.csd", videos, root=name)
    return folder


def test_a_clip_gets_the_steps_of_its_interval_in_their_order(tmp_path: Path) -> None:
    found = read(make_folder(tmp_path), **ROW)
    assert list(found.sequences["audio"]) == ["a[0]", "a[1]"]
    np.testing.assert_allclose(found.sequences["audio"]["a[0]"][:, 0], np.arange(2, 3, 0.1), atol=1e-6)
    np.testing.assert_allclose(found.sequences["audio"]["a[1]"][:, 0], np.arange(0, 2, 0.1), atol=1e-6)


def test_clips_have_labels_texts_and_their_video_as_group(tmp_path: Path) -> None:
    manifest = read(make_folder(tmp_path), **ROW).manifest
    assert manifest["a[1]"].labels == {"sentiment": -1.0, "happiness": 2.0}
    assert (manifest["a[1]"].text, manifest["a[0]"].text, manifest["a[0]"].group) == ("well", "yes", "a")
    assert manifest["b[0]"].labels == {"sentiment": None, "happiness": 0.5}


def test_all_files_are_named_as_the_origin(tmp_path: Path) -> None:
    assert [path.name for path in read(make_folder(tmp_path), **ROW).files] == ["labels.csd", "covarep.csd", "words.csd"]


@pytest.mark.parametrize(
    ("row", "changes", "message"),
    [
        ({"labels": {"sentiment": 2}}, {}, "no number 2 for `sentiment`"),
        ({}, {"covarep": {"z": (np.zeros((1, 2)), [[0, 1]])}}, "has no video of labels.csd"),
        ({"words": "covarep.csd"}, {}, "holds no words"),
        ({"modalities": {"text": "words.csd"}}, {}, "holds no numbers"),
        ({"labels_file": "absent.csd"}, {}, "does not exist"),
        ({}, {"covarep": {"a": (np.full((1, 2), -np.inf), [[0, 1]])}}, "replace_nonfinite"),
    ],
)
def test_files_that_do_not_fit_are_told(tmp_path: Path, row: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read(make_folder(tmp_path, **changes), **{**ROW, **row})
