"""MLF-DNN: LF-DNN with a task for each modality.

Yu, Xu, Meng, Zhu, Ma, Wu, Zou, Yang, "CH-SIMS: a Chinese multimodal sentiment analysis dataset with fine-grained annotations of modality",
ACL 2020; sizes and α as in MMSA's configuration for SIMS.
L = .6 ℓ(ŷ_M, y_M) + .2 ℓ(ŷ_T, y_T) + .8 ℓ(ŷ_A, y_A) + .8 ℓ(ŷ_V, y_V)
Differs from the paper: as LF-DNN does; one weight decay for all nets; on a task without T, A and V labels every head learns M, which its
annotations say (M four times). A head learns from the clips that have its modality.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.fusion.subnet_fusion import Concatenated, Fusion, HeadHyperparams, MultitaskSubnetFusion, SubnetHyperparams


@dataclass(frozen=True)
class MLFDNNHyperparams(HeadHyperparams, SubnetHyperparams):
    """Sizes for SIMS; fusion_dim, fusion_dropout: of the layers on the codes."""

    text_dim: int = 64
    text_out: int = 32
    video_dim: int = 64
    fusion_dim: int = 32
    fusion_dropout: float = 0.5


class MLFDNN(MultitaskSubnetFusion):
    """Codes side by side, a head on each."""

    Hyperparams: ClassVar[type] = MLFDNNHyperparams
    fusion_layer: ClassVar[Fusion] = Concatenated


Model = MLFDNN
