"""LMF: the outer product's linear layer as a sum of a few products of vectors.

Liu, Shen, Lakshminarasimhan, Liang, Zadeh, Morency, "Efficient low-rank multimodal fusion with modality-specific factors", ACL 2018; sizes
as in MMSA's configuration for SIMS.
logits = Σ_r w_r ∏_m ([h_m; 1] F_m^r) + b, which is a linear layer on ⊗_m [h_m; 1] of rank R
Differs from the paper: frozen embeddings; w, which the paper's plain sum over ranks has not and its code adds, is trained, and so is b (in
MMSA no optimizer has them, so they stay as drawn); the factors' learning rate is a share of the others' (5e-4 of 2e-3); means and last
states are those of the real steps. A modality that a clip lacks has the code [0; 1]: its factor is its last row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pipeline.fusion.subnet_fusion import Fusion, LowRank, SubnetFusion, SubnetHyperparams


@dataclass(frozen=True)
class LMFHyperparams(SubnetHyperparams):
    """Sizes for SIMS; factor_rate: the factors' learning rate, as a share of the row's."""

    text_dim: int = 64
    text_out: int = 32
    audio_dim: int = 16
    video_dim: int = 64
    dropout: float = 0.2
    rank: int = 4
    factor_rate: float = 0.25


class LMF(SubnetFusion):
    """Codes in a low-rank product."""

    Hyperparams: ClassVar[type] = LMFHyperparams
    fusion_layer: ClassVar[Fusion] = LowRank

    def param_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """The factors at a learning rate of their own."""
        factors = [p for name, p in self.named_parameters() if name.startswith("fusion.factors.")]
        others = [p for name, p in self.named_parameters() if not name.startswith("fusion.factors.")]
        return [
            {"params": others, "lr": learning_rate, "weight_decay": weight_decay},
            {"params": factors, "lr": learning_rate * self.hyperparams.factor_rate, "weight_decay": weight_decay},
        ]


Model = LMF
