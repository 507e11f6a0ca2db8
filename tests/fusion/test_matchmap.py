"""The matchmap rows: the map by a loop, and what the margin loss does."""

import pytest
import torch

from pipeline.fusion.layers import masked_adaptive_mean
from tests.fusion.batches import make_batch, make_criteria, make_small, train

ROWS = pytest.mark.parametrize("name", ["matchmap_sisa", "matchmap_misa", "matchmap_sima"])


def test_the_map_is_the_scaled_product_of_projections_by_a_loop() -> None:
    model, batch = make_small("matchmap_sisa").eval(), make_batch()
    matchmap = model(batch).extras["matchmap"]
    audio = model.project_audio(masked_adaptive_mean(batch.features["audio"], batch.padding_mask["audio"], 10))
    video = model.project_video(batch.maps["video"])
    assert matchmap.shape == (6, 4, 10)
    for b, p, t in [(0, 0, 0), (2, 3, 9), (5, 1, 4)]:
        torch.testing.assert_close(matchmap[b, p, t], (video[b, p] * audio[b, t]).sum() / 8**0.5)


@ROWS
def test_the_margin_loss_gives_both_projections_gradient(name: str) -> None:
    model, batch = make_small(name), make_batch()
    model.margin_loss(model(batch), batch).backward()
    assert model.project_video.weight.grad.abs().sum() > 0
    assert model.project_audio.weight.grad.abs().sum() > 0
    assert model.classifier.weight.grad is None


@ROWS
def test_the_margin_losss_weight_changes_the_logits(name: str) -> None:
    batch, logits = make_batch(), []
    for weight in (0.0, 0.5):
        model = make_small(name, aux_weight=weight)
        train(model, batch, steps=5)
        logits.append(model.eval()(batch).logits)
    assert not torch.allclose(*logits, atol=1e-4)


def test_the_three_similarities_train_differently() -> None:
    batch, logits = make_batch(), []
    for name in ("matchmap_sisa", "matchmap_misa", "matchmap_sima"):
        model = make_small(name, aux_weight=1.0)
        train(model, batch, steps=5)
        logits.append(model.eval()(batch).logits)
    assert not torch.allclose(logits[0], logits[1])
    assert not torch.allclose(logits[1], logits[2])


def test_without_a_valid_impostor_there_is_no_term() -> None:
    model, batch = make_small("matchmap_sima", aux_weight=3.0), make_batch()
    batch.targets["M"] = torch.ones_like(batch.targets["M"])
    output = model(batch)
    assert float(model.margin_loss(output, batch).detach()) == 0.0
    criteria = make_criteria("multi_label")
    torch.testing.assert_close(model.loss(output, batch, criteria), criteria["M"](output.logits, batch.targets["M"]))


def test_the_margin_loss_by_hand_for_two_clips() -> None:
    model, batch = make_small("matchmap_sisa", "multi_class"), make_batch("multi_class", size=2)
    output = model(batch)
    video, audio = output.extras["video"], output.extras["audio"]

    def similarity(v: int, a: int) -> torch.Tensor:
        return (video[v] @ audio[a].mT / 8**0.5).mean()

    relu = torch.nn.functional.relu
    terms = [relu(1 + similarity(1 - i, i) - similarity(i, i)) + relu(1 + similarity(i, 1 - i) - similarity(i, i)) for i in range(2)]
    torch.testing.assert_close(model.margin_loss(output, batch), (terms[0] + terms[1]) / 2)


def test_a_clip_without_sound_is_no_impostor_and_has_a_zero_map() -> None:
    batch = make_batch().without("audio")
    model = make_small("matchmap_misa")
    output = model(batch)
    assert not output.extras["matchmap"].any()
    assert float(model.margin_loss(output, batch).detach()) == 0.0


def test_the_papers_setting_has_490_inputs_to_the_classifier() -> None:
    from pipeline.fusion.base import ModelSpec, make_model

    spec = ModelSpec("multi_class", 4, {"audio": 512, "video": 512}, {"video": (49, 512)})
    model = make_model("matchmap_sima", {}, spec)
    assert tuple(model.classifier.weight.shape) == (4, 490)
    assert tuple(model.project_video.weight.shape) == (128, 512)
