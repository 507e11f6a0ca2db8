"""The fit of an encoder: a network alone, on label M of its task's train part, its best epoch chosen by clips held out of that part.

Each epoch draws its own random numbers from the seed and its number, and leaves a checkpoint: a fit that was interrupted goes on after its
last finished epoch and ends with the same bytes as an undisturbed one (on a CPU, with the same number of threads).
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.embed.device import computing_in
from pipeline.embed.encoder import EncoderConfig, FitConfig
from pipeline.embed.network import EncoderNetwork
from pipeline.errors import ModelError
from pipeline.progress import show_progress
from pipeline.shards.extractor import Row, Skip
from pipeline.tasks.task import Task
from pipeline.training.checkpoint import read_checkpoint, write_checkpoint

CHECKPOINT_NAME = "checkpoint.safetensors"


@dataclass(frozen=True)
class FitData:
    """What a fit reads.

    Args:
        fitted: features of the clips that it is fitted on.
        fitted_target: their label M, (clips, …).
        valid: features of the clips that choose the epoch.
        valid_target: their label M.
    """

    fitted: Sequence[Row]
    fitted_target: np.ndarray
    valid: Sequence[Row]
    valid_target: np.ndarray


class Classifier(nn.Module):
    """The network and what a fit puts on it: dropout and a linear layer on the mean step, or a hidden layer on all steps."""

    def __init__(self, network: EncoderNetwork, module: nn.Module, example: Tensor, num_outputs: int, dropout: float) -> None:
        super().__init__()
        self.network, self.module = network, module
        with torch.inference_mode():
            steps, width = network.encode(module.eval(), example, False)["sequence"].shape[1:]
        hidden = network.hidden_head
        first = [nn.Flatten(), nn.Linear(steps * width, hidden), nn.ReLU()] if hidden else []
        self.head = nn.Sequential(*first, nn.Dropout(dropout), nn.Linear(hidden or width, num_outputs))

    def forward(self, batch: Tensor) -> Tensor:
        """Return each unit's logits, (units, outputs) float32."""
        sequence = self.network.encode(self.module, batch, False)["sequence"]
        logits: Tensor = self.head(sequence if self.network.hidden_head else sequence.mean(dim=1))
        return logits.float()


@dataclass
class Standing:
    """How far a fit has come.

    Args:
        epoch: the last finished one, from 1.
        best_epoch: the one with the best selection so far.
        history: a record an epoch.
        best: the network's weights after the best epoch.
    """

    epoch: int = 0
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)


class EncoderFit:
    """Fits one encoder.

    Args:
        row: the encoder's row of params.yaml.
        network: its kind of network.
        task: whose label M it learns.
        data: what it learns from.
        device: that computes.
        threads: that decode beside it.
    """

    def __init__(self, row: EncoderConfig, network: EncoderNetwork, task: Task, data: FitData, device: torch.device, threads: int) -> None:
        if row.fit is None:
            raise ModelError("an encoder is fitted only where its row has `fit`")
        self.config: FitConfig = row.fit
        self.network, self.task, self.data, self.device, self.threads = network, task, data, device, threads
        torch.manual_seed(self.config.seed)
        units = (network.prepare(row) for row in data.fitted)
        example = next((prepared[:2] for prepared in units if not isinstance(prepared, Skip)), None)
        if example is None:
            raise ModelError("no clip of the train part gives the encoder anything to be fitted on")
        self.model = Classifier(network, network.build(), network.collate(example), task.num_outputs, self.config.dropout).to(device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), self.config.learning_rate, weight_decay=self.config.weight_decay)
        self.criterion = task.criterion(data.fitted_target)

    def run(self, name: str, checkpoint: Path, fingerprint: str) -> Standing:
        """Fit to the end or until `patience` epochs brought nothing better; returns the best epoch's weights.

        Args:
            name: shown with the progress.
            checkpoint: written after each epoch; a fit of the same fingerprint goes on from it.
            fingerprint: of everything that can change the fit.
        """
        standing = self._resume(checkpoint, fingerprint)
        with show_progress(name, self.config.epochs, "epochs") as progress, ThreadPoolExecutor(self.threads) as pool:
            progress.update(standing.epoch)
            while standing.epoch < min(self.config.epochs, standing.best_epoch + self.config.patience if standing.epoch else 1):
                standing.epoch += 1
                loss = self._train(standing.epoch, pool)
                selection, valid_loss = self._judge(pool)
                standing.history.append({"epoch": standing.epoch, "train_loss": loss, "valid_loss": valid_loss, "selection": selection})
                if selection > max((record["selection"] for record in standing.history[:-1]), default=-math.inf):
                    standing.best_epoch = standing.epoch
                    standing.best = {key: value.detach().cpu().clone() for key, value in self.model.module.state_dict().items()}
                self._write(checkpoint, fingerprint, standing)
                progress.update(standing.epoch)
        return standing

    def _train(self, epoch: int, pool: ThreadPoolExecutor) -> float:
        """Run one epoch; returns the mean loss."""
        generator = np.random.default_rng([self.config.seed, epoch])
        torch.manual_seed(int(generator.integers(2**62)))
        passes = [generator.permutation(len(self.data.fitted)) for _ in range(self.config.units)]
        steps = np.array_split(np.concatenate(passes), max(1, len(passes) * len(passes[0]) // self.config.batch_size))
        self.model.train()
        losses = []
        for number, (batch, places) in enumerate(self._draw_batches(steps, epoch, pool), 1):
            self._set_learning_rate((epoch - 1 + number / len(steps)) / self.config.epochs)
            target = torch.from_numpy(self.data.fitted_target[places]).to(self.device)
            with computing_in(self.config.precision, self.device):
                logits = self.model(self._mirror(batch))
            loss = self.criterion(logits, target)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.grad_clip)
            self.optimizer.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    def _draw_batches(self, steps: Sequence[np.ndarray], epoch: int, pool: ThreadPoolExecutor) -> Iterator[tuple[Tensor, np.ndarray]]:
        """Yield each step's units and the places of their clips; the next step's are drawn while the network works."""
        seeds = [[self.config.seed, epoch, number] for number in range(len(steps))]
        waiting = [pool.submit(self._draw, steps[0], seeds[0])]
        for number in range(len(steps)):
            if number + 1 < len(steps):
                waiting.append(pool.submit(self._draw, steps[number + 1], seeds[number + 1]))
            batch, places = waiting.pop(0).result()
            if len(places) > 1:
                yield batch.to(self.device), places

    def _draw(self, places: np.ndarray, seed: list[int]) -> tuple[Tensor, np.ndarray]:
        """Return a unit of each clip, (units, …), without those of clips that give none."""
        generator = np.random.default_rng(seed)
        drawn = [(place, self.network.draw(self.data.fitted[place], generator)) for place in places]
        units = [(place, unit) for place, unit in drawn if not isinstance(unit, Skip)]
        batch = self.network.collate([unit for _, unit in units]) if units else torch.empty(0)
        return batch, np.asarray([place for place, _ in units], np.int64)

    def _mirror(self, batch: Tensor) -> Tensor:
        """Return the batch with some pictures mirrored, (units, …, height, width, channels)."""
        if not self.network.picture:
            return batch
        mirrored = torch.rand(len(batch)) < self.config.mirror
        shape = (-1,) + (1,) * (batch.ndim - 1)
        return torch.where(mirrored.view(shape).to(batch.device), batch.flip(-2), batch)

    def _set_learning_rate(self, progress: float) -> None:
        """Warm up over the first epoch or tenth of the fit, whichever is shorter, then fall by a cosine. `progress`: share of the fit."""
        warm = min(1 / self.config.epochs, 0.1)
        factor = progress / warm if progress < warm else 0.5 * (1 + math.cos(math.pi * (progress - warm) / (1 - warm)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * factor

    def _judge(self, pool: ThreadPoolExecutor) -> tuple[float, float]:
        """Return the task's selection number and the loss on the clips that choose the epoch; a clip's logits are its units' mean."""
        self.model.eval()
        logits, places = [], []
        for place, units in enumerate(pool.map(self.network.prepare, self.data.valid)):
            if isinstance(units, Skip):
                continue
            with torch.inference_mode(), computing_in(self.config.precision, self.device):
                parts = [units[i : i + self.config.batch_size] for i in range(0, len(units), self.config.batch_size)]
                logits.append(torch.cat([self.model(self.network.collate(part).to(self.device)) for part in parts]).mean(dim=0).cpu())
            places.append(place)
        if not logits:
            raise ModelError("no clip that chooses the best epoch gives the encoder anything to read")
        stacked, target = torch.stack(logits), self.data.valid_target[places]
        return self.task.select(stacked.numpy(), target), float(self.criterion(stacked, torch.from_numpy(target)))

    def _write(self, path: Path, fingerprint: str, standing: Standing) -> None:
        """Write the checkpoint."""
        groups: dict[str, dict[str, Any]] = {"model": self.model.state_dict(), "best": standing.best}
        for number, state in self.optimizer.state_dict()["state"].items():
            groups[f"optimizer.{number}"] = state
        record = {"epoch": standing.epoch, "best_epoch": standing.best_epoch, "history": standing.history, "fingerprint": fingerprint}
        write_checkpoint(record, groups, path)

    def _resume(self, path: Path, fingerprint: str) -> Standing:
        """Return how far an interrupted fit of the same fingerprint came, the model and optimizer set to it."""
        if not path.exists():
            return Standing()
        record, tensors = read_checkpoint(path)
        if record.pop("fingerprint") != fingerprint:
            return Standing()
        self.model.load_state_dict(_group(tensors, "model."))
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in _group(tensors, "optimizer.").items():
            number, name = key.split(".")
            states.setdefault(int(number), {})[name] = value
        self.optimizer.load_state_dict({"state": states, "param_groups": self.optimizer.state_dict()["param_groups"]})
        return Standing(**record, best=_group(tensors, "best."))


def _group(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors of a group under their own names."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
