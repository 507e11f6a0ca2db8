"""MMIM's bounds against torch's distributions and against a loop."""

from dataclasses import replace

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from pipeline.fusion.base import FusionModel, make_model
from pipeline.fusion.mmim import RIDGE, Estimator, contrast, entropy
from tests.fusion.batches import make_batch, make_criteria, make_spec, remove
from tests.fusion.sims import SPEC, count_parameters, linear, lstm, make_sims_batch

SMALL = {"audio_dim": 8, "video_dim": 8, "fusion_dim": 8}


def gradients(model: FusionModel, batch, prefix: str) -> dict[str, torch.Tensor]:  # type: ignore[no-untyped-def]
    """Gradients of the loss with respect to the parameters whose names start with `prefix`."""
    named = {name: p for name, p in model.named_parameters() if name.startswith(prefix)}
    loss = model.loss(model(batch), batch, make_criteria("regression"))
    return dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))


def test_its_size_on_sims_is_the_papers() -> None:
    nets = lstm(33, 16) + lstm(709, 16) + 2 * linear(16, 16)
    bounds = 4 * linear(768, 16, 16) + linear(128, 768) + 2 * linear(128, 16)
    assert count_parameters("mmim") == nets + bounds + linear(768 + 32, 128, 128, 1)
    assert make_model("mmim", {}, SPEC).eval()(make_sims_batch()).logits.shape == (2, 1)


def test_the_estimator_is_a_gaussian() -> None:
    estimator, x, y = Estimator(5, 3), torch.randn(4, 5), torch.randn(4, 3)
    normal = Normal(estimator.mean(x), torch.exp(0.5 * estimator.log_variance(x)))
    expected = normal.log_prob(y).sum(-1) + 1.5 * torch.log(torch.tensor(2 * torch.pi))
    torch.testing.assert_close(estimator(x, y), expected)


def test_the_fusions_bound_is_a_loop_over_clips() -> None:
    codes, predicted = torch.randn(5, 3), torch.randn(5, 3)
    losses = []
    for code in range(5):
        scores = torch.stack([torch.cosine_similarity(codes[code], predicted[j], dim=0) for j in range(5)])
        losses.append(-torch.log(scores[code].exp() / scores.exp().sum()))
    torch.testing.assert_close(contrast(codes, predicted), torch.stack(losses).mean())


def test_the_entropy_is_that_of_a_gaussian_per_class() -> None:
    y = torch.randn(9, 2)
    members = torch.zeros(9, 3, dtype=torch.bool)
    members[:4, 0], members[4:, 1], members[0, 2] = True, True, True  # one clip makes no class
    expected = []
    for group in (y[:4], y[4:]):
        covariance = torch.cov(group.T, correction=0) + RIDGE * torch.eye(2)
        expected.append(MultivariateNormal(torch.zeros(2), covariance).entropy() - (1 + torch.log(torch.tensor(2 * torch.pi))))
    torch.testing.assert_close(entropy(y, members), torch.stack(expected).mean())
    assert float(entropy(y, members[:, 2:])) == 0.0


def test_the_estimator_learns_from_its_likelihood_alone_in_every_epoch() -> None:
    torch.manual_seed(0)
    model, batch = make_model("mmim", {**SMALL, "dropout": 0.0}, make_spec("regression")), make_batch("regression")
    model.after_step(model(batch), batch)
    first, second = (gradients(model, replace(batch, epoch=epoch), "estimators.") for epoch in (1, 2))
    for name, gradient in first.items():
        torch.testing.assert_close(gradient, second[name])


def test_the_network_does_not_learn_from_the_likelihood_in_epoch_one_and_does_from_the_bound_later() -> None:
    torch.manual_seed(0)
    spec, batch = make_spec("regression"), make_batch("regression")
    model = make_model("mmim", {**SMALL, "dropout": 0.0, "alpha": 0.0}, spec)
    model.after_step(model(batch), batch)
    plain = torch.autograd.grad((model(batch).logits - batch.targets["M"]).abs().mean(), model.encoders["audio"].lstm.weight_ih_l0)[0]
    name = "encoders.audio.lstm.weight_ih_l0"
    torch.testing.assert_close(gradients(model, batch, "encoders.")[name], plain)
    assert not torch.allclose(gradients(model, replace(batch, epoch=2), "encoders.")[name], plain, rtol=0.01)


def test_the_loss_is_the_tasks_with_every_bound_of_its_sign() -> None:
    model, batch = make_model("mmim", {**SMALL, "alpha": 0.3, "beta": 0.2}, make_spec("regression")).eval(), make_batch("regression")
    batch, output = replace(batch, epoch=2), model(batch)
    model.after_step(output, batch)
    codes, signs = output.extras, torch.cat([batch.targets["M"] > 0, batch.targets["M"] < 0], dim=1).repeat(2, 1)
    expected = (output.logits - batch.targets["M"]).abs().mean()
    for m in ("text", "audio", "video"):
        expected = expected + 0.3 * contrast(codes[m], model.predictors[m](codes["fusion"]))
    for m in ("audio", "video"):
        likelihood = model.estimators[m](codes["text"], codes[m]).mean()
        expected = expected - likelihood - 0.2 * (likelihood + entropy(codes[m].repeat(2, 1), signs))
    torch.testing.assert_close(model.loss(output, batch, make_criteria("regression")), expected)


@pytest.mark.parametrize("kind", ["multi_label", "multi_class", "regression"])
def test_the_bounds_count_only_clips_that_have_both_modalities(kind: str) -> None:
    model, batch, criteria = make_model("mmim", SMALL, make_spec(kind)).eval(), make_batch(kind), make_criteria(kind)
    batch = replace(remove(batch, "video", [0, 1]), epoch=2)
    output = model(batch)
    model.after_step(output, batch)
    expected = model.loss(output, batch, criteria)
    assert [len(codes) for codes, _ in model.last.values()] == [6, 4]
    output.extras["video"] = torch.where(batch.present["video"].unsqueeze(-1), output.extras["video"], 99.0)
    torch.testing.assert_close(model.loss(output, batch, criteria), expected)
    nobody = batch.without("video")
    assert torch.isfinite(model.loss(model(nobody), nobody, criteria))


def test_without_text_the_audio_predicts_the_video() -> None:
    model = make_model("mmim", SMALL, make_spec(dims={"audio": 5, "video": 7}))
    assert (model.source, model.others) == ("audio", ["video"])
    assert "last" not in "".join(model.state_dict())


def test_the_estimator_has_a_group_of_its_own() -> None:
    others, estimator = make_model("mmim", {"estimator_rate": 2.0}, make_spec()).param_groups(1e-3, 0.1)
    assert (others["lr"], estimator["lr"]) == (1e-3, 2e-3)
    assert len(estimator["params"]) == 2 * 8
