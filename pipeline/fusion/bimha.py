"""BIMHA: the three pairs of modalities, each fused by an outer product, weighed against each other by multi-head attention.

Wu, Peng, Zhang, Zhang, Ma, Huang, "Video sentiment analysis with bimodal information-augmented multi-head attention",
Knowledge-Based Systems, 2022, arXiv 2103.02362.
B_mn = W_mn vec(D_m ⊗ D_n); X = [B_ta; B_tv; B_av]; logits = FC(vec(X + MultiHead(X, X, X))).
Reconstruction from the abstract and from the same group's description of it in later work; no code and no sizes were found. Chosen here:
D_t is a BiLSTM's final states, D_a and D_v are three-layer nets over the mean of the real steps, the width and heads below, ReLU and
dropout in the last layers. A pair of which a clip lacks one is neither attended to nor read. Needs three modalities: two make one pair,
and nothing to weigh.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor, nn

from pipeline.fusion.base import Batch, FusionModel, ModelSpec, Output
from pipeline.fusion.cross_attention import CrossAttention
from pipeline.fusion.layers import masked_mean
from pipeline.fusion.recurrent import BiLSTM


@dataclass(frozen=True)
class BIMHAHyperparams:
    """None is published."""

    dim: int = 32
    num_heads: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of num_heads {self.num_heads}")


def deep_net(in_dim: int, dim: int) -> nn.Sequential:
    """Three layers of Linear and ReLU, (batch, in_dim) → (batch, dim)."""
    return nn.Sequential(nn.Linear(in_dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU())


class BIMHA(FusionModel):
    """Self-attention over a sequence of three pairs."""

    Hyperparams: ClassVar[type] = BIMHAHyperparams
    min_modalities: ClassVar[int] = 3

    def __init__(self, hyperparams: BIMHAHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        dim = hyperparams.dim
        self.pairs = list(combinations(self.modalities, 2))
        self.text, self.text_out = BiLSTM(spec.dims["text"], dim), nn.Linear(2 * dim, dim)
        self.nets = nn.ModuleDict({m: deep_net(spec.dims[m], dim) for m in self.modalities if m != "text"})
        self.bimodal = nn.ModuleDict({f"{m}_{n}": nn.Linear(dim * dim, dim) for m, n in self.pairs})
        self.attention = CrossAttention(dim, hyperparams.num_heads, hyperparams.dropout)
        self.head = nn.Sequential(
            nn.Linear(len(self.pairs) * dim, dim), nn.ReLU(), nn.Dropout(hyperparams.dropout), nn.Linear(dim, spec.num_outputs)
        )

    def forward(self, batch: Batch) -> Output:
        """Vectors, pairs, attention among the pairs, head."""
        vectors = {m: self.summarise(m, batch) for m in self.modalities}
        outer = {f"{m}_{n}": (vectors[m].unsqueeze(-1) * vectors[n].unsqueeze(-2)).flatten(1) for m, n in self.pairs}
        x = torch.stack([self.bimodal[pair](product) for pair, product in outer.items()], dim=1)  # (batch, pairs, dim)
        missing = ~torch.stack([batch.present[m] & batch.present[n] for m, n in self.pairs], dim=1)
        x = (x + self.attention(x, x, missing)).masked_fill(missing.unsqueeze(-1), 0.0)
        return Output(self.head(x.flatten(1)))

    def summarise(self, modality: str, batch: Batch) -> Tensor:
        """D_m, (batch, dim)."""
        x, padding_mask = batch.features[modality], batch.padding_mask[modality]
        if modality == "text":
            return self.text_out(self.text(x, padding_mask)[1])
        return self.nets[modality](masked_mean(x, padding_mask))


Model = BIMHA
