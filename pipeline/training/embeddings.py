"""A task's cached embeddings, read once: which encoder made them, whether it saw what it must not, and the folds' data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import PARTS, Fold
from pipeline.embed.encoder import Encoder, list_folds, read_encoder
from pipeline.errors import CacheError, ShardError, SplitError
from pipeline.shards.features import Features, read_features
from pipeline.storage import read_record
from pipeline.tasks.task import Task
from pipeline.training.copies import check_copies, count_copies
from pipeline.training.dataset import FoldData, check_finite, compute_statistics, leads_with_cls, pack
from pipeline.training.features import digest_rows


@dataclass(frozen=True)
class Source:
    """The embeddings of one modality, for one fold or for all.

    Attributes:
        row: of `encoders`.
        features: of the whole corpus.
        encoder: what made them; None where the corpus came with its features.
        origin: then, which files they were imported from.
        artifact: the encoder's folder.
    """

    row: str
    features: Features
    encoder: Encoder | None
    origin: Mapping[str, Any] = field(default_factory=dict)
    artifact: Path | None = None

    def describe(self) -> dict[str, Any]:
        """What a run keeps of it."""
        if self.encoder is None:
            config = {"origin": dict(self.origin)}
            return {"row": self.row, "digest": self.features.header.encoder_digest, "fit_share": None, "config": config}
        kept = {name: getattr(self.encoder, name) for name in ("modality", "network", "options", "architecture", "origin")}
        embedding = {name: getattr(self.features.header, name) for name in ("feature", "version", "config")}
        return {"row": self.row, "digest": self.encoder.digest, "fit_share": self.encoder.fit_share, "config": kept, "embedding": embedding}

    def identity(self) -> dict[str, Any]:
        """What of its description can change a run: of imported features, their rows' fingerprints say it all, whatever the file's name."""
        return {"row": self.row} if self.encoder is None else self.describe()

    def fingerprint(self, ids: Sequence[str]) -> str:
        """Of the rows of these clips, skipped and absent ones too."""
        return digest_rows(self.features, ids)


@dataclass
class EmbeddingsReader:
    """Reads each folder of embeddings once, however many folds use it.

    Args:
        task: whose encoders are read.
        folder: the corpus' embeddings, a folder for each row of `encoders`.
        encoders: the artifacts.
        with_maps: modalities whose un-pooled maps some model reads.
        copies: of the folds read so far, where the task has copies counted: see `count_copies`.
    """

    task: Task
    folder: Path
    encoders: Path
    with_maps: Collection[str] = ()
    cache: dict[Path, Features] = field(default_factory=dict)
    copies: list[dict[str, int]] = field(default_factory=list)

    def read(self, number: int, fold: Fold) -> dict[str, Source]:
        """Modality → embeddings of a fold, refused where the encoder saw a clip of the fold's valid or test part, or parts hold copies.

        Raises:
            CacheError: embeddings hold a number that is not finite.
        ShardError: embeddings are absent, or are not this encoder's.
            SplitError: an encoder saw clips that must judge it, or clips of one part repeat the features of another's undeclared.
        """
        sources = {m: self._read(m, row, number) for m, row in self.task.config.encoders.items()}
        where = f"tasks.{self.task.name}, fold {number}"
        for source in sources.values():
            check_unseen(source, fold, where)
        features = {m: source.features for m, source in sources.items()}
        if self.task.config.copies == "refuse":
            check_copies(features, fold, where)
        else:
            self.copies.append(count_copies(features, fold))
        return sources

    def _read(self, modality: str, row: str, number: int) -> Source:
        """The embeddings of one modality."""
        artifact, name = self.encoders / row, f"fold-{number}"
        part = name if (self.folder / row / name).is_dir() or list_folds(artifact) != [""] else ""
        path = self.folder / row / part
        if path not in self.cache:
            self.cache[path] = read_features(path, None if modality in self.with_maps else ["sequence"])
            check_finite(self.cache[path])
        features = self.cache[path]
        if "sequence" not in features.values:
            raise ShardError(f"{path}: every clip was skipped ({', '.join(set(features.skips.values()))}); leave it out of the task")
        if not features.header.encoder_digest and not artifact.exists():
            return Source(row, features, None, read_origin(self.encoders / self.task.config.corpus))
        encoder = read_encoder(artifact / part)
        if encoder.digest != features.header.encoder_digest:
            raise ShardError(f"{path} was not made by the encoder in {artifact / part}; run embed again")
        return Source(row, features, encoder, artifact=artifact / part)


def read_origin(folder: Path) -> dict[str, Any]:
    """Which files imported features come from, as import_features wrote it; empty where that is not there.

    Raises:
        CacheError: the file is not what import_features writes.
    """
    path = folder / "origin.json"
    try:
        return read_record(path) if path.exists() else {}
    except ValueError as error:
        raise CacheError(f"{path} does not say where features come from ({error}); delete it and run import_features again") from error


def check_unseen(source: Source, fold: Fold, where: str) -> None:
    """Check that the encoder saw no clip that selects or tests.

    Raises:
        SplitError: it did; the message counts and names them.
    """
    seen = set(source.encoder.clips) if source.encoder else set()
    for part in ("valid", "test"):
        if both := sorted(seen & set(fold.part(part))):
            raise SplitError(
                f"{where}: the encoder `{source.row}` was fitted on {len(both)} clips of the {part} part: {', '.join(both[:10])}; "
                f"fit an encoder on this task's train part (`fit: {{task: …}}` in its row of `encoders`)"
            )


def leave_to_encoders(fold: Fold, sources: Mapping[str, Source]) -> Fold:
    """The fold without the clips that an encoder of `fit_share: half` was fitted on: on those its embeddings are over-confident.

    Raises:
        SplitError: no clip is left to train on.
    """
    halves = {m: s.encoder for m, s in sources.items() if s.encoder is not None and s.encoder.fit_share == "half"}
    seen = {i for encoder in halves.values() for i in encoder.clips}
    train = tuple(i for i in fold.train if i not in seen)
    if fold.train and not train:
        raise SplitError(f"the encoders of {', '.join(halves)} were fitted on every clip of the train part; fit them on a half of it")
    return Fold(train, fold.valid, fold.test)


def make_fold(task: Task, manifest: Manifest, fold: Fold, sources: Mapping[str, Source]) -> FoldData:
    """The fold in memory: views of the packed embeddings, targets, and the train part's statistics.

    Raises:
        TaskError: a clip lacks its label.
    """
    ids = tuple(i for part in PARTS for i in fold.part(part))
    ends = np.cumsum([0, *(len(fold.part(part)) for part in PARTS)])
    parts = {part: torch.arange(int(ends[k]), int(ends[k + 1])) for k, part in enumerate(PARTS)}
    targets = {a: torch.from_numpy(t) for a, t in task.targets([manifest[i] for i in ids]).items()}
    sequences = {m: pack(sources[m].features, "sequence", ids) for m in task.modalities}
    maps = {m: pack(sources[m].features, "map", ids) for m in task.modalities if "map" in sources[m].features.values}
    statistics = {m: compute_statistics(packed, parts["train"]) for m, packed in sequences.items()}
    own_cls = tuple(m for m in task.modalities if leads_with_cls(sources[m].encoder))
    return FoldData(ids, parts, sequences, maps, targets, statistics, own_cls)
