"""MISA: every modality is written into a space that all share and into one of its own, and fused from both.

Hazarika, Zimmermann, Poria, "MISA: modality-invariant and -specific representations for multimodal sentiment analysis", ACM MM 2020;
CMD from Zellinger et al., "Central moment discrepancy (CMD) for domain-invariant representation learning", ICLR 2017.
s_m = σ(W u_m), p_m = σ(W_m u_m), û_m = D_m (s_m + p_m); logits = MLP(vec(transformer(p_t, p_a, p_v, s_t, s_a, s_v)));
L = L_task + α · mean CMD(s_m, s_n) + β · (Σ_m ‖S_mᵀ P_m‖² + Σ_{m<n} ‖P_mᵀ P_n‖²) + γ · mean ‖u_m − û_m‖², over modalities and pairs.
Differs from the paper: cached embeddings; the text of a BERT is the mean of its real tokens (there padding counts too), any other sequence
passes through two BiLSTMs of width `recurrent_dim` (there the input's); ‖·‖² is the mean over the matrix's entries, as in the authors'
code, to which the weights belong (the paper writes the sum), and gradient passes through the norms that rows are divided by (detached
there); the feed-forward has 4·dim units (there 2048). A missing modality is masked out of the fusion and of every loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.fusion.base import Batch, Criterion, FusionModel, ModelSpec, Output
from pipeline.fusion.layers import TransformerLayer, masked_mean
from pipeline.fusion.recurrent import BiLSTM


@dataclass(frozen=True)
class MISAHyperparams:
    """dim 128, 2 heads, dropout .5, α 1 and γ 1 (.7 on MOSEI), β .3, K = 5 moments: the authors' settings for MOSI."""

    dim: int = 128
    recurrent_dim: int = 64
    num_heads: int = 2
    dropout: float = 0.5
    transformer_dropout: float = 0.1
    similarity_weight: float = 1.0
    difference_weight: float = 0.3
    reconstruction_weight: float = 1.0
    num_moments: int = 5

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of num_heads {self.num_heads}")


def central_moment_discrepancy(x: Tensor, y: Tensor, num_moments: int) -> Tensor:
    """‖E x − E y‖ + Σ_{k=2}^{K} ‖E(x − E x)^k − E(y − E y)^k‖ for samples (clips, dim) in [0, 1]; a scalar."""
    centred_x, centred_y = x - x.mean(0), y - y.mean(0)
    gaps = [x.mean(0) - y.mean(0), *((centred_x**k).mean(0) - (centred_y**k).mean(0) for k in range(2, num_moments + 1))]
    return torch.linalg.vector_norm(torch.stack(gaps), dim=1).sum()


def difference(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared entry of XᵀY, once the columns are centred and the rows (clips, dim) have unit norm; a scalar."""
    x, y = (functional.normalize(z - z.mean(0), dim=1, eps=1e-6) for z in (x, y))
    return (x.mT @ y).square().mean()


class UtteranceNet(nn.Module):
    """Two BiLSTMs with a layer norm between: (batch, time, in) → all final states (batch, 4·dim)."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.first, self.norm, self.second = BiLSTM(in_dim, dim), nn.LayerNorm(2 * dim), BiLSTM(2 * dim, dim)

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        """The final states of both layers and directions, (batch, 4·dim)."""
        states, low = self.first(x, padding_mask)
        return torch.cat([low, self.second(self.norm(states), padding_mask)[1]], dim=-1)


class MISA(FusionModel):
    """Shared and private subspaces, a transformer over their vectors."""

    Hyperparams: ClassVar[type] = MISAHyperparams
    min_modalities: ClassVar[int] = 2

    def __init__(self, hyperparams: MISAHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.hyperparams = hyperparams
        dim, recurrent = hyperparams.dim, [m for m in self.modalities if not (m == "text" and m in spec.leads_with_cls)]
        self.recurrent = nn.ModuleDict({m: UtteranceNet(spec.dims[m], hyperparams.recurrent_dim) for m in recurrent})
        widths = {m: 4 * hyperparams.recurrent_dim if m in recurrent else spec.dims[m] for m in self.modalities}
        self.projections = nn.ModuleDict(
            {m: nn.Sequential(nn.Linear(width, dim), nn.ReLU(), nn.LayerNorm(dim)) for m, width in widths.items()}
        )
        self.shared, self.private = nn.Linear(dim, dim), nn.ModuleDict({m: nn.Linear(dim, dim) for m in self.modalities})
        self.decoders = nn.ModuleDict({m: nn.Linear(dim, dim) for m in self.modalities})
        self.transformer = TransformerLayer(dim, hyperparams.num_heads, hyperparams.transformer_dropout)
        total = 2 * len(self.modalities) * dim
        self.head = nn.Sequential(
            nn.Linear(total, total // 2), nn.Dropout(hyperparams.dropout), nn.ReLU(), nn.Linear(total // 2, spec.num_outputs)
        )

    def forward(self, batch: Batch) -> Output:
        """Utterance vectors, both subspaces, fusion; `extras` carries what the losses compare."""
        utterance = {m: self.projections[m](self.summarise(m, batch)) for m in self.modalities}
        private = {m: self.private[m](u).sigmoid() for m, u in utterance.items()}
        shared = {m: self.shared(u).sigmoid() for m, u in utterance.items()}
        rebuilt = {m: self.decoders[m](private[m] + shared[m]) for m in self.modalities}
        missing = ~torch.stack([batch.present[m] for m in self.modalities], dim=1).repeat(1, 2)  # (batch, 2 · modalities)
        nothing = missing.all(1, keepdim=True)
        fused = self.transformer(torch.stack([*private.values(), *shared.values()], dim=1), missing & ~nothing)
        fused = fused.masked_fill(missing.unsqueeze(-1), 0.0).flatten(1)
        spaces = {"utterance": utterance, "private": private, "shared": shared, "rebuilt": rebuilt}
        return Output(self.head(fused), extras={f"{space}_{m}": x for space, vectors in spaces.items() for m, x in vectors.items()})

    def summarise(self, modality: str, batch: Batch) -> Tensor:
        """An utterance in one vector, (batch, width)."""
        x, padding_mask = batch.features[modality], batch.padding_mask[modality]
        return self.recurrent[modality](x, padding_mask) if modality in self.recurrent else masked_mean(x, padding_mask)

    def loss(self, output: Output, batch: Batch, criteria: Mapping[str, Criterion]) -> Tensor:
        """The task's loss and the weighted losses of the subspaces."""
        similarity, differences, reconstruction = self.space_losses(output.extras, batch)
        extra = self.hyperparams.similarity_weight * similarity + self.hyperparams.difference_weight * differences
        return super().loss(output, batch, criteria) + extra + self.hyperparams.reconstruction_weight * reconstruction

    def space_losses(self, extras: Mapping[str, Tensor], batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Similarity, difference and reconstruction, scalars, over the clips that have the modalities compared."""
        pairs = [(m, n, batch.present[m] & batch.present[n]) for m, n in combinations(self.modalities, 2)]
        pairs = [(m, n, both) for m, n, both in pairs if bool(both.any())]
        alone = [(m, batch.present[m]) for m in self.modalities if bool(batch.present[m].any())]
        moments = self.hyperparams.num_moments
        similar = [central_moment_discrepancy(extras[f"shared_{m}"][both], extras[f"shared_{n}"][both], moments) for m, n, both in pairs]
        different = [difference(extras[f"shared_{m}"][has], extras[f"private_{m}"][has]) for m, has in alone]
        different += [difference(extras[f"private_{m}"][both], extras[f"private_{n}"][both]) for m, n, both in pairs]
        errors = [(extras[f"rebuilt_{m}"][has] - extras[f"utterance_{m}"][has]).square().mean() for m, has in alone]
        zero = extras[f"shared_{self.modalities[0]}"].sum() * 0.0
        return (
            torch.stack(similar).mean() if similar else zero,
            torch.stack(different).sum() if different else zero,
            torch.stack(errors).mean() if errors else zero,
        )


Model = MISA
