"""MMIM: maximise the mutual information between modalities, and between each modality and their fusion.

Han, Chen, Poria, "Improving multimodal fusion with hierarchical mutual information maximization for multimodal sentiment analysis", EMNLP
2021; sizes and weights as in its code, which are MMSA's for SIMS too.
L = ℓ(ŷ, y) + α Σ_m L_CPC(z, h_m) − β Σ_{(x, y)} [E log q(y | x) + H(y)], (x, y) text with audio, text with video
L_CPC = −E log exp(cos(h_m, G_m z)) / Σ_j exp(cos(h_m, G_m z_j)); q(y | x) = N(μ(x), σ²(x)) (Barber-Agakov's bound);
H(y) = ½ mean over classes of log det Σ_c, of this batch's clips and the last one's
Differs from the paper: its two stages of an epoch are one: in every step the estimator q, in a group of its own, learns by its likelihood
from detached codes, while the network meets its weights as constants; the network has the bound from epoch 2 on, when the estimator has
seen an epoch as it has there. q has its whole log-likelihood (the code lacks −½ log σ², so that σ grows) and log σ² a tanh (which the code
names and forgets). H is taken of y itself (in the code of a projection that no stage trains), with 0.01 I added to Σ_c; classes are M's
sign, the class, or each label's positives. Text is frozen: the encoder's own [CLS], or the mean of its steps; without text, x is audio.
A modality that a clip lacks has a code of zeros, and the clip no part in that modality's bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from pipeline.fusion.base import Batch, Criterion, FusionModel, ModelSpec, Output
from pipeline.fusion.subnets import LastStepNet, Summary

RIDGE = 0.01  # added to the diagonal of a class' covariance, which a small class leaves singular


@dataclass(frozen=True)
class MMIMHyperparams:
    """audio_dim, video_dim: of LSTMs and codes; fusion_dim: of z; alpha, beta: the bounds' weights.

    estimator_rate: the estimator's learning rate, as a multiple of the row's.
    """

    audio_dim: int = 16
    video_dim: int = 16
    fusion_dim: int = 128
    dropout: float = 0.1
    alpha: float = 0.1
    beta: float = 0.1
    estimator_rate: float = 1.0


class Estimator(nn.Module):
    """q(y | x): a Gaussian whose mean and variance two perceptrons read from x."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.mean = nn.Sequential(nn.Linear(in_dim, out_dim), nn.ReLU(), nn.Linear(out_dim, out_dim))
        self.log_variance = nn.Sequential(nn.Linear(in_dim, out_dim), nn.ReLU(), nn.Linear(out_dim, out_dim), nn.Tanh())

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Log q(y | x) without its constant, (batch, in), (batch, out) → (batch,)."""
        log_variance = self.log_variance(x)
        return -0.5 * ((y - self.mean(x)) ** 2 * torch.exp(-log_variance) + log_variance).sum(-1)


def contrast(codes: Tensor, predicted: Tensor) -> Tensor:
    """L_CPC of codes against what the fusion predicts of them, (clips, dim) each: each code's own prediction among all clips'; a scalar."""
    scores = functional.normalize(codes, dim=-1) @ functional.normalize(predicted, dim=-1).T
    return (torch.logsumexp(scores, dim=-1) - scores.diagonal()).mean()


def entropy(y: Tensor, members: Tensor) -> Tensor:
    """½ mean of log det of the covariances of the classes with two or more clips, (clips, dim), (clips, classes) → a scalar; 0 without."""
    share = members.to(y.dtype)
    share = share[:, share.sum(0) >= 2]
    if not share.shape[1]:
        return y.sum() * 0.0
    share = share / share.sum(0)
    centred = y - (share.T @ y).unsqueeze(1)  # (classes, clips, dim)
    covariance = (centred * share.T.unsqueeze(-1)).transpose(1, 2) @ centred
    return 0.5 * torch.logdet(covariance + RIDGE * torch.eye(y.shape[1], device=y.device)).mean()


class MMIM(FusionModel):
    """Three codes, their fusion, and the bounds on their mutual information."""

    Hyperparams: ClassVar[type] = MMIMHyperparams
    min_modalities: ClassVar[int] = 2
    summarised: ClassVar[tuple[str, ...]] = ("text",)

    def __init__(self, hyperparams: MMIMHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        h = self.hyperparams = hyperparams
        dims = {"audio": h.audio_dim, "video": h.video_dim}
        nets = {m: LastStepNet(spec.dims[m], dims[m], dims[m], 0.0) for m in self.modalities if m in dims}
        self.encoders = nn.ModuleDict({m: nets.get(m) or Summary(m in spec.leads_with_cls) for m in self.modalities})
        widths = {m: dims[m] if m in dims else spec.dims[m] for m in self.modalities}
        self.source, *self.others = self.modalities
        self.estimators = nn.ModuleDict({m: Estimator(widths[self.source], widths[m]) for m in self.others})
        layers = [nn.Linear(sum(widths.values()), h.fusion_dim), nn.Tanh(), nn.Linear(h.fusion_dim, h.fusion_dim), nn.Tanh()]
        self.fuse = nn.Sequential(nn.Dropout(h.dropout), *layers)
        self.out = nn.Linear(h.fusion_dim, spec.num_outputs)
        self.predictors = nn.ModuleDict({m: nn.Linear(h.fusion_dim, width) for m, width in widths.items()})
        self.last = dict[str, tuple[Tensor, Tensor]]()  # modality → the last batch's codes and classes; of the run, not of the state dict

    def forward(self, batch: Batch) -> Output:
        """The logits, and as extras the codes and their fusion z."""
        codes = {m: self.encoders[m](batch.features[m], batch.padding_mask[m]) for m in self.modalities}
        fused = self.fuse(torch.cat(list(codes.values()), dim=-1))
        return Output(self.out(fused), extras={**codes, "fusion": fused})

    def classes(self, target: Tensor) -> Tensor:
        """Which classes each clip is of, (batch, classes) bool: M's signs, the class, the positive labels."""
        if self.spec.kind == "multi_class":
            return functional.one_hot(target, self.spec.num_outputs).bool()
        return target > 0 if self.spec.kind == "multi_label" else torch.cat([target > 0, target < 0], dim=-1)

    def loss(self, output: Output, batch: Batch, criteria: Mapping[str, Criterion]) -> Tensor:
        """The task's, the fusion's bound, the estimator's likelihood and, from epoch 2, the modalities' bounds."""
        codes, h = output.extras, self.hyperparams
        total = super().loss(output, batch, criteria)
        for m in self.modalities:
            if bool((has := batch.present[m]).any()):
                total = total + h.alpha * contrast(codes[m][has], self.predictors[m](codes["fusion"][has]))
        for m in self.others:
            if bool((both := batch.present[self.source] & batch.present[m]).any()):
                x, y = codes[self.source][both], codes[m][both]
                total = total - self.estimators[m](x.detach(), y.detach()).mean()
                if batch.epoch > 1:
                    total = total - h.beta * self.bound(m, x, y, self.classes(batch.targets["M"])[both])
        return total

    def bound(self, modality: str, x: Tensor, y: Tensor, members: Tensor) -> Tensor:
        """E log q(y | x) + H(y), a scalar: the estimator's weights are constants here; H wants the last batch too."""
        estimator = self.estimators[modality]
        constant = {name: p.detach() for name, p in estimator.named_parameters()}
        likelihood: Tensor = functional_call(estimator, constant, (x, y)).mean()
        if modality not in self.last:
            return likelihood
        before, before_members = self.last[modality]
        return likelihood + entropy(torch.cat([y, before]), torch.cat([members, before_members]))

    def after_step(self, output: Output, batch: Batch) -> None:
        """Keep the codes and classes that the next batch's entropy counts in."""
        for m in self.others:
            both = batch.present[self.source] & batch.present[m]
            self.last[m] = output.extras[m].detach()[both], self.classes(batch.targets["M"])[both]

    def param_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """The estimator apart: its gradient is clipped by itself."""
        estimator = list(self.estimators.parameters())
        others = [p for name, p in self.named_parameters() if not name.startswith("estimators.")]
        return [
            {"params": others, "lr": learning_rate, "weight_decay": weight_decay},
            {"params": estimator, "lr": learning_rate * self.hyperparams.estimator_rate, "weight_decay": weight_decay},
        ]


Model = MMIM
