"""Ten folds of five sessions with two speakers each: every clip is tested once, and everything is pooled and drawn by speaker."""

import numpy as np
import pytest
import sklearn.metrics

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import Fold, rotate_folds
from pipeline.report.bootstrap import Draws
from pipeline.report.pool import Pool
from pipeline.report.provenance import make_encoder_table
from pipeline.report.scores import EvaluateConfig, compute_scores
from pipeline.tasks.task import Task, TaskConfig
from tests.report.worlds import make_run

CLASSES = ("ang", "hap", "neu", "sad")
SEEDS = (0, 1)
CONFIG = EvaluateConfig(draws=30, seed=0)


def make_sessions(num_clips=8):
    """Return clips of five sessions, each of a woman and a man who share dialogues."""
    rng = np.random.default_rng(0)
    clips = []
    for session in range(1, 6):
        for i in range(num_clips * 2):
            gender, dialogue = "FM"[i % 2], f"Ses0{session}_impro0{i // 4}"
            labels = {"emotion": CLASSES[rng.integers(4)], "anger": float(rng.random() < 0.4), "joy": float(rng.random() < 0.3)}
            clips.append(Clip(f"{dialogue}_{gender}{i:03d}", speaker=f"Ses0{session}{gender}", group=dialogue, labels=labels))
    return Manifest(clips)


def make_ten_folds(manifest):
    """Folds 1 to 5 test the men of session 6 − k and select on its women; folds 6 to 10 the other way round (methods.md §2.6)."""
    folds = []
    for k in range(1, 11):
        session, test = (6 - k, "M") if k <= 5 else (11 - k, "F")
        parts = {"train": [], "valid": [], "test": []}
        for clip in manifest:
            inside = clip.speaker[:5] == f"Ses0{session}"
            parts[("test" if clip.speaker[5] == test else "valid") if inside else "train"].append(clip.id)
        folds.append(Fold.of(parts))
    return tuple(folds)


def make_task(kind):
    """Return a task on the ten folds."""
    fields = {"multi_class": {"label": "emotion", "classes": CLASSES}, "multi_label": {"labels": ("anger", "joy")}}[kind]
    return Task("ten", TaskConfig(corpus="c", kind=kind, split="ten", encoders={"audio": "a"}, **fields))


def make_runs(task, manifest, folds):
    """Return runs of two rows on every fold."""
    return [make_run(task, manifest, f, row, 0.8, s, k) for k, f in enumerate(folds) for row in ("linear", "concat") for s in SEEDS]


@pytest.fixture(scope="module")
def ten():
    manifest = make_sessions()
    folds, task = make_ten_folds(manifest), make_task("multi_class")
    runs = make_runs(task, manifest, folds)
    return task, manifest, folds, runs, compute_scores(task, ["linear", "concat"], runs, manifest, folds, CONFIG)


def pooled(task, manifest, runs, seed):
    """Return truth, decision and speaker of every clip, gathered by id from the runs of one row and seed."""
    chosen = {}
    for run in runs:
        if (run.row, run.seed) == ("concat", seed):
            chosen |= dict(zip(run.clip_ids["test"], task.predict(run.logits["test"]["fusion"]).argmax(axis=1), strict=True))
    ids = sorted(chosen)
    truth = task.targets([manifest[i] for i in ids])["M"]
    return truth, np.array([chosen[i] for i in ids]), np.array([manifest[i].speaker for i in ids])


def test_each_clip_is_tested_once_and_selects_in_the_fold_five_further():
    manifest = make_sessions()
    folds = make_ten_folds(manifest)
    assert sorted(i for fold in folds for i in fold.test) == list(manifest.ids)
    for k in range(10):
        assert folds[k].valid == folds[(k + 5) % 10].test


def test_scores_are_of_the_pooled_predictions(ten):
    task, manifest, _, runs, scores = ten
    found = scores["rows"]["concat"]["outputs"]["fusion"]
    for seed in SEEDS:
        truth, chosen, _ = pooled(task, manifest, runs, seed)
        assert found["metrics"]["ua"]["seeds"][seed] == pytest.approx(
            sklearn.metrics.recall_score(truth, chosen, average="macro"), abs=1e-6
        )
        assert found["metrics"]["wa"]["seeds"][seed] == pytest.approx(sklearn.metrics.accuracy_score(truth, chosen), abs=1e-6)
        expected = sklearn.metrics.f1_score(truth, chosen, average="weighted")
        assert found["metrics"]["weighted_f1"]["seeds"][seed] == pytest.approx(expected, abs=1e-6)
    tables = [sklearn.metrics.confusion_matrix(*pooled(task, manifest, runs, seed)[:2]) for seed in SEEDS]
    assert found["confusion"] == np.sum(tables, axis=0).tolist()
    assert found["metrics"]["ua"]["sd_folds"] > 0


def test_intervals_draw_whole_speakers(ten):
    task, manifest, _, runs, scores = ten
    assert scores["groups"] == {"by": "speaker", "count": 10}
    draws, speakers, values = Draws.make(10, 2, CONFIG.draws, CONFIG.seed), sorted({c.speaker for c in manifest}), []
    of_seeds = [pooled(task, manifest, runs, seed) for seed in SEEDS]
    for times, shares in zip(draws.groups, draws.seeds, strict=True):
        weights = [times[[speakers.index(s) for s in names]] for _, _, names in of_seeds]
        values.append(sum(share * np.average(t == p, weights=w) for share, w, (t, p, _) in zip(shares, weights, of_seeds, strict=True)))
    found = scores["rows"]["concat"]["outputs"]["fusion"]["metrics"]["wa"]
    assert (found["low"], found["high"]) == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=1e-5)


def test_every_fold_has_thresholds_of_its_own_valid_part():
    manifest, task = make_sessions(), make_task("multi_label")
    folds = make_ten_folds(manifest)
    scores = compute_scores(task, ["linear", "concat"], make_runs(task, manifest, folds), manifest, folds, CONFIG)
    assert np.shape(scores["rows"]["concat"]["outputs"]["fusion"]["thresholds"]) == (2, 10, 2)
    assert np.sum(scores["rows"]["concat"]["outputs"]["fusion"]["confusion"]) == 2 * 2 * len(manifest)


def test_rotated_folds_test_each_clip_once_too():
    manifest = make_sessions()
    folds = rotate_folds({clip.id: clip.speaker for clip in manifest}, 5)
    pool = Pool.read(make_task("multi_class"), manifest, folds)
    assert sorted(i for part in pool.test for i in part.ids) == list(manifest.ids)
    assert (pool.num_groups, pool.grouped_by) == (10, "speaker")


def test_the_encoder_table_shows_the_digests_of_all_folds(ten):
    task, manifest, folds, runs, _ = ten
    for run in runs:
        run.encoders["audio"] = {**run.encoders["audio"], "digest": f"{run.fold}{'d' * 39}"}
    scores = compute_scores(task, ["linear", "concat"], runs, manifest, folds, CONFIG)
    cells = {line.cells[0].text: [cell.text for cell in line.cells] for line in make_encoder_table(scores).lines}
    assert cells["audio"][5] == "`0ddddddddddd` and 9 more, one a fold"
    assert cells["video"][5] == "`video0000000`"
