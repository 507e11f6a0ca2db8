"""Attention from one sequence to another, the pre-norm layer around it, and sinusoidal positions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CHUNK = 1 << 18  # weights that are held at once: 1 MiB of them stays in a core's cache; of short sequences that is a whole batch


def sinusoidal_positions(time: int, dim: int, device: torch.device) -> Tensor:
    """Vaswani et al.'s positions, (time, dim): the sine in the first half of the dimensions, the cosine in the second."""
    half = (dim + 1) // 2
    rate = 10000.0 ** (-torch.arange(half, device=device) / half)
    angle = torch.arange(time, device=device).unsqueeze(-1) * rate
    return torch.cat([angle.sin(), angle.cos()], dim=-1)[:, :dim]


def draw_dropped(shape: torch.Size, rate: float, device: torch.device) -> Tensor:
    """Which of so many numbers dropout takes, bool: 16 random bits a number, so the rate is met to 1/65536."""
    bits = torch.empty(-(-shape.numel() // 4), dtype=torch.int64, device=device).random_(-(2**63), None)
    return (bits.view(torch.int16)[: shape.numel()] < round(rate * 65536) - 32768).view(shape)


class DropoutAttention(torch.autograd.Function):
    """O = dropout(P) V with P = softmax(Q Kᵀ / √d + bias), and its gradient, a few clips after the other, P computed anew.

    With D = dropout(P) and G the gradient of O: ∂V = Dᵀ G, ∂S = P ∘ (dropout'(G Vᵀ) − rowsum(G ∘ O)), ∂Q = ∂S K / √d, ∂K = ∂Sᵀ Q / √d.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, dropped: Tensor, rate: float) -> Tensor:
        """Queries (batch, heads, time, d), keys and values (…, steps, d), a bias of the scores, what is dropped (…, time, steps)."""
        output = torch.empty_like(query, memory_format=torch.contiguous_format)
        for i in chunks(dropped):
            weights = weigh(query[i], key[i], bias[i])
            torch.matmul(weights.mul_((~dropped[i]).float()), value[i], out=output[i])
        output.div_(1.0 - rate)
        ctx.save_for_backward(query, key, value, bias, dropped, output)
        ctx.rate = rate
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of queries, keys and values."""
        query, key, value, bias, dropped, output = ctx.saved_tensors
        gradient, scale = gradients[0] / (1.0 - ctx.rate), query.shape[-1] ** -0.5
        rows = (gradients[0] * output).sum(-1, keepdim=True)
        for_query, for_key, for_value = (torch.empty_like(x, memory_format=torch.contiguous_format) for x in (query, key, value))
        for i in chunks(dropped):
            weights, kept = weigh(query[i], key[i], bias[i]), (~dropped[i]).float()
            for_scores = (gradient[i] @ value[i].mT).mul_(kept).sub_(rows[i]).mul_(weights)
            torch.matmul(for_scores, key[i], out=for_query[i])
            torch.matmul(for_scores.mT, query[i], out=for_key[i])
            torch.matmul(weights.mul_(kept).mT, gradient[i], out=for_value[i])
        return for_query.mul_(scale), for_key.mul_(scale), for_value, None, None, None


def chunks(dropped: Tensor) -> list[slice]:
    """The clips of (batch, heads, time, steps) in groups of about CHUNK numbers, one clip at least."""
    clips = max(1, CHUNK // max(1, dropped[0].numel())) if len(dropped) else 1
    return [slice(start, start + clips) for start in range(0, len(dropped), clips)]


def weigh(query: Tensor, key: Tensor, bias: Tensor) -> Tensor:
    """Some clips' attention, softmax(Q Kᵀ / √d + bias), (clips, heads, time, steps)."""
    scores = ((query * query.shape[-1] ** -0.5) @ key.mT).add_(bias)
    return torch.softmax(scores, -1, out=scores)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, rate: float) -> Tensor:
    """Scaled dot-product attention with dropout, (batch, heads, time, d); mask: True = real, at least one step for each query.

    On a CPU torch's own spends two thirds of MulT's time on drawing and keeping what dropout takes.
    """
    if rate == 0.0 or query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=rate)
    bias = torch.zeros(mask.shape).masked_fill_(~mask, -torch.inf)
    dropped = draw_dropped(torch.Size([*query.shape[:-1], key.shape[-2]]), rate, query.device)
    with torch.autocast("cpu", enabled=False):
        attended: Tensor = DropoutAttention.apply(query.float(), key.float(), value.float(), bias, dropped, rate)
    return attended


class CrossAttention(nn.Module):
    """Multi-head attention of one sequence to another (Vaswani et al., NeurIPS 2017)."""

    def __init__(self, dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"dim {dim} is not a multiple of num_heads {num_heads}")
        self.heads, self.dropout = (num_heads, dim // num_heads), dropout
        self.query, self.key_value, self.out = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor, source: Tensor, padding_mask: Tensor) -> Tensor:
        """What x (batch, time, dim) finds in source (batch, steps, dim), but for its padding (batch, steps); zero where all is padding."""
        query = self.query(x).unflatten(-1, self.heads).transpose(1, 2)
        key, value = self.key_value(source).unflatten(-1, (2, *self.heads)).permute(2, 0, 3, 1, 4)
        empty = padding_mask.all(1).view(-1, 1, 1, 1)
        mask, rate = ~padding_mask[:, None, None, :] | empty, self.dropout if self.training else 0.0
        attended = attend(query, key, value, mask, rate)
        return self.out(attended.transpose(1, 2).flatten(2)).masked_fill(empty.squeeze(-1), 0.0)


class PreNormLayer(nn.Module):
    """x + attention(norm(x), norm(source)), then x + feed-forward(norm(x)): one norm for a layer's queries and keys."""

    def __init__(
        self, dim: int, num_heads: int, hidden: int, activation: type[nn.Module], dropout: float, attention_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.attention, self.dropout = CrossAttention(dim, num_heads, attention_dropout), nn.Dropout(dropout)
        self.feed_forward = nn.Sequential(nn.Linear(dim, hidden), activation(), nn.Dropout(dropout), nn.Linear(hidden, dim))
        self.norm_attention, self.norm_feed_forward = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, x: Tensor, source: Tensor, padding_mask: Tensor) -> Tensor:
        """Like x, (batch, time, dim); `source` (batch, steps, dim), whose padding mask it is, is x itself for self-attention."""
        x = x + self.dropout(self.attention(self.norm_attention(x), self.norm_attention(source), padding_mask))
        return x + self.dropout(self.feed_forward(self.norm_feed_forward(x)))
