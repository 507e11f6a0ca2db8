"""Attention across sequences against torch's own, positions against their formula."""

import math

import pytest
import torch
from torch import nn

from pipeline.fusion.cross_attention import CrossAttention, DropoutAttention, PreNormLayer, draw_dropped, sinusoidal_positions


def torch_attention(source: CrossAttention, num_heads: int) -> nn.MultiheadAttention:
    """torch's attention with the weights of ours."""
    dim = source.out.in_features
    attention = nn.MultiheadAttention(dim, num_heads, batch_first=True)
    attention.in_proj_weight.data = torch.cat([source.query.weight, source.key_value.weight]).detach()
    attention.in_proj_bias.data = torch.cat([source.query.bias, source.key_value.bias]).detach()
    attention.out_proj.load_state_dict(source.out.state_dict())
    return attention


def make_sequences() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries (3, 4, 8), a source (3, 6, 8), the source's padding mask."""
    torch.manual_seed(0)
    return torch.randn(3, 4, 8), torch.randn(3, 6, 8), torch.arange(6) >= torch.tensor([6, 3, 1]).unsqueeze(-1)


def test_cross_attention_equals_torchs_own() -> None:
    x, source, mask = make_sequences()
    ours = CrossAttention(8, 2)
    expected = torch_attention(ours, 2)(x, source, source, key_padding_mask=mask, need_weights=False)[0]
    torch.testing.assert_close(ours(x, source, mask), expected, atol=1e-6, rtol=1e-5)


def test_a_source_without_a_real_step_adds_nothing_and_spoils_no_gradient() -> None:
    x, source, mask = make_sequences()
    mask[1] = True
    ours = CrossAttention(8, 2)
    attended = ours(x, source, mask)
    assert not attended[1].any()
    assert attended[0].any()
    attended.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in ours.parameters() if p.grad is not None)


def test_the_pre_norm_layer_equals_its_equation() -> None:
    x, source, mask = make_sequences()
    layer = PreNormLayer(8, 2, 16, nn.ReLU, 0.0)
    norm = layer.norm_attention
    keys = norm(source)
    z = x + torch_attention(layer.attention, 2)(norm(x), keys, keys, key_padding_mask=mask, need_weights=False)[0]
    expected = z + layer.feed_forward[3](layer.feed_forward[0](layer.norm_feed_forward(z)).relu())
    torch.testing.assert_close(layer(x, source, mask), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("rate", [0.1, 0.25])
def test_dropout_takes_its_share_and_neighbours_independently(rate: float) -> None:
    torch.manual_seed(0)
    dropped = draw_dropped(torch.Size([50, 1001]), rate, torch.device("cpu"))
    assert dropped.double().mean().item() == pytest.approx(rate, abs=5 * (rate / dropped.numel()) ** 0.5)
    for distance in range(1, 5):
        both = dropped[:, distance:] & dropped[:, :-distance]
        assert both.double().mean().item() == pytest.approx(rate**2, abs=0.005)


def test_attention_with_dropout_and_its_gradient_equal_torchs_operations() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 2, n, 4, requires_grad=True) for n in (3, 5, 5))
    bias = torch.tensor([0.0, 0.0, 0.0, 0.0, -torch.inf]).expand(2, 1, 1, 5)
    dropped = draw_dropped(torch.Size([2, 2, 3, 5]), 0.4, torch.device("cpu"))
    weights = (query @ key.mT / 2 + bias).softmax(-1) * ~dropped / 0.6
    expected, ours = weights @ value, DropoutAttention.apply(query, key, value, bias, dropped, 0.4)
    torch.testing.assert_close(ours, expected)
    slope = torch.randn(2, 2, 3, 4)
    gradients = (torch.autograd.grad(output, (query, key, value), slope) for output in (ours, expected))
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-5)


def test_dropout_is_for_training_alone() -> None:
    x, source, mask = make_sequences()
    layer = CrossAttention(8, 2, 0.5)
    torch.testing.assert_close(layer.eval()(x, source, mask), layer(x, source, mask))
    assert not torch.allclose(layer.train()(x, source, mask), layer(x, source, mask))


@pytest.mark.parametrize("dim", [6, 7])
def test_positions_by_hand(dim: int) -> None:
    positions, half = sinusoidal_positions(5, dim, torch.device("cpu")), math.ceil(dim / 2)
    for t in range(5):
        for i in range(dim):
            wave = math.sin if i < half else math.cos
            assert float(positions[t, i]) == pytest.approx(wave(t / 10000 ** ((i % half) / half)), abs=1e-5)


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="dim 8 is not a multiple of num_heads 3"):
        CrossAttention(8, 3)
