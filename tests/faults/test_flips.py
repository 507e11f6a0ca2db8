"""Random single-bit flips in everything that a number is read from: each is told, with the file, or changes nothing that is read."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.clips.listing import read_partial
from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import read_splits
from pipeline.embed.encoder import check_weights, read_encoder
from pipeline.errors import PipelineError
from pipeline.report.files import read_scores
from pipeline.report.scores import EvaluateConfig, compute_scores
from pipeline.shards.digests import add_digests
from pipeline.shards.features import read_features
from pipeline.shards.imported import read_origin
from pipeline.storage import write_record
from pipeline.tasks.task import Task
from pipeline.training.checkpoint import read_checkpoint, write_checkpoint
from pipeline.training.copies import read_copies, write_copies
from pipeline.training.run import read_run, read_runs
from tests.conftest import make_clip
from tests.report.worlds import make_world
from tests.training.corpus import make_corpus

log = logging.getLogger(__name__)
EARLIER = {"discrepancies": [], "absent_media": {"count": 3, "first": ["x"]}}
KINDS = ("shards", "runs", "clips", "splits", "scores", "encoders", "checkpoint", "records", "digests")


@dataclass(frozen=True)
class Kind:
    """Files of one kind.

    Args:
        files: that may be hit.
        read: all that a stage reads of them, in a form that can be compared.
    """

    files: list[Path]
    read: Callable[[], Any]


def read_shards(folder: Path) -> Any:
    """All of a folder's shards."""
    features = read_features(folder)
    arrays = {name: (values.dtype.str, values.shape, values.tobytes()) for name, values in features.values.items()}
    offsets = {name: values.tolist() for name, values in features.offsets.items()}
    return features.ids, features.fingerprints, features.skips, features.header, arrays, offsets


def read_all_of_a_run(folder: Path) -> Any:
    """A run, its numbers as bytes."""
    run = read_run(folder)
    return {**vars(run), "logits": {part: {o: v.tobytes() for o, v in outputs.items()} for part, outputs in run.logits.items()}}


def read_artifact(folder: Path) -> Any:
    """An encoder, its weights checked as embed does."""
    encoder = read_encoder(folder)
    check_weights(encoder, folder)
    return encoder


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    """One of each kind of file."""
    root = tmp_path_factory.mktemp("flips")
    corpus = make_corpus(root / "corpus", num_clips=24, seen=("clip000",))
    (root / "world").mkdir()
    make_world(root / "world", {"constant": 0.0, "linear": 0.9}, ("emotion",), num_clips=24, draws=20)
    params, data = root / "world/params.yaml", root / "world/data"
    task, manifest = Task.read(params, "emotion"), read_manifest(data / "clips/demo")
    folds = task.folds(manifest, read_splits(data / "clips/demo"))
    from pipeline.report.files import write_scores

    runs = read_runs(data / "runs/emotion", ["constant", "linear"])
    write_scores(compute_scores(task, ["constant", "linear"], runs, manifest, folds, EvaluateConfig(20, 0)), data / "scores/emotion")
    run, scores, shards, encoder = (
        next(data.rglob("seed-1")),
        data / "scores/emotion",
        corpus.embeddings / "c_video",
        corpus.encoders / "c_video",
    )
    records, checkpoint = root / "records", root / "checkpoint.safetensors"
    records.mkdir()
    write_record(EARLIER, records / "partial.json")
    write_copies([{"train-test": 4}], records)
    write_record({"source": "imported", "files": [{"file": "a.pkl", "sha256": "ab" * 32}], "replaced": {"nan": 7}}, records / "origin.json")
    write_checkpoint({"epoch": 3, "history": [{"loss": 0.5}]}, {"model": {"w": np.arange(50.0)}, "optimizer.0": {"step": 3.0}}, checkpoint)
    return {
        "shards": Kind(sorted(shards.iterdir()), lambda: read_shards(shards)),
        "runs": Kind(sorted(run.iterdir()), lambda: read_all_of_a_run(run)),
        "clips": Kind(sorted(corpus.clips.glob("clips*")), lambda: list(read_manifest(corpus.clips))),
        "splits": Kind(sorted(corpus.clips.glob("splits*")), lambda: read_splits(corpus.clips)),
        "scores": Kind(sorted(scores.iterdir()), lambda: read_scores(scores)),
        "encoders": Kind(sorted(encoder.iterdir()), lambda: read_artifact(encoder)),
        "checkpoint": Kind([checkpoint], lambda: _plain(read_checkpoint(checkpoint))),
        "records": Kind(sorted(records.iterdir()), lambda: (read_partial(records), read_copies(records), read_origin(records))),
        "digests": _make_digests(root / "media"),
    }


def _plain(found: tuple[dict[str, Any], dict[str, Any]]) -> Any:
    """A checkpoint in a form that can be compared."""
    return found[0], {name: (str(value.dtype), tuple(value.shape), value.tolist()) for name, value in found[1].items()}


def _make_digests(root: Path) -> Kind:
    """The database of digests, with what is read of it."""
    (root / "raw").mkdir(parents=True)
    clips = [make_clip(name, digest=None) for name in "abcdef"]
    for clip in clips:
        (root / "raw" / str(clip.media)).write_bytes(clip.id.encode())
    cache = root / "known.sqlite"
    return Kind([cache], lambda: list(add_digests(clips, root / "raw", cache, ())[0]))


def flip(kind: Kind, count: int, seed: str) -> tuple[int, int]:
    """Flip so many bits, one at a time; returns how many were told and how many changed nothing that is read.

    The file is drawn first, then the byte: small files, which hold most of what matters, are hit as often as large ones.
    """
    healthy, picks, told = kind.read(), random.Random(seed), 0
    for _ in range(count):
        path = picks.choice(kind.files)
        whole = path.read_bytes()
        place, bit = picks.randrange(len(whole)), picks.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
        try:
            assert kind.read() == healthy, f"bit {bit} of byte {place} of {path} changed what is read, and nobody said so"
        except PipelineError as error:
            told += 1
            assert path.name.removesuffix(".sha256") in str(error), error  # noqa: PT017
        path.write_bytes(whole)
    return told, count - told


@pytest.mark.parametrize("name", KINDS)
def test_a_flipped_bit_is_told_or_harmless(name: str, kinds: dict[str, Kind]) -> None:
    told, harmless = flip(kinds[name], 60, name)
    assert told > harmless or name == "digests"  # a database that is damaged is begun anew


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_a_thousand_flipped_bits_are_told_or_harmless(name: str, kinds: dict[str, Kind]) -> None:
    told, harmless = flip(kinds[name], 1000, f"{name}, long")
    log.warning("%s: %d of 1000 flipped bits told, %d changed nothing that is read", name, told, harmless)


def test_an_edit_by_hand_is_told_with_the_remedy(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", num_clips=8)
    path = corpus.clips / "clips.jsonl"
    path.write_text(path.read_text().replace('"speaker": "s1"', '"speaker": "s2"'))
    with pytest.raises(PipelineError, match=r"clips\.jsonl cannot be trusted: .*edited by hand; correct the labels instead"):
        read_manifest(corpus.clips)
    path.with_name("clips.jsonl.sha256").unlink()
    with pytest.raises(PipelineError, match=r"clips\.jsonl\.sha256, its checksum, is not beside it"):
        read_manifest(corpus.clips)
