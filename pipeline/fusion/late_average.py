"""Late average: three unimodal models that never meet, their probabilities averaged.

No paper; the common late-fusion control. p = mean over the present modalities of σ(logits_m) (softmax for multi-class; values for
regression). Each modality's net is trained by its own loss on M; one run holds all three, stopped together by the averaged output.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.fusion.base import Batch, Criterion, FusionModel, ModelSpec, Output
from pipeline.fusion.layers import SequenceHyperparams, UnimodalNet


class LateAverage(FusionModel):
    """The mean of what each modality alone says."""

    Hyperparams: ClassVar[type] = SequenceHyperparams
    min_modalities: ClassVar[int] = 2

    def __init__(self, hyperparams: SequenceHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.nets = nn.ModuleDict({m: UnimodalNet(spec.dims[m], spec.num_outputs, hyperparams) for m in self.modalities})

    def forward(self, batch: Batch) -> Output:
        """Each net's logits as heads, and the logit of their mean probability."""
        heads = {m: self.nets[m](batch.features[m], batch.padding_mask[m]).float() for m in self.modalities}
        present = torch.stack([batch.present[m] for m in self.modalities]).unsqueeze(-1)  # (modalities, batch, 1)
        present = present | ~present.any(0, keepdim=True)  # a clip with nothing at all: every net's bias
        return Output(self.average(torch.stack(list(heads.values())), present), heads)

    def average(self, logits: Tensor, present: Tensor) -> Tensor:
        """The logit of the mean probability, (modalities, batch, outputs) → (batch, outputs), taken in the log domain."""
        if self.spec.kind == "regression":
            return (logits * present).sum(0) / present.sum(0)
        if self.spec.kind == "multi_class":
            return torch.logsumexp(functional.log_softmax(logits, -1).masked_fill(~present, -math.inf), 0) - present.sum(0).log()
        yes = torch.logsumexp(functional.logsigmoid(logits).masked_fill(~present, -math.inf), 0)
        return yes - torch.logsumexp(functional.logsigmoid(-logits).masked_fill(~present, -math.inf), 0)

    def loss(self, output: Output, batch: Batch, criteria: Mapping[str, Criterion]) -> Tensor:
        """The sum of the nets' own losses: none learns from another."""
        return torch.stack(list(self.head_losses(output, batch, criteria).values())).sum()

    def param_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """A group for each net, so that none's gradient is clipped for another's."""
        return [{"params": list(net.parameters()), "lr": learning_rate, "weight_decay": weight_decay} for net in self.nets.values()]


Model = LateAverage
