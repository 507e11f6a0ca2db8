"""LF-DNN: late fusion of three small nets' codes.

Cambria, Hazarika, Poria, Hussain, Subramanyam, "Benchmarking multimodal sentiment analysis", CICLing 2017; layers and sizes as in the
CH-SIMS baselines, Yu et al., "CH-SIMS", ACL 2020 (MMSA's configuration for SIMS).
logits = classifier([LSTM(text); DNN(mean audio); DNN(mean video)])
Differs from the paper: frozen embeddings; means and last states are those of the real steps (there padding counts); text's dropout acts
(there it is switched off for an LSTM of one layer). A modality that a clip lacks adds nothing to the first fused layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.fusion.subnet_fusion import Concatenated, Fusion, SubnetFusion, SubnetHyperparams


@dataclass(frozen=True)
class LFDNNHyperparams(SubnetHyperparams):
    """Sizes for SIMS; fusion_dim, fusion_dropout: of the layers on the codes."""

    fusion_dim: int = 32
    fusion_dropout: float = 0.5


class LFDNN(SubnetFusion):
    """Codes side by side."""

    Hyperparams: ClassVar[type] = LFDNNHyperparams
    fusion_layer: ClassVar[Fusion] = Concatenated


Model = LFDNN
