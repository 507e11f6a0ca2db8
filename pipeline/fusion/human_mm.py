"""Human-MM: Self-MM's network with labels that people gave each modality.

Yu, Xu, Yuan, Wu, "Learning modality-specific representations with self-supervised multi-task learning for multimodal sentiment analysis",
AAAI 2021, whose tables have it as a row.
L = ℓ(ŷ_M, y_M) + Σ_s mean(tanh |y_s − y_M| · |ŷ_s − y_s|), y_s the human T, A and V
Differs from the paper: a reconstruction from Self-MM's network and loss, since no code and no text of its own could be found; as SelfMM
does, but for the labels. It is no row of a task that has no T, A and V.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from pipeline.errors import ModelError
from pipeline.fusion.base import OWN_ANNOTATION, Batch, Criterion, ModelSpec, Output
from pipeline.fusion.self_mm_network import SelfMMNetwork


class HumanMM(SelfMMNetwork):
    """Each modality learns its own annotation."""

    kinds: ClassVar[tuple[str, ...]] = ("regression",)

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Refuse a task one of whose modalities has no labels of its own; raises ModelError."""
        super().check(spec)
        if missing := [OWN_ANNOTATION[m] for m in cls.uses if m in spec.dims and OWN_ANNOTATION[m] not in spec.annotations]:
            raise ModelError(
                f"HumanMM learns the annotations {', '.join(missing)}, which the task has not; "
                "give its `annotations` their columns, or take the row out of the zoo (self_mm makes such labels itself)"
            )

    @property
    def annotations(self) -> tuple[str, ...]:
        """M and each modality's own."""
        return ("M", *(OWN_ANNOTATION[m] for m in self.modalities))

    def loss(self, output: Output, batch: Batch, criteria: Mapping[str, Criterion]) -> Tensor:
        """The fused loss and each modality's on its human labels."""
        labels = {m: batch.targets[OWN_ANNOTATION[m]] for m in self.modalities}
        return self.multitask_loss(output, batch, criteria, labels)


Model = HumanMM
