"""Imported arrays in shards: bytes as they were, only what changed is written anew, origins recorded."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.clips.features.feature_set import FeatureSet
from pipeline.clips.listing import read_partial
from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import read_splits
from pipeline.errors import CacheError, SkippedError
from pipeline.shards.executor import RunOptions, ShardSettings
from pipeline.shards.features import read_features
from pipeline.shards.imported import read_origin, write_imported
from pipeline.storage import read_record
from tests.clips.features.files import make_mmsa, read

SETTINGS = ShardSettings(4, 0.5)


def write(folder: Path, found: FeatureSet, **options: Any) -> dict[str, Any]:
    places = (folder / "clips" / "mine", folder / "embeddings" / "mine", folder / "encoders" / "mine")
    return write_imported("mine", found, *places, SETTINGS, RunOptions(**options))


def make(folder: Path, change: Any = None, **row: Any) -> FeatureSet:
    make_mmsa(folder / "a.pkl", change=change)
    return read(folder / "a.pkl", format="mmsa", **row)


def test_clips_splits_and_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    found = make(tmp_path)
    summary = write(tmp_path, found)
    assert (summary["clips"], summary["computed"], summary["modalities"]) == (10, 30, ["text", "audio", "video"])
    assert list(read_manifest(tmp_path / "clips" / "mine")) == list(found.manifest)
    assert read_splits(tmp_path / "clips" / "mine") == found.splits
    for modality, sequences in found.sequences.items():
        features = read_features(tmp_path / "embeddings" / "mine" / f"mine_{modality}")
        assert features.header.encoder_digest == ""
        for clip_id, array in sequences.items():
            assert features[clip_id]["sequence"].tobytes() == array.tobytes()
            assert features[clip_id]["sequence"].dtype == array.dtype


def test_only_rows_whose_arrays_changed_are_written_anew(tmp_path: Path) -> None:
    write(tmp_path, make(tmp_path))
    before = {path: path.read_bytes() for path in sorted((tmp_path / "embeddings").rglob("*.h5"))}

    def change(table: dict[str, Any]) -> None:
        table["train"]["audio"][0, 0, 0] += 1
        table["train"]["raw_text"][1] = "another text"

    found = make(tmp_path, change)
    assert {k: v for k, v in write(tmp_path, found, plan=True).items() if k in ("to_compute", "reused")} == {"to_compute": 1, "reused": 29}
    summary = write(tmp_path, found)
    assert (summary["computed"], summary["reused"], summary["shards_written"]) == (1, 29, 1)
    assert sum(before[path] != path.read_bytes() for path in before) == 1


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    assert write(tmp_path, make(tmp_path), plan=True)["to_compute"] == 30
    assert [path.name for path in tmp_path.iterdir()] == ["a.pkl"]


def test_the_origin_names_the_file_and_its_digest(tmp_path: Path) -> None:
    write(tmp_path, make(tmp_path))
    origin = read_record(tmp_path / "encoders" / "mine" / "origin.json")
    digest = hashlib.sha256((tmp_path / "a.pkl").read_bytes()).hexdigest()
    assert origin == {"source": "imported", "files": [{"file": "a.pkl", "sha256": digest}], "replaced": {}}
    assert read_origin(tmp_path / "encoders" / "mine") == {"source": "imported", "file": "a.pkl", "sha256": digest}
    with pytest.raises(CacheError, match="run import_features"):
        read_origin(tmp_path)


def test_a_clip_without_a_modality_is_a_reasoned_skip(tmp_path: Path) -> None:
    found = make(tmp_path, lambda t: t["test"]["audio_lengths"].__setitem__(0, 0))
    assert write(tmp_path, found)["skipped"] == {"no_audio_features": 1}
    features = read_features(tmp_path / "embeddings" / "mine" / "mine_audio")
    assert features.skips == {"test_0$_$0000": "no_audio_features"}
    with pytest.raises(SkippedError, match="10 of 10 clips"):
        write(tmp_path, make(tmp_path, lambda t: [part.update(audio_lengths=np.zeros(len(part["id"]))) for part in t.values()]))


def test_a_corpus_that_is_not_the_published_one_says_so(tmp_path: Path) -> None:
    row = {"splits": {"standard": {"column": "part"}}, "expected": {"standard": {"train": 7}}, "partial": True}
    write(tmp_path, make(tmp_path, **row))
    record = read_partial(tmp_path / "clips" / "mine")
    assert record is not None
    assert record["discrepancies"][0]["found"] == 5
