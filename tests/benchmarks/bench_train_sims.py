"""An epoch of training on features of CH-SIMS' shape: our trainer against the loop that most code bases have.

    python -m tests.benchmarks.bench_train_sims

Random features of 1,368 train and 456 valid clips (text up to 39×768, audio 400×33, video 55×709, of the lengths that clips of 1 to 10 s
have). The other side is a DataLoader over one array a clip, zero-padded to the longest of the corpus, with torch's AdamW; model class,
hyperparameters, batch size, clipping and the one thread are the same, and so is what glibc is told of memory; but for TFN's product, which
is formed there, a million numbers a clip, and meets its linear map, as it is written everywhere. Both train and validate; they take turns
in one process, whose CPU time counts.
First, both compute the loss of one batch of clips of full length, with the same weights and without dropout: it must not differ by 1e-4.
Expected: the ratio is 2 or more for each row.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.fusion.base import Batch, FusionModel, make_model
from pipeline.fusion.subnet_fusion import OuterProduct
from pipeline.fusion.subnets import with_one
from pipeline.fusion.tfn import TFN
from pipeline.tasks.task import Task
from pipeline.training.dataset import FoldData, Packed, compute_statistics
from pipeline.training.trainer import Fitter
from pipeline.training.worker import keep_freed_memory, one_thread
from pipeline.training.zoo import ZooRow, read_zoo
from tests.conftest import ROOT
from tests.fusion.sims import SHAPES
from tests.training.corpus import Corpus

CLIPS = {"train": 1368, "valid": 456, "test": 457}
ANNOTATIONS = ("M", "T", "A", "V")


def make_data(seconds: np.ndarray, longest: float = 10.0) -> FoldData:
    """A fold of clips of these lengths, the longest of which fill the shapes."""
    rng, count = np.random.default_rng(1), len(seconds)
    sequences = {}
    for m, (time_steps, dim) in SHAPES.items():
        length = np.clip(np.round(seconds / longest * time_steps), 2, time_steps).astype(np.int64)
        values = rng.standard_normal((int(length.sum()), dim), dtype=np.float32).astype(np.float16)
        sequences[m] = Packed.of(values, np.cumsum(length) - length, length)
    ends = np.minimum(np.cumsum([0, *CLIPS.values()]), count)
    parts = {part: torch.arange(int(ends[i]), int(ends[i + 1])) for i, part in enumerate(CLIPS)}
    targets = {a: torch.from_numpy(rng.uniform(-1, 1, (count, 1)).astype(np.float32)) for a in ANNOTATIONS}
    statistics_of = {m: compute_statistics(packed, parts["train"]) for m, packed in sequences.items()}
    return FoldData(tuple(f"clip{i:04d}" for i in range(count)), parts, sequences, {}, targets, statistics_of, ("text",))


class PaddedClips(Dataset[dict[str, Any]]):
    """Clips as most code bases hold them: one float32 array each, zero-padded to the longest of the corpus."""

    def __init__(self, data: FoldData, part: str) -> None:
        self.index = data.parts[part]
        self.targets = data.targets
        self.arrays = {m: [self.pad(packed, int(i), SHAPES[m][0]) for i in self.index] for m, packed in data.sequences.items()}
        self.lengths = {m: packed.length[self.index] for m, packed in data.sequences.items()}

    @staticmethod
    def pad(packed: Packed, clip: int, time_steps: int) -> np.ndarray:
        """One clip's array, (time, dim) float32."""
        start, length = int(packed.start[clip]), int(packed.length[clip])
        padded = np.zeros((time_steps, packed.values.shape[1]), np.float32)
        padded[:length] = packed.values[start : start + length].numpy()
        return padded

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, i: int) -> dict[str, Any]:
        features = {m: torch.from_numpy(arrays[i]) for m, arrays in self.arrays.items()}
        lengths = {m: length[i] for m, length in self.lengths.items()}
        return {"index": self.index[i], **features, "lengths": lengths, "targets": {a: t[self.index[i]] for a, t in self.targets.items()}}


def to_batch(loaded: dict[str, Any]) -> Batch:
    """What a model reads, of what a DataLoader collates."""
    masks = {m: torch.arange(SHAPES[m][0]) >= loaded["lengths"][m].unsqueeze(-1) for m in SHAPES}
    present = {m: loaded["lengths"][m] > 0 for m in SHAPES}
    return Batch(loaded["index"], {m: loaded[m] for m in SHAPES}, masks, present, {}, loaded["targets"], 1)


class PlainLoop:
    """The loop that most code bases have."""

    def __init__(self, model: FusionModel, fitter: Fitter, train: PaddedClips, valid: PaddedClips) -> None:
        self.model, self.criteria, self.config = model, fitter.criteria, fitter.config
        self.train, self.valid = (DataLoader(d, self.config.batch_size, shuffle=d is train) for d in (train, valid))
        groups = model.param_groups(self.config.learning_rate, self.config.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=self.config.learning_rate, weight_decay=self.config.weight_decay)

    def loss(self, batch: Batch) -> tuple[Any, Tensor]:
        """What the model says of a batch, and its loss."""
        output = self.model(batch)
        return output, self.model.loss(output, batch, self.criteria)

    def run_epoch(self) -> None:
        """Train once over the train part, then look at the valid part."""
        self.model.train()
        for batch in map(to_batch, self.train):
            output, loss = self.loss(batch)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            if self.config.grad_clip:
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.grad_clip)
            self.optimizer.step()
            self.model.after_step(output, batch)
        self.model.eval()
        with torch.no_grad():
            for batch in map(to_batch, self.valid):
                self.model(batch)


class OurLoop:
    """An epoch as the trainer takes it."""

    def __init__(self, fitter: Fitter) -> None:
        self.fitter, self.epoch = fitter, 0
        groups = fitter.model.param_groups(fitter.config.learning_rate, fitter.config.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=fitter.config.learning_rate, fused=True)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, fitter.schedule)

    def run_epoch(self) -> None:
        """Train and validate."""
        self.epoch += 1
        self.fitter.train_epoch(self.epoch, self.optimizer, self.scheduler)
        self.fitter.validate()


def make_fitter(row: ZooRow, task: Task, data: FoldData) -> Fitter:
    """A fresh model of a row, in the trainer."""
    torch.manual_seed(0)
    model = make_model(row.model, row.hyperparams, data.spec("regression", 1))
    for m in model.modalities:
        model.inputs.set(m, *data.statistics[m])
    return Fitter(model, row, task, data.read_by(row), 0)


class FormedProduct(OuterProduct):
    """The product of all codes, (batch, Π(width + 1)), and a linear map of it."""

    def contract(self, codes: list[Tensor]) -> Tensor:
        """The same numbers as its base class gives, but for the last bits."""
        product, *others = [with_one(codes[i]) for i in self.order]
        for x in others:
            product = (product.unsqueeze(-1) * x.unsqueeze(1)).flatten(1)
        return torch.addmm(self.bias, product, self.weight.view(product.shape[1], -1))


def make_plain(model: FusionModel) -> FusionModel:
    """The same model, with the same weights, as it is straightforwardly written."""
    if isinstance(model, TFN):
        model.fusion.__class__ = FormedProduct
    return model


def compare_losses(row: ZooRow, task: Task) -> float:
    """How far the two sides' losses of one batch of clips of full length are apart."""
    data = make_data(np.full(row.train.batch_size, 10.0))
    fitter = make_fitter(row, task, data)
    clips = PaddedClips(data, "train")
    padded = next(iter(DataLoader(clips, len(clips))))
    ours = replace(fitter.data.batch(data.parts["train"]), epoch=1)
    with torch.no_grad():
        own = PlainLoop(fitter.model.eval(), fitter, clips, clips).loss(ours)[1]
        plain = PlainLoop(make_plain(fitter.model), fitter, clips, clips).loss(to_batch(padded))[1]
    return abs(float(own) - float(plain))


def timed(call: Callable[[], None]) -> float:
    """Seconds of the process' CPU that a call takes: with one thread and no disk they are a quiet machine's wall clock."""
    began = time.process_time()
    call()
    return time.process_time() - began


def main(rows: Annotated[str, typer.Option()] = "tfn,lmf,mult,self_mm", repeats: Annotated[int, typer.Option()] = 3) -> None:
    """Print the seconds of an epoch of both loops, and their ratio, for each row."""
    seconds = np.clip(np.random.default_rng(0).lognormal(np.log(3.3), 0.5, sum(CLIPS.values())), 1.0, 10.0)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder, one_thread():
        corpus = Corpus(Path(folder))
        corpus.write_params()
        task, data = Task.read(corpus.params, "sentiment"), make_data(seconds)
        train, valid = PaddedClips(data, "train"), PaddedClips(data, "valid")
        for name in rows.split(","):
            (row,) = read_zoo(ROOT / "params.yaml", name)
            apart = compare_losses(row, task)
            ours, fitter = OurLoop(make_fitter(row, task, data)), make_fitter(row, task, data)
            theirs = PlainLoop(make_plain(fitter.model), fitter, train, valid)
            pairs = [(timed(theirs.run_epoch), timed(ours.run_epoch)) for _ in range(repeats)]
            plain, own = (statistics.median(times) for times in zip(*pairs, strict=True))
            ratio = statistics.median(a / b for a, b in pairs)
            print(
                f"{name}: losses {apart:.1e} apart; DataLoader {plain:.2f} s, ours {own:.2f} s an epoch, ratio {ratio:.1f} (target 2)",
                flush=True,
            )


if __name__ == "__main__":
    typer.run(main)
