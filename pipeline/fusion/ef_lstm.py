"""EF-LSTM: early fusion, one LSTM over the modalities side by side.

Williams, Kleinegesse, Comanescu, Radu, "Recognizing emotions in video using multimodal DNN feature fusion", Grand Challenge and Workshop on
Human Multimodal Language, ACL 2018; layers and sizes as in the CH-SIMS baselines, Yu et al., ACL 2020 (MMSA's configuration for SIMS).
h = LSTM([text_i; audio_i; video_i])_{i = 1 … 20}, logits = W₂ drop(ReLU(W₁ drop(h_20)))
Differs from the paper: the steps are not aligned by words, whose times nobody knows: every modality's real steps are averaged down, or
repeated up, to 20 over the clip's time (there to the text's 39, padding and all); batch normalisation of each step over clips and
dimensions, as in the code, counts only what is there. A modality that a clip lacks adds nothing to the LSTM's input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from pipeline.fusion.base import Batch, FusionModel, ModelSpec, Output
from pipeline.fusion.layers import masked_adaptive_mean
from pipeline.fusion.subnets import MaskedBatchNorm, run_lstm


@dataclass(frozen=True)
class EFLSTMHyperparams:
    """Sizes for SIMS; num_steps: that every modality is brought to."""

    dim: int = 32
    num_layers: int = 3
    dropout: float = 0.5
    num_steps: int = 20


class EFLSTM(FusionModel):
    """One LSTM over all modalities."""

    Hyperparams: ClassVar[type] = EFLSTMHyperparams
    min_modalities: ClassVar[int] = 2

    def __init__(self, hyperparams: EFLSTMHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.num_steps, dim, rate = hyperparams.num_steps, hyperparams.dim, hyperparams.dropout
        self.norm = MaskedBatchNorm(self.num_steps)
        between = rate if hyperparams.num_layers > 1 else 0.0  # torch warns of a dropout between layers where there is one
        in_dim = sum(spec.dims[m] for m in self.modalities)
        self.lstm = nn.LSTM(in_dim, dim, hyperparams.num_layers, batch_first=True, dropout=between)
        self.classifier = nn.Sequential(
            nn.Dropout(rate), nn.Linear(dim, dim), nn.ReLU(), nn.Dropout(rate), nn.Linear(dim, spec.num_outputs)
        )

    def align(self, batch: Batch) -> Tensor:
        """The modalities' steps side by side, normalised, (batch, num_steps, Σ dim)."""
        steps = [masked_adaptive_mean(batch.features[m], batch.padding_mask[m], self.num_steps) for m in self.modalities]
        real = [batch.present[m].unsqueeze(-1).expand(-1, self.spec.dims[m]) for m in self.modalities]
        return self.norm(torch.cat(steps, dim=-1).transpose(1, 2), torch.cat(real, dim=-1)).transpose(1, 2)  # type: ignore[no-any-return]

    def forward(self, batch: Batch) -> Output:
        """Align, run the LSTM, read its last state."""
        return Output(self.classifier(run_lstm(self.lstm, self.align(batch))[:, -1]))


Model = EFLSTM
