"""CMHA: autoencoders with shared weights bring the modalities into one space, attention modules in series fuse them.

Zheng, Zhang, Wang, Wang, Zeng, "Multi-channel weight-sharing autoencoder based on cascade multi-head attention for multimodal emotion
recognition", IEEE Transactions on Multimedia, 2022, doi 10.1109/TMM.2022.3144885.
c_m = W relu(E_m x_m), x̂_m = D_m relu(V c_m), W and V shared; z_0 = [q; c_t], z_i = norm(z_{i−1} + MultiHead(z_{i−1}, c_i, c_i)) for
audio, then video; logits = head(mean z).
Reconstruction from the abstract; no code and no sizes were found. As there, training is unsupervised first (epochs up to
`reconstruction_epochs`: ‖x − x̂‖² alone) and supervised then. Chosen here: codes of single steps, a learned query q before the text's codes
(so that a clip without text can still ask), `reconstruction_weight` of the first loss in the second phase (so that the space stays one),
the widths. A missing modality is left out of the series.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.fusion.base import Batch, Criterion, FusionModel, ModelSpec, Output
from pipeline.fusion.cross_attention import CrossAttention
from pipeline.fusion.layers import masked_mean


@dataclass(frozen=True)
class CMHAHyperparams:
    """None is published; the hidden layers of the autoencoders have 2·dim units."""

    dim: int = 64
    num_heads: int = 4
    dropout: float = 0.1
    reconstruction_epochs: int = 2
    reconstruction_weight: float = 0.1

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of num_heads {self.num_heads}")


class CMHA(FusionModel):
    """A cascade of cross-attention over codes of a shared space."""

    Hyperparams: ClassVar[type] = CMHAHyperparams
    min_modalities: ClassVar[int] = 2

    def __init__(self, hyperparams: CMHAHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.hyperparams = hyperparams
        dim, dims = hyperparams.dim, {m: spec.dims[m] for m in self.modalities}
        self.encoders = nn.ModuleDict({m: nn.Linear(in_dim, 2 * dim) for m, in_dim in dims.items()})
        self.compress, self.expand = nn.Linear(2 * dim, dim), nn.Linear(dim, 2 * dim)
        self.decoders = nn.ModuleDict({m: nn.Linear(2 * dim, in_dim) for m, in_dim in dims.items()})
        self.query = nn.Parameter(torch.empty(1, dim))
        nn.init.trunc_normal_(self.query, std=0.02)
        series = self.modalities[1:]
        self.attention = nn.ModuleDict({m: CrossAttention(dim, hyperparams.num_heads, hyperparams.dropout) for m in series})
        self.norms = nn.ModuleDict({m: nn.LayerNorm(dim) for m in series})
        self.head = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Dropout(hyperparams.dropout), nn.Linear(dim, spec.num_outputs))

    @property
    def unscored_epochs(self) -> int:
        """The unsupervised phase."""
        return self.hyperparams.reconstruction_epochs

    def forward(self, batch: Batch) -> Output:
        """Codes, the cascade over them, and how well they reconstruct the (standardised) inputs."""
        codes = {m: self.compress(functional.relu(self.encoders[m](batch.features[m]))) for m in self.modalities}
        first, *series = self.modalities
        z = torch.cat([self.query.expand(len(batch), 1, -1).to(codes[first].dtype), codes[first]], dim=1)
        for m in series:
            z = self.norms[m](z + self.attention[m](z, codes[m], batch.padding_mask[m]))
        pooled = masked_mean(z, functional.pad(batch.padding_mask[first], (1, 0), value=False))
        return Output(self.head(pooled), extras={"reconstruction": self.reconstruction_loss(codes, batch)})

    def reconstruction_loss(self, codes: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Mean squared error over real steps and dimensions, averaged over the modalities; a scalar."""
        losses = []
        for m, code in codes.items():
            rebuilt = self.decoders[m](functional.relu(self.expand(code))).float()
            error = (rebuilt - batch.features[m]).square().mean(-1)
            real = (~batch.padding_mask[m]).to(error.dtype)
            losses.append((error * real).sum() / real.sum().clamp(min=1))
        return torch.stack(losses).mean()

    def loss(self, output: Output, batch: Batch, criteria: Mapping[str, Criterion]) -> Tensor:
        """The reconstruction alone in the first epochs of training, then the task's loss with a share of it."""
        reconstruction = output.extras["reconstruction"]
        if 0 < batch.epoch <= self.hyperparams.reconstruction_epochs:
            return reconstruction
        return super().loss(output, batch, criteria) + self.hyperparams.reconstruction_weight * reconstruction


Model = CMHA
