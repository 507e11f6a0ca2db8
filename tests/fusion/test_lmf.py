"""LMF's low-rank product against the full tensor."""

import torch

from pipeline.fusion.base import make_model
from pipeline.fusion.lmf import LMFHyperparams
from pipeline.fusion.subnet_fusion import LowRank
from tests.fusion.batches import make_batch, make_spec, train
from tests.fusion.sims import SPEC, average_net, count_parameters, linear, lstm, make_sims_batch

SMALL = {"text_dim": 8, "text_out": 8, "audio_dim": 8, "video_dim": 8}


def test_its_size_on_sims_is_the_papers() -> None:
    nets = lstm(768, 64) + linear(64, 32) + average_net(33, 16) + average_net(709, 64)
    assert count_parameters("lmf") == nets + 4 * (33 + 17 + 65) + 4 + 1
    assert make_model("lmf", {}, SPEC).eval()(make_sims_batch()).logits.shape == (2, 1)


def test_the_low_rank_product_is_a_linear_layer_on_the_full_tensor() -> None:
    torch.manual_seed(0)
    fusion = LowRank({"text": 3, "audio": 2, "video": 4}, LMFHyperparams(rank=2), 5)
    codes = [torch.randn(6, width) for width in (3, 2, 4)]
    t, a, v = (torch.cat([x, torch.ones(6, 1)], dim=1) for x in codes)
    full = torch.zeros(4, 3, 5, 5)
    for rank, weight in enumerate(fusion.weight):
        factors = [factor[:, rank] for factor in fusion.factors]
        full = full + weight * torch.einsum("io,jo,ko->ijko", *factors)
    expected = torch.einsum("bi,bj,bk,ijko->bo", t, a, v, full) + fusion.bias
    torch.testing.assert_close(fusion(codes), expected)


def test_the_weights_of_the_ranks_are_trained() -> None:
    model = make_model("lmf", SMALL, make_spec())
    before = model.fusion.weight.detach().clone(), model.fusion.bias.detach().clone()
    train(model, make_batch(), steps=1)
    assert (model.fusion.weight != before[0]).all()
    assert (model.fusion.bias != before[1]).all()


def test_the_factors_learn_at_their_own_rate() -> None:
    others, factors = make_model("lmf", SMALL, make_spec()).param_groups(2e-3, 0.0)
    assert [p.ndim for p in factors["params"]] == [3, 3, 3]
    assert (others["lr"], factors["lr"]) == (2e-3, 5e-4)
