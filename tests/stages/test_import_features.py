"""The stage, the way back, the ready-made rows, and the real feature sets where they are."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.clips.features import load_reader
from pipeline.clips.features.feature_set import FeatureSet
from pipeline.clips.ready_rows import read_rows
from pipeline.errors import SplitError
from pipeline.params import build
from pipeline.tasks.config import TaskConfig
from stages.export import main as export
from stages.train import main as train
from tests.clips.features.files import make_mmsa
from tests.conftest import ROOT
from tests.training.corpus import TRAIN, make_corpus

READY = ("mosi_acl2017", "ravdess_8", "mmsa_mosi", "mmsa_mosei", "mmsa_sims", "mmsa_simsv2")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def write_params(path: Path, zoo: tuple[str, ...]) -> str:
    """Write the rows of an imported corpus and a task on it."""
    task = {
        "corpus": "mine",
        "kind": "regression",
        "annotations": {"M": "sentiment"},
        "split": "standard",
        "disjoint": {"train-test": "group"},
        "encoders": {"text": "mine_text", "audio": "mine_audio", "video": "mine_video"},
    }
    rows = {
        "feature_sets": {"mine": {"format": "mmsa", "features": "raw/mine/a.pkl"}},
        "shards": {"num_shards": 4, "max_skipped": 0.5},
        "tasks": {"mine": task},
        "zoo": {name: {} for name in zoo},
        "train": TRAIN,
    }
    path.write_text(yaml.safe_dump(rows))
    return str(path)


def test_the_pipeline_starts_at_train_with_imported_features(tmp_path: Path) -> None:
    params = write_params(tmp_path / "params.yaml", ("constant", "linear"))
    make_mmsa(tmp_path / "a.pkl")
    folders = [str(tmp_path / name / "mine") for name in ("clips", "embeddings", "encoders")]
    done = run("stages.import_features", "mine", str(tmp_path / "a.pkl"), *folders, "--params", params)
    summary = json.loads(done.stdout)
    assert (summary["stage"], summary["row"], summary["clips"], summary["computed"]) == ("import_features", "mine", 10, 30)
    names = ("clips/mine", "embeddings/mine", "encoders", "faces", "logmel", "runs")  # a corpus without media has no faces, no log-mels
    places = [tmp_path / name for name in names]
    assert train("mine", *places, Path(params), workers=1, device="cpu")["computed"] == 2


def test_a_file_of_another_kind_is_a_message_and_not_a_traceback(tmp_path: Path) -> None:
    params = write_params(tmp_path / "params.yaml", ())
    (tmp_path / "a.pkl").write_text("video_id,label\n")
    folders = [str(tmp_path / name / "mine") for name in ("clips", "embeddings", "encoders")]
    done = run("stages.import_features", "mine", str(tmp_path / "a.pkl"), *folders, "--params", params)
    assert done.returncode == 1
    assert "a.pkl is not a readable pickle" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_export_takes_one_fold_and_refuses_one_that_is_not_there(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, folds=2)
    places = (corpus.clips, corpus.embeddings, corpus.encoders, tmp_path / "a.pkl")
    summary = export("sentiment", *places, fold=1, params=corpus.params)
    assert (summary["fold"], summary["train"], summary["valid"], summary["test"]) == (1, 20, 10, 10)
    with pytest.raises(SplitError, match="has the folds 0 to 1, and --fold asks for 2"):
        export("sentiment", *places, fold=2, params=corpus.params)


@pytest.mark.parametrize("name", READY)
def test_ready_made_rows_are_valid(name: str) -> None:
    rows, advice = read_rows(name, "mine")
    (values,) = rows["feature_sets"].values()
    reader = load_reader(values["format"])
    config = build(reader.Config, {key: value for key, value in values.items() if key != "features"}, name)
    assert values["features"].startswith("raw/mine/")
    assert "data/raw/mine/" in advice
    for task in rows["tasks"].values():
        checked = build(TaskConfig, task, name)
        assert checked.split in config.splits
        assert set(checked.encoders.values()) <= {"mine_text", "mine_audio", "mine_video"}
        assert checked.rows(yaml.safe_load((ROOT / "params.yaml").read_text())["zoo"])


def read_ready(name: str, path: Path) -> FeatureSet:
    values = {key: value for key, value in read_rows(name, name)[0]["feature_sets"][name].items() if key != "features"}
    reader = load_reader(values["format"])
    return reader.read(path, build(reader.Config, values, name))


def test_the_real_mosi_has_the_authors_parts_and_twelve_valid_videos(realdata: Path) -> None:
    found = read_ready("mosi_acl2017", realdata / "features" / "mosi_utterances.npz")
    fold = found.splits["acl2017"][0]
    videos = {part: {found.manifest[i].group for i in fold.part(part)} for part in ("train", "valid", "test")}
    assert {part: len(names) for part, names in videos.items()} == {"train": 50, "valid": 12, "test": 31}
    positive = np.mean([found.manifest[i].labels["polarity"] == "positive" for i in fold.test])
    assert round(100 * float(positive), 1) == 62.1


def test_the_real_ravdess_has_six_folds_without_a_common_actor(realdata: Path) -> None:
    found = read_ready("ravdess_8", realdata / "features" / "ravdess_au_mfcc.npz")
    folds = found.splits["actors"]
    assert sorted(i for fold in folds for i in fold.test) == sorted(found.manifest.ids)
    for number, fold in enumerate(folds):
        actors = [{found.manifest[i].speaker for i in fold.part(part)} for part in ("train", "valid", "test")]
        assert [len(names) for names in actors] == [16, 4, 4]
        assert not actors[0] & actors[1]
        assert not actors[0] & actors[2]
        assert fold.valid == folds[(number + 1) % 6].test
