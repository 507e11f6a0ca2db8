"""LF-Transformer: a transformer per modality, late fusion of their logits.

Dai, Cahyawijaya, Liu, Fung, "Multimodal end-to-end sparse model for emotion recognition", NAACL 2021 (their baseline).
logits = Σ_m w_m · (W_2 relu(W_1 cls_m)), the loss on the sum alone.
Differs from the paper: cached embeddings, projected to one width (there the input's own, 300/144/35 with 4/2/5 heads; the 2 layers are
theirs); the text's padding is masked (there it is attended to).
"""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from pipeline.fusion.base import Batch, FusionModel, ModelSpec, Output
from pipeline.fusion.late_fusion import WeightedVotes
from pipeline.fusion.layers import SequenceEncoder, SequenceHyperparams


class LFTransformer(FusionModel):
    """A CLS-transformer and a head of two layers per modality."""

    Hyperparams: ClassVar[type] = SequenceHyperparams
    min_modalities: ClassVar[int] = 2

    def __init__(self, hyperparams: SequenceHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        dim, half = hyperparams.dim, hyperparams.dim // 2
        self.encoders = nn.ModuleDict({m: SequenceEncoder(spec.dims[m], hyperparams) for m in self.modalities})
        self.heads = nn.ModuleDict(
            {m: nn.Sequential(nn.Linear(dim, half), nn.ReLU(), nn.Linear(half, spec.num_outputs)) for m in self.modalities}
        )
        self.fusion = WeightedVotes(len(self.modalities))

    def forward(self, batch: Batch) -> Output:
        """The CLS of each modality, its logits, their weighted sum."""
        cls = {m: self.encoders[m](batch.features[m], batch.padding_mask[m])[0][:, 0] for m in self.modalities}
        return Output(self.fusion({m: self.heads[m](cls[m]) for m in self.modalities}, batch.present))


Model = LFTransformer
