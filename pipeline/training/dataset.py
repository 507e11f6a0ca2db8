"""A fold of a task in memory: packed sequences, maps and targets, and the batches cut from them.

The packed arrays are the shards' own, in float16, held once for all folds, runs and processes; a batch is gathered from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.embed.encoder import Encoder
from pipeline.errors import CacheError
from pipeline.fusion.base import Batch, ModelSpec, find_model
from pipeline.shards.features import Features
from pipeline.training.label_vectors import LabelVectors
from pipeline.training.zoo import ZooRow

# Text encoders of transformers whose tokenizers put a token first that stands for the whole text; T5, say, has none.
CLS_MODELS = ("albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta")
PLACES_A_STEP = 8  # places of a picture that take the memory of a step of embeddings, when a net of convolutions is trained on it
STATISTICS_CLIPS = 256  # clips whose steps are held in float32 at once
CHECKED_STEPS = 65536  # steps that are looked through for numbers that are not finite at once


class Mover:
    """Copies tensors to a device: what several of them share, as folds do, is there once too."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copies: dict[tuple[Any, ...], Tensor] = {}

    def __call__(self, tensor: Tensor) -> Tensor:
        """The tensor on the device; itself, if it is there already."""
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if key not in self._copies:
            self._copies[key] = tensor.to(self._device)
        return self._copies[key]


@dataclass(frozen=True)
class Packed:
    """One array of many clips, one behind the other.

    Attributes:
        values: (sum of lengths, dim).
        start: (clips,) int64, where each clip's part begins.
        length: (clips,) int64; 0: the clip has none.
    """

    values: Tensor
    start: Tensor
    length: Tensor

    @classmethod
    def of(cls, values: NDArray[Any], start: NDArray[np.int64], length: NDArray[np.int64]) -> Packed:
        """Without a copy of the values."""
        return cls(torch.from_numpy(values), torch.from_numpy(start), torch.from_numpy(length))

    def gather(self, index: Tensor, time: int | None = None) -> tuple[Tensor, Tensor]:
        """The clips' parts padded to `time` or the longest, (batch, time, dim) float32, and their padding mask (batch, time); time ≥ 1."""
        length = self.length[index]
        position = torch.arange(time or max(1, int(length.max())), device=index.device)
        padding_mask = position >= length.unsqueeze(-1)
        if not len(self.values):
            return torch.zeros(*padding_mask.shape, self.values.shape[-1], device=index.device), padding_mask
        place = (self.start[index].unsqueeze(-1) + position).masked_fill(padding_mask, 0)
        return self.values[place].float().mul_((~padding_mask).unsqueeze(-1)), padding_mask  # in place: a third of masked_fill's time

    def to(self, move: Mover) -> Packed:
        """On another device."""
        return Packed(move(self.values), move(self.start), move(self.length))


@dataclass(frozen=True)
class FoldData:
    """Everything a run reads of one fold.

    Attributes:
        ids: the fold's clips, train before valid before test.
        parts: train, valid, test → positions in `ids`, (clips,) int64.
        sequences: modality → packed embeddings of `ids`.
        maps: modality → packed un-pooled maps of `ids`, all of the same number of positions.
        targets: annotation → target of `ids`.
        statistics: modality → mean and sd (dim,) over the real steps of the train part.
        leads_with_cls: modalities whose first step is their encoder's own [CLS].
        shapes: modality → (channels, height, width) of its pictures, where the task has such, read yet or not.
        pictures: modality → packed pictures of `ids`, (pictures, channels · height · width), once a run needs them.
        picture_statistics: modality → mean and sd of them.
        label_vectors: where they come from → vectors that stand for the outputs, where some row asks for them.
    """

    ids: tuple[str, ...]
    parts: dict[str, Tensor]
    sequences: dict[str, Packed]
    maps: dict[str, Packed]
    targets: dict[str, Tensor]
    statistics: dict[str, tuple[Tensor, Tensor]]
    leads_with_cls: tuple[str, ...] = ()
    shapes: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    pictures: dict[str, Packed] = field(default_factory=dict)
    picture_statistics: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    label_vectors: dict[str, LabelVectors] = field(default_factory=dict)

    def batch(self, index: Tensor, epoch: int = 0) -> Batch:
        """The clips at `index` (batch,), padded to the longest of them."""
        gathered = {m: packed.gather(index) for m, packed in self.sequences.items()}
        return Batch(
            index,
            {m: features for m, (features, _) in gathered.items()},
            {m: mask for m, (_, mask) in gathered.items()},
            {m: packed.length[index] > 0 for m, packed in self.sequences.items()},
            {m: packed.gather(index, int(packed.length.max()))[0] for m, packed in self.maps.items()},
            {a: target[index] for a, target in self.targets.items()},
            epoch,
        )

    def read_by(self, row: ZooRow) -> FoldData:
        """The same as a row's model reads it: pictures in the place of embeddings, a [CLS] alone, label vectors, where it asks for them."""
        model, source = find_model(row.model), row.hyperparams.get("glove", "")
        own = model.feature_modalities
        summarised, _ = self.truncate({m: 1 for m in model.summarised if m in self.leads_with_cls})
        return replace(
            self,
            sequences=summarised.sequences | {m: packed for m, packed in self.pictures.items() if m in own},
            statistics=self.statistics | {m: found for m, found in self.picture_statistics.items() if m in own},
            shapes={m: shape for m, shape in self.shapes.items() if m in own},
            pictures={},
            picture_statistics={},
            label_vectors={s: x for s, x in self.label_vectors.items() if model.reads_label_vectors and s == source},
        )

    def select(self, modalities: tuple[str, ...], maps: tuple[str, ...]) -> FoldData:
        """The same without the modalities and maps that a model does not read."""
        sequences = {m: packed for m, packed in self.sequences.items() if m in modalities}
        return replace(self, sequences=sequences, maps={m: packed for m, packed in self.maps.items() if m in maps})

    def truncate(self, max_steps: Mapping[str, int]) -> tuple[FoldData, dict[str, int]]:
        """The same with at most so many steps of a modality, from a clip's start; and modality → clips that lost some."""
        cut = {m: packed for m, packed in self.sequences.items() if m in max_steps}
        shorter = {m: replace(packed, length=packed.length.clamp(max=max_steps[m])) for m, packed in cut.items()}
        counts = {m: int((packed.length > max_steps[m]).sum()) for m, packed in cut.items()}
        return replace(self, sequences=self.sequences | shorter), counts

    def clips_with_input(self, part: str) -> Tensor:
        """Positions of the part's clips that have at least one of the modalities; all of them where there is no modality."""
        index = self.parts[part]
        if not self.sequences:
            return index
        return index[torch.stack([packed.length[index] > 0 for packed in self.sequences.values()]).any(0)]

    def lengths(self, index: Tensor) -> NDArray[np.int64]:
        """Steps, (clips, modalities); a picture counts as the steps whose memory it takes."""
        steps = np.zeros((len(index), len(self.sequences)), np.int64)
        for column, (m, packed) in enumerate(self.sequences.items()):
            _, height, width = self.shapes.get(m, (1, 1, 1))
            steps[:, column] = packed.length[index].cpu() * max(1, height * width // PLACES_A_STEP)
        return steps

    def to(self, move: Mover) -> FoldData:
        """On another device."""
        return replace(
            self,
            parts={part: move(index) for part, index in self.parts.items()},
            sequences={m: packed.to(move) for m, packed in self.sequences.items()},
            maps={m: packed.to(move) for m, packed in self.maps.items()},
            targets={a: move(target) for a, target in self.targets.items()},
            statistics={m: (move(mean), move(sd)) for m, (mean, sd) in self.statistics.items()},
            pictures={m: packed.to(move) for m, packed in self.pictures.items()},
            picture_statistics={m: (move(mean), move(sd)) for m, (mean, sd) in self.picture_statistics.items()},
        )

    def spec(self, kind: str, num_outputs: int) -> ModelSpec:
        """What a model has to know of this fold."""
        target = self.targets["M"][self.parts["train"]]
        return ModelSpec(
            kind,
            num_outputs,
            {m: packed.values.shape[-1] for m, packed in self.sequences.items()},
            {m: (int(packed.length.max()), packed.values.shape[-1]) for m, packed in self.maps.items() if len(packed.values)},
            tuple(self.targets),
            float(target.std(correction=0)) if kind == "regression" else 1.0,
            tuple(m for m in self.sequences if m in self.leads_with_cls),
            {m: shape for m, shape in self.shapes.items() if m in self.sequences},
            max((vectors.values.shape[1] for vectors in self.label_vectors.values()), default=0),
        )


def pack(features: Features, name: str, ids: Sequence[str]) -> Packed:
    """One array of these clips, as views into the corpus' packed values; length 0 where a clip was skipped or is absent."""
    offsets, places = features.offsets[name], {i: place for place, i in enumerate(features.ids) if i not in features.skips}
    at = np.asarray([places.get(i, -1) for i in ids], dtype=np.int64)
    length = np.where(at >= 0, offsets[at + 1] - offsets[at], 0)
    return Packed.of(features.values[name], np.where(at >= 0, offsets[at], 0), length)


def leads_with_cls(encoder: Encoder | None) -> bool:
    """Whether the first step of an encoder's sequences is its [CLS]: of a text encoder that is known to put one there, nothing else's."""
    config = encoder.architecture.get("config", {}) if encoder is not None and encoder.network == "text" else {}
    return config.get("model_type") in CLS_MODELS


def check_finite(features: Features) -> None:
    """Refuse embeddings that are not finite: one number would spoil its whole batch, padding included.

    Raises:
        CacheError: counts and names the clips.
    """
    spoilt: set[str] = set()
    for name, values in features.values.items():
        chunks = [values[start : start + CHECKED_STEPS] for start in range(0, len(values), CHECKED_STEPS)]
        steps = np.concatenate([np.zeros(0, bool), *(~np.isfinite(c.reshape(len(c), -1)).all(axis=1) for c in chunks)])
        place = np.searchsorted(features.offsets[name], np.flatnonzero(steps), side="right") - 1
        spoilt.update(features.ids[i] for i in place)
    if spoilt:
        raise CacheError(
            f"{features.folder} holds numbers that are not finite (NaN or infinite) for {len(spoilt)} clips: "
            f"{', '.join(sorted(spoilt)[:10])}; correct the file they were imported from, or run embed again with precision fp32"
        )


def compute_statistics(packed: Packed, index: Tensor, at_once: int = STATISTICS_CLIPS) -> tuple[Tensor, Tensor]:
    """Mean and sd over the real steps of the clips at `index`, (dim,) float32 each; 0 and 1 where there are none."""
    dim = packed.values.shape[-1]
    count, total, squares = 0, torch.zeros(dim, dtype=torch.float64), torch.zeros(dim, dtype=torch.float64)
    for chunk in index.split(at_once):
        features, padding_mask = packed.gather(chunk)
        steps = features[~padding_mask].double()
        count, total, squares = count + len(steps), total + steps.sum(0), squares + (steps**2).sum(0)
    if not count:
        return torch.zeros(dim), torch.ones(dim)
    mean = total / count
    return mean.float(), (squares / count - mean**2).clamp(min=0).sqrt().float()
