"""Linear predictor: scikit-learn's logistic regression or ridge on mean-pooled embeddings.

No paper; design.md §8 puts it at the head of every table. logits = W [mean_t text; mean_t audio; mean_t video] + b on standardised columns.
Multi-label: one logistic regression a label, positives weighted by negatives/positives up to 20 as the task's criterion does.
A missing modality stands at the train part's mean, which is zero after standardising. The strength of the penalty is chosen on valid.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from pipeline.fusion.base import Batch, ClosedFormModel, ModelSpec, Output, Select
from pipeline.fusion.layers import masked_mean
from pipeline.tasks.task import pos_weight

CERTAIN = 10.0  # logit of a label or class that never varies in train


@dataclass(frozen=True)
class LinearHyperparams:
    """penalties: the grid, as ridge's alpha or 1/C of the logistic regression; max_iter: of its solver."""

    penalties: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0, 10000.0)
    max_iter: int = 1000


class Linear(ClosedFormModel):
    """An affine map of pooled embeddings; its weights are buffers."""

    Hyperparams: ClassVar[type] = LinearHyperparams

    def __init__(self, hyperparams: LinearHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.hyperparams = hyperparams
        width = sum(spec.dims[m] for m in self.modalities)
        for name, shape in {"mean": (width,), "sd": (width,), "weight": (spec.num_outputs, width), "bias": (spec.num_outputs,)}.items():
            self.register_buffer(name, torch.ones(shape) if name == "sd" else torch.zeros(shape))

    def pool(self, batch: Batch) -> Tensor:
        """Standardised mean-pooled embeddings, (batch, width); zero where a modality is missing."""
        pooled = torch.cat([masked_mean(batch.features[m], batch.padding_mask[m]) for m in self.modalities], dim=-1)
        return ((pooled - self.get_buffer("mean")) / self.get_buffer("sd")).masked_fill(~self._present(batch), 0.0)

    def _present(self, batch: Batch) -> Tensor:
        """Which columns are real, (batch, width) bool."""
        return torch.cat([batch.present[m].unsqueeze(-1).expand(-1, self.spec.dims[m]) for m in self.modalities], dim=-1)

    def forward(self, batch: Batch) -> Output:
        """The affine map of the pooled embeddings."""
        return Output(self.pool(batch) @ self.get_buffer("weight").T + self.get_buffer("bias"))

    def fit(self, train: Iterable[Batch], valid: Iterable[Batch], select: Select) -> None:
        """Fit once for each strength of the penalty and keep the one that valid prefers."""
        train, valid = list(train), list(valid)
        self._standardise(train)
        x, target = torch.cat([self.pool(batch) for batch in train]), torch.cat([batch.targets["M"] for batch in train])
        valid_x, valid_target = torch.cat([self.pool(batch) for batch in valid]), torch.cat([batch.targets["M"] for batch in valid])
        best = -np.inf
        for penalty in self.hyperparams.penalties:
            weight, bias = self._solve(x.cpu().numpy(), target.cpu().numpy(), penalty)
            weight, bias = weight.to(x), bias.to(x)
            if (score := select(valid_x @ weight.T + bias, valid_target)) > best:
                best = score
                self.get_buffer("weight").copy_(weight)
                self.get_buffer("bias").copy_(bias)

    def _standardise(self, train: list[Batch]) -> None:
        """Take mean and sd of each column over the train clips that have it."""
        x, real = torch.cat([self.pool(batch) for batch in train]), torch.cat([self._present(batch) for batch in train])
        count = real.sum(0).clamp(min=1)
        mean = x.sum(0) / count
        sd = (((x - mean) * real) ** 2).sum(0).div(count).sqrt()
        self.get_buffer("mean").copy_(mean)
        self.get_buffer("sd").copy_(torch.where(sd > 1e-6, sd, torch.ones_like(sd)))

    def _solve(self, x: Any, target: Any, penalty: float) -> tuple[Tensor, Tensor]:
        """Weight (outputs, width) and bias (outputs,) for one strength of the penalty."""
        from sklearn.linear_model import Ridge

        if self.spec.kind == "regression":
            ridge = Ridge(alpha=penalty).fit(x, target)
            return torch.as_tensor(ridge.coef_).reshape(-1, x.shape[1]), torch.as_tensor(ridge.intercept_).reshape(-1)
        if self.spec.kind == "multi_class":
            return self._classes(x, target, penalty)
        columns = [self._label(x, target[:, c], penalty) for c in range(target.shape[1])]
        return torch.cat([weight for weight, _ in columns]), torch.cat([bias for _, bias in columns])

    def _label(self, x: Any, target: Any, penalty: float) -> tuple[Tensor, Tensor]:
        """One label of several: (1, width) and (1,)."""
        if target.min() == target.max():
            return torch.zeros(1, x.shape[1]), torch.full((1,), CERTAIN if target[0] else -CERTAIN)
        return self._classify(x, target, penalty, {0: 1.0, 1: float(pos_weight(target))})

    def _classes(self, x: Any, target: Any, penalty: float) -> tuple[Tensor, Tensor]:
        """All classes, (outputs, width) and (outputs,): a row for each that train has, for the others a logit that never wins."""
        present = np.unique(target).astype(int)
        full_weight, full_bias = torch.zeros(self.spec.num_outputs, x.shape[1]), torch.full((self.spec.num_outputs,), -CERTAIN)
        if len(present) == 1:
            full_bias[present] = CERTAIN
            return full_weight, full_bias
        weight, bias = self._classify(x, target, penalty, None)
        if len(present) == 2:
            weight, bias = torch.cat([-weight / 2, weight / 2]), torch.cat([-bias / 2, bias / 2])
        full_weight[present], full_bias[present] = weight.to(full_weight), bias.to(full_bias)
        return full_weight, full_bias

    def _classify(self, x: Any, target: Any, penalty: float, class_weight: dict[int, float] | None) -> tuple[Tensor, Tensor]:
        """scikit-learn's logistic regression: a row of weights and a bias for each class it was shown, one of both for two."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=1.0 / penalty, max_iter=self.hyperparams.max_iter, class_weight=class_weight).fit(x, target)
        return torch.as_tensor(model.coef_), torch.as_tensor(model.intercept_)


Model = Linear
