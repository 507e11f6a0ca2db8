"""A project with a corpus whose log-mels and faces show the label, for tests of prepare_encoder and embed."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipeline.clips.manifest import Manifest, write_manifest
from pipeline.clips.splits import Fold, write_splits
from pipeline.shards.fingerprint import canonical_json, fingerprint
from pipeline.shards.shard import Header, ShardRow
from tests.conftest import make_clip, make_features
from tests.embed.rows import make_faces, make_logmel

SPEAKERS = 8
FIT: dict[str, Any] = {"task": "mood", "epochs": 3, "batch_size": 8, "units": 1, "learning_rate": 0.003}
TASK: dict[str, Any] = {"corpus": "c", "kind": "multi_label", "labels": ["loud"], "split": "speaker", "encoders": {"audio": "audio"}}


def audio_row(**fit: Any) -> dict[str, Any]:
    """A row of `encoders` that fits a small DAVEnet."""
    options = {"embed_dim": 16, "window": 160, "dropout": 0.2}
    return {"corpus": "c", "features": "logmel/c", "modality": "audio", "source": "fit", "network": "davenet", "options": options} | {
        "fit": FIT | fit
    }


def video_row(**fit: Any) -> dict[str, Any]:
    """A row of `encoders` that fits a small timm network."""
    options = {"model": "lcnet_035", "image_size": 32}
    return {"corpus": "c", "features": "faces/c", "modality": "video", "source": "fit", "network": "timm_image", "options": options} | {
        "fit": FIT | fit
    }


class Project:
    """A folder with params.yaml, clips, splits, log-mels and faces; clip i of speaker i mod 8 is `loud` when it is odd in its round."""

    def __init__(self, root: Path, num_clips: int = 48, folds: int = 1) -> None:
        self.root = root
        self.params, self.clips, self.logmels, self.faces = root / "params.yaml", root / "clips", root / "logmel", root / "faces"
        self.rows: dict[str, dict[str, Any]] = {"audio": audio_row(), "video": video_row()}
        self.num_clips, self.folds = num_clips, folds
        self.edits: dict[str, int] = {}
        self.write()

    def write(self) -> None:
        """Write everything."""
        self.clips.mkdir(parents=True, exist_ok=True)
        clips = [
            make_clip(f"clip{i:03d}", speaker=f"s{i % SPEAKERS}", labels={"loud": float(self.is_loud(i))}) for i in range(self.num_clips)
        ]
        write_manifest(Manifest(clips), self.clips)
        write_splits({"speaker": tuple(self.fold(k) for k in range(self.folds))}, self.clips)
        for folder, make in ((self.logmels, self.logmel), (self.faces, self.face)):
            header = Header(folder.name, 1, canonical_json({}))
            make_features(folder, [self.row(i, make(i)) for i in range(self.num_clips)], header)
        self.params.write_text(
            yaml.safe_dump({"encoders": self.rows, "tasks": {"mood": TASK}, "shards": {"num_shards": 2, "max_skipped": 0.2}})
        )

    def is_loud(self, i: int) -> bool:
        """The label of clip i."""
        return (i // SPEAKERS) % 2 == 1

    def fold(self, k: int) -> Fold:
        """Two speakers test, one selects, five train."""
        parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
        for i in range(self.num_clips):
            place = (i + 3 * k) % SPEAKERS
            parts["test" if place < 2 else "valid" if place < 3 else "train"].append(f"clip{i:03d}")
        return Fold.of(parts)

    def logmel(self, i: int) -> dict[str, np.ndarray]:
        """Loud clips have more energy."""
        return make_logmel(150 + i, seed=i, shift=15.0 * self.is_loud(i))

    def face(self, i: int) -> dict[str, np.ndarray]:
        """Loud clips are brighter."""
        return make_faces(3, seed=i, size=80, brightness=1.0 if self.is_loud(i) else 0.4)

    def row(self, i: int, arrays: dict[str, np.ndarray]) -> ShardRow:
        """A row of features; an edited clip has another fingerprint."""
        return ShardRow(f"clip{i:03d}", fingerprint(i, self.edits.get(f"clip{i:03d}", 0)), arrays)
