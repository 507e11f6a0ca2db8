"""ALMT: under the text's guidance, what audio and video have to add is collected in a hyper-modality, to which the text then attends.

Zhang, Wang, Yin, Liu, Liu, Yu, "Learning language-guided adaptive hyper-modality representation for multimodal sentiment analysis",
EMNLP 2023.
H_m = the T learned tokens of a transformer layer over [tokens; W x_m]; H_t¹ = H_t, H_tⁱ⁺¹ = layer(H_tⁱ);
H_hyperⁱ = H_hyperⁱ⁻¹ + MultiHead(query H_tⁱ, H_a) + MultiHead(query H_tⁱ, H_v); logits = W · cross([cls; H_t³], [cls; H_hyper³])_cls.
Differs from the paper: cached embeddings; padding is masked (the code attends to it) and positions are sinusoidal, for clips of any length;
heads are of dim / num_heads (16, as in the code's hyper-modality; 64 in its other attentions); H_hyper⁰ is drawn at random as the paper has
it (ones in the code), and is not normalised on its way, as the paper's equation has it. A missing modality adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.fusion.base import Batch, FusionModel, ModelSpec, Output
from pipeline.fusion.cross_attention import CrossAttention, PreNormLayer, sinusoidal_positions


@dataclass(frozen=True)
class ALMTHyperparams:
    """The authors' for CH-SIMS but for the 4 fusion layers (2 for MOSI): T 8, dim 128, 8 heads, feed-forward dim, no dropout."""

    dim: int = 128
    num_tokens: int = 8
    num_heads: int = 8
    num_scales: int = 3
    num_fusion_layers: int = 2
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of num_heads {self.num_heads}")
        if self.num_scales < 1:
            raise ValueError("num_scales must be 1 or more")


def learned(*shape: int) -> nn.Parameter:
    """A small random parameter."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(*shape), std=0.02))


class TokenNet(nn.Module):
    """A sequence in a few tokens: (batch, time, in_dim) → (batch, tokens, dim)."""

    def __init__(self, in_dim: int, num_tokens: int, layer: PreNormLayer, dim: int) -> None:
        super().__init__()
        self.project, self.tokens, self.layer = nn.Linear(in_dim, dim), learned(num_tokens, dim), layer

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        """The learned tokens, once they have seen the sequence."""
        x = self.project(x)
        x = x + sinusoidal_positions(x.shape[1], x.shape[2], x.device)
        count = len(self.tokens)
        x = torch.cat([self.tokens.expand(len(x), -1, -1).to(x.dtype), x], dim=1)
        return self.layer(x, x, functional.pad(padding_mask, (count, 0), value=False))[:, :count]


class HyperLayer(nn.Module):
    """What the text at one scale finds in the other modalities; they share its queries and the output projection."""

    def __init__(self, modalities: list[str], dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm_text, self.norms = nn.LayerNorm(dim), nn.ModuleDict({m: nn.LayerNorm(dim) for m in modalities})
        self.attention = nn.ModuleDict({m: CrossAttention(dim, num_heads) for m in modalities})
        for m in modalities[1:]:
            self.attention[m].query, self.attention[m].out = self.attention[modalities[0]].query, self.attention[modalities[0]].out

    def forward(self, text: Tensor, tokens: dict[str, Tensor], missing: dict[str, Tensor]) -> Tensor:
        """The sum over modalities, (batch, tokens, dim); `missing` is (batch, tokens) bool."""
        query = self.norm_text(text)
        found = [self.attention[m](query, self.norms[m](x), missing[m]) for m, x in tokens.items()]
        return torch.stack(found).sum(0)


class ALMT(FusionModel):
    """Tokens per modality, the hyper-modality at several scales of the text, the fusion of both."""

    Hyperparams: ClassVar[type] = ALMTHyperparams
    requires: ClassVar[tuple[str, ...]] = ("text",)
    min_modalities: ClassVar[int] = 2

    def __init__(self, hyperparams: ALMTHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        dim, heads, count, dropout = hyperparams.dim, hyperparams.num_heads, hyperparams.num_tokens, hyperparams.dropout

        def layer() -> PreNormLayer:
            return PreNormLayer(dim, heads, dim, nn.GELU, dropout)

        self.guided = [m for m in self.modalities if m != "text"]
        self.nets = nn.ModuleDict({m: TokenNet(spec.dims[m], count, layer(), dim) for m in self.modalities})
        self.scales = nn.ModuleList(layer() for _ in range(hyperparams.num_scales - 1))
        self.hyper_layers = nn.ModuleList(HyperLayer(self.guided, dim, heads) for _ in range(hyperparams.num_scales))
        self.hyper, self.cls = learned(count, dim), learned(1, dim)
        self.text_positions, self.hyper_positions = learned(count + 1, dim), learned(count + 1, dim)
        self.fusion = nn.ModuleList(layer() for _ in range(hyperparams.num_fusion_layers))
        self.head = nn.Linear(dim, spec.num_outputs)

    def forward(self, batch: Batch) -> Output:
        """Tokens, hyper-modality, fusion, the head's reading of the first token."""
        tokens = {m: self.nets[m](batch.features[m], batch.padding_mask[m]) for m in self.modalities}
        text, hyper = tokens.pop("text"), self.hyper.expand(len(batch), -1, -1)
        missing = {m: (~batch.present[m]).unsqueeze(1).expand(-1, len(self.hyper)) for m in tokens}
        real = torch.zeros(len(batch), len(self.hyper) + 1, dtype=torch.bool, device=hyper.device)
        for i, layer in enumerate(self.hyper_layers):
            text = self.scales[i - 1](text, text, real[:, 1:]) if i else text
            hyper = hyper + layer(text, tokens, missing)
        cls = self.cls.expand(len(batch), 1, -1)
        source, x = torch.cat([cls, hyper], dim=1) + self.hyper_positions, torch.cat([cls, text], dim=1) + self.text_positions
        for layer in self.fusion:
            x = layer(x, source, real)
        return Output(self.head(x[:, 0]))


Model = ALMT
