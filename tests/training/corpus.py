"""A small corpus from `train`'s point of view: clips with labels, shards of embeddings, encoders' configs, params.yaml. No media."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest, write_manifest
from pipeline.clips.splits import Fold, write_splits
from pipeline.embed.encoder import Encoder, write_encoder
from pipeline.shards.extractor import Skip
from pipeline.shards.fingerprint import fingerprint
from pipeline.shards.shard import Header, ShardRow
from tests.conftest import make_features

EMOTIONS = ("anger", "happiness", "sadness")
DIMS = {"text": 6, "audio": 5, "video": 7}
STEPS = {"text": (3, 9), "audio": (4, 12), "video": (2, 6)}
TASKS: dict[str, dict[str, Any]] = {
    "emotions": {"kind": "multi_label", "labels": list(EMOTIONS)},
    "emotion": {"kind": "multi_class", "label": "emotion", "classes": list(EMOTIONS)},
    "sentiment": {
        "kind": "regression",
        "annotations": {"M": "sentiment", "T": "sentiment_T", "A": "sentiment_A", "V": "sentiment_V"},
        "range": [-1, 1],
    },
}
TRAIN = {"seeds": [0], "max_epochs": 3, "patience": 3, "batch_size": 8, "learning_rate": 0.003, "weight_decay": 0.01, "grad_clip": 1.0}
ZOO: dict[str, Any] = {"constant": {}, "linear": {}, "concat": {}, "text_only": {"dim": 8, "num_layers": 1, "num_heads": 2}}


@dataclass(frozen=True)
class Corpus:
    """Where everything is, in the argument order of the stage."""

    root: Path

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def clips(self) -> Path:
        return self.root / "clips"

    @property
    def embeddings(self) -> Path:
        return self.root / "embeddings"

    @property
    def encoders(self) -> Path:
        return self.root / "encoders"

    @property
    def out(self) -> Path:
        return self.root / "runs"

    def write_params(self, zoo: dict[str, Any] | None = None, **train: Any) -> None:
        """Write params.yaml with this zoo; keywords change the section `train`."""
        rows = {
            name: {
                "corpus": "c",
                "split": "speaker",
                "disjoint": {"train-test": "speaker", "train-valid": "speaker", "valid-test": "none"},
                "encoders": {m: f"c_{m}" for m in DIMS},
                "claims": False,
                **task,
            }
            for name, task in TASKS.items()
        }
        params = {"tasks": rows, "zoo": ZOO if zoo is None else zoo, "train": {**TRAIN, **train}}
        self.params.write_text(yaml.safe_dump(params, sort_keys=False))


def make_labels(rng: np.random.Generator, shown: int) -> dict[str, float | str | None]:
    """Labels of a clip that shows an emotion, or none of them."""
    labels: dict[str, float | str | None] = {name: float(i == shown) for i, name in enumerate(EMOTIONS)}
    labels["emotion"] = EMOTIONS[shown % len(EMOTIONS)]
    for name in ("sentiment", "sentiment_T", "sentiment_A", "sentiment_V"):
        labels[name] = float(np.clip(shown / 2 - 0.5 + rng.normal() * 0.2, -1, 1))
    return labels


def make_arrays(rng: np.random.Generator, modality: str, shown: int) -> dict[str, np.ndarray]:
    """Embeddings in which the shown emotion is one dimension's mean; video also has a map of 4 positions."""
    time, dim = int(rng.integers(*STEPS[modality])), DIMS[modality]
    code = np.eye(dim)[shown] * 2
    arrays = {"sequence": (rng.normal(size=(time, dim)) + code).astype(np.float16)}
    if modality == "video":
        arrays["map"] = (rng.normal(size=(4, dim)) + code).astype(np.float16)
    return arrays


def make_corpus(root: Path, num_clips: int = 40, seen: tuple[str, ...] = (), folds: int = 1, change: str = "") -> Corpus:
    """Write a corpus whose clip i depends on i alone.

    Args:
        root: folder to write.
        num_clips: of 8 speakers; 4 train, 2 select, 2 test.
        seen: clips that the video encoder says it was fitted on.
        folds: of the split; fold k shifts the speakers by k.
        change: a clip whose embeddings are made anew.
    """
    corpus = Corpus(root)
    corpus.clips.mkdir(parents=True)
    clips, rows = [], {m: list[ShardRow]() for m in DIMS}
    for i in range(num_clips):
        rng, shown, clip_id = np.random.default_rng(i), i % 4, f"clip{i:03d}"
        clips.append(Clip(clip_id, speaker=f"s{i % 8}", group=clip_id, labels=make_labels(rng, shown)))
        for m in DIMS:
            rng = np.random.default_rng((i, len(m), clip_id == change))
            missing = i % 9 == 1 and m == "audio"
            content = Skip("no_audio") if missing else make_arrays(rng, m, shown)
            rows[m].append(ShardRow(clip_id, fingerprint(m, clip_id, clip_id == change), content))
    write_manifest(Manifest(clips), corpus.clips)
    parts = [{"train": (0, 4), "valid": (4, 6), "test": (6, 8)}] * folds
    splits = [
        Fold.of({part: [c.id for i, c in enumerate(clips) if a <= (i + 2 * k) % 8 < b] for part, (a, b) in bounds.items()})
        for k, bounds in enumerate(parts)
    ]
    write_splits({"speaker": tuple(splits)}, corpus.clips)
    for m in DIMS:
        write_embeddings(corpus, m, rows[m], seen if m == "video" else ())
    corpus.write_params()
    return corpus


def write_embeddings(corpus: Corpus, modality: str, rows: list[ShardRow], seen: tuple[str, ...], part: str = "") -> None:
    """Write an encoder's artifact and the shards it made, for all folds or for one (`part` = "fold-<k>")."""
    share = "half" if seen else None
    encoder = Encoder(modality, "test", {}, {"seen": len(seen)}, {}, f"fingerprint of {modality}", clips=seen, fit_share=share)
    written = write_encoder(encoder, {"w": torch.zeros(1)}, corpus.encoders / f"c_{modality}" / part)
    make_features(corpus.embeddings / f"c_{modality}" / part, rows, Header(modality, 1, "{}", written.digest))
