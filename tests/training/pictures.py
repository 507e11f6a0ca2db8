"""Faces and log-mels of a small corpus, and a task's row that names them."""

from typing import Any

import yaml

from pipeline.clips.manifest import read_manifest
from pipeline.shards.extractor import Skip
from pipeline.shards.fingerprint import fingerprint
from pipeline.shards.shard import ShardRow
from tests.conftest import make_features, make_header
from tests.embed.rows import make_faces, make_logmel
from tests.training.corpus import Corpus

FEATURES = {"audio": "logmel/c", "video": "faces/c"}
FE2E: dict[str, Any] = {"dim": 8, "num_layers": 1, "num_heads": 2, "picture_dim": 2, "hidden_dim": 8}
N_MELS = 16


def add_features(corpus: Corpus, change: str = "") -> Corpus:
    """Write faces and log-mels beside the embeddings, and name them in every task; `change` is a clip whose log-mel is made anew."""
    faces, logmels = [], []
    for i, clip_id in enumerate(read_manifest(corpus.clips).ids):
        found = Skip("no_face") if i % 11 == 3 else make_faces(1 + i % 3, 1, seed=i, size=60)
        faces.append(ShardRow(clip_id, fingerprint("faces", clip_id), found))
        seed = i + 1000 * (clip_id == change)
        logmels.append(ShardRow(clip_id, fingerprint("logmel", clip_id, seed), make_logmel(20 + i, N_MELS, seed)))
    make_features(corpus.root / "faces" / "c", faces, make_header("faces", image_size=60))
    make_features(corpus.root / "logmel" / "c", logmels, make_header("logmel", n_mels=N_MELS))
    return corpus


def name_features(corpus: Corpus, features: dict[str, str] = FEATURES) -> None:
    """Add the key `features` to every task of params.yaml."""
    params = yaml.safe_load(corpus.params.read_text())
    for task in params["tasks"].values():
        task["features"] = features
    corpus.params.write_text(yaml.safe_dump(params, sort_keys=False))


def folders(corpus: Corpus) -> dict[str, Any]:
    """Where the features are."""
    return {kind: corpus.root / kind for kind in ("faces", "logmel")}
