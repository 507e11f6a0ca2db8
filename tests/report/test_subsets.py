"""Subsets of the test clips, against the same metrics on those clips alone."""

import dataclasses

import numpy as np
import pytest
import sklearn.metrics

from pipeline.clips.manifest import Manifest, read_manifest
from pipeline.clips.splits import read_splits
from pipeline.errors import TaskError
from pipeline.report.comparisons import explain_subsets, make_subset_table
from pipeline.report.results import describe_task
from pipeline.report.scores import EvaluateConfig, compute_scores
from pipeline.tasks.task import Task
from tests.report.worlds import SKILL, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    runs = make_world(folder, tasks=("emotion", "category"), subsets="turns", num_clips=60)
    return folder, runs, read_manifest(folder / "data/clips/demo")


def score(world, name, relabel=lambda clip: clip):
    """Return a task's scores, with the clips' labels changed."""
    folder, runs, manifest = world
    fold = read_splits(folder / "data/clips/demo")["speaker"]
    task = Task.read(folder / "params.yaml", name)
    return compute_scores(task, list(SKILL), runs[name], Manifest(map(relabel, manifest)), fold, EvaluateConfig(50, 0))


def label(**labels):
    """Return a function that changes labels of the clips."""
    return lambda clip: dataclasses.replace(clip, labels={**clip.labels, **labels})


def test_a_subsets_scores_are_those_of_its_clips_at_the_thresholds_of_the_whole(world):
    scores, manifest = score(world, "emotion"), world[2]
    task, run = Task.read(world[0] / "params.yaml", "emotion"), next(r for r in world[1]["emotion"] if (r.row, r.seed) == ("concat", 1))
    ids = [i for i in run.clip_ids["test"] if manifest[i].labels["turns"] == "scripted"]
    places = [run.clip_ids["test"].index(i) for i in ids]
    preds = task.predict(run.logits["test"]["fusion"][places]) > scores["rows"]["concat"]["outputs"]["fusion"]["thresholds"][1][0]
    expected = sklearn.metrics.f1_score(task.targets([manifest[i] for i in ids])["M"], preds, average="macro", zero_division=0)
    assert scores["rows"]["concat"]["subsets"]["scripted"]["f1"]["seeds"][1] == pytest.approx(expected, abs=1e-6)
    assert scores["subsets"]["values"]["scripted"]["clips"] == len(ids)


def test_the_subsets_together_are_the_whole(world):
    scores = score(world, "category")
    sizes = {value: of["clips"] for value, of in scores["subsets"]["values"].items()}
    parts = scores["rows"]["linear"]["subsets"]
    whole = sum(sizes[value] * parts[value]["wa"]["mean"] for value in sizes) / sum(sizes.values())
    assert list(sizes) == ["improvised", "scripted"]
    assert whole == pytest.approx(scores["rows"]["linear"]["outputs"]["fusion"]["metrics"]["wa"]["mean"], abs=1e-5)


def test_one_subset_of_all_clips_has_the_scores_and_intervals_of_the_whole(world):
    scores = score(world, "category", label(turns="all"))
    whole = scores["rows"]["concat"]["outputs"]["fusion"]["metrics"]
    assert all(found == {**whole[key], "sd_folds": None} for key, found in scores["rows"]["concat"]["subsets"]["all"].items())


def test_clips_without_the_column_are_counted_as_none_and_numbers_are_words(world):
    scores = score(world, "category", lambda clip: label(turns={0: 1.0, 1: None}.get(int(clip.id[1:]) % 3, 2))(clip))
    assert list(scores["subsets"]["values"]) == ["1", "2", "none"]


def test_texts_that_stand_in_train_too_are_counted(world):
    values = score(world, "category")["subsets"]["values"]
    assert values["scripted"]["recurring_texts"] == values["scripted"]["clips"] > 0
    assert values["improvised"]["recurring_texts"] == 0
    silent = score(world, "category", lambda clip: dataclasses.replace(clip, text=None))
    assert silent["subsets"]["values"]["scripted"]["recurring_texts"] is None
    assert "word for word" not in explain_subsets(silent)


def test_a_subset_of_one_speaker_has_no_interval(world):
    scores = score(world, "category", lambda clip: label(turns=clip.speaker if clip.speaker == "s7" else "rest")(clip))
    found = scores["rows"]["concat"]["subsets"]
    assert (found["s7"]["ua"]["low"], found["s7"]["ua"]["high"]) == (None, None)
    assert scores["subsets"]["values"]["s7"]["groups"] == 1


def test_a_column_that_no_clip_has_or_that_measures_is_refused(world):
    with pytest.raises(TaskError, match="no test clip has the label `turns`; their labels: anger, category"):
        score(world, "category", lambda clip: dataclasses.replace(clip, labels={k: v for k, v in clip.labels.items() if k != "turns"}))
    with pytest.raises(TaskError, match="`turns` has 14 values"):
        score(world, "category", lambda clip: label(turns=int(clip.id[1:]))(clip))


def test_the_report_shows_the_subsets_side_by_side_and_why(world):
    scores = score(world, "category")
    table = make_subset_table(scores)
    clips = {value: of["clips"] for value, of in scores["subsets"]["values"].items()}
    groups = [f"improvised, {clips['improvised']} clips", f"scripted, {clips['scripted']} clips"]
    assert [(c.group, c.title) for c in table.columns[1:]] == [(group, title) for group in groups for title in ("UA", "WA", "wF1")]
    shown = [line.cells[0].text for line in table.lines]
    assert shown == ["constant", "linear", "concat", "multitask_mbt"]
    assert f"scripted: {clips['scripted']} of {clips['scripted']}" in explain_subsets(scores)
    assert np.sum([getattr(block, "text", "") == "By turns" for block in describe_task(scores)]) == 1
