"""LF-LSTM: a recurrent net per modality, late fusion of their logits.

Dai, Cahyawijaya, Liu, Fung, "Multimodal end-to-end sparse model for emotion recognition", NAACL 2021 (their baseline).
logits = Σ_m w_m · (W_2 relu(W_1 [h→_m; h←_m])), the loss on the sum alone.
Differs from the paper: cached embeddings; hidden width `dim` for all (there the input's, 300/144/35); the final states of both directions
are read for the text too (there the output at its last time step).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from pipeline.fusion.base import Batch, FusionModel, ModelSpec, Output
from pipeline.fusion.late_fusion import WeightedVotes
from pipeline.fusion.recurrent import BiLSTM


@dataclass(frozen=True)
class LFLSTMHyperparams:
    """One layer in the paper; dropout: none in the paper."""

    dim: int = 64
    dropout: float = 0.0


class LFLSTM(FusionModel):
    """A BiLSTM and a head of two layers per modality."""

    Hyperparams: ClassVar[type] = LFLSTMHyperparams
    min_modalities: ClassVar[int] = 2

    def __init__(self, hyperparams: LFLSTMHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        dim, dropout = hyperparams.dim, hyperparams.dropout
        self.recurrent = nn.ModuleDict({m: BiLSTM(spec.dims[m], dim) for m in self.modalities})
        self.heads = nn.ModuleDict(
            {
                m: nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, spec.num_outputs))
                for m in self.modalities
            }
        )
        self.fusion = WeightedVotes(len(self.modalities))

    def forward(self, batch: Batch) -> Output:
        """Both final states of each modality, its logits, their weighted sum."""
        final = {m: self.recurrent[m](batch.features[m], batch.padding_mask[m])[1] for m in self.modalities}
        return Output(self.fusion({m: self.heads[m](final[m]) for m in self.modalities}, batch.present))


Model = LFLSTM
