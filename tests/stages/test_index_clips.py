"""The stage as a user types it: JSON summary, messages, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.clips.listing import read_partial
from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import read_splits
from tests.conftest import ROOT


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    for name in ("a.mp4", "b with spaces.mp4"):
        (tmp_path / "raw" / name).write_text(name)
    (tmp_path / "clips.csv").write_text("media,text,split,joy\na.mp4,hello,train,1\nb with spaces.mp4,bye,test,0\n")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"corpora": {"mine": {"adapter": "csv", "labels": "x", "media": "y"}}}))
    return tmp_path


def index(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    names = {"labels": "clips.csv", "media": "raw", "out": "clips"} | changes
    paths = [str(folder / names[name]) for name in ("labels", "media", "out")]
    command = [sys.executable, "-m", "stages.index_clips", "mine", *paths, "--params", str(folder / "params.yaml")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_clips_and_splits_are_written_and_counted(corpus: Path) -> None:
    done = index(corpus)
    assert json.loads(done.stdout) == {
        "stage": "index_clips",
        "row": "mine",
        "clips": 2,
        "splits": {"csv": 1},
        "media": {"hashed": 2, "known": 0, "absent": 0},
    }
    assert read_manifest(corpus / "clips")["a.mp4"].labels == {"joy": 1.0}
    assert read_splits(corpus / "clips")["csv"][0].test == ("b with spaces.mp4",)


def test_the_same_corpus_gives_the_same_bytes(corpus: Path) -> None:
    index(corpus)
    before = (corpus / "clips" / "clips.jsonl").read_bytes()
    index(corpus)
    assert (corpus / "clips" / "clips.jsonl").read_bytes() == before


def test_absent_media_are_listed_and_nothing_is_written(corpus: Path) -> None:
    (corpus / "raw" / "a.mp4").unlink()
    done = index(corpus)
    assert done.returncode == 1
    assert done.stderr.startswith("index_clips: 1 media files that the labels list are not in")
    assert not (corpus / "clips").exists()


def test_absent_media_keep_their_digest(corpus: Path) -> None:
    index(corpus)
    before = read_manifest(corpus / "clips")
    (corpus / "raw" / "a.mp4").unlink()
    assert index(corpus).returncode == 0
    assert list(read_manifest(corpus / "clips")) == list(before)


def test_a_wrong_adapter_is_a_message_not_a_traceback(corpus: Path) -> None:
    (corpus / "params.yaml").write_text("corpora: {mine: {adapter: cvs, labels: x, media: y}}")
    done = index(corpus)
    assert (done.returncode, done.stderr.strip().count("\n")) == (1, 0)
    assert "no corpus adapter `cvs`" in done.stderr


def test_an_incomplete_copy_is_accepted_on_request_and_says_so(corpus: Path) -> None:
    (corpus / "raw" / "a.mp4").unlink()
    (corpus / "params.yaml").write_text("corpora: {mine: {adapter: csv, labels: x, media: y, partial: true}}")
    done = index(corpus)
    assert json.loads(done.stdout)["partial"] == {"discrepancies": 0, "clips_without_media": 1}
    assert read_manifest(corpus / "clips").ids == ("b with spaces.mp4",)
    assert read_splits(corpus / "clips")["csv"][0].train == ()
    partial = read_partial(corpus / "clips")
    assert partial is not None
    assert partial["absent_media"] == {"count": 1, "first": ["a.mp4"]}
