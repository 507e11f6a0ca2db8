"""Layers and families that several model files share: masked pooling, the transformer layer, unimodal nets, concatenation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.fusion.base import Batch, FusionModel, ModelSpec, Output
from pipeline.fusion.cross_attention import attend


def masked_mean(x: Tensor, padding_mask: Tensor) -> Tensor:
    """Mean over real steps, (batch, time, dim) → (batch, dim); zero for a clip without any."""
    real = (~padding_mask).unsqueeze(-1).to(x.dtype)
    return (x * real).sum(1) / real.sum(1).clamp(min=1)


def masked_max(x: Tensor, padding_mask: Tensor) -> Tensor:
    """Maximum over real steps, (batch, time, dim) → (batch, dim); zero for a clip without any."""
    pooled = x.masked_fill(padding_mask.unsqueeze(-1), -torch.inf).amax(1)
    return pooled.masked_fill(padding_mask.all(1, keepdim=True), 0.0)


def masked_adaptive_mean(x: Tensor, padding_mask: Tensor, steps: int) -> Tensor:
    """Real steps pooled to a fixed number, (batch, time, dim) → (batch, steps, dim), as torch's adaptive average pooling does."""
    lengths = (~padding_mask).sum(1).view(-1, 1, 1)
    step = torch.arange(steps, device=x.device).view(1, -1, 1)
    start, end = step * lengths // steps, ((step + 1) * lengths + steps - 1) // steps
    position = torch.arange(x.shape[1], device=x.device)
    inside = ((position >= start) & (position < end)).to(x.dtype)  # (batch, steps, time)
    return inside / inside.sum(-1, keepdim=True).clamp(min=1) @ x


class TransformerLayer(nn.Module):
    """Post-norm self-attention encoder layer with ReLU and a feed-forward of 4·dim (Vaswani et al., NeurIPS 2017)."""

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"dim {dim} is not a multiple of num_heads {num_heads}")
        self.num_heads, self.dropout = num_heads, dropout
        self.query_key_value, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim))
        self.norm_attention, self.norm_feed_forward = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        """(batch, time, dim) → (batch, time, dim); at least one step of each clip must be real."""
        batch, time, dim = x.shape
        split = self.query_key_value(x).view(batch, time, 3, self.num_heads, dim // self.num_heads).permute(2, 0, 3, 1, 4)
        rate = self.dropout if self.training else 0.0
        mask = ~padding_mask[:, None, None, :]
        attended = attend(split[0], split[1], split[2], mask, rate)
        attended = self.out(attended.transpose(1, 2).reshape(batch, time, dim))
        x = self.norm_attention(x + functional.dropout(attended, self.dropout, self.training))
        return self.norm_feed_forward(x + functional.dropout(self.feed_forward(x), self.dropout, self.training))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class SequenceHyperparams:
    """Of a projection and a transformer over one modality. Source 1's defaults are 512, 2, 8, 0.1; frozen embeddings need less width."""

    dim: int = 64
    num_layers: int = 2
    num_heads: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of num_heads {self.num_heads}")


def project(in_dim: int, dim: int) -> nn.Sequential:
    """Linear–ReLU–Linear, (…, in_dim) → (…, dim): how source 1 brings an encoder's width to the transformer's."""
    return nn.Sequential(nn.Linear(in_dim, dim), nn.ReLU(), nn.Linear(dim, dim))


class SequenceEncoder(nn.Module):
    """Linear–ReLU–Linear, a learned CLS in front, transformer layers without positions: (batch, time, in) → (batch, 1 + time, dim)."""

    def __init__(self, in_dim: int, config: SequenceHyperparams) -> None:
        super().__init__()
        self.project = project(in_dim, config.dim)
        self.cls = nn.Parameter(torch.empty(1, 1, config.dim))
        nn.init.trunc_normal_(self.cls, std=0.02)
        self.layers = nn.ModuleList(TransformerLayer(config.dim, config.num_heads, config.dropout) for _ in range(config.num_layers))

    def forward(self, x: Tensor, padding_mask: Tensor) -> tuple[Tensor, Tensor]:
        """The encoded sequence with its CLS at 0, and its padding mask (batch, 1 + time)."""
        x = self.project(x)
        x = torch.cat([self.cls.expand(len(x), -1, -1).to(x.dtype), x], dim=1)
        padding_mask = functional.pad(padding_mask, (1, 0), value=False)
        for layer in self.layers:
            x = layer(x, padding_mask)
        return x, padding_mask


class UnimodalNet(nn.Module):
    """CLS-transformer and linear head: (batch, time, in) → logits (batch, outputs)."""

    def __init__(self, in_dim: int, num_outputs: int, config: SequenceHyperparams) -> None:
        super().__init__()
        self.encoder, self.head = SequenceEncoder(in_dim, config), nn.Linear(config.dim, num_outputs)

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        """The head's reading of the CLS."""
        return self.head(self.encoder(x, padding_mask)[0][:, 0])  # type: ignore[no-any-return]


class Unimodal(FusionModel):
    """One modality alone; a subclass names it in `uses` and `requires`."""

    Hyperparams: ClassVar[type] = SequenceHyperparams

    def __init__(self, hyperparams: SequenceHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.modality = self.uses[0]
        self.net = UnimodalNet(spec.dims[self.modality], spec.num_outputs, hyperparams)

    def forward(self, batch: Batch) -> Output:
        """The net's logits."""
        return Output(self.net(batch.features[self.modality], batch.padding_mask[self.modality]))


@dataclass(frozen=True)
class ConcatHyperparams:
    """Of the concatenation baseline; dim: of a linear projection of each modality before it is pooled, 0: none, as published."""

    dropout: float = 0.0
    dim: int = 0


class Concatenation(FusionModel):
    """logits = W [max_t text; max_t audio; max_p video] + b, over the video's un-pooled map where there is one, else over its frames."""

    Hyperparams: ClassVar[type] = ConcatHyperparams
    min_modalities: ClassVar[int] = 2
    map_modalities: ClassVar[tuple[str, ...]] = ("video",)

    def __init__(self, hyperparams: ConcatHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        widths = {m: spec.maps[m][1] if m in spec.maps else spec.dims[m] for m in self.modalities}
        dim = hyperparams.dim
        self.project = nn.ModuleDict({m: nn.Linear(width, dim) if dim else nn.Identity() for m, width in widths.items()})
        total = dim * len(widths) or sum(widths.values())
        self.classifier = nn.Sequential(nn.Dropout(hyperparams.dropout), nn.Linear(total, spec.num_outputs))

    def forward(self, batch: Batch) -> Output:
        """Pool, concatenate, classify."""
        return Output(self.classifier(torch.cat([self.pool(batch, m) for m in self.modalities], dim=-1)))

    def pool(self, batch: Batch, modality: str) -> Tensor:
        """Maximum over positions or real steps, (batch, dim); zero for a clip without the modality."""
        project = self.project[modality]
        if modality in self.spec.maps:
            return project(batch.maps[modality]).amax(1) * batch.present[modality].unsqueeze(-1)  # type: ignore[no-any-return]
        return masked_max(project(batch.features[modality]), batch.padding_mask[modality])
