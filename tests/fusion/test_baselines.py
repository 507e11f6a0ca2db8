"""constant, linear, late_average and concat, each against the plain thing it says it is."""

import numpy as np
import pytest
import torch

from pipeline.fusion.base import ClosedFormModel, make_model
from tests.fusion.batches import make_batch, make_criteria, make_small, make_spec, remove
from tests.fusion.sims import linear
from tests.fusion.test_zoo import select


def fit(name: str, kind: str, batch, choose=select) -> ClosedFormModel:  # type: ignore[no-untyped-def]
    model = make_small(name, kind)
    model.fit([model.inputs(batch)], [model.inputs(batch)], choose)
    return model


def test_the_constant_of_a_regression_is_the_median() -> None:
    batch = make_batch("regression", size=5)
    assert float(fit("constant", "regression", batch)(batch).logits[0]) == pytest.approx(float(batch.targets["M"].median()))


def test_the_constant_of_classes_predicts_the_majority() -> None:
    batch = make_batch("multi_class", size=6)
    batch.targets["M"] = torch.tensor([2, 2, 2, 0, 1, 2])
    assert (fit("constant", "multi_class", batch)(batch).logits.argmax(1) == 2).all()


@pytest.mark.parametrize("best", [-1.0, 1.0])
def test_the_constant_of_labels_is_what_valid_prefers(best: float) -> None:
    batch = make_batch()
    logits = fit("constant", "multi_label", batch, lambda logits, _: float(logits.mean() * best))(batch).logits
    assert torch.equal(logits, torch.full((6, 3), 10.0 * best))


@pytest.mark.parametrize("kind", ["multi_label", "multi_class", "regression"])
def test_linear_predicts_as_scikit_learn_does(kind: str) -> None:
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    batch = make_batch(kind, size=12)
    lengths = {m: (~batch.padding_mask[m]).sum(1) for m in batch.features}
    pooled = np.concatenate([(x.sum(1) / lengths[m].unsqueeze(-1)).numpy() for m, x in batch.features.items()], axis=1)
    x, y = StandardScaler().fit_transform(pooled), batch.targets["M"].numpy()
    model = make_small("linear", kind, penalties=[1.0])
    model.fit([batch], [batch], select)
    ours = model(batch).logits
    if kind == "regression":
        expected = Ridge(alpha=1.0).fit(x, y).predict(x).reshape(-1, 1)
        np.testing.assert_allclose(ours, expected, atol=1e-4)
    elif kind == "multi_class":
        expected = LogisticRegression(C=1.0).fit(x, y).predict_proba(x)
        np.testing.assert_allclose(ours.softmax(1), expected, atol=1e-3)
    else:
        weight = {0: 1.0, 1: float((y[:, 0] == 0).sum() / y[:, 0].sum())}
        expected = LogisticRegression(C=1.0, class_weight=weight).fit(x, y[:, 0]).predict_proba(x)[:, 1]
        np.testing.assert_allclose(ours.sigmoid()[:, 0], expected, atol=1e-3)


def test_linear_survives_labels_that_never_vary_and_classes_that_are_absent() -> None:
    labels = make_batch()
    labels.targets["M"][:, 0], labels.targets["M"][:, 1] = 0.0, 1.0
    logits = fit("linear", "multi_label", labels)(labels).logits
    assert (logits[:, 0] < -5).all()
    assert (logits[:, 1] > 5).all()
    classes = make_batch("multi_class")
    classes.targets["M"] = torch.tensor([1, 3, 1, 3, 1, 3])
    assert set(fit("linear", "multi_class", classes)(classes).logits.argmax(1).tolist()) == {1, 3}
    classes.targets["M"] = torch.full((6,), 2)
    assert (fit("linear", "multi_class", classes)(classes).logits.argmax(1) == 2).all()


def test_linear_takes_a_missing_modality_at_the_train_mean() -> None:
    batch = remove(make_batch(), "audio", [1])
    pooled = fit("linear", "multi_label", batch).pool(batch)
    assert not pooled[1, 6:11].any()
    assert pooled[0, 6:11].any()


@pytest.mark.parametrize("kind", ["multi_label", "multi_class", "regression"])
def test_late_average_averages_probabilities_of_the_present_modalities(kind: str) -> None:
    batch = remove(make_batch(kind), "video", [2])
    output = make_small("late_average", kind).eval()(batch)
    to_probability = {"multi_label": torch.sigmoid, "multi_class": lambda x: x.softmax(-1), "regression": lambda x: x}[kind]
    heads = {m: to_probability(x) for m, x in output.heads.items()}
    expected = (heads["text"] + heads["audio"] + heads["video"]) / 3
    expected[2] = (heads["text"][2] + heads["audio"][2]) / 2
    torch.testing.assert_close(to_probability(output.logits), expected)


def test_in_late_average_no_net_learns_from_another() -> None:
    batch = make_batch("regression")
    model = make_small("late_average", "regression").eval()
    output = model(batch)
    loss = model.loss(output, batch, make_criteria("regression"))
    torch.testing.assert_close(loss, sum((x - batch.targets["M"]).abs().mean() for x in output.heads.values()))


def test_concat_pools_the_videos_map_and_the_other_sequences() -> None:
    model, batch = make_small("concat"), make_batch()
    pooled = [batch.features["text"].masked_fill(batch.padding_mask["text"].unsqueeze(-1), -99).amax(1)]
    pooled += [batch.features["audio"].masked_fill(batch.padding_mask["audio"].unsqueeze(-1), -99).amax(1), batch.maps["video"].amax(1)]
    torch.testing.assert_close(model(batch).logits, model.classifier(torch.cat(pooled, dim=-1)))


def test_the_matchmap_papers_concatenation_has_1024_inputs() -> None:
    spec = make_spec("multi_class", dims={"audio": 512, "video": 512}, maps={"video": (49, 512)})
    assert all(tuple(make_model(name, {}, spec).classifier[1].weight.shape) == (4, 1024) for name in ("concat", "concat_av"))


@pytest.mark.parametrize(("modality", "width"), [("text", 768), ("audio", 128), ("video", 1408)])
def test_a_modality_alone_has_source_ones_encoder(modality: str, width: int) -> None:
    spec = make_spec("multi_class", dims={modality: width}, maps={})
    model = make_model(f"{modality}_only", {"dim": 512, "num_heads": 8}, spec)
    layers = 2 * (12 * 512**2 + 13 * 512)
    assert sum(p.numel() for p in model.parameters()) == linear(width, 512, 512) + 512 + layers + linear(512, 4)


def test_concat_av_does_not_read_the_text() -> None:
    model, batch = make_small("concat_av"), make_batch()
    assert model.modalities == ("audio", "video")
    assert torch.equal(model(batch.without("text")).logits, model(batch).logits)
