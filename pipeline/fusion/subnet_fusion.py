"""The CH-SIMS baselines' family: a net for each modality, a fusion of their codes, and, where a row is multi-task, a head on each code.

Yu et al., "CH-SIMS: a Chinese multimodal sentiment analysis dataset with fine-grained annotations of modality", ACL 2020. Six rows are two
choices: how the codes are fused (concatenation, outer product, low-rank product), and whether the modalities have labels of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pipeline.fusion.base import OWN_ANNOTATION, Batch, Criterion, FusionModel, ModelSpec, Output
from pipeline.fusion.subnets import AverageNet, Classifier, LastStepNet, with_one


@dataclass(frozen=True)
class SubnetHyperparams:
    """Widths of the nets: text's LSTM and what it is projected to, audio's and video's layers; dropout: in the nets."""

    text_dim: int = 128
    text_out: int = 256
    audio_dim: int = 32
    video_dim: int = 128
    dropout: float = 0.3


@dataclass(frozen=True)
class HeadHyperparams:
    """Widths and dropout of the unimodal heads, and the loss' weights α.

    A head of weight 0 learns from a detached code: it is as good as it can be, and shapes nothing.
    """

    text_head: int = 16
    audio_head: int = 4
    video_head: int = 32
    head_dropout: float = 0.5
    fusion_weight: float = 0.6
    text_weight: float = 0.2
    audio_weight: float = 0.8
    video_weight: float = 0.8


Fusion = Callable[[Mapping[str, int], Any, int], nn.Module]  # (widths of the codes, hyperparameters, outputs) → codes to logits


class Concatenated(nn.Module):
    """A classifier on the codes side by side."""

    def __init__(self, widths: Mapping[str, int], hyperparams: Any, num_outputs: int) -> None:
        super().__init__()
        self.classifier = Classifier(sum(widths.values()), hyperparams.fusion_dim, num_outputs, hyperparams.fusion_dropout)

    def forward(self, codes: list[Tensor]) -> Tensor:
        """Codes, (batch, width) each → logits (batch, outputs)."""
        return self.classifier(torch.cat(codes, dim=-1))  # type: ignore[no-any-return]


class OuterProduct(nn.Module):
    """A classifier on ⊗_m [h_m; 1], whose first layer is contracted with the narrowest code last.

    So the product of all codes, (batch, Π(width + 1)), is never built: that of the others meets the weights in one matrix product, and what
    it leaves is small. Dropout acts on the codes: a unit goes with all the products it stands in.
    """

    def __init__(self, widths: Mapping[str, int], hyperparams: Any, num_outputs: int) -> None:
        super().__init__()
        self.order = sorted(range(len(widths)), key=lambda i: -list(widths.values())[i])
        sizes, dim = [list(widths.values())[i] + 1 for i in self.order], hyperparams.fusion_dim
        bound = 1 / math.sqrt(math.prod(sizes))  # nn.Linear's
        self.weight = nn.Parameter(torch.empty(*sizes, dim).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(dim).uniform_(-bound, bound))
        self.dropout = nn.Dropout(hyperparams.fusion_dropout)
        self.classifier = nn.Sequential(nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, num_outputs))

    def contract(self, codes: list[Tensor]) -> Tensor:
        """Σ_{i,j,…} [h;1]_i [h';1]_j … W_{ij…} + b, (batch, dim)."""
        product, *others, narrow = [with_one(codes[i]) for i in self.order]
        for x in others:
            product = (product.unsqueeze(-1) * x.unsqueeze(1)).flatten(1)
        weight = self.weight.view(product.shape[1], -1)
        contracted = (weight.mT @ product.mT).mT  # turned: a third less time for the gradients
        contracted = contracted.reshape(len(product), *self.weight.shape[-2:])
        return torch.bmm(narrow.unsqueeze(1).to(contracted.dtype), contracted).squeeze(1) + self.bias

    def forward(self, codes: list[Tensor]) -> Tensor:
        """Codes, (batch, width) each → logits (batch, outputs)."""
        return self.classifier(self.contract([self.dropout(code) for code in codes]))  # type: ignore[no-any-return]


class LowRank(nn.Module):
    """logits = Σ_r w_r ∏_m ([h_m; 1] F_m^r) + b: a linear layer on ⊗_m [h_m; 1] whose weights are a sum of `rank` outer products."""

    def __init__(self, widths: Mapping[str, int], hyperparams: Any, num_outputs: int) -> None:
        super().__init__()
        shapes = [(width + 1, hyperparams.rank, num_outputs) for width in widths.values()]
        self.factors = nn.ParameterList(torch.randn(shape) * math.sqrt(2 / (shape[0] + num_outputs)) for shape in shapes)
        self.weight = nn.Parameter(torch.randn(hyperparams.rank) * math.sqrt(2 / (1 + hyperparams.rank)))
        self.bias = nn.Parameter(torch.zeros(num_outputs))

    def forward(self, codes: list[Tensor]) -> Tensor:
        """Codes, (batch, width) each → logits (batch, outputs)."""
        product = torch.ones(1, device=codes[0].device)
        for code, factor in zip(codes, self.factors, strict=True):
            product = product * (with_one(code) @ factor.flatten(1))
        return (product.view(len(product), len(self.weight), -1) * self.weight.unsqueeze(-1)).sum(1) + self.bias


class SubnetFusion(FusionModel):
    """Codes of the modalities, fused; a subclass says how in `fusion_layer`."""

    min_modalities: ClassVar[int] = 2
    fusion_layer: ClassVar[Fusion]

    def __init__(self, hyperparams: Any, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.hyperparams = hyperparams
        self.subnets = nn.ModuleDict({m: self.make_subnet(m) for m in self.modalities})
        self.widths = {m: int(self.subnets[m].out_dim) for m in self.modalities}  # type: ignore[arg-type]
        self.fusion = type(self).fusion_layer(self.widths, hyperparams, spec.num_outputs)

    def make_subnet(self, modality: str) -> AverageNet | LastStepNet:
        """Text's LSTM; audio's or video's net over the mean."""
        h, in_dim = self.hyperparams, self.spec.dims[modality]
        if modality == "text":
            return LastStepNet(in_dim, h.text_dim, h.text_out, h.dropout)
        return AverageNet(in_dim, getattr(h, f"{modality}_dim"), h.dropout)

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Modality → code (batch, width)."""
        return {m: self.subnets[m](batch.features[m], batch.padding_mask[m]) for m in self.modalities}

    def forward(self, batch: Batch) -> Output:
        """The fused codes' logits."""
        return Output(self.fusion(list(self.encode(batch).values())))


class MultitaskSubnetFusion(SubnetFusion):
    """The same with a head on each code: L = α_M ℓ(ŷ_M, y_M) + Σ_m α_m ℓ(ŷ_m, y_m); y_m is y_M where the task has no label of m's own."""

    def __init__(self, hyperparams: Any, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.weights = {m: float(getattr(hyperparams, f"{m}_weight")) for m in self.modalities}
        dims = {m: int(getattr(hyperparams, f"{m}_head")) for m in self.modalities}
        rate, outputs = hyperparams.head_dropout, spec.num_outputs
        self.heads = nn.ModuleDict({m: Classifier(self.widths[m], dims[m], outputs, rate) for m in self.modalities})

    @property
    def annotations(self) -> tuple[str, ...]:
        """M and each head's own; M again for each head whose modality has none, so ("M",) * 4 where the task has M alone."""
        return ("M", *(OWN_ANNOTATION[m] if OWN_ANNOTATION[m] in self.spec.annotations else "M" for m in self.modalities))

    def forward(self, batch: Batch) -> Output:
        """The fused codes' logits, and the heads'."""
        codes = self.encode(batch)
        heads = {m: self.heads[m](code if self.weights[m] else code.detach()) for m, code in codes.items()}
        return Output(self.fusion(list(codes.values())), heads)

    def loss(self, output: Output, batch: Batch, criteria: Mapping[str, Criterion]) -> Tensor:
        """The weighted sum of the fused and the heads' losses; a head of weight 0 has its own, which ends at its code."""
        heads = self.head_losses(output, batch, criteria)
        own = torch.stack([(self.weights[m] or 1.0) * loss for m, loss in heads.items()])
        return self.hyperparams.fusion_weight * super().loss(output, batch, criteria) + own.sum()  # type: ignore[no-any-return]
