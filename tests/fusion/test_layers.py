"""Layers against torch's own and against loops."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.fusion.layers import (
    SIMILARITIES,
    TransformerLayer,
    compatible_impostors,
    draw_impostors,
    masked_adaptive_mean,
    masked_max,
    masked_mean,
)


def test_masked_pooling_equals_pooling_each_clip_alone() -> None:
    x, lengths = torch.randn(3, 5, 2), [5, 2, 0]
    mask = torch.arange(5) >= torch.tensor(lengths).unsqueeze(-1)
    for i, length in enumerate(lengths[:2]):
        torch.testing.assert_close(masked_mean(x, mask)[i], x[i, :length].mean(0))
        torch.testing.assert_close(masked_max(x, mask)[i], x[i, :length].amax(0))
    assert not masked_mean(x, mask)[2].any()
    assert not masked_max(x, mask)[2].any()


@pytest.mark.parametrize("length", [1, 3, 10, 11, 37])
def test_masked_adaptive_mean_equals_torchs_adaptive_pooling(length: int) -> None:
    x = torch.randn(1, 40, 4)
    mask = torch.arange(40)[None] >= length
    expected = functional.adaptive_avg_pool1d(x[:, :length].mT, 10).mT
    torch.testing.assert_close(masked_adaptive_mean(x, mask, 10), expected)


def test_the_transformer_layer_equals_torchs_own() -> None:
    ours, theirs = TransformerLayer(8, 2, 0.0), nn.TransformerEncoderLayer(8, 2, 32, 0.0, batch_first=True)
    theirs.self_attn.in_proj_weight.data = ours.query_key_value.weight.data
    theirs.self_attn.in_proj_bias.data = ours.query_key_value.bias.data
    pairs = [(theirs.self_attn.out_proj, ours.out), (theirs.linear1, ours.feed_forward[0]), (theirs.linear2, ours.feed_forward[3])]
    for target, source in [*pairs, (theirs.norm1, ours.norm_attention), (theirs.norm2, ours.norm_feed_forward)]:
        target.load_state_dict(source.state_dict())
    x, mask = torch.randn(3, 5, 8), torch.arange(5) >= torch.tensor([5, 3, 1]).unsqueeze(-1)
    torch.testing.assert_close(ours(x, mask)[~mask], theirs(x, src_key_padding_mask=mask)[~mask], atol=1e-5, rtol=1e-5)


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
