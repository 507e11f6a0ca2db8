"""Transformer: all tokens of all modalities in one sequence, with modality embeddings; what any fusion has to be better than.

Vaswani et al., "Attention is all you need", NeurIPS 2017; modality embeddings as in Kim, Son, Kim, "ViLT: vision-and-language transformer
without convolution or region supervision", ICML 2021.
logits = W · layers([cls; W_t text + e_t + p; W_a audio + e_a + p; W_v video + e_v + p])_cls
No paper of its own: width, depth and heads are the unimodal rows'. Positions p are sinusoidal and start anew in each modality.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.fusion.base import Batch, FusionModel, ModelSpec, Output
from pipeline.fusion.cross_attention import sinusoidal_positions
from pipeline.fusion.layers import SequenceHyperparams, TransformerLayer


class Transformer(FusionModel):
    """Self-attention over everything at once."""

    Hyperparams: ClassVar[type] = SequenceHyperparams
    min_modalities: ClassVar[int] = 2

    def __init__(self, hyperparams: SequenceHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        dim, heads, dropout = hyperparams.dim, hyperparams.num_heads, hyperparams.dropout
        self.projections = nn.ModuleDict({m: nn.Linear(spec.dims[m], dim) for m in self.modalities})
        self.cls, self.modality = nn.Parameter(torch.empty(1, dim)), nn.Parameter(torch.empty(len(self.modalities), dim))
        nn.init.trunc_normal_(self.cls, std=0.02)
        nn.init.trunc_normal_(self.modality, std=0.02)
        self.layers = nn.ModuleList(TransformerLayer(dim, heads, dropout) for _ in range(hyperparams.num_layers))
        self.head = nn.Linear(dim, spec.num_outputs)

    def forward(self, batch: Batch) -> Output:
        """The head's reading of the CLS."""
        tokens = [self.cls.expand(len(batch), 1, -1), *(self.embed(m, batch) for m in self.modalities)]
        x = torch.cat(tokens, dim=1)
        padding_mask = functional.pad(torch.cat([batch.padding_mask[m] for m in self.modalities], dim=1), (1, 0), value=False)
        for layer in self.layers:
            x = layer(x, padding_mask)
        return Output(self.head(x[:, 0]))

    def embed(self, modality: str, batch: Batch) -> Tensor:
        """A modality's tokens, (batch, time, dim)."""
        x: Tensor = self.projections[modality](batch.features[modality])
        return x + self.modality[self.modalities.index(modality)] + sinusoidal_positions(x.shape[1], x.shape[2], x.device)


Model = Transformer
