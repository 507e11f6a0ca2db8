"""The embedding extractor: features of clips into batches, through the network, and apart again into clips.

Threads decode what comes next while the network works. A batch mixes units of many clips of one shard; on a GPU the next batch is started
before the last one's outputs are fetched.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.embed.device import choose_device, computing_in, count_gpus
from pipeline.embed.encoder import WEIGHTS_NAME, EncoderConfig, Option, check_weights, read_encoder, read_weights
from pipeline.embed.network import EncoderNetwork, make_network
from pipeline.errors import CheckpointError, PipelineError
from pipeline.shards.extractor import Extractor, FeatureRow, Row, Skip

if TYPE_CHECKING:
    import torch
    from torch import Tensor

log = logging.getLogger(__name__)

AHEAD = 16
"""Clips that are decoded ahead of the network for each thread."""
GPU_FACTOR = 8


@dataclass(frozen=True)
class EmbeddingConfig:
    """What of an encoder's row and artifact stands in the shards; the weights stand there by their digest.

    Args:
        modality: of the encoder.
        network: the kind of network.
        options: of that kind.
        map: whether the map is kept.
        precision: in which the network computed.
    """

    modality: str
    network: str
    options: dict[str, Option]
    map: bool
    precision: str


@dataclass
class _Clip:
    """A clip under way: its features, and its units' outputs as they come."""

    source: FeatureRow
    skip: Skip | None
    missing: int
    outputs: list[tuple[dict[str, "Tensor"], int]] = field(default_factory=list)


class EmbeddingExtractor(Extractor[FeatureRow]):
    """Embeds upstream rows with an artifact.

    Args:
        folder: the artifact.
        row: the encoder's row of params.yaml.
        features: the config in the header of the features that it reads.
        device: auto, cpu, cuda or cuda:<n>.
        threads: that decode beside the network.
        batch_size: units in a batch; None: the kind's own.

    Raises:
        CheckpointError: the artifact is not the one of the row, was changed, or does not fit the features.
    """

    name: ClassVar[str] = "embedding"
    version: ClassVar[int] = 1
    independent: ClassVar[bool] = False

    def __init__(
        self,
        folder: Path,
        row: EncoderConfig,
        features: Mapping[str, Any],
        device: str = "auto",
        threads: int = 2,
        batch_size: int | None = None,
    ) -> None:
        encoder = read_encoder(folder)
        if (encoder.modality, encoder.network, encoder.options) != (row.modality, row.network, row.options):
            raise CheckpointError(f"{folder} is not the encoder that its row of params.yaml describes; run prepare_encoder")
        check_weights(encoder, folder)
        self.folder, self.architecture = folder, encoder.architecture
        self.config = EmbeddingConfig(row.modality, row.network, row.options, row.map, row.precision)
        self.encoder_digest = encoder.digest
        self.device_name, self.threads, self._batch_size = device, threads, batch_size
        self.network.check_features(features)

    def __getstate__(self) -> dict[str, Any]:
        """Travel to a worker process without the network."""
        return {name: value for name, value in vars(self).items() if name not in ("network", "module", "device")}

    @cached_property
    def network(self) -> EncoderNetwork:
        """The kind of network, without its weights."""
        return make_network(self.config.network, self.config.options, self.architecture)

    @cached_property
    def device(self) -> "torch.device":
        """The device that computes."""
        return choose_device(self.device_name)

    @cached_property
    def module(self) -> Any:
        """The network with its weights, on the device."""
        return self.network.load(read_weights(self.folder / WEIGHTS_NAME)).to(self.device)

    @property
    def batch_size(self) -> int:
        """Units in a batch."""
        return self._batch_size or self.network.batch_size * (1 if self.device.type == "cpu" else GPU_FACTOR)

    def on_each_device(self) -> list[Extractor[FeatureRow]]:
        """Return a copy for each GPU, unless the device is named by its number; they share the threads."""
        numbers = range(count_gpus(self.device_name))
        if len(numbers) < 2:
            return [self]
        copies = [copy(self) for _ in numbers]
        for number, each in zip(numbers, copies, strict=True):
            each.device_name, each.threads = f"cuda:{number}", max(1, self.threads // len(numbers))
        return [*copies]

    def extract(self, source: FeatureRow) -> Row | Skip:
        """Embed one clip by itself."""
        return next(self.extract_stream([source]))

    def extract_stream(self, sources: Iterable[FeatureRow]) -> Iterator[Row | Skip]:
        """Embed clips in batches, in their order; clips whose units differ in length are batched with those of about the same."""
        if not self.network.bucketed:
            yield from (row for _, row in self._embed(sources))
            return
        rows = list(sources)
        by_length = sorted(rows, key=lambda row: sum(len(array) for array in row.arrays.values()))
        found = {source.clip_id: row for source, row in self._embed(by_length)}
        yield from (found[row.clip_id] for row in rows)

    def _embed(self, sources: Iterable[FeatureRow]) -> Iterator[tuple[FeatureRow, Row | Skip]]:
        """Embed clips in the order in which they come."""
        clips: deque[_Clip] = deque()
        units: list[tuple[_Clip, Tensor]] = []
        flying: deque[tuple[list[_Clip], dict[str, Tensor]]] = deque()
        for source, prepared in self._prepare_ahead(sources):
            skip = prepared if isinstance(prepared, Skip) else None
            clips.append(_Clip(source, skip, 0 if isinstance(prepared, Skip) else len(prepared)))
            units += [(clips[-1], unit) for unit in prepared] if not isinstance(prepared, Skip) else []
            while len(units) >= self.batch_size:
                batch = units[: self.batch_size]
                del units[: len(batch)]
                flying.extend(self._start(batch))
                self._land(flying, leave=self.device.type != "cpu")
            while clips and not clips[0].missing:
                yield clips[0].source, self._finish(clips.popleft())
        if units:
            flying.extend(self._start(units))
        self._land(flying, leave=0)
        yield from ((clip.source, self._finish(clip)) for clip in clips)

    def _prepare_ahead(self, sources: Iterable[FeatureRow]) -> "Iterator[tuple[FeatureRow, list[Tensor] | Skip]]":
        """Prepare clips in threads, some ahead of where the network is."""
        waiting: deque[tuple[FeatureRow, Future[list[Tensor] | Skip]]] = deque()
        stream = iter(sources)
        with ThreadPoolExecutor(self.threads) as pool:
            while True:
                for source in islice(stream, self.threads * AHEAD - len(waiting)):
                    waiting.append((source, pool.submit(self.network.prepare, source.arrays)))
                if not waiting:
                    return
                source, future = waiting.popleft()
                yield source, future.result()

    def _start(self, units: "list[tuple[_Clip, Tensor]]") -> "list[tuple[list[_Clip], dict[str, Tensor]]]":
        """Start the network on a batch; on a GPU this returns before it has finished. If its memory is too small, on halves of the batch.

        Raises:
            PipelineError: a single unit is too much for the GPU's memory.
        """
        import torch

        try:
            return [([clip for clip, _ in units], self._encode([unit for _, unit in units]))]
        except torch.OutOfMemoryError as error:
            if len(units) == 1:
                clip = units[0][0].source.clip_id
                raise PipelineError(
                    f"{self.device} has too little free memory for {self.config.network}, even for clip {clip} alone"
                ) from error
        half = self._batch_size = len(units) // 2
        log.warning("%s has too little free memory for %d inputs at once; going on with %d", self.device, len(units), half)
        return [*self._start(units[:half]), *self._start(units[half:])]

    def _encode(self, units: "list[Tensor]") -> "dict[str, Tensor]":
        """Hand a batch to the network; on a GPU filled up to one of a few sizes: each new size is planned anew there, for seconds."""
        import torch

        filled = units if self.device.type == "cpu" else units + units[-1:] * (fill_up(len(units), self.batch_size) - len(units))
        batch = self.network.collate(filled)
        if self.device.type != "cpu":
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        with torch.inference_mode(), computing_in(self.config.precision, self.device):
            outputs = self.network.encode(self.module, batch, self.config.map)
        return {name: value[: len(units)] for name, value in outputs.items()}

    def _land(self, flying: "deque[tuple[list[_Clip], dict[str, Tensor]]]", leave: int) -> None:
        """Hand the outputs of all batches but the last `leave` to their clips."""
        while len(flying) > leave:
            owners, outputs = flying.popleft()
            arrived = {name: value.float().cpu() for name, value in outputs.items()}
            for place, clip in enumerate(owners):
                clip.outputs.append((arrived, place))
                clip.missing -= 1

    def _finish(self, clip: _Clip) -> Row | Skip:
        """Return a clip's row from the outputs of all its units.

        Raises:
            CheckpointError: the network gave a number that float16 cannot hold.
        """
        import torch

        if clip.skip is not None:
            return clip.skip
        names = clip.outputs[0][0]
        outputs = {name: torch.stack([batch[name][place] for batch, place in clip.outputs]) for name in names}
        assembled = self.network.assemble(clip.source.arrays, outputs)
        with np.errstate(over="ignore"):
            row = {name: value.numpy().astype(np.float16) for name, value in assembled.items()}
        if not all(np.isfinite(array).all() for array in row.values()):
            raise CheckpointError(f"the encoder gives numbers beyond float16 for clip {clip.source.clip_id}; its weights are not usable")
        times = self.network.times(clip.source.arrays, len(row["sequence"]))
        return row if times is None else row | {"time": times}


def fill_up(count: int, full: int) -> int:
    """The size that a batch of so many units is filled up to: a full one, or a half, a quarter or an eighth of it."""
    return next(size for size in (-(-full // 8), -(-full // 4), -(-full // 2), max(count, full)) if size >= count)
