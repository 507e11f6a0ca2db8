"""The bottleneck exchange, the fusion of heads and the loss weights, by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from pipeline.errors import ModelError
from pipeline.fusion.base import make_model
from pipeline.fusion.multitask_mbt import LossWeights, MultitaskMBT
from tests.fusion.batches import make_batch, make_criteria, make_small, make_spec, take
from tests.fusion.sims import linear


def layer_size(dim: int) -> int:
    """Attention (4 d² + 4 d), feed-forward (8 d² + 5 d), two norms."""
    return 12 * dim**2 + 13 * dim


def test_its_size_in_emombts_defaults() -> None:
    dims = {"text": 768, "audio": 128, "video": 1408}
    model = make_model("multitask_mbt", {"dim": 512, "num_heads": 8}, replace(make_spec(dims=dims, maps={}), num_outputs=6))
    projections = sum(linear(dim, 512, 512) for dim in dims.values())
    encoders = 2 * (512 + 2 * layer_size(512))  # a CLS and two layers for audio and video
    exchange = 3 * 512 + 2 * 3 * layer_size(512)  # a token for each pair, two layers for each modality
    assert sum(p.numel() for p in model.parameters()) == projections + encoders + exchange + 3 * linear(512, 6) + 3


def torch_layer(source: nn.Module, dim: int = 8) -> nn.TransformerEncoderLayer:
    """torch's own encoder layer with the weights of ours."""
    layer = nn.TransformerEncoderLayer(dim, 2, 4 * dim, 0.0, batch_first=True)
    layer.self_attn.in_proj_weight.data = source.query_key_value.weight.data
    layer.self_attn.in_proj_bias.data = source.query_key_value.bias.data
    for target, ours in [
        (layer.self_attn.out_proj, source.out),
        (layer.linear1, source.feed_forward[0]),
        (layer.linear2, source.feed_forward[3]),
        (layer.norm1, source.norm_attention),
        (layer.norm2, source.norm_feed_forward),
    ]:
        target.load_state_dict(ours.state_dict())
    return layer


def test_a_bottleneck_layer_is_torchs_layer_on_two_shared_tokens_that_are_averaged() -> None:
    model = make_small("multitask_mbt", num_bottleneck_layers=1, dropout=0.0).eval()
    batch = take(make_batch(), [0])
    encoded = {m: model.encode(m, batch) for m in model.modalities}
    ta, tv, av = model.bottlenecks  # pairs text–audio, text–video, audio–video
    own = {"text": [ta, tv], "audio": [ta, av], "video": [tv, av]}
    for m, (x, mask) in encoded.items():
        joined = torch.cat([torch.stack(own[m])[None], x[:, ~mask[0]]], dim=1)
        expected = torch_layer(model.layers[0][m])(joined)[:, 2:]
        torch.testing.assert_close(model.exchange(encoded, batch.present)[m][:, ~mask[0]], expected, atol=1e-5, rtol=1e-5)


def test_the_shared_token_is_the_mean_of_the_copies_that_exist() -> None:
    before, copies = torch.zeros(3, 2), {"text": torch.ones(3, 2), "audio": torch.full((3, 2), 3.0)}
    present = {"text": torch.tensor([True, True, False]), "audio": torch.tensor([True, False, False])}
    assert MultitaskMBT.merge(before, copies, present)[:, 0].tolist() == [2.0, 1.0, 0.0]


def test_the_fused_logits_are_the_weighted_sum_of_the_present_heads() -> None:
    model, batch = make_small("multitask_mbt").eval(), make_batch()
    with torch.no_grad():
        model.fusion.weight.copy_(torch.tensor([0.5, 0.2, 0.3]))
    output = model(batch)
    torch.testing.assert_close(output.logits, 0.5 * output.heads["text"] + 0.2 * output.heads["audio"] + 0.3 * output.heads["video"])
    silent = model(batch.without("audio"))
    torch.testing.assert_close(silent.logits, 0.5 * silent.heads["text"] + 0.3 * silent.heads["video"])


def test_one_bottleneck_for_all_is_the_mean_of_three_copies() -> None:
    model, batch = make_small("multitask_mbt", num_bottleneck_layers=1, dropout=0.0, centre="all").eval(), take(make_batch(), [0])
    assert model.pairs == [("text", "audio", "video")]
    assert model.bottlenecks.shape == (1, 8)
    encoded = {m: model.encode(m, batch) for m in model.modalities}
    found = model.exchange(encoded, batch.present)
    for m, (x, mask) in encoded.items():
        joined = torch.cat([model.bottlenecks[None], x[:, ~mask[0]]], dim=1)
        torch.testing.assert_close(found[m][:, ~mask[0]], torch_layer(model.layers[0][m])(joined)[:, 1:], atol=1e-5, rtol=1e-5)
    copies = {m: torch.full((1, 2), value) for m, value in (("text", 1.0), ("audio", 2.0), ("video", 6.0))}
    assert model.merge(torch.zeros(1, 2), copies, batch.present)[0].tolist() == [3.0, 3.0]


@pytest.mark.parametrize(("centre", "pairs"), [("none", 3), ("text", 2), ("audio", 2), ("video", 2), ("all", 1)])
def test_a_centre_keeps_only_its_own_pairs(centre: str, pairs: int) -> None:
    model = make_small("multitask_mbt", centre=centre)
    assert len(model.pairs) == pairs
    assert all(centre in pair for pair in model.pairs if centre not in ("none", "all"))
    assert torch.isfinite(model.eval()(make_batch()).logits).all()


def test_each_head_learns_its_own_annotation_and_the_keys_are_not_crossed() -> None:
    model, batch = make_small("multitask_mbt", "regression").eval(), make_batch("regression")
    wrong = {"T": torch.full((6, 1), 5.0), "A": torch.full((6, 1), 7.0), "V": torch.full((6, 1), 9.0)}
    output = model(batch)
    losses = model.head_losses(output, replace(batch, targets=batch.targets | wrong), make_criteria("regression"))
    for m, value in {"text": 5.0, "audio": 7.0, "video": 9.0}.items():
        torch.testing.assert_close(losses[m], (output.heads[m] - value).abs().mean())


def test_single_trains_the_fused_output_alone_and_on_m_alone() -> None:
    model, batch = make_small("multitask_mbt", "regression", loss_weighting="single").eval(), make_batch("regression")
    assert model.annotations == ("M",)
    assert make_small("multitask_mbt", "regression").annotations == ("M", "T", "A", "V")
    assert make_small("multitask_mbt").annotations == ("M",)
    fused = (model(batch).logits - batch.targets["M"]).abs().mean()
    torch.testing.assert_close(model.loss(model(batch), batch, make_criteria("regression")), fused)


def test_two_modalities_make_one_pair() -> None:
    model = MultitaskMBT(MultitaskMBT.Hyperparams(dim=8, num_heads=2), make_spec(dims={"audio": 5, "video": 7}))
    assert model.pairs == [("audio", "video")]
    assert torch.isfinite(model.eval()(make_batch()).logits).all()


def test_text_is_read_at_its_encoders_own_cls_and_gets_a_learned_one_where_there_is_none() -> None:
    batch = take(make_batch(), [0])
    own, learned = make_small("multitask_mbt"), make_small("multitask_mbt_learned_cls")
    assert own.encode("text", batch)[0].shape[1] == batch.features["text"].shape[1]
    assert learned.encode("text", batch)[0].shape[1] == 1 + batch.features["text"].shape[1]
    assert set(own.encoders) == {"audio", "video"}
    assert set(learned.encoders) == {"text", "audio", "video"}


def test_dwa_weights_by_hand() -> None:
    weights = LossWeights(2, "dwa", 2.0)
    steps = [torch.tensor([1.0, 2.0]), torch.tensor([0.5, 2.0])]
    for losses in steps:
        torch.testing.assert_close(weights(losses), losses.sum())  # the first two steps weigh all alike
        weights.remember(losses)
    a, b = math.exp(0.5 / 2), math.exp(1.0 / 2)
    expected = 2 * (a * 3.0 + b * 4.0) / (a + b)
    torch.testing.assert_close(weights(torch.tensor([3.0, 4.0])), torch.tensor(expected))


def test_a_head_without_a_clip_in_a_step_does_not_take_all_of_dwas_weight() -> None:
    for empty in (0, 1):
        weights, steps = LossWeights(3, "dwa", 10.0), torch.full((2, 3), 0.6)
        steps[empty, 1] = 0.0
        for losses in steps:
            weights.remember(losses)
        torch.testing.assert_close(weights.dynamic(torch.ones(3)), torch.ones(3))


def test_a_centre_that_the_task_does_not_have_is_refused() -> None:
    with pytest.raises(ModelError, match="`centre` is text"):
        make_model("multitask_mbt", {"centre": "text"}, make_spec(dims={"audio": 5, "video": 7}))


@pytest.mark.parametrize("weighting", ["rruw", "druw"])
def test_uncertainty_weights_by_hand(weighting: str) -> None:
    weights = LossWeights(2, weighting, 10.0)
    assert weights.sigma.tolist() == [0.5, 0.5]
    with torch.no_grad():
        weights.sigma.copy_(torch.tensor([0.5, -1.0]))
    u = (1 / (2 * 0.25), 1 / (2 * 1.0))
    plus = 1.0 if weighting == "druw" else 0.0
    expected = (u[0] + plus) * 3 + (u[1] + plus) * 4 + math.log(1.25) + math.log(2.0) + abs(1 - 1.5)
    torch.testing.assert_close(weights(torch.tensor([3.0, 4.0])), torch.tensor(expected))


@pytest.mark.parametrize("weighting", ["rruw", "druw"])
def test_the_uncertainty_weights_are_optimised_without_weight_decay(weighting: str) -> None:
    groups = make_small("multitask_mbt", loss_weighting=weighting).param_groups(0.1, 0.5)
    assert [group["weight_decay"] for group in groups] == [0.5, 0.0]
    assert [tuple(p.shape) for p in groups[1]["params"]] == [(4,)]


@pytest.mark.parametrize("weighting", ["single", "mean", "dwa", "rruw", "druw"])
def test_every_weighting_gives_every_parameter_a_gradient(weighting: str) -> None:
    model, batch = make_small("multitask_mbt", loss_weighting=weighting), make_batch()
    model.loss(model(batch), batch, make_criteria("multi_label")).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
