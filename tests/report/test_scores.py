"""Scores from saved predictions, against scikit-learn on the same predictions and what the protocol asks."""

import json

import numpy as np
import pytest
import sklearn.metrics

from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import Fold, read_splits
from pipeline.errors import TaskError
from pipeline.report.files import read_scores, write_scores
from pipeline.report.scores import EvaluateConfig, compute_scores
from pipeline.tasks.task import Task
from tests.report.worlds import SKILL, make_run, make_world

CONFIG = EvaluateConfig(draws=100, seed=0)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    runs = make_world(folder, tasks=("emotion", "sentiment", "category"))
    return folder, runs, read_manifest(folder / "data/clips/demo")


def score(world, name, config=CONFIG, runs=None, rows=tuple(SKILL), folds=None):
    """Return the task and its scores."""
    folder, all_runs, manifest = world
    task = Task.read(folder / "params.yaml", name)
    folds = folds or read_splits(folder / "data/clips/demo")["speaker"]
    return task, compute_scores(task, rows, all_runs[name] if runs is None else runs, manifest, folds, config)


def test_thresholds_come_from_valid_and_metrics_from_test(world):
    task, scores = score(world, "emotion")
    run = next(r for r in world[1]["emotion"] if (r.row, r.seed) == ("concat", 1))
    truth = {part: task.targets([world[2][i] for i in ids])["M"] for part, ids in run.clip_ids.items()}
    probability = {part: task.predict(run.logits[part]["fusion"]) for part in truth}
    grid = [k / 20 for k in range(1, 20)]
    f1 = [[sklearn.metrics.f1_score(truth["valid"][:, i], probability["valid"][:, i] > t) for t in grid] for i in range(6)]
    thresholds = [grid[int(np.argmax(values))] for values in f1]
    found = scores["rows"]["concat"]["outputs"]["fusion"]
    assert found["thresholds"][1][0] == thresholds
    expected = sklearn.metrics.f1_score(truth["test"], probability["test"] > thresholds, average="macro")
    assert found["metrics"]["f1"]["seeds"][1] == pytest.approx(expected, abs=1e-6)


def test_a_value_is_the_mean_over_seeds_within_its_interval(world):
    _, scores = score(world, "emotion")
    found = scores["rows"]["linear"]["outputs"]["fusion"]["metrics"]["accuracy"]
    assert found["mean"] == pytest.approx(np.mean(found["seeds"]), abs=1e-6)
    assert found["sd_seeds"] == pytest.approx(np.std(found["seeds"], ddof=1), abs=1e-6)
    assert found["low"] <= found["mean"] <= found["high"]
    assert found["sd_folds"] is None


def test_heads_are_judged_by_their_own_annotation_where_trained_on_it(world):
    _, scores = score(world, "sentiment")
    outputs = scores["rows"]["multitask_mbt"]["outputs"]
    assert {name: outputs[name]["annotation"] for name in ("fusion", "text", "audio", "video")} == dict(
        zip(("fusion", "text", "audio", "video"), "MTAV", strict=True)
    )
    assert outputs["without_text"]["annotation"] == "M"
    assert set(outputs["without_text"]["differences"]) == {"acc2", "mae"}


def test_each_row_is_compared_with_the_reference_and_corrected(world):
    _, scores = score(world, "category")
    assert scores["rows"]["linear"]["differences"] == {}
    found = [d for row in scores["rows"].values() for d in row["differences"].values()]
    assert len(found) == 2 * (len(SKILL) - 1)
    assert all(d["p_holm"] >= d["p"] > 0 for d in found)
    difference = scores["rows"]["constant"]["differences"]["ua"]
    values = [scores["rows"][row]["outputs"]["fusion"]["metrics"]["ua"]["mean"] for row in ("constant", "linear")]
    assert difference["difference"] == pytest.approx(values[0] - values[1], abs=2e-6)
    assert difference["high"] < 0


def test_a_row_does_not_differ_from_its_copy(world):
    runs = [r for r in world[1]["emotion"] if r.row == "linear"]
    copies = [make_run(Task.read(world[0] / "params.yaml", "emotion"), world[2], _fold(world), "copy", 0.9, s) for s in (0, 1)]
    copies = [type(c)(**{**vars(c), "logits": r.logits}) for c, r in zip(copies, runs, strict=True)]
    _, scores = score(world, "emotion", runs=runs + copies, rows=("linear", "copy"))
    assert scores["rows"]["copy"]["differences"]["f1"] == {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "p_holm": 1.0}


def _fold(world):
    return read_splits(world[0] / "data/clips/demo")["speaker"][0]


def test_folds_are_pooled_each_with_its_own_thresholds(world):
    task, fold = Task.read(world[0] / "params.yaml", "emotion"), _fold(world)
    folds = (fold, Fold(fold.train, fold.test, fold.valid))
    runs = [make_run(task, world[2], f, row, SKILL[row], s, k) for k, f in enumerate(folds) for row in ("linear", "concat") for s in (0, 1)]
    _, scores = score(world, "emotion", runs=runs, rows=("linear", "concat"), folds=folds)
    found = scores["rows"]["concat"]["outputs"]["fusion"]
    assert np.shape(found["thresholds"]) == (2, 2, 6)
    assert np.sum(found["confusion"]) == 2 * 6 * (len(fold.test) + len(fold.valid))
    assert found["metrics"]["f1"]["sd_folds"] is not None
    assert scores["groups"] == {"by": "speaker", "count": 4}


def test_missing_runs_and_foreign_clips_are_errors(world):
    runs = world[1]["emotion"]
    with pytest.raises(TaskError, match=r"1 runs are missing: constant \(seed 0, fold 0\)"):
        score(world, "emotion", runs=runs[1:])
    other = Fold(_fold(world).train, _fold(world).valid, _fold(world).test[1:])
    with pytest.raises(TaskError, match="predicts other test clips"):
        score(world, "emotion", folds=(other,))
    with pytest.raises(TaskError, match="`nobody` is no row of the zoo"):
        score(world, "emotion", config=EvaluateConfig(draws=10, seed=0, reference="nobody"))


def test_the_same_predictions_give_the_same_bytes(world, tmp_path):
    for name in ("a", "b"):
        write_scores(score(world, "sentiment")[1], tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["confusion.csv", "learning_curves.csv", "metrics.json", "scores.json"]
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert metrics["mae"]["linear"] == read_scores(tmp_path / "a")["rows"]["linear"]["outputs"]["fusion"]["metrics"]["mae"]["mean"]


def test_scores_that_are_absent_or_torn_are_named(tmp_path):
    with pytest.raises(TaskError, match="run evaluate@emotion"):
        read_scores(tmp_path / "emotion")
    (tmp_path / "emotion").mkdir()
    (tmp_path / "emotion" / "scores.json").write_text('{"rows"')
    with pytest.raises(TaskError, match="delete it"):
        read_scores(tmp_path / "emotion")
