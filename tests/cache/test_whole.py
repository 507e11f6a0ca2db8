"""The whole map on a small built-in corpus: everything once, then what each change costs. The steps follow one another."""

from typing import Any

import pytest
import yaml

from tests.cache.project import Project
from tests.conftest import ROOT

ROWS = {"crop_faces@demo", "compute_logmel@demo", "tokenize_text@demo", "embed@demo_text", "embed@demo_audio", "embed@demo_video"}
CLIPS = 22  # clip 22 is of the test part, clip 23 of the train part
FIT = {"task": "demo_emotion", "epochs": 1, "units": 1}


def make_small(params: dict[str, Any]) -> None:
    """The shipped params.yaml with everything small."""
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())
    shipped["demo"] |= {"num_clips": CLIPS, "width": 160, "height": 120}
    encoders = shipped["encoders"]
    audio, video = encoders["demo_emotion_audio"], encoders["demo_emotion_video"]
    audio |= {"fit": FIT, "options": {"embed_dim": 16}}
    video |= {"fit": FIT, "options": {"model": video["options"]["model"], "image_size": 32}}
    shipped["encoders"] = {"demo_text": encoders["demo_text"], "demo_audio": audio, "demo_video": video}
    shipped["tasks"] = {"demo_emotion": shipped["tasks"]["demo_emotion"]}
    shipped["tasks"]["demo_emotion"]["encoders"] = {m: f"demo_{m}" for m in ("text", "audio", "video")}
    shipped["zoo"] = {"constant": {}, "linear": {}, "concat": {}}
    shipped["train"] |= {"seeds": [0], "max_epochs": 2}
    shipped["evaluate"] |= {"draws": 50}
    params.update(shipped)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, Any]]]:
    """What each step's `dvc repro` ran."""
    project = Project.make(tmp_path_factory.mktemp("whole") / "project", clips=0)
    project.params(make_small)
    steps = {"first": project.repro(), "again": project.repro()}
    steps["report"] = {"files": {path.name: path for path in (project.folder / "data" / "report").iterdir()}}
    project.params(lambda params: params["zoo"].update(text_only={}))
    steps["new zoo row"] = project.repro()
    for number, part in enumerate(("test", "train"), start=1):
        project.params(lambda params, number=number: params["demo"].update(num_clips=CLIPS + number))
        steps[f"clip in {part}"] = project.repro("embed@demo_text", "embed@demo_audio", "embed@demo_video")
    return steps


def computed(step: dict[str, dict[str, Any]]) -> dict[str, int]:
    return {name: summary["computed"] for name, summary in step.items() if name in ROWS}


def test_the_first_run_makes_everything(steps: dict[str, Any]) -> None:
    assert computed(steps["first"]) == dict.fromkeys(ROWS, CLIPS)
    assert steps["first"]["train@demo_emotion"]["computed"] == 3
    assert {"report.html", "report.md", "report.json"} <= steps["report"]["files"].keys()


def test_a_second_run_has_nothing_to_do(steps: dict[str, Any]) -> None:
    assert steps["again"] == {}


def test_a_new_row_of_the_zoo_trains_itself_alone(steps: dict[str, Any]) -> None:
    train = steps["new zoo row"]["train@demo_emotion"]
    assert (train["computed"], train["reused"]) == (1, 3)
    assert not ROWS & steps["new zoo row"].keys()


def test_a_clip_of_the_test_part_costs_one_row_a_stage_and_refits_nothing(steps: dict[str, Any]) -> None:
    assert steps["clip in test"]["make_demo"]["computed"] == 1
    assert computed(steps["clip in test"]) == dict.fromkeys(ROWS, 1)
    assert all(steps["clip in test"][f"prepare_encoder@demo_{m}"]["computed"] == 0 for m in ("text", "audio", "video"))


def test_a_clip_of_the_train_part_refits_the_encoders_of_its_task(steps: dict[str, Any]) -> None:
    step = steps["clip in train"]
    assert {m: step[f"prepare_encoder@demo_{m}"]["computed"] for m in ("text", "audio", "video")} == {"text": 0, "audio": 1, "video": 1}
    fitted = {"embed@demo_audio": CLIPS + 2, "embed@demo_video": CLIPS + 2}
    assert computed(step) == {**dict.fromkeys(ROWS, 1), **fitted}
