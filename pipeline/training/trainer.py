"""The one loop over epochs, for every model: AdamW, schedule, clipping, early stopping on valid by the task's selection.

A run's numbers depend on its row, fold, seed and data alone: weights and dropout come from torch's generator seeded here, batches from seed
and epoch, and the caller keeps torch at one thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import ModelError
from pipeline.fusion.base import Batch, ClosedFormModel, FusionModel, Output, make_model
from pipeline.tasks.task import Task
from pipeline.training.batching import Positions, iterate, order_batches
from pipeline.training.dataset import FoldData
from pipeline.training.losses import make_criteria
from pipeline.training.modality_dropout import drop_modalities
from pipeline.training.zoo import TrainConfig, ZooRow

EVALUATION_BATCH, EVALUATION_STEPS = 128, 65536  # clips, and their steps; they change no logit beyond its last bits


@dataclass
class Fitted:
    """A trained model at its best epoch, and how it came there (one record an epoch)."""

    model: FusionModel
    best_epoch: int
    history: list[dict[str, float]]


def fit(row: ZooRow, task: Task, data: FoldData, seed: int) -> Fitted:
    """Train one row on one fold with one seed; `data` holds the modalities that the model reads, on the device to train on.

    Raises:
        ModelError: the task cannot serve the model, its train part has no clip with input, or the loss is no longer finite.
    """
    torch.manual_seed(seed)
    model = make_model(row.model, row.hyperparams, data.spec(task.config.kind, task.num_outputs))
    for m in model.modalities:
        model.inputs.set(m, *(x.cpu() for x in data.statistics[m]))
    for vectors in data.label_vectors.values():
        model.set_label_vectors(vectors.values)
    model.to(data.parts["train"].device)
    if not len(data.clips_with_input("train")):
        raise ModelError(f"{row.name}: no clip of the train part has {' or '.join(model.modalities)}; the embeddings' skipped.csv says why")
    return Fitter(model, row, task, data, seed).run()


class Fitter:
    """The loop's state: model, optimizer, schedule, best weights."""

    def __init__(self, model: FusionModel, row: ZooRow, task: Task, data: FoldData, seed: int) -> None:
        self.model, self.row, self.task, self.data, self.seed = model, row, task, data, seed
        self.config: TrainConfig = row.train
        self.criteria = make_criteria(task, data)
        self.train, self.lengths = data.clips_with_input("train"), data.lengths(data.clips_with_input("train"))
        self.history: list[dict[str, float]] = []

    def run(self) -> Fitted:
        """Train until the valid part has not improved for `patience` epochs, and return the best epoch's weights."""
        if isinstance(self.model, ClosedFormModel):
            self.fit_closed_form(self.model)
            self.history.append({"epoch": 0, "train_loss": self.criterion_on("train"), **self.validate(), "learning_rate": 0.0})
            return Fitted(self.model.eval(), 0, self.history)
        groups = self.model.param_groups(self.config.learning_rate, self.config.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=self.config.learning_rate, weight_decay=self.config.weight_decay, fused=True)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self.schedule)
        best, best_epoch, weights = -math.inf, 0, dict[str, Tensor]()
        for epoch in range(1, self.config.max_epochs + 1):
            rate = optimizer.param_groups[0]["lr"]
            train_loss = self.train_epoch(epoch, optimizer, scheduler)
            self.model.after_epoch(epoch)
            self.history.append({"epoch": epoch, "train_loss": train_loss, **self.validate(), "learning_rate": rate})
            scored = epoch > min(self.model.unscored_epochs, self.config.max_epochs - 1)
            if not scored:
                best_epoch = epoch  # patience begins when the model learns the task
            elif self.history[-1]["valid_selection"] > best:
                best, best_epoch = self.history[-1]["valid_selection"], epoch
                weights = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
            if epoch - best_epoch >= self.config.patience:
                break
        self.model.load_state_dict(weights)
        return Fitted(self.model.eval(), best_epoch, self.history)

    def fit_closed_form(self, model: ClosedFormModel) -> None:
        """Fit a model without epochs on standardised batches."""

        def batches(index: Tensor) -> Iterator[Batch]:
            return (model.inputs(batch) for _, batch in iterate(self.data, index, EVALUATION_BATCH, EVALUATION_STEPS))

        def select(logits: Tensor, target: Tensor) -> float:
            return self.task.select(logits.float().cpu().numpy(), target.cpu().numpy())

        with torch.inference_mode():
            model.fit(batches(self.train), batches(self.data.parts["valid"]), select)

    def batches(self, epoch: int) -> list[Positions]:
        """Positions in `train`, a batch each."""
        return order_batches(self.lengths, self.config.batch_size, self.seed, epoch, self.config.batch_steps)

    @cached_property
    def total_steps(self) -> int:
        """Steps of all epochs; counted, since `batch_steps` splits other batches in each."""
        return sum(len(self.batches(epoch)) for epoch in range(1, self.config.max_epochs + 1))

    def schedule(self, step: int) -> float:
        """Factor of the learning rate at a step: linear warm-up, then constant or a cosine to 0."""
        total = self.total_steps
        warmup = round(self.config.warmup * total)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if self.config.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))

    def train_epoch(self, epoch: int, optimizer: torch.optim.Optimizer, scheduler: torch.optim.lr_scheduler.LambdaLR) -> float:
        """One pass over the train part; the mean training loss of a clip."""
        self.model.train()
        losses = []
        for chosen in self.batches(epoch):
            batch = self.data.batch(self.train[torch.from_numpy(chosen).to(self.train.device)], epoch)
            batch = drop_modalities(batch, self.config.modality_dropout)
            with autocast(self.train.device, self.config.precision):
                output: Output = self.model(batch)
            output = output.float()
            loss = self.model.loss(output, batch, self.criteria)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            for group in optimizer.param_groups if self.config.grad_clip else ():
                clip_gradient(group["params"], self.config.grad_clip)
            optimizer.step()
            scheduler.step()
            self.model.after_step(output, batch)
            losses.append(loss.detach() * len(batch))
        mean = float(torch.stack(losses).sum()) / len(self.train)
        if not math.isfinite(mean):
            raise ModelError(f"{self.row.name}, seed {self.seed}: the loss of epoch {epoch} is {mean}; lower learning_rate or clip")
        return mean

    def criterion_on(self, part: str) -> float:
        """The task's loss of the fused output on a part."""
        logits = torch.from_numpy(predict(self.model, self.data, part, self.config.precision)["fusion"])
        return float(self.criteria["M"](logits, self.data.targets["M"][self.data.parts[part]].cpu()))

    def validate(self) -> dict[str, float]:
        """Loss and selection score of the fused output on valid."""
        logits = predict(self.model, self.data, "valid", self.config.precision)["fusion"]
        target = self.data.targets["M"][self.data.parts["valid"]].cpu()
        loss = float(self.criteria["M"](torch.from_numpy(logits), target))
        return {"valid_loss": loss, "valid_selection": self.task.select(logits, target.numpy())}


def clip_gradient(parameters: Sequence[Tensor], largest: float) -> None:
    """Scale gradients down to a norm of `largest`; on a CPU smaller ones are not written anew, of which a large layer has 140 MB."""
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if norm.device.type != "cpu" or not norm <= largest:
        torch.nn.utils.clip_grads_with_norm_(parameters, largest, norm)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bf16 autocast where `precision` says so."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def predict(model: FusionModel, data: FoldData, part: str, precision: str, without: str | None = None) -> dict[str, NDArray[np.float32]]:
    """Logits of a part's clips in the part's order: "fusion" and each head → (clips, outputs) float32.

    Args:
        model: put into evaluation mode.
        data: the fold.
        part: train, valid or test.
        precision: fp32 or bf16.
        without: a modality to remove from every clip.
    """
    index = data.parts[part]
    found: dict[str, NDArray[np.float32]] = {}
    model.eval()
    with torch.inference_mode():
        for chosen, batch in iterate(data, index, EVALUATION_BATCH, EVALUATION_STEPS):
            with autocast(index.device, precision):
                output: Output = model(batch.without(without) if without else batch)
            for name, logits in {"fusion": output.logits, **output.heads}.items():
                values = logits.float().cpu().numpy()
                found.setdefault(name, np.empty((len(index), values.shape[1]), np.float32))[chosen] = values
    return found
