"""TFN's outer product against a loop and an einsum."""

import itertools

import torch

from pipeline.fusion.base import make_model
from pipeline.fusion.subnet_fusion import OuterProduct
from pipeline.fusion.tfn import TFNHyperparams
from tests.fusion.batches import make_batch, make_spec
from tests.fusion.sims import SPEC, average_net, count_parameters, linear, lstm, make_sims_batch

SMALL = {"text_dim": 8, "text_out": 8, "audio_dim": 4, "video_dim": 6, "fusion_dim": 8}


def test_its_size_on_sims_is_the_papers() -> None:
    nets = lstm(768, 128) + linear(128, 256) + average_net(33, 32) + average_net(709, 128)
    assert count_parameters("tfn") == nets + linear(257 * 129 * 33, 32, 32, 1)


def test_it_serves_the_papers_shapes() -> None:
    logits = make_model("tfn", {}, SPEC).eval()(make_sims_batch()).logits
    assert logits.shape == (2, 1)
    assert torch.isfinite(logits).all()


def test_the_fusion_is_a_linear_layer_on_the_outer_product() -> None:
    torch.manual_seed(0)
    fusion = OuterProduct({"text": 3, "audio": 2, "video": 4}, TFNHyperparams(fusion_dim=5), 1).eval()
    codes = [torch.randn(6, width) for width in (3, 2, 4)]
    t, a, v = (torch.cat([x, torch.ones(6, 1)], dim=1) for x in codes)
    assert fusion.weight.shape == (5, 4, 3, 5)  # the widest first: video, text, audio
    by_einsum = torch.einsum("bi,bj,bk,jikd->bd", t, v, a, fusion.weight)
    by_loop = torch.zeros(6, 5)
    for b, i, j, k in itertools.product(range(6), range(4), range(5), range(3)):
        by_loop[b] += t[b, i] * v[b, j] * a[b, k] * fusion.weight[j, i, k].detach()
    torch.testing.assert_close(fusion.contract(codes), by_einsum + fusion.bias)
    torch.testing.assert_close(fusion.contract(codes).detach(), by_loop + fusion.bias.detach())


def test_without_a_modality_the_product_of_the_others_is_left() -> None:
    model, batch = make_model("tfn", SMALL, make_spec()).eval(), make_batch()
    codes = model.encode(model.inputs(batch.without("audio")))
    text, video = (torch.cat([codes[m], torch.ones(6, 1)], dim=1) for m in ("text", "video"))
    bimodal = torch.einsum("bi,bj,ijd->bd", text, video, model.fusion.weight[:, :, -1])  # widths 8, 6, 4: text, video, audio
    torch.testing.assert_close(model.fusion.contract(list(codes.values())), bimodal + model.fusion.bias)


def test_two_modalities_make_a_matrix() -> None:
    model = make_model("tfn", SMALL, make_spec(dims={"text": 6, "video": 7}))
    assert model.fusion.weight.shape == (9, 7, 8)
