"""Constant predictor: what a table says when nobody looks at the clips.

No paper. ŷ = c: multi-label, the better on valid of all-negative and all-positive; multi-class, the train part's class frequencies, so its
prediction is the majority class; regression, the train part's median.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from pipeline.fusion.base import Batch, ClosedFormModel, ModelSpec, Output, Select

CERTAIN = 10.0  # logit of a probability beyond every threshold of the search


@dataclass(frozen=True)
class ConstantHyperparams:
    """None: there is nothing to choose."""


class Constant(ClosedFormModel):
    """The same logits for every clip; it reads no modality."""

    Hyperparams: ClassVar[type] = ConstantHyperparams
    uses: ClassVar[tuple[str, ...]] = ()
    min_modalities: ClassVar[int] = 0

    def __init__(self, hyperparams: Any, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.register_buffer("value", torch.zeros(spec.num_outputs))

    def forward(self, batch: Batch) -> Output:
        """The constant, once a clip."""
        return Output(self.get_buffer("value").expand(len(batch), -1))

    def fit(self, train: Iterable[Batch], valid: Iterable[Batch], select: Select) -> None:
        """Take the candidate that valid prefers."""
        target = torch.cat([batch.targets["M"] for batch in train])
        valid_target = torch.cat([batch.targets["M"] for batch in valid])
        scores = [select(value.expand(len(valid_target), -1), valid_target) for value in self._candidates(target)]
        self.get_buffer("value").copy_(self._candidates(target)[scores.index(max(scores))])

    def _candidates(self, target: Tensor) -> list[Tensor]:
        """The constants to choose from, (outputs,) each, given the train part's M."""
        if self.spec.kind == "multi_label":
            return [torch.full((self.spec.num_outputs,), sign * CERTAIN) for sign in (-1.0, 1.0)]
        if self.spec.kind == "multi_class":
            counts = torch.bincount(target, minlength=self.spec.num_outputs).float()
            return [torch.log((counts / counts.sum()).clamp(min=1e-6))]
        return [torch.quantile(target, 0.5, dim=0)]


Model = Constant
