"""Multi-task multimodal bottleneck transformer: each modality is a task, and so is their fusion.

khanhnd185, "Multimodal learning inspired by multitask learning in video emotion recognition", 2023 (blog and EmoMBT code);
bottlenecks from Nagrani et al., "Attention bottlenecks for multimodal fusion", NeurIPS 2021; loss weights: dwa, Liu et al., "End-to-end
multi-task learning with attention", CVPR 2019; rruw and druw, Song et al., "Dynamic restrained uncertainty weighting loss", 2022.
b_mn ← ½(b_mn in m's layer + b_mn in n's layer) after every layer; logits = Σ_m w_m · head_m(cls_m);
L = weighted Σ of the losses of text, audio, video and fusion.
Differs from the paper: frozen embeddings; the projections' hidden layer is as wide as what follows (there 512, 96 and 1024); σ of rruw and
druw is in the optimizer (there it never was, so it stayed 1/K); w_m starts at 1/modalities, not at random; heads are keyed by their own
modality (there text and video were crossed); the text-centred variant is the coherent one; a missing modality neither writes to a
bottleneck nor votes. As in the paper, text has no CLS of its own where its first step is a text encoder's [CLS]
(`ModelSpec.leads_with_cls`): that one is read. Features of which this is not known, imported ones and those of other encoders, get a
learned CLS and layers of their own as audio and video do, be they one vector a clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ModelError
from pipeline.fusion.base import OWN_ANNOTATION, Batch, Criterion, FusionModel, ModelSpec, Output
from pipeline.fusion.late_fusion import WeightedVotes
from pipeline.fusion.layers import SequenceEncoder, SequenceHyperparams, TransformerLayer, project


@dataclass(frozen=True)
class MultitaskMBTHyperparams(SequenceHyperparams):
    """Of multitask_mbt.

    Args:
        num_bottleneck_layers: 2 in the code's defaults.
        loss_weighting: of the heads' and the fusion's losses; single: the fusion's alone.
        centre: none: every pair of modalities has a bottleneck; a modality: only its pairs have one (OEMBT); all: one for all modalities
            together, the mean of as many copies (the code's branch `onembt`).
        temperature: of dwa, 10 in the code.
    """

    num_bottleneck_layers: int = 2
    loss_weighting: Literal["single", "mean", "dwa", "rruw", "druw"] = "mean"
    centre: Literal["none", "text", "audio", "video", "all"] = "none"
    temperature: float = 10.0


class LossWeights(nn.Module):
    """Combines K tasks' losses (K,) into one; rruw and druw learn σ (K,), dwa and druw remember the last two steps' losses."""

    def __init__(self, num_tasks: int, weighting: str, temperature: float) -> None:
        super().__init__()
        self.weighting, self.temperature, self.history = weighting, temperature, list[Tensor]()
        if weighting in ("rruw", "druw"):
            self.sigma = nn.Parameter(torch.full((num_tasks,), 1.0 / num_tasks))

    def dynamic(self, losses: Tensor) -> Tensor:
        """Dynamic weight average, w = K · softmax((ℓ(t−1) / ℓ(t−2)) / τ); ones for the first two steps.

        A head without a clip in one of those steps has no loss there (0), hence no ratio: it counts as unchanged.
        """
        if len(self.history) < 2:
            return torch.ones_like(losses)
        last, before = self.history[-1], self.history[-2]
        ratio = torch.where((last > 0) & (before > 0), last / before.clamp(min=1e-8), 1.0)
        return len(losses) * torch.softmax(ratio / self.temperature, dim=0)

    def forward(self, losses: Tensor) -> Tensor:
        """The weighted loss, a scalar."""
        if self.weighting == "mean":
            return losses.mean()
        if self.weighting == "dwa":
            return (self.dynamic(losses) * losses).sum()
        weights = 1 / (len(losses) * self.sigma**2)  # u_k
        if self.weighting == "druw":
            weights = weights + self.dynamic(losses)
        return (weights * losses).sum() + torch.log1p(self.sigma**2).sum() + (1 - self.sigma.abs().sum()).abs()

    def remember(self, losses: Tensor) -> None:
        """Keep a step's losses (K,) for the steps after it."""
        self.history = [*self.history[-1:], losses.detach()]


class MultitaskMBT(FusionModel):
    """One bottleneck token per pair of modalities, a head per modality, fused logits with gradients into the heads."""

    Hyperparams: ClassVar[type] = MultitaskMBTHyperparams
    min_modalities: ClassVar[int] = 2

    def __init__(self, hyperparams: MultitaskMBTHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.hyperparams = hyperparams
        own_cls = [m for m in self.modalities if m in spec.leads_with_cls]
        self.projections = nn.ModuleDict({m: project(spec.dims[m], hyperparams.dim) for m in own_cls})
        self.encoders = nn.ModuleDict({m: SequenceEncoder(spec.dims[m], hyperparams) for m in self.modalities if m not in own_cls})
        centre = hyperparams.centre
        if centre not in ("none", "all", *self.modalities):
            raise ModelError(f"MultitaskMBT: `centre` is {centre}, and the task's encoders have: {', '.join(self.modalities)}")
        pairs: list[tuple[str, ...]] = [pair for pair in combinations(self.modalities, 2) if centre == "none" or centre in pair]
        self.pairs = [self.modalities] if centre == "all" else pairs
        self.bottlenecks = nn.Parameter(torch.empty(len(self.pairs), hyperparams.dim))
        nn.init.trunc_normal_(self.bottlenecks, std=0.02)
        self.layers = nn.ModuleList(
            nn.ModuleDict({m: TransformerLayer(hyperparams.dim, hyperparams.num_heads, hyperparams.dropout) for m in self.modalities})
            for _ in range(hyperparams.num_bottleneck_layers)
        )
        self.heads = nn.ModuleDict({m: nn.Linear(hyperparams.dim, spec.num_outputs) for m in self.modalities})
        self.fusion = WeightedVotes(len(self.modalities))
        self.weights = LossWeights(len(self.modalities) + 1, hyperparams.loss_weighting, hyperparams.temperature)

    @property
    def annotations(self) -> tuple[str, ...]:
        """M alone where only the fused output is trained; else M and each head's own, where the task has them."""
        own = [OWN_ANNOTATION[m] for m in self.modalities if OWN_ANNOTATION[m] in self.spec.annotations]
        return ("M",) if self.hyperparams.loss_weighting == "single" else ("M", *own)

    def forward(self, batch: Batch) -> Output:
        """Encode, exchange through the bottlenecks, read the heads, let the present ones vote."""
        encoded = {m: self.encode(m, batch) for m in self.modalities}
        tokens = self.exchange(encoded, batch.present)
        heads = {m: self.heads[m](tokens[m][:, 0]) for m in self.modalities}
        return Output(self.fusion(heads, batch.present), heads)

    def encode(self, modality: str, batch: Batch) -> tuple[Tensor, Tensor]:
        """A modality's tokens (batch, time, dim), its CLS first, and their padding mask."""
        features, padding_mask = batch.features[modality], batch.padding_mask[modality]
        if modality in self.projections:
            return self.projections[modality](features), padding_mask
        encoded: tuple[Tensor, Tensor] = self.encoders[modality](features, padding_mask)
        return encoded

    def exchange(self, encoded: Mapping[str, tuple[Tensor, Tensor]], present: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The bottleneck layers: each modality attends to itself and its pairs' tokens, whose two copies are averaged after every layer."""
        out = {m: tokens for m, (tokens, _) in encoded.items()}
        shared = {pair: b.expand(len(present[pair[0]]), -1) for pair, b in zip(self.pairs, self.bottlenecks, strict=True)}
        for layer in self.layers:
            copies: dict[tuple[str, ...], dict[str, Tensor]] = {pair: {} for pair in self.pairs}
            for m, block in layer.items():  # type: ignore[operator]
                own = [pair for pair in self.pairs if m in pair]
                x = torch.cat([torch.stack([shared[pair] for pair in own], dim=1).to(out[m].dtype), out[m]], dim=1)
                x = block(x, functional.pad(encoded[m][1], (len(own), 0), value=False))
                out[m] = x[:, len(own) :]
                for i, pair in enumerate(own):
                    copies[pair][m] = x[:, i]
            shared = {pair: self.merge(shared[pair], copies[pair], present) for pair in self.pairs}
        return out

    @staticmethod
    def merge(before: Tensor, copies: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Mean of the copies whose modality is present, (batch, dim); unchanged where none is."""
        weight = torch.stack([present[m] for m in copies]).unsqueeze(-1).to(before.dtype)  # (copies, batch, 1)
        total = (torch.stack(list(copies.values())).to(before.dtype) * weight).sum(0)
        return torch.where(weight.sum(0) > 0, total / weight.sum(0).clamp(min=1), before)

    def loss(self, output: Output, batch: Batch, criteria: Mapping[str, Criterion]) -> Tensor:
        """The fused loss alone, or with the heads' losses as `loss_weighting` says."""
        fused = super().loss(output, batch, criteria)
        if self.hyperparams.loss_weighting == "single":
            return fused
        losses = torch.stack([*self.head_losses(output, batch, criteria).values(), fused])
        output.extras["losses"] = losses.detach()
        return self.weights(losses)  # type: ignore[no-any-return]

    def after_step(self, output: Output, batch: Batch) -> None:
        """Keep the losses that the next steps' weights depend on."""
        if "losses" in output.extras:
            self.weights.remember(output.extras["losses"])

    def param_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """The uncertainty weights σ are no weights of the network: they do not decay."""
        sigma = list(self.weights.parameters())
        groups = super().param_groups(learning_rate, weight_decay)
        groups[0]["params"] = [p for p in self.parameters() if all(p is not s for s in sigma)]
        return [*groups, {"params": sigma, "lr": learning_rate, "weight_decay": 0.0}] if sigma else groups


Model = MultitaskMBT
