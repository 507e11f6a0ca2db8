"""MLMF: LMF with a task for each modality.

Yu, Xu, Meng, Zhu, Ma, Wu, Zou, Yang, "CH-SIMS: a Chinese multimodal sentiment analysis dataset with fine-grained annotations of modality",
ACL 2020; sizes and α as in MMSA's configuration for SIMS, where the factors' learning rate is the others'.
L = .2 ℓ(ŷ_M, y_M) + 1 ℓ(ŷ_T, y_T) + .4 ℓ(ŷ_A, y_A) + .8 ℓ(ŷ_V, y_V)
Differs from the paper: as LMF does; one weight decay for all nets; on a task without T, A and V labels every head learns M, which its
annotations say (M four times). A head learns from the clips that have its modality.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.fusion.subnet_fusion import Fusion, HeadHyperparams, LowRank, MultitaskSubnetFusion, SubnetHyperparams


@dataclass(frozen=True)
class MLMFHyperparams(HeadHyperparams, SubnetHyperparams):
    """Sizes for SIMS."""

    text_dim: int = 256
    text_out: int = 128
    video_dim: int = 256
    rank: int = 3
    text_head: int = 8
    head_dropout: float = 0.4
    fusion_weight: float = 0.2
    text_weight: float = 1.0
    audio_weight: float = 0.4


class MLMF(MultitaskSubnetFusion):
    """Codes in a low-rank product, a head on each."""

    Hyperparams: ClassVar[type] = MLMFHyperparams
    fusion_layer: ClassVar[Fusion] = LowRank


Model = MLMF
