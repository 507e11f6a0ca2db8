"""What a task reads from params.yaml and its clips, and how it judges logits."""

import dataclasses

import numpy as np
import pytest
import torch

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import Fold
from pipeline.errors import ParamsError, SplitError, TaskError
from pipeline.tasks.task import Task, pos_weight
from tests.tasks.test_metrics import make_task


def test_a_task_is_read_from_its_row(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text(
        "tasks:\n  mood: {corpus: c, kind: regression, annotations: {M: s, T: s_T}, range: [-1, 1], split: speaker, "
        "encoders: {video: v, text: t}, claims: false}\n"
    )
    task = Task.read(params, "mood")
    assert (task.modalities, task.annotations, task.output_names, task.num_outputs) == (("text", "video"), ("M", "T"), ("s",), 1)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("kind: multi_label, encoders: {text: t}", "needs `labels`"),
        ("kind: multi_label, labels: [a], classes: [b], encoders: {text: t}", "has no `classes`"),
        ("kind: multi_label, labels: [a], encoders: {sound: t}", "sound"),
        ("kind: regression, annotations: {T: t, M: m}, encoders: {text: t}", "starts with M"),
        ("kind: multi_label, labels: [a], encoders: {text: t}, disjoint: {test-train: speaker}", "test-train"),
        ("kind: multi_label, labels: [a], encoders: {text: t}, claims: false, published: iemocap", "without claims"),
        ("kind: multi_label, labels: [a], encoders: {text: t}, copies: allow", "copies"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(tmp_path, row, message):
    params = tmp_path / "params.yaml"
    params.write_text(f"tasks:\n  t: {{corpus: c, split: s, {row}}}\n")
    with pytest.raises(ParamsError, match=message):
        Task.read(params, "t")


def test_copies_are_refused_unless_the_task_counts_them():
    clips = [Clip(i, speaker=i, digest="same" if i != "b" else "other", end=1.0) for i in "abc"]
    splits = {"s": (Fold(("a",), ("b",), ("c",)),)}
    with pytest.raises(SplitError, match="1 clips of the test part have the media of a clip of the train part: c"):
        make_task().folds(Manifest(clips), splits)
    assert make_task(copies="count").folds(Manifest(clips), splits) == splits["s"]


def test_a_column_of_subsets_that_no_test_clip_has_is_told_with_the_folds_before_anything_is_trained():
    clips = [Clip(i, speaker=i, labels={"turns": "scripted"} if i != "c" else {"other": 1.0}) for i in "abc"]
    splits = {"s": (Fold(("a",), ("b",), ("c",)),)}
    with pytest.raises(TaskError, match="no test clip has the label `turns`; their labels: other"):
        make_task(subsets="turns").folds(Manifest(clips), splits)
    assert make_task(subsets="other").folds(Manifest(clips), splits) == splits["s"]
    assert make_task(subsets="turns").subsets(clips) == ["scripted", "scripted", "none"]


def test_a_task_may_name_the_rows_that_it_trains():
    assert make_task("regression").config.rows({"a": {}, "b": None, "c": {"default": False}}) == ["a", "b"]
    some = dataclasses.replace(make_task("regression").config, zoo=("b", "a"))
    assert some.rows({"a": {}, "b": {"default": False}, "c": {}}) == ["a", "b"]
    every = dataclasses.replace(some, zoo=("all",))
    assert (every.trains_all, every.rows({"a": {}, "b": {"default": False}})) == (True, ["a", "b"])
    with pytest.raises(ParamsError, match="names b, which `zoo` has not; its rows: a"):
        some.rows({"a": {}})


def test_multi_label_targets_are_presence():
    clips = [Clip("a", labels={"anger": 0.0, "joy": 2.0, "fear": 0.3}), Clip("b", labels={"anger": 1, "joy": 0, "fear": 0})]
    target = make_task().targets(clips)["M"]
    assert target.dtype == np.float32
    assert target.tolist() == [[0, 1, 1], [1, 0, 0]]


def test_multi_class_targets_take_numbers_for_names():
    task = make_task("multi_class", classes=("0", "1.5", "neu"))
    assert task.targets([Clip("a", labels={"emotion": 1.5}), Clip("b", labels={"emotion": "neu"})])["M"].tolist() == [1, 2]
    with pytest.raises(TaskError, match=r"c \(sad\)"):
        task.targets([Clip("c", labels={"emotion": "sad"})])


def test_regression_targets_come_per_annotation_and_a_missing_one_is_named():
    task = make_task("regression", annotations={"M": "s", "A": "s_A"})
    target = task.targets([Clip("a", labels={"s": 0.2, "s_A": -1})])
    assert {name: value.tolist() for name, value in target.items()} == {"M": [[np.float32(0.2)]], "A": [[-1.0]]}
    with pytest.raises(TaskError, match="lack a number for s_A: b"):
        task.targets([Clip("b", labels={"s": 0.2})])


def test_pos_weight_is_negatives_over_positives_capped_at_20():
    target = np.zeros((100, 4), np.float32)
    target[:25, 0] = target[:2, 1] = target[:, 2] = 1
    assert pos_weight(target).tolist() == [3.0, 20.0, 1.0, 20.0]


def test_criterion_weighs_positives_and_takes_gradients():
    target = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]], np.float32)
    logits = torch.zeros(4, 3, requires_grad=True)
    loss = make_task().criterion(target)(logits, torch.from_numpy(target))
    assert loss.item() == pytest.approx((9 + 3 * 3) * np.log(2) / 12, rel=1e-6)
    loss.backward()
    assert bool(torch.isfinite(logits.grad).all())


def test_predictions_are_probabilities_or_clipped_values():
    logits = np.array([[-800.0, 0.0, 800.0]], np.float32)
    assert make_task().predict(logits).tolist() == [[0.0, 0.5, 1.0]]
    assert make_task("multi_class", classes=("a", "b", "c")).predict(logits).sum() == pytest.approx(1)
    assert make_task("regression").predict(np.array([[3.0], [0.25]])).tolist() == [[1.0], [0.25]]


def test_a_selection_score_is_larger_for_better_logits():
    rng = np.random.default_rng(0)
    labels = (rng.random((60, 3)) < 0.3).astype(np.float32)
    assert make_task().select(10 * labels - 5, labels) == pytest.approx(2.0)
    assert make_task(accuracy="balanced_accuracy").select(10 * labels - 5, labels) == pytest.approx(2.0)
    assert make_task().select(rng.normal(size=(60, 3)), labels) < 2
    classes = np.array([0, 1, 1, 3])
    assert make_task("multi_class").select(np.eye(4)[[0, 1, 0, 3]], classes) == pytest.approx(2.5 / 3)
    assert make_task("regression").select(np.array([[0.5], [3.0]]), np.array([[0.0], [1.0]])) == pytest.approx(-0.25)


def test_logits_that_are_not_finite_or_an_empty_part_are_errors():
    with pytest.raises(TaskError, match="1 of 2 clips are not finite"):
        make_task().select(np.array([[0, np.nan, 0], [0, 0, 0]], np.float32), np.zeros((2, 3)))
    with pytest.raises(TaskError, match="no clips to select on"):
        make_task().select(np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(TaskError, match=r"\(clips, 3\)"):
        make_task().predict(np.zeros((2, 4)))


def test_folds_are_checked_for_what_parts_share():
    manifest = Manifest([Clip(i, speaker=s, digest=i) for i, s in zip("abc", "xxy", strict=True)])
    splits = {"s": (Fold(("a",), ("b",), ("c",)),), "empty": (Fold(("a",), (), ("c",)),)}
    declared = {"train-valid": "none", "train-test": "speaker", "valid-test": "speaker"}
    assert make_task(disjoint=declared).folds(manifest, splits) == splits["s"]
    with pytest.raises(SplitError, match="train-valid share 1 speaker"):
        make_task(disjoint=dict.fromkeys(declared, "speaker")).folds(manifest, splits)
    with pytest.raises(SplitError, match="no split `t`"):
        make_task(split="t").folds(manifest, splits)
    with pytest.raises(SplitError, match="no clips in valid"):
        make_task(split="empty").folds(manifest, splits)


def test_multi_class_targets_may_differ_from_modality_to_modality():
    columns = {"M": "emotion", "T": "emotion_T"}
    task = make_task("multi_class", label=None, classes=("happy", "sad"), annotations=columns)
    said = {"a": ("sad", "happy"), "b": ("happy", "sad")}
    clips = [Clip(i, labels={"emotion": m, "emotion_T": t}) for i, (m, t) in said.items()]
    targets = task.targets(clips)
    assert task.annotations == ("M", "T")
    assert (targets["M"].tolist(), targets["T"].tolist()) == ([1, 0], [0, 1])
    with pytest.raises(ValueError, match="has no `label`"):
        make_task("multi_class", classes=("happy", "sad"), annotations=columns)
