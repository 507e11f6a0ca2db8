"""The way back: what is exported and imported again is the same, byte for byte."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.clips.features.feature_set import FeatureSet
from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import PARTS, Fold, read_splits
from pipeline.errors import PipelineError
from pipeline.shards.executor import RunOptions, ShardSettings
from pipeline.shards.features import Features, read_features
from pipeline.shards.imported import write_imported
from pipeline.tasks.task import Task
from pipeline.training.exported import make_parts, write_parts
from tests.clips.features.files import read
from tests.training.corpus import DIMS, Corpus, make_corpus

NPZ = {
    "format": "npz",
    "ids": "id",
    "modalities": {"text": "text", "audio": "audio", "video": "vision"},
    "lengths": {"text": "text_lengths", "audio": "audio_lengths", "video": "vision_lengths"},
    "labels": {"emotion": "label_emotion", "anger": "label_anger"},
    "splits": {"standard": {"column": "part"}},
}


def export(corpus: Corpus, out: Path, task: str = "sentiment", fold: int = 0) -> tuple[Fold, dict[str, Features]]:
    manifest = read_manifest(corpus.clips)
    of_fold = read_splits(corpus.clips)["speaker"][fold]
    features = {m: read_features(corpus.embeddings / f"c_{m}", ["sequence"]) for m in DIMS}
    write_parts(make_parts(Task.read(corpus.params, task), manifest, of_fold, features), out)
    return of_fold, features


def read_back(out: Path) -> FeatureSet:
    return read(out, **(NPZ if out.suffix == ".npz" else {"format": "mmsa"}))


@pytest.mark.parametrize("task", ["emotions", "emotion", "sentiment"])
@pytest.mark.parametrize("name", ["a.pkl", "a.npz"])
@pytest.mark.parametrize("fold", [0, 1])
def test_exported_and_imported_embeddings_are_identical(tmp_path: Path, task: str, name: str, fold: int) -> None:
    corpus = make_corpus(tmp_path, folds=2)
    of_fold, features = export(corpus, tmp_path / name, task, fold)
    found = read_back(tmp_path / name)
    assert found.splits["standard"] == (of_fold,)
    write_imported(
        "c", found, *(tmp_path / "again" / folder for folder in ("clips", "embeddings", "origin")), ShardSettings(3, 1.0), RunOptions()
    )
    for modality in DIMS:
        again = read_features(tmp_path / "again" / "embeddings" / f"c_{modality}")
        assert {i for i in again.ids if i in again} == {i for i in features[modality].ids if i in features[modality]}
        for clip_id in (i for i in again.ids if i in again):
            before, after = features[modality][clip_id]["sequence"], again[clip_id]["sequence"]
            assert (before.dtype, before.shape, before.tobytes()) == (after.dtype, after.shape, after.tobytes())


def test_sequences_of_different_lengths_and_missing_ones_are_among_them(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    _, features = export(corpus, tmp_path / "a.pkl")
    assert features["audio"].skips
    table = pickle.loads((tmp_path / "a.pkl").read_bytes())
    lengths = np.concatenate([table[part]["audio_lengths"] for part in PARTS])
    assert 0 in lengths
    assert len(set(lengths.tolist())) > 3
    assert len({table[part]["audio"].shape[1:] for part in PARTS}) == 1  # as models of others expect it


def test_clips_keep_labels_speakers_and_groups(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    export(corpus, tmp_path / "a.pkl")
    again = read_back(tmp_path / "a.pkl").manifest
    for clip in read_manifest(corpus.clips):
        assert (again[clip.id].labels, again[clip.id].speaker, again[clip.id].group) == (clip.labels, clip.speaker, clip.group)


def test_targets_stand_under_mmsas_names(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    clips = read_manifest(corpus.clips)
    tables: dict[str, Any] = {}
    for task in ("emotions", "emotion", "sentiment"):
        export(corpus, tmp_path / "a.pkl", task)
        tables[task] = pickle.loads((tmp_path / "a.pkl").read_bytes())["train"]
    values = [clips[i].labels["sentiment"] for i in tables["sentiment"]["id"]]
    np.testing.assert_allclose(tables["sentiment"]["regression_labels"], np.array(values, np.float32))
    assert set(tables["sentiment"]) >= {"regression_labels_T", "raw_text", "vision", "vision_lengths", "annotations"}
    assert tables["sentiment"]["annotations"][0] == ("Negative", "Neutral", "Positive")[int(np.sign(values[0])) + 1]
    assert tables["emotion"]["annotations"][0] == clips[tables["emotion"]["id"][0]].labels["emotion"]
    assert tables["emotions"]["classification_labels"].shape == (len(tables["emotions"]["id"]), 3)


def test_the_files_name_says_its_kind(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"\.pkl .* or \.npz"):
        export(make_corpus(tmp_path), tmp_path / "a.csv")
