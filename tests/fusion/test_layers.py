"""Layers against torch's own and against loops."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.fusion.layers import TransformerLayer, masked_adaptive_mean, masked_max, masked_mean


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
