"""The network of Self-MM, which Human-MM shares: a fused task, and one for each modality on labels that somebody or something gave it.

Yu, Xu, Yuan, Wu, "Learning modality-specific representations with self-supervised multi-task learning for multimodal sentiment analysis",
AAAI 2021; sizes as in its configuration for SIMS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.fusion.base import Batch, Criterion, FusionModel, ModelSpec, Output
from pipeline.fusion.subnets import Classifier, LastStepNet, Summary


@dataclass(frozen=True)
class SelfMMHyperparams:
    """Sizes for SIMS.

    audio_lstm, video_lstm: the LSTMs'; audio_out, video_out: of the codes; *_dim: of the layers on the codes; dropout: of the unimodal
    layers; encoder_rate: learning rate of the LSTMs, as a multiple of the row's (5e-3 of 1e-3).
    """

    audio_lstm: int = 16
    video_lstm: int = 64
    audio_out: int = 16
    video_out: int = 32
    fusion_dim: int = 128
    text_dim: int = 64
    audio_dim: int = 16
    video_dim: int = 32
    dropout: float = 0.1
    fusion_dropout: float = 0.0
    encoder_rate: float = 5.0


class SelfMMNetwork(FusionModel):
    """Codes: text's own summary, LSTMs of audio and video; a classifier on all of them and one on each."""

    Hyperparams: ClassVar[type] = SelfMMHyperparams
    min_modalities: ClassVar[int] = 2
    summarised: ClassVar[tuple[str, ...]] = ("text",)

    def __init__(self, hyperparams: SelfMMHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        h = self.hyperparams = hyperparams
        sizes = {"audio": (h.audio_lstm, h.audio_out), "video": (h.video_lstm, h.video_out)}
        nets = {m: LastStepNet(spec.dims[m], *sizes[m], dropout=0.0) for m in self.modalities if m in sizes}
        self.encoders = nn.ModuleDict({m: nets.get(m) or Summary(m in spec.leads_with_cls) for m in self.modalities})
        widths = {m: sizes[m][1] if m in sizes else spec.dims[m] for m in self.modalities}
        self.fusion = Classifier(sum(widths.values()), h.fusion_dim, spec.num_outputs, h.fusion_dropout)
        dims = {m: int(getattr(h, f"{m}_dim")) for m in self.modalities}
        self.heads = nn.ModuleDict({m: Classifier(widths[m], dims[m], spec.num_outputs, h.dropout) for m in self.modalities})

    def forward(self, batch: Batch) -> Output:
        """Fused logits, heads, and as extras the representation of each task, its classifier's first layer: F*_m, F*_t, F*_a, F*_v."""
        codes = {m: self.encoders[m](batch.features[m], batch.padding_mask[m]) for m in self.modalities}
        features = {"fusion": self.fusion.embed(torch.cat(list(codes.values()), dim=-1))}
        features |= {m: self.heads[m].embed(code) for m, code in codes.items()}  # type: ignore[operator]
        heads = {m: self.heads[m].read(features[m]) for m in self.modalities}  # type: ignore[operator]
        return Output(self.fusion.read(features["fusion"]), heads, features)

    def signed(self, target: Tensor) -> Tensor:
        """M, T, A or V as a value with a sign, (batch, outputs): a regression's as it is, a label's 0 and 1 as −1 and 1."""
        return 2 * target - 1 if self.spec.kind == "multi_label" else target

    def multitask_loss(self, output: Output, batch: Batch, criteria: Mapping[str, Criterion], labels: Mapping[str, Tensor]) -> Tensor:
        """L = ℓ(ŷ_M, y_M) + Σ_s mean(tanh |y_s − y_M| · ℓ(ŷ_s, y_s)), given each modality's signed labels y_s (batch, outputs).

        ℓ of a modality is |·| for a regression and cross-entropy against (y_s + 1) / 2 for labels; its mean is over the clips that have it.
        """
        truth, total = self.signed(batch.targets["M"]), criteria["M"](output.logits, batch.targets["M"])
        for m, logits in output.heads.items():
            weight = torch.tanh((labels[m] - truth).abs()) * batch.present[m].unsqueeze(-1)
            if self.spec.kind == "multi_label":
                losses = functional.binary_cross_entropy_with_logits(logits, (labels[m] + 1) / 2, reduction="none")
            else:
                losses = (logits - labels[m]).abs()
            total = total + (weight * losses).sum() / (batch.present[m].sum() * logits.shape[1]).clamp(min=1)
        return total

    def param_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """The LSTMs of audio and video at a learning rate of their own."""
        encoders = [p for name, p in self.named_parameters() if name.startswith("encoders.")]
        others = [p for name, p in self.named_parameters() if not name.startswith("encoders.")]
        return [
            {"params": others, "lr": learning_rate, "weight_decay": weight_decay},
            {"params": encoders, "lr": learning_rate * self.hyperparams.encoder_rate, "weight_decay": weight_decay},
        ]
