"""MTFN: TFN with a task for each modality.

Yu, Xu, Meng, Zhu, Ma, Wu, Zou, Yang, "CH-SIMS: a Chinese multimodal sentiment analysis dataset with fine-grained annotations of modality",
ACL 2020; sizes and α as in MMSA's configuration for SIMS.
L = .6 ℓ(ŷ_M, y_M) + .4 ℓ(ŷ_T, y_T) + 0 ℓ(ŷ_A, y_A) + 1 ℓ(ŷ_V, y_V)
Differs from the paper: as TFN does; one weight decay for all nets; audio's head, whose published weight is 0, learns from a detached code,
so that it says something and shapes nothing; on a task without T, A and V labels every head learns M, which its annotations say (M four
times). A head learns from the clips that have its modality.
With the default sizes the first layer has 2.18 million inputs for three modalities: 139 million weights, 558 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.fusion.subnet_fusion import Fusion, HeadHyperparams, MultitaskSubnetFusion, OuterProduct, SubnetHyperparams


@dataclass(frozen=True)
class MTFNHyperparams(HeadHyperparams, SubnetHyperparams):
    """Sizes for SIMS; fusion_dim, fusion_dropout: of the layers on the product."""

    text_dim: int = 256
    video_dim: int = 256
    dropout: float = 0.2
    text_head: int = 64
    video_head: int = 8
    head_dropout: float = 0.2
    text_weight: float = 0.4
    audio_weight: float = 0.0
    video_weight: float = 1.0
    fusion_dim: int = 64
    fusion_dropout: float = 0.2


class MTFN(MultitaskSubnetFusion):
    """Codes in an outer product, a head on each."""

    Hyperparams: ClassVar[type] = MTFNHyperparams
    fusion_layer: ClassVar[Fusion] = OuterProduct


Model = MTFN
