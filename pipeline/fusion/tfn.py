"""TFN: the outer product of the modalities' codes holds every uni-, bi- and trimodal interaction.

Zadeh, Chen, Poria, Cambria, Morency, "Tensor fusion network for multimodal sentiment analysis", EMNLP 2017; sizes as in MMSA's
configuration for SIMS.
z = [h_t; 1] ⊗ [h_a; 1] ⊗ [h_v; 1], logits = classifier(vec z)
Differs from the paper: frozen embeddings; no σ(·)·6 − 3 on the output, which is MOSI's range; dropout acts on the codes before the product,
not on its million entries; means and last states are those of the real steps. A modality that a clip lacks has the code [0; 1], which
leaves the product of the others. The product is over the modalities that the task has, two or three.
With the default sizes the first layer has 1.09 million inputs for three modalities: 35 million weights, 140 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.fusion.subnet_fusion import Fusion, OuterProduct, SubnetFusion, SubnetHyperparams


@dataclass(frozen=True)
class TFNHyperparams(SubnetHyperparams):
    """Sizes for SIMS; fusion_dim, fusion_dropout: of the layers on the product."""

    dropout: float = 0.4
    fusion_dim: int = 32
    fusion_dropout: float = 0.4


class TFN(SubnetFusion):
    """Codes in an outer product."""

    Hyperparams: ClassVar[type] = TFNHyperparams
    fusion_layer: ClassVar[Fusion] = OuterProduct


Model = TFN
