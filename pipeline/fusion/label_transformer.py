"""Label transformer: a fusion transformer over all tokens, a decoder in which each label asks for what concerns it.

Le, Lee, Kim, Kim, Yang, "Multi-label multimodal emotion recognition with transformer-based fusion and emotion-level representation
learning", IEEE Access, 2023.
memory = fusion([cls; W text; encode(audio); encode(video)]), h = decoder(queries, memory), logit_c = w_c · h_c + b_c.
Differs from the paper: cached embeddings instead of CNNs on faces and spectrograms; the queries are in the optimizer (there they were left
out). As there: audio's and video's own encoders, the fusion and the decoder have `num_layers` / 2 layers each; no positions; the text's
[CLS] is dropped; W is of two layers, `dim` wide between them (there 512). A class of multi_class and a value of regression is asked for as
a label is; a lone query has no other to attend to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.fusion.base import Batch, FusionModel, ModelSpec, Output
from pipeline.fusion.cross_attention import CrossAttention
from pipeline.fusion.layers import SequenceEncoder, SequenceHyperparams, TransformerLayer, project


@dataclass(frozen=True)
class LabelTransformerHyperparams(SequenceHyperparams):
    """The authors' command has dim 256, 4 layers, 4 heads; dim is reduced, since the embeddings are frozen."""

    num_layers: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_layers < 2 or self.num_layers % 2:
            raise ValueError(f"num_layers is shared out in halves and must be even, not {self.num_layers}")


class DecoderLayer(nn.Module):
    """Post-norm decoder layer with ReLU and a feed-forward of 4·dim: queries attend to each other, if several, then to a memory."""

    def __init__(self, dim: int, num_heads: int, dropout: float, num_queries: int) -> None:
        super().__init__()
        self.attend_self = CrossAttention(dim, num_heads, dropout) if num_queries > 1 else None
        self.attend_memory = CrossAttention(dim, num_heads, dropout)
        self.feed_forward = nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim))
        self.norms, self.dropout = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3)), nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, padding_mask: Tensor) -> Tensor:
        """Queries (batch, queries, dim) and a memory (batch, steps, dim) with its padding mask: (batch, queries, dim)."""
        if self.attend_self is not None:
            every = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
            x = x + self.dropout(self.attend_self(x, x, every))
        x = self.norms[0](x)
        x = self.norms[1](x + self.dropout(self.attend_memory(x, memory, padding_mask)))
        return self.norms[2](x + self.dropout(self.feed_forward(x)))


class LabelTransformer(FusionModel):
    """One learned query per output."""

    Hyperparams: ClassVar[type] = LabelTransformerHyperparams

    def __init__(self, hyperparams: LabelTransformerHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        dim, heads, dropout, half = hyperparams.dim, hyperparams.num_heads, hyperparams.dropout, hyperparams.num_layers // 2
        config = SequenceHyperparams(dim, half, heads, dropout)
        self.encoders = nn.ModuleDict(
            {m: project(spec.dims[m], dim) if m == "text" else SequenceEncoder(spec.dims[m], config) for m in self.modalities}
        )
        self.cls, self.queries = nn.Parameter(torch.empty(1, dim)), nn.Parameter(torch.empty(spec.num_outputs, dim))
        nn.init.trunc_normal_(self.cls, std=0.02)
        nn.init.normal_(self.queries)
        self.fusion = nn.ModuleList(TransformerLayer(dim, heads, dropout) for _ in range(half))
        self.decoder = nn.ModuleList(DecoderLayer(dim, heads, dropout, spec.num_outputs) for _ in range(half))
        self.weight, self.bias = nn.Parameter(torch.empty(spec.num_outputs, dim)), nn.Parameter(torch.empty(spec.num_outputs))
        nn.init.uniform_(self.weight, -(dim**-0.5), dim**-0.5)
        nn.init.uniform_(self.bias, -(dim**-0.5), dim**-0.5)

    def forward(self, batch: Batch) -> Output:
        """Encode, fuse, decode, one linear unit per label."""
        tokens = {m: self.encode(m, batch) for m in self.modalities}
        x = torch.cat([self.cls.expand(len(batch), 1, -1), *(x for x, _ in tokens.values())], dim=1)
        padding_mask = functional.pad(torch.cat([mask for _, mask in tokens.values()], dim=1), (1, 0), value=False)
        for layer in self.fusion:
            x = layer(x, padding_mask)
        h = self.queries.expand(len(batch), -1, -1)
        for layer in self.decoder:
            h = layer(h, x, padding_mask)
        return Output((h * self.weight).sum(-1) + self.bias)

    def encode(self, modality: str, batch: Batch) -> tuple[Tensor, Tensor]:
        """A modality's tokens (batch, time, dim) without any CLS, and their padding mask."""
        x, padding_mask = batch.features[modality], batch.padding_mask[modality]
        if modality == "text":
            start = 1 if "text" in self.spec.leads_with_cls else 0
            return self.encoders["text"](x[:, start:]), padding_mask[:, start:]
        encoded, padding_mask = self.encoders[modality](x, padding_mask)
        return encoded[:, 1:], padding_mask[:, 1:]


Model = LabelTransformer
