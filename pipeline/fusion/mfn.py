"""MFN: an LSTM for each modality, and a gated memory that watches the changes of all their cells.

Zadeh, Liang, Mazumder, Poria, Cambria, Morency, "Memory fusion network for multi-view sequential learning", AAAI 2018; sizes as in MMSA's
configuration for SIMS.
ĉ = [c_{i−1}; c_i] ∘ softmax(MLP([c_{i−1}; c_i])), u_i = σ(MLP([ĉ; u_{i−1}])) ∘ u_{i−1} + σ(MLP'([ĉ; u_{i−1}])) ∘ tanh(MLP(ĉ))
logits = MLP([h_t; h_a; h_v; u] at the last step)
Differs from the paper: the steps are not aligned by words, whose times nobody knows: every modality's real steps are averaged down, or
repeated up, to 20 over the clip's time. A modality that a clip lacks keeps an empty state and cell, and gets no attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.fusion.base import Batch, FusionModel, ModelSpec, Output
from pipeline.fusion.layers import masked_adaptive_mean


@dataclass(frozen=True)
class MFNHyperparams:
    """Sizes for SIMS: the LSTMs', the memory's, and the hidden layers' of attention, proposal, gates and output.

    dropout: of the attention and the retaining gate; out_dropout: of the updating gate and the output; the proposal has none.
    """

    text_dim: int = 64
    audio_dim: int = 16
    video_dim: int = 64
    memory_dim: int = 64
    attention_dim: int = 128
    proposal_dim: int = 128
    gate_dim: int = 64
    out_dim: int = 64
    dropout: float = 0.2
    out_dropout: float = 0.7
    num_steps: int = 20


def perceptron(in_dim: int, dim: int, out_dim: int, dropout: float) -> nn.Sequential:
    """Linear, ReLU, dropout, Linear."""
    return nn.Sequential(nn.Linear(in_dim, dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dim, out_dim))


class MFN(FusionModel):
    """A system of LSTMs, delta-memory attention and a multi-view gated memory."""

    Hyperparams: ClassVar[type] = MFNHyperparams
    min_modalities: ClassVar[int] = 2

    def __init__(self, hyperparams: MFNHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        h = self.hyperparams = hyperparams
        dims = self.dims = {m: int(getattr(h, f"{m}_dim")) for m in self.modalities}
        self.cells = nn.ModuleDict({m: nn.LSTMCell(spec.dims[m], dims[m]) for m in self.modalities})
        total = sum(dims.values())
        self.attention = perceptron(2 * total, h.attention_dim, 2 * total, h.dropout)
        self.proposal = perceptron(2 * total, h.proposal_dim, h.memory_dim, 0.0)
        self.retain = perceptron(2 * total + h.memory_dim, h.gate_dim, h.memory_dim, h.dropout)
        self.update = perceptron(2 * total + h.memory_dim, h.gate_dim, h.memory_dim, h.out_dropout)
        self.out = perceptron(total + h.memory_dim, h.out_dim, spec.num_outputs, h.out_dropout)

    def run_lstm(self, modality: str, batch: Batch) -> tuple[Tensor, Tensor]:
        """A modality's last state (batch, dim) and its cells, the empty one first (batch, 1 + num_steps, dim); zero where it is missing."""
        steps = masked_adaptive_mean(batch.features[modality], batch.padding_mask[modality], self.hyperparams.num_steps)
        state = cell = torch.zeros(len(steps), self.dims[modality], device=steps.device)
        cells = [cell]
        for x in steps.unbind(1):
            state, cell = self.cells[modality](x, (state, cell))
            cells.append(cell)
        present = batch.present[modality].unsqueeze(-1)
        return state * present, torch.stack(cells, dim=1) * present.unsqueeze(-1)

    def attend(self, cells: Tensor, present: Tensor) -> Tensor:
        """Each step's cells and those before it, weighted: (batch, 1 + steps, total), (batch, total) → (batch, steps, 2 · total)."""
        both = torch.cat([cells[:, :-1], cells[:, 1:]], dim=-1)
        scores: Tensor = self.attention(both)
        missing = ~present.repeat(1, 2).unsqueeze(1)
        weights = functional.softmax(scores.masked_fill(missing, torch.finfo(scores.dtype).min), dim=-1)
        return both * weights

    def forward(self, batch: Batch) -> Output:
        """Run the LSTMs, attend to their cells, keep the memory, read all at the last step."""
        states, cells = zip(*(self.run_lstm(m, batch) for m in self.modalities), strict=True)
        present = torch.cat([batch.present[m].unsqueeze(-1).expand(-1, self.dims[m]) for m in self.modalities], dim=-1)
        attended = self.attend(torch.cat(cells, dim=-1), present)
        proposals = torch.tanh(self.proposal(attended))
        memory = torch.zeros_like(proposals[:, 0])
        for step, proposed in zip(attended.unbind(1), proposals.unbind(1), strict=True):
            seen = torch.cat([step, memory.to(step.dtype)], dim=-1)
            memory = torch.sigmoid(self.retain(seen)) * memory + torch.sigmoid(self.update(seen)) * proposed
        return Output(self.out(torch.cat([*states, memory], dim=-1)))


Model = MFN
