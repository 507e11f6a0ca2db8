"""Faces and log-mels for models that read them themselves, as pictures of one size: known by their headers, made when a run needs them.

A face is scaled to 48 × 48, a log-mel cut into pieces of 32 frames, the last one filled up with the clip's lowest value (silence): Dai et
al., NAACL 2021. A picture is one step of a sequence, flattened, so padding, truncation and batching know nothing of pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pipeline.embed.pictures import decode_faces
from pipeline.errors import ParamsError, ShardError
from pipeline.shards.extractor import Row, Skip
from pipeline.shards.features import Features, list_shards, read_features
from pipeline.shards.fingerprint import fingerprint
from pipeline.shards.shard import read_shard
from pipeline.tasks.task import Task
from pipeline.training.dataset import FoldData, compute_statistics, pack

FACE_SIZE = 48  # px
PIECE_FRAMES = 32
CLIPS_AT_ONCE = 8  # whose pictures are held in float64 for their statistics


def cut_face(row: Row) -> NDArray[np.uint8]:
    """A clip's faces, (frames with a face, 3 · 48 · 48), channels first."""
    faces = decode_faces(row, FACE_SIZE, np.flatnonzero(row["jpeg_size"]))
    pictures = [] if isinstance(faces, Skip) else [face.numpy().transpose(2, 0, 1).reshape(-1) for face in faces]
    return np.stack(pictures) if pictures else np.zeros((0, 3 * FACE_SIZE**2), np.uint8)


def cut_logmel(row: Row) -> NDArray[Any]:
    """A clip's log-mel in pieces, (pieces, mels · 32), mels first."""
    logmel = row["logmel"]
    missing = -len(logmel) % PIECE_FRAMES
    filled = np.concatenate([logmel, np.full((missing, logmel.shape[1]), logmel.min(), logmel.dtype)]) if missing else logmel
    return filled.reshape(-1, PIECE_FRAMES, logmel.shape[1]).transpose(0, 2, 1).reshape(-1, logmel.shape[1] * PIECE_FRAMES)


CUTS: dict[str, Callable[[Row], NDArray[Any]]] = {"faces": cut_face, "logmel": cut_logmel}


@dataclass(frozen=True)
class PictureRow:
    """A row of `faces` or `logmels` of the corpus.

    Attributes:
        row: as the task names it, "faces/demo".
        features: its clips, their fingerprints and skips; no values yet.
    """

    row: str
    features: Features

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a picture: channels, height, width."""
        kind = self.features.header.feature
        return (3, FACE_SIZE, FACE_SIZE) if kind == "faces" else (1, int(self.features.header.config_values["n_mels"]), PIECE_FRAMES)

    def describe(self) -> dict[str, Any]:
        """What a run keeps of it, in the place of an encoder."""
        header = self.features.header
        config = {"features": header.feature, "version": header.version, "config": header.config_values, "shape": list(self.shape)}
        return {"row": self.row, "digest": "", "fit_share": None, "config": config}

    def identity(self) -> dict[str, Any]:
        """What of its description can change a run."""
        return self.describe()

    def fingerprint(self, ids: Sequence[str]) -> str:
        """Of the rows of these clips, skipped and absent ones too."""
        return digest_rows(self.features, ids)

    def load(self, ids: Sequence[str]) -> Features:
        """Make the pictures of these clips, (pictures, channels · height · width) uint8 or as stored, a shard at a time.

        Raises:
            ShardError: a picture cannot be decoded, or a number is not finite.
        """
        made: dict[str, NDArray[Any]] = dict(self._cut(set(ids)))
        empty = np.zeros((0, int(np.prod(self.shape))), np.uint8 if self.shape[0] == 3 else np.float32)
        lengths = [len(made.get(i, empty)) for i in self.features.ids]
        values = np.concatenate([made.pop(i) for i in self.features.ids if i in made] or [empty])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return replace(self.features, values={"sequence": values}, offsets={"sequence": offsets})

    def _cut(self, ids: set[str]) -> Iterator[tuple[str, NDArray[Any]]]:
        """Clips and their pictures, made in threads, with one shard in memory."""
        cut = CUTS[self.features.header.feature]
        with ThreadPoolExecutor() as pool:
            for path in list_shards(self.features.folder):
                shard = read_shard(path)
                wanted = [place for place, i in enumerate(shard.ids) if i in ids and not shard.skip_reasons[place]]
                rows = [row for row in shard.read_rows(wanted) if not isinstance(row.content, Skip)] if wanted else []
                for row, pictures in zip(rows, pool.map(cut, (row.content for row in rows)), strict=True):
                    if not np.isfinite(pictures).all():
                        raise ShardError(f"{path}: clip {row.clip_id} holds numbers that are not finite; correct its row's settings")
                    yield row.clip_id, pictures


def digest_rows(features: Features, ids: Sequence[str]) -> str:
    """A fingerprint of the rows of these clips, skipped and absent ones too."""
    known = set(features.ids)
    return fingerprint([(i, features.fingerprint(i), i in features) if i in known else (i, None, False) for i in ids])


def read_picture_rows(task: Task, folders: Mapping[str, Path], ids: Sequence[str]) -> dict[str, PictureRow]:
    """Modality → what the task's key `features` names.

    Args:
        task: the task.
        folders: "faces" and "logmel" → the folder of their rows.
        ids: clips of the task.

    Raises:
        ParamsError: the stage was not told where they are.
        ShardError: a row is absent, is something else, or holds none of the clips.
    """
    found = {}
    for m, row in task.config.features.items():
        kind, _, name = row.partition("/")
        if kind not in folders:
            raise ParamsError(f"tasks.{task.name}.features names {row}, and the command has no folder of {kind}")
        features = read_features(folders[kind] / name, [])
        if features.header.feature != kind:
            raise ShardError(f"{features.folder} holds {features.header.feature}, not {kind}; correct tasks.{task.name}.features.{m}")
        if not any(i in features for i in ids):
            raise ShardError(f"{features.folder} holds none of the task's clips; tasks.{task.name}.features.{m} names another corpus' row")
        found[m] = PictureRow(row, features)
    return found


def load_pictures(folds: Sequence[FoldData], rows: Mapping[str, PictureRow]) -> list[FoldData]:
    """The folds with the pictures of these rows, made once for all of them, and the statistics of each train part by channel."""
    made = {m: row.load([i for data in folds for i in data.ids]) for m, row in rows.items()}
    loaded = []
    for data in folds:
        pictures = {m: pack(features, "sequence", data.ids) for m, features in made.items()}
        by_place = {m: compute_statistics(packed, data.parts["train"], CLIPS_AT_ONCE) for m, packed in pictures.items()}
        statistics = {m: pool_channels(*of_places, rows[m].shape) for m, of_places in by_place.items()}
        loaded.append(replace(data, pictures=pictures, picture_statistics=statistics))
    return loaded


def pool_channels(mean: Tensor, sd: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Mean and sd of each channel from those of its places, (channels · height · width,) each, at every place of it."""
    mean, squares = (x.double().view(shape[0], -1) for x in (mean, sd**2 + mean**2))
    pooled = mean.mean(1, keepdim=True).expand_as(mean)
    spread = (squares.mean(1, keepdim=True) - pooled**2).clamp(min=0).sqrt()
    return pooled.flatten().float(), spread.flatten().float()
