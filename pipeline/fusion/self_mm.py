"""Self-MM: each modality learns labels that are generated from M and from how near its representation is to the classes' centres.

Yu, Xu, Yuan, Wu, "Learning modality-specific representations with self-supervised multi-task learning for multimodal sentiment analysis",
AAAI 2021.
δ_i = (D_i^neg − D_i^pos) / (D_i^pos + ε), i ∈ {m, t, a, v}; ŷ_s = ½ · δ_s / (δ_m + ε) · y_M + ½ (y_M + δ_s − δ_m), clamped to ±max |y_M|;
y_s ← (n − 1)/(n + 1) · y_s + 2/(n + 1) · ŷ_s in epoch n > 1; L = ℓ(ŷ_M, y_M) + Σ_s mean(tanh |y_s − y_M| · |ŷ_s − y_s|)
Differs from the paper: the text encoder is frozen: its code is the encoder's own [CLS], or the mean of its steps; distances are Euclidean,
as in the published code; a centre is that of the clips seen so far, labels of 0 in neither class; where a class is empty the labels stay;
text, audio and video layers share one dropout. Multi-label, which the paper has not: one generator for each label on ±1, whose y_s become
probabilities (y_s + 1) / 2, their cross-entropy without class weights. Multi-class has no sign: a configuration error.
A modality that a clip lacks has a code of zeros, no label, and no part in a centre. The labels and representations of the train part live
in the run, and not in the state dict: a saved model predicts, and is not trained on.
No gradient in epoch 1: all of `heads`, since y_s = y_M there, and tanh 0 = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.fusion.base import Batch, Criterion, ModelSpec, Output
from pipeline.fusion.self_mm_network import SelfMMHyperparams, SelfMMNetwork
from pipeline.tasks.config import MODALITIES

EPS = 1e-8


class Memory:
    """What a run knows of every train clip, by its index: a label (clips, outputs) and a representation (clips, dim)."""

    def __init__(self) -> None:
        self.labels, self.features, self.known = torch.zeros(0, 0), torch.zeros(0, 0), torch.zeros(0, dtype=torch.bool)

    def recall(self, index: Tensor, default: Tensor) -> Tensor:
        """The clips' labels, (batch, outputs); `default` for a clip not seen before."""
        inside = index < len(self.known)
        place = torch.where(inside, index, 0)
        known = inside & self.known[place] if len(self.known) else torch.zeros_like(inside)
        return torch.where(known.unsqueeze(-1), self.labels[place], default) if len(self.known) else default

    def store(self, index: Tensor, labels: Tensor, features: Tensor) -> None:
        """Keep the clips' labels (batch, outputs) and representations (batch, dim), with room for the largest index."""
        if not len(index):
            return
        if not len(self.known):
            self.labels, self.features = labels.new_zeros(0, labels.shape[1]), features.new_zeros(0, features.shape[1])
            self.known = torch.zeros(0, dtype=torch.bool, device=index.device)
        if (more := int(index.max()) + 1 - len(self.known)) > 0:
            self.labels, self.features = (functional.pad(x, (0, 0, 0, more)) for x in (self.labels, self.features))
            self.known = functional.pad(self.known, (0, more))
        self.labels[index], self.features[index], self.known[index] = labels, features, True

    def relative_distance(self, features: Tensor) -> Tensor:
        """δ of representations (batch, dim) from the centres of each label's two classes, (batch, outputs); NaN where one is empty."""
        distances = []
        for members in (self.labels > 0, self.labels < 0):
            share = (members & self.known.unsqueeze(-1)).to(features.dtype)
            centres = (share.T @ self.features) / share.sum(0).unsqueeze(-1)  # (outputs, dim); 0 / 0 = NaN for an empty class
            distances.append((features.unsqueeze(1) - centres).norm(dim=-1))
        positive, negative = distances
        return (negative - positive) / (positive + EPS)


def generate(truth: Tensor, unimodal: Tensor, multimodal: Tensor, limit: Tensor) -> Tensor:
    """ŷ_s of M's label and of the relative distances δ_s and δ_m, (batch, outputs) each, within ±limit; NaN where a distance is."""
    ratio = unimodal / (multimodal + EPS)
    return (0.5 * ratio * truth + 0.5 * (truth + unimodal - multimodal)).clamp(-limit, limit)


class SelfMM(SelfMMNetwork):
    """Each modality learns what the generator says."""

    kinds: ClassVar[tuple[str, ...]] = ("multi_label", "regression")
    without_gradient: ClassVar[tuple[str, ...]] = tuple(
        f"heads.{m}.{layer}.{kind}" for m in MODALITIES for layer in ("embed.1", "read.0", "read.2") for kind in ("weight", "bias")
    )

    def __init__(self, hyperparams: SelfMMHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.memories = {name: Memory() for name in ("fusion", *self.modalities)}

    def loss(self, output: Output, batch: Batch, criteria: Mapping[str, Criterion]) -> Tensor:
        """The fused loss and each modality's on its generated labels."""
        truth = self.signed(batch.targets["M"])
        labels = {m: self.memories[m].recall(batch.index, truth) for m in self.modalities}
        return self.multitask_loss(output, batch, criteria, labels)

    def after_step(self, output: Output, batch: Batch) -> None:
        """From epoch 2, move the clips' labels towards what the centres so far generate; then keep their representations."""
        truth, features = self.signed(batch.targets["M"]), {name: x.detach() for name, x in output.extras.items()}
        multimodal = self.memories["fusion"].relative_distance(features["fusion"]) if batch.epoch > 1 else None
        for m in self.modalities:
            labels = self.memories[m].recall(batch.index, truth)
            if multimodal is not None and len(self.memories[m].known):  # else no clip before had the modality
                generated = generate(truth, self.memories[m].relative_distance(features[m]), multimodal, self.limit())
                moved = ((batch.epoch - 1) * labels + 2 * generated) / (batch.epoch + 1)
                labels = torch.where(generated.isfinite(), moved, labels)
            keep = batch.present[m]
            self.memories[m].store(batch.index[keep], labels[keep], features[m][keep])
        self.memories["fusion"].store(batch.index, truth, features["fusion"])

    def limit(self) -> Tensor:
        """The largest |M| of the train part: 1 for SIMS and for labels, 3 for MOSI."""
        return self.memories["fusion"].labels.abs().max()


Model = SelfMM
