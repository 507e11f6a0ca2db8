"""Each metric against scikit-learn, scipy, or a number worked out by hand."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from pipeline.errors import TaskError
from pipeline.tasks import metrics, selection
from pipeline.tasks.confusion import balanced_accuracy, count, f1
from pipeline.tasks.task import Task, TaskConfig


def make_task(kind: str = "multi_label", **changes) -> Task:
    """Return a task with a valid default for its kind."""
    fields = {
        "multi_label": {"labels": ("anger", "joy", "fear")},
        "multi_class": {"label": "emotion", "classes": ("ang", "hap", "neu", "sad")},
        "regression": {"annotations": {"M": "sentiment"}, "range": (-1.0, 1.0)},
    }[kind]
    return Task("t", TaskConfig(**({"corpus": "c", "kind": kind, "split": "s", "encoders": {"text": "e"}} | fields | changes)))


def score(task, preds, target, thresholds=None):
    """Return the metrics of predictions, key → float."""
    sums = metrics.statistics(task, preds, target, thresholds).sum(axis=0)
    return {key: float(value) for key, value in metrics.formula(task, sums).items()}


@pytest.fixture
def multi_label():
    rng = np.random.default_rng(0)
    return rng.random((200, 3)), (rng.random((200, 3)) < [0.1, 0.5, 0.8]).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("accuracy", sklearn.metrics.accuracy_score),
        ("balanced_accuracy", sklearn.metrics.balanced_accuracy_score),
        ("f1", sklearn.metrics.f1_score),
        ("weighted_f1", lambda y, p: sklearn.metrics.f1_score(y, p, average="weighted")),
        ("precision", sklearn.metrics.precision_score),
        ("recall", sklearn.metrics.recall_score),
    ],
)
def test_multi_label_metrics_equal_scikit_learn(multi_label, name, reference):
    preds, target = multi_label
    values = score(make_task(), preds, target, np.array([0.2, 0.5, 0.7]))
    expected = [reference(target[:, i] > 0, preds[:, i] > t) for i, t in enumerate((0.2, 0.5, 0.7))]
    assert [values[f"{name}/{label}"] for label in ("anger", "joy", "fear")] == pytest.approx(expected)
    assert values[name] == pytest.approx(np.mean(expected))


def test_multi_class_metrics_equal_scikit_learn():
    rng = np.random.default_rng(1)
    preds, target = rng.random((300, 4)), rng.integers(0, 4, 300)
    values, chosen = score(make_task("multi_class"), preds, target), preds.argmax(axis=1)
    assert values["wa"] == pytest.approx(sklearn.metrics.accuracy_score(target, chosen))
    assert values["ua"] == pytest.approx(sklearn.metrics.recall_score(target, chosen, average="macro"))
    assert values["weighted_f1"] == pytest.approx(sklearn.metrics.f1_score(target, chosen, average="weighted"))
    assert values["macro_f1"] == pytest.approx(sklearn.metrics.f1_score(target, chosen, average="macro"))
    for name, reference in (("recall", sklearn.metrics.recall_score), ("precision", sklearn.metrics.precision_score)):
        assert [values[f"{name}/{c}"] for c in ("ang", "hap", "neu", "sad")] == pytest.approx(reference(target, chosen, average=None))


def test_a_class_that_neither_truth_nor_prediction_has_leaves_macro_f1_as_scikit_learn_has_it():
    target, chosen = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])
    values = score(make_task("multi_class"), np.eye(4)[chosen], target)
    assert values["macro_f1"] == pytest.approx(sklearn.metrics.f1_score(target, chosen, average="macro"))


def test_ranking_metrics_equal_scikit_learn_and_leave_out_a_label_of_one_class(multi_label):
    preds, target = multi_label
    target = target * [1, 1, 0]
    values = metrics.ranking_metrics(make_task(), preds, target)
    assert values["roc_auc"] == pytest.approx(sklearn.metrics.roc_auc_score(target[:, :2], preds[:, :2], average="macro"))
    assert values["average_precision"] == pytest.approx(sklearn.metrics.average_precision_score(target[:, :2], preds[:, :2]))
    assert np.isnan(values["roc_auc/fear"])


def test_all_positive_scores_as_in_the_mosei_table():
    target = np.arange(4188)[:, None] < 2220
    counts = count(np.ones_like(target), target)
    assert float(f1(counts)[0]) == pytest.approx(0.6929, abs=5e-5)
    assert float(balanced_accuracy(counts)[0]) == 0.5


def test_all_negative_scores_as_ef_lstm_on_ch_sims_and_not_with_swapped_arguments():
    target = np.where(np.arange(457) < 317, -0.4, 0.6)[:, None]
    values = score(make_task("regression"), np.full((457, 1), -0.1), target)
    assert 100 * values["acc2"] == pytest.approx(69.37, abs=5e-3)
    assert 100 * values["sims_f1"] == pytest.approx(56.82, abs=5e-3)
    swapped = sklearn.metrics.f1_score(np.zeros(457), target[:, 0] > 0, average="weighted")
    assert 100 * swapped == pytest.approx(81.91, abs=5e-3)
    assert values["corr"] == 0.0


def test_sims_metrics_count_zero_as_negative_and_close_bins_on_the_right():
    target = np.array([[0.0], [0.2], [-0.1], [0.1], [0.7], [-0.7], [1.0]], np.float32)
    preds = np.array([[-0.05], [0.15], [-0.2], [0.0], [0.2], [-1.5], [0.8]])
    values = score(make_task("regression"), preds, target)
    assert values["acc2"] == pytest.approx(6 / 7)  # only 0.1 against 0.0 differs
    assert values["acc3"] == 1.0
    assert values["acc5"] == 1.0
    assert values["mae"] == pytest.approx(np.abs(np.clip(preds, -1, 1) - target).mean())


def test_correlations_equal_scipy():
    rng = np.random.default_rng(2)
    target = rng.uniform(-1, 1, (80, 1))
    preds = np.clip(target + rng.normal(0, 0.5, (80, 1)), -1, 1)
    values = score(make_task("regression"), preds, target)
    assert values["corr"] == pytest.approx(scipy.stats.pearsonr(target[:, 0], preds[:, 0]).statistic)
    covariance = np.cov(target[:, 0], preds[:, 0], bias=True)
    assert values["ccc"] == pytest.approx(2 * covariance[0, 1] / (covariance.trace() + (target.mean() - preds.mean()) ** 2))


def test_mosi_metrics_with_and_without_zero():
    task = make_task("regression", range=(-3.0, 3.0), scale="mosi")
    target = np.array([[0.0], [0.0], [1.4], [-2.6], [2.2], [-0.2]])
    preds = np.array([[0.0], [-0.3], [0.4], [-3.0], [2.6], [0.1]])
    values, truth, chosen = score(task, preds, target), target[:, 0], preds[:, 0]
    kept = truth != 0
    assert values["acc2_with_zero"] == pytest.approx(np.mean((truth >= 0) == (chosen >= 0)))
    assert values["acc2_without_zero"] == pytest.approx(np.mean((truth[kept] > 0) == (chosen[kept] > 0)))
    f1_without = sklearn.metrics.f1_score(truth[kept] > 0, chosen[kept] > 0, average="weighted")
    assert values["f1_without_zero"] == pytest.approx(f1_without)
    assert values["acc7"] == pytest.approx(4 / 6)  # 1 against 0 and 2 against 3 differ
    assert values["acc5_rounded"] == pytest.approx(5 / 6)  # both 2.2 and 2.6 are 2 once clipped


def above(values, edges):
    """Return how many edges each value lies above, (clips,)."""
    return sum((values > edge).astype(int) for edge in edges)


def test_sims_metrics_equal_scikit_learn_and_scipy():
    rng = np.random.default_rng(3)
    truth = rng.integers(-5, 6, 400) / 5
    chosen = np.clip(truth + rng.normal(0, 0.4, 400), -1, 1)
    values = score(make_task("regression"), chosen[:, None], truth[:, None])
    for name, edges in (("acc2", (0,)), ("acc3", (-0.1, 0.1)), ("acc5", (-0.7, -0.1, 0.1, 0.7))):
        assert values[name] == pytest.approx(sklearn.metrics.accuracy_score(above(truth, edges), above(chosen, edges)))
    assert values["sims_f1"] == pytest.approx(sklearn.metrics.f1_score(truth > 0, chosen > 0, average="weighted"))
    assert values["mae"] == pytest.approx(sklearn.metrics.mean_absolute_error(truth, chosen))
    assert values["corr"] == pytest.approx(scipy.stats.pearsonr(truth, chosen).statistic)


def test_mosei_metrics_equal_scikit_learn_and_scipy():
    rng = np.random.default_rng(4)
    truth = rng.integers(-9, 10, 500) / 3
    chosen = np.clip(truth + rng.normal(0, 1, 500), -3, 3)
    values, kept = score(make_task("regression", range=(-3.0, 3.0), scale="mosi"), chosen[:, None], truth[:, None]), truth != 0
    assert values["acc2_with_zero"] == pytest.approx(sklearn.metrics.accuracy_score(truth >= 0, chosen >= 0))
    assert values["f1_with_zero"] == pytest.approx(sklearn.metrics.f1_score(truth >= 0, chosen >= 0, average="weighted"))
    assert values["acc2_without_zero"] == pytest.approx(sklearn.metrics.accuracy_score(truth[kept] > 0, chosen[kept] > 0))
    assert values["f1_without_zero"] == pytest.approx(sklearn.metrics.f1_score(truth[kept] > 0, chosen[kept] > 0, average="weighted"))
    for name, limit in (("acc7", 3), ("acc5_rounded", 2)):
        rounded = [[round(max(-limit, min(limit, float(v)))) for v in each] for each in (truth, chosen)]
        assert values[name] == pytest.approx(sklearn.metrics.accuracy_score(*rounded))
    assert values["mae"] == pytest.approx(sklearn.metrics.mean_absolute_error(truth, chosen))
    assert values["corr"] == pytest.approx(scipy.stats.pearsonr(truth, chosen).statistic)


def test_one_class_in_truth_leaves_balanced_accuracy_its_only_recall():
    target = np.ones((4, 3), np.float32)
    preds = np.array([[0.9, 0.1, 0.9]] * 4)
    values = score(make_task(), preds, target, np.full(3, 0.5))
    assert [values[f"balanced_accuracy/{label}"] for label in ("anger", "joy", "fear")] == [1.0, 0.0, 1.0]
    absent = score(make_task(), 0 * preds, 0 * target, np.full(3, 0.5))
    assert (absent["f1"], absent["accuracy"]) == (0.0, 1.0)


def test_predictions_that_are_not_finite_or_of_another_length_are_refused(multi_label):
    preds, target = multi_label
    with pytest.raises(TaskError, match="199 predictions for 200 clips"):
        metrics.statistics(make_task(), preds[1:], target, np.full(3, 0.5))
    with pytest.raises(TaskError, match="not finite"):
        metrics.statistics(make_task(), np.full_like(preds, np.nan), target, np.full(3, 0.5))
    with pytest.raises(TaskError, match="thresholds"):
        metrics.statistics(make_task(), preds, target)


def test_statistics_add_up_over_clips_and_any_leading_axes(multi_label):
    preds, target = multi_label
    rows = metrics.statistics(make_task(), preds, target, np.full(3, 0.5))
    stacked = metrics.formula(make_task(), np.stack([rows[:90].sum(axis=0), rows.sum(axis=0)]))
    assert float(stacked["f1"][1]) == pytest.approx(score(make_task(), preds, target, np.full(3, 0.5))["f1"])


def test_every_metric_has_a_definition(multi_label):
    preds, target = multi_label
    keys = set(score(make_task(), preds, target, np.full(3, 0.5))) | set(score(make_task("multi_class"), np.eye(4), np.arange(4)))
    for scale in ("sims", "mosi"):
        keys |= set(score(make_task("regression", scale=scale), preds[:, :1], target[:, :1]))
    assert {key.split("/")[0] for key in keys} <= set(metrics.METRICS)


def test_the_first_threshold_of_the_largest_f1_is_taken_strictly_above():
    target = np.array([[True], [True], [False]])
    assert selection.search_thresholds(np.array([[0.9], [0.8], [0.3]]), target)[0] == 0.3  # 0.3 > 0.3 is False
    assert selection.search_thresholds(np.array([[0.9], [0.8], [0.02]]), target)[0] == 0.05
    assert selection.search_thresholds(np.zeros((3, 1)), target)[0] == 0.05
