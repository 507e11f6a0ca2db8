"""The stage `report`, run as a command on the scores of two tasks."""

import json
import re

import pytest
import yaml

from pipeline.storage import write_record
from tests.report.worlds import make_world
from tests.stages.test_evaluate import run_stage

FOLDERS = ("data/scores", "data/clips", "data/faces", "data/logmel", "data/tokens")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    make_world(folder, num_clips=48, draws=20, subsets="turns", copies="count")
    absent = {"discrepancies": [], "absent_media": {"count": 3, "first": ["x", "y", "z"]}}
    write_record(absent, folder / "data/clips/demo/partial.json")
    write_record({"folds": [{"train-test": 4}]}, folder / "data/runs/emotion/copies.json")
    for task in ("emotion", "sentiment"):
        done = run_stage(folder, "evaluate", task, "data/clips/demo", f"data/runs/{task}", f"data/scores/{task}")
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(folder):
    """Two reports of the same scores: file name to bytes."""
    found = []
    for out in ("one", "two"):
        done = run_stage(folder, "report", *FOLDERS, out)
        assert done.returncode == 0, done.stderr
        found.append({f: (folder / out / f).read_bytes() for f in ("report.html", "report.md", "report.json")})
    return found


def test_the_page_is_whole_self_contained_and_the_same_each_time(pages):
    assert pages[0] == pages[1]
    page = pages[0]["report.html"].decode()
    assert not re.search(r"<script|<link|<img|@import|src=|url\((?!#)", page)
    assert set(re.findall(r"https?://[^\"\s<]+", page)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert all(f">{row}<" in page for row in ("constant", "linear", "concat", "multitask_mbt"))
    assert page.count("No claims.") == 2


def test_data_quality_and_origins_stand_in_the_report(pages):
    text = pages[0]["report.md"].decode()
    assert "no face 2" in text
    assert "no audio stream 1" in text
    assert "Fit share `half`" in text
    assert "| text | `demo_text` | text_net | some_package, abababababab |" in text
    found = json.loads(pages[0]["report.json"])
    assert found["data"]["demo"]["tokens/demo"]["truncated"] == 1
    assert found["tasks"]["emotion"]["claims"] is False


def test_only_rows_and_tasks_that_params_names_are_shown_and_a_missing_one_is_an_error(folder):
    params = yaml.safe_load((folder / "params.yaml").read_text())
    fewer = {**params, "zoo": {"linear": {}, "concat": {}}, "tasks": {"emotion": params["tasks"]["emotion"]}}
    (folder / "fewer.yaml").write_text(yaml.safe_dump(fewer))
    assert run_stage(folder, "report", *FOLDERS, "fewer", "--params", "fewer.yaml").returncode == 0
    page = (folder / "fewer/report.md").read_text()
    assert "multitask_mbt" not in page
    assert "sentiment" not in page
    (folder / "more.yaml").write_text(yaml.safe_dump({**params, "zoo": {**params["zoo"], "tfn": {}}}))
    done = run_stage(folder, "report", *FOLDERS, "more", "--params", "more.yaml")
    assert done.returncode == 1
    assert "no scores of tfn" in done.stderr


def test_an_incomplete_copy_counted_copies_and_subsets_stand_in_every_page(pages):
    for name in ("report.html", "report.md"):
        text = pages[0][name].decode().replace("<code>", "`").replace("</code>", "`")
        assert text.count("Incomplete copy of `demo`: 3 clips left out, whose media is not there.") == 3  # both tasks and the corpus
        assert text.count("Copies: 4 of 12 test clips have the features of a train clip.") == 1
        assert text.count("Test clips by `turns`") >= 2
    found = json.loads(pages[0]["report.json"])
    assert found["partial"]["demo"] == found["tasks"]["emotion"]["partial"]
    assert found["tasks"]["emotion"]["subsets"]["column"] == "turns"
