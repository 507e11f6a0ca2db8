"""A task's folds as the rows that train on them need them, read once for all runs: embeddings, pictures, vectors of the labels' words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import Fold, read_splits
from pipeline.fusion.base import find_model
from pipeline.tasks.task import Task
from pipeline.training.dataset import FoldData
from pipeline.training.embeddings import EmbeddingsReader, Source, leave_to_encoders, make_fold
from pipeline.training.features import load_pictures, read_picture_rows
from pipeline.training.jobs import Job
from pipeline.training.label_vectors import read_label_vectors
from pipeline.training.zoo import ZooRow

FoldInput = tuple[FoldData, Mapping[str, Source]]


@dataclass(frozen=True)
class Folders:
    """Where the inputs of a task's training stand.

    Args:
        clips: of its corpus.
        embeddings: of its corpus, a folder for each row of `encoders`.
        encoders: the artifacts.
        features: "faces" and "logmel" → the folder of their rows; read where a row of the zoo reads them itself.
    """

    clips: Path
    embeddings: Path
    encoders: Path
    features: Mapping[str, Path] = field(default_factory=dict)


class FoldsReader:
    """Reads a task's folds for some rows of its zoo.

    Attributes:
        manifest: the corpus' clips.
        folds: of the task's split.
        pictures: modality → the features that a row reads itself, by their headers.
        embeddings: the reader, which counts copies.

    Raises:
        ManifestError: the corpus' clips cannot be read.
        ParamsError: the task names features that are not there.
    """

    def __init__(self, task: Task, folders: Folders, rows: Sequence[ZooRow]) -> None:
        models = [find_model(row.model) for row in rows]
        self.task, self.manifest = task, read_manifest(folders.clips)
        self.folds: Sequence[Fold] = task.folds(self.manifest, read_splits(folders.clips))
        maps = {m for model in models for m in model.map_modalities}
        self.embeddings = EmbeddingsReader(task, folders.embeddings, folders.encoders, maps)
        reads_features = any(model.feature_modalities for model in models)
        self.pictures = read_picture_rows(task, folders.features, list(self.manifest.ids)) if reads_features else {}
        self._words = {row.hyperparams.get("glove", "") for row, model in zip(rows, models, strict=True) if model.reads_label_vectors}

    def read(self, number: int, with_test: bool = True) -> FoldInput:
        """A fold and its embeddings; without its test part where nothing may see that.

        Raises:
            SplitError: an encoder saw clips of the valid or test part.
            ShardError, CacheError: embeddings are absent, are another encoder's, or hold numbers that are not finite.
        """
        sources = self.embeddings.read(number, self.folds[number])
        fold = leave_to_encoders(self.folds[number], sources)
        data = make_fold(self.task, self.manifest, fold if with_test else Fold(fold.train, fold.valid, ()), sources)
        vectors = read_label_vectors(self.task, sources.get("text"), self._words)
        return replace(data, shapes={m: row.shape for m, row in self.pictures.items()}, label_vectors=vectors), sources

    def load_pictures(self, folds: Sequence[FoldInput], jobs: Sequence[Job]) -> list[FoldInput]:
        """The folds with their pictures, made where one of the jobs reads them."""
        if not any(find_model(job.row.model).feature_modalities for job in jobs):
            return list(folds)
        loaded = load_pictures([data for data, _ in folds], self.pictures)
        return [(data, sources) for data, (_, sources) in zip(loaded, folds, strict=True)]
