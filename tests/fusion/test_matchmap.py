"""The matchmap rows: similarities and impostors, the map by a loop, what the margin loss does, and segments against clips of their own."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.errors import ModelError
from pipeline.fusion.layers import masked_adaptive_mean
from pipeline.fusion.matchmap import SIMILARITIES, compatible_impostors, draw_impostors
from tests.fusion.batches import make_batch, make_criteria, make_small, take, train

ROWS = pytest.mark.parametrize("name", ["matchmap_sisa", "matchmap_misa", "matchmap_sima"])


@pytest.mark.parametrize("name", SIMILARITIES)
def test_the_similarities_equal_a_loop_over_positions_and_steps(name: str) -> None:
    matchmap = torch.randn(2, 4, 3)
    over = {"sisa": (np.mean, np.mean), "misa": (np.max, np.mean), "sima": (np.mean, np.max)}[name]
    for b in range(2):
        rows = [[float(matchmap[b, p, t]) for t in range(3)] for p in range(4)]
        if name == "misa":
            expected = over[1]([over[0]([rows[p][t] for p in range(4)]) for t in range(3)])
        else:
            expected = over[0]([over[1](rows[p]) for p in range(4)])
        assert float(SIMILARITIES[name](matchmap)[b]) == pytest.approx(float(expected), abs=1e-6)


def test_an_impostor_has_another_class() -> None:
    allowed = compatible_impostors(torch.tensor([0, 0, 1]), "multi_class", 1.0)
    assert allowed.tolist() == [[False, False, True], [False, False, True], [True, True, False]]


def test_an_impostor_has_a_disjoint_label_set_and_two_empty_sets_are_equal() -> None:
    target = torch.tensor([[1.0, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0]])
    allowed = compatible_impostors(target, "multi_label", 1.0)
    assert allowed[0].tolist() == [False, False, True, True, True]
    assert allowed[3].tolist() == [True, True, True, False, False]


def test_an_impostors_value_is_more_than_half_a_deviation_away() -> None:
    allowed = compatible_impostors(torch.tensor([[0.0], [0.4], [0.6]]), "regression", 1.0)
    assert allowed.tolist() == [[False, False, True], [False, False, False], [True, False, False]]


def test_impostors_are_allowed_ones_and_all_of_them_are_drawn() -> None:
    torch.manual_seed(0)
    allowed = torch.tensor([[False, True, True], [False, False, False], [True, False, False]])
    draws = [draw_impostors(allowed) for _ in range(40)]
    assert {int(index[0]) for index, _ in draws} == {1, 2}
    assert all(int(index[2]) == 0 for index, _ in draws)
    assert all(valid.tolist() == [True, False, True] for _, valid in draws)


def test_the_map_is_the_scaled_product_of_projections_by_a_loop() -> None:
    model, batch = make_small("matchmap_sisa").eval(), make_batch()
    matchmap = model(batch).extras["matchmap"]
    audio = model.project_audio(masked_adaptive_mean(batch.features["audio"], batch.padding_mask["audio"], 10))
    video = model.project_video(batch.maps["video"])
    assert matchmap.shape == (6, 1, 4, 10)  # one segment
    for b, p, t in [(0, 0, 0), (2, 3, 9), (5, 1, 4)]:
        torch.testing.assert_close(matchmap[b, 0, p, t], (video[b, p] * audio[b, t]).sum() / 8**0.5)


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
    video, audio = output.extras["video"], output.extras["audio"][:, 0]

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


def split_clips(steps: int, kind: str = "multi_class"):
    """A batch, and the same batch with each segment of its sound as a clip of its own; and the clip that each comes from."""
    batch = make_batch(kind)
    lengths = (~batch.padding_mask["audio"]).sum(1).tolist()
    pieces = [(b, start, min(length, start + steps)) for b, length in enumerate(lengths) for start in range(0, length, steps)]
    clips = take(batch, [b for b, _, _ in pieces])
    audio, mask = torch.zeros(len(pieces), steps, 5), torch.ones(len(pieces), steps, dtype=torch.bool)
    for i, (b, start, end) in enumerate(pieces):
        audio[i, : end - start], mask[i, : end - start] = batch.features["audio"][b, start:end], False
    changed = {"features": {**clips.features, "audio": audio}, "padding_mask": {**clips.padding_mask, "audio": mask}}
    return batch, replace(clips, **changed), [b for b, _, _ in pieces]


def test_an_utterances_logits_are_the_mean_of_its_segments_as_clips_of_their_own() -> None:
    batch, clips, owner = split_clips(steps=2)
    segmented, whole = make_small("matchmap_sima", "multi_class", segment_steps=2).eval(), make_small("matchmap_sima", "multi_class").eval()
    alone = whole(clips).logits
    for b in range(len(batch)):
        expected = alone[[i for i, o in enumerate(owner) if o == b]].mean(0)
        torch.testing.assert_close(segmented(batch).logits[b], expected, atol=1e-5, rtol=1e-5)


@ROWS
def test_the_loss_of_segments_is_that_of_clips_of_their_own_which_inherit_the_label(name: str) -> None:
    batch, clips, _ = split_clips(steps=2)
    losses = []
    for model, x in ((make_small(name, "multi_class", segment_steps=2, aux_weight=0.5), batch), (make_small(name, "multi_class"), clips)):
        model.hyperparams = replace(model.hyperparams, aux_weight=0.5)
        output = model(x)
        torch.manual_seed(3)  # the same impostors for both
        losses.append(model.loss(output, x, make_criteria("multi_class")))
    torch.testing.assert_close(*losses, atol=1e-5, rtol=1e-5)


def test_one_segment_as_long_as_the_longest_clip_is_the_whole_utterance() -> None:
    batch = make_batch()
    whole, segmented = (make_small("matchmap_sima", segment_steps=steps).eval()(batch).logits for steps in (0, 5))
    torch.testing.assert_close(segmented, whole)


def test_a_clip_without_sound_says_the_bias_in_segments_too() -> None:
    model = make_small("matchmap_sima", segment_steps=2).eval()
    output = model(make_batch().without("audio"))
    torch.testing.assert_close(output.logits, model.classifier.bias.expand(6, -1))


def test_segments_of_less_than_no_steps_are_refused() -> None:
    with pytest.raises(ModelError, match="segment_steps 0 or more"):
        make_small("matchmap_sima", segment_steps=-1)
