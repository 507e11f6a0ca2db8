"""Copies among features: rows of one part that stand again in another, as published feature sets hold them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from pipeline.clips.splits import Fold, read_splits
from pipeline.errors import CacheError, SplitError
from pipeline.shards.extractor import Skip
from pipeline.shards.features import Features, read_features
from pipeline.shards.shard import ShardRow
from pipeline.tasks.task import Task
from pipeline.training.copies import check_copies, count_copies, find_copies, read_copies, write_copies
from pipeline.training.embeddings import EmbeddingsReader
from tests.conftest import make_features
from tests.training.corpus import Corpus, make_corpus

DIMS = {"text": 6, "audio": 4, "video": 5}
Rows = dict[str, dict[str, np.ndarray]]


def draw(seed: int, length: int = 3) -> dict[str, np.ndarray]:
    """A clip's sequence of each modality, (length, dim)."""
    rng = np.random.default_rng(seed)
    return {m: rng.normal(size=(length, dim)).astype(np.float16) for m, dim in DIMS.items()}


def write(folder: Path, clips: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Features]:
    """Features of each modality that some clip has; a clip without one was skipped."""
    features = {}
    for m in {m for rows in clips.values() for m in rows}:
        rows = [ShardRow(i, "f", {"sequence": each[m]}) if m in each else ShardRow(i, "f", Skip("no_sound")) for i, each in clips.items()]
        features[m] = read_features(make_features(folder / m, rows))
    return features


def test_rows_that_stand_again_under_another_id_are_counted_and_named(tmp_path: Path) -> None:
    clips = {f"{part}_{n}": draw(100 * k + n) for k, part in enumerate(("train", "valid", "test")) for n in range(8)}
    clips |= {f"test_{n}": clips[f"train_{n}"] for n in (1, 4, 6)}
    features = write(tmp_path, clips)
    fold = Fold.of({part: [i for i in clips if i.startswith(part)] for part in ("train", "valid", "test")})
    assert count_copies(features, fold) == {"train-valid": 0, "train-test": 3, "valid-test": 0}
    with pytest.raises(SplitError, match=r"task t: 3 clips of the test part have the features of a clip of the train part: test_1, test_4"):
        check_copies(features, fold, "task t")


@pytest.mark.parametrize(
    ("kept", "copied"),
    [
        (("text", "audio", "video"), True),
        (("text",), False),  # the same words, said by another
        (("audio", "video"), False),  # other words: a mix-up of one modality is no copy
        ((), False),
    ],
)
def test_a_copy_repeats_every_modality(tmp_path: Path, kept: tuple[str, ...], copied: bool) -> None:
    other = draw(1) | {m: draw(0)[m] for m in kept}
    assert find_copies(write(tmp_path, {"a": draw(0), "b": other}), ["a"], ["b"]) == (["b"] if copied else [])


@pytest.mark.parametrize("modalities", [("audio",), ("video",), ("text",), ("text", "audio")])
def test_modalities_that_a_clip_or_task_lacks_do_not_hide_a_copy(tmp_path: Path, modalities: tuple[str, ...]) -> None:
    whole = draw(0)
    part = {m: whole[m] for m in modalities}
    expected = [] if modalities == ("text",) else ["b"]
    assert find_copies(write(tmp_path / "task", {"a": part, "b": part}), ["a"], ["b"]) == expected
    assert find_copies(write(tmp_path / "clip", {"a": whole, "b": part}), ["a"], ["b"]) == expected


@pytest.mark.parametrize("length", [1, 3])
def test_zeros_in_the_place_of_a_missing_modality_are_no_copy(tmp_path: Path, length: int) -> None:
    zeros = {"video": np.zeros((length, 5), np.float16)}
    one, two = draw(0, length) | zeros, draw(1, length) | zeros
    two["text"] = one["text"]
    assert find_copies(write(tmp_path, {"a": one, "b": two}), ["a"], ["b"]) == []
    two["audio"] = one["audio"]
    assert find_copies(write(tmp_path / "again", {"a": one, "b": two}), ["a"], ["b"]) == ["b"]


def test_sequences_that_differ_only_in_the_middle_are_told_apart(tmp_path: Path) -> None:
    one = draw(0, 5)
    two = {m: x.copy() for m, x in one.items()}
    two["audio"][2, 1] += 1
    assert find_copies(write(tmp_path, {"a": one, "b": two}), ["a"], ["b"]) == []


def copy_clip(corpus: Corpus, source: str, target: str) -> None:
    """Give a clip the embeddings of another."""
    for m in DIMS:
        folder = corpus.embeddings / f"c_{m}"
        features = read_features(folder)
        rows = [
            ShardRow(i, features.fingerprint(i), Skip(features.skips[i]) if i in features.skips else features[source if i == target else i])
            for i in features.ids
        ]
        make_features(folder, rows, features.header)


@pytest.mark.parametrize(("target", "part"), [("clip006", "test"), ("clip004", "valid")])
def test_training_refuses_copies_unless_they_are_counted(tmp_path: Path, target: str, part: str) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    copy_clip(corpus, "clip000", target)
    task, fold = Task.read(corpus.params, "emotion"), read_splits(corpus.clips)["speaker"][0]
    with pytest.raises(
        SplitError, match=f"tasks.emotion, fold 0: 1 clips of the {part} part have the features of .* train part: {target};"
    ):
        EmbeddingsReader(task, corpus.embeddings, corpus.encoders).read(0, fold)
    counting = dataclasses.replace(task, config=dataclasses.replace(task.config, copies="count"))
    reader = EmbeddingsReader(counting, corpus.embeddings, corpus.encoders)
    reader.read(0, fold)
    assert reader.copies == [{"train-valid": 0, "train-test": 0, "valid-test": 0} | {f"train-{part}": 1}]


def test_counts_come_back_as_they_were_written_and_none_leave_no_file(tmp_path: Path) -> None:
    counts = [{"train-valid": 0, "train-test": 466, "valid-test": 1}]
    write_copies(counts, tmp_path)
    assert read_copies(tmp_path) == counts
    write_copies([{"train-test": 0}], tmp_path)
    assert read_copies(tmp_path) == []
    (tmp_path / "copies.json").write_text("{")
    with pytest.raises(CacheError, match=r"copies\.json is not a table"):
        read_copies(tmp_path)


def test_the_real_features_share_no_row_across_the_published_parts(tmp_path: Path, realdata: Path) -> None:
    arrays = dict(np.load(realdata / "features" / "mosi_utterances.npz"))
    clips = {i: {m: arrays[f"{m}_feat"][n : n + 1] for m in DIMS} for n, i in enumerate(arrays["id"])}
    features = write(tmp_path, clips)
    for split, names in (("split", ("train", "-", "test")), ("std_split", ("train", "val", "test"))):
        fold = Fold(*(tuple(arrays["id"][arrays[split] == name]) for name in names))
        assert set(count_copies(features, fold).values()) == {0}


def test_the_one_real_row_that_stands_twice_is_found(tmp_path: Path, realdata: Path) -> None:
    arrays = dict(np.load(realdata / "features" / "ravdess_au_mfcc.npz"))
    features = write(
        tmp_path, {i: {"audio": arrays["mfcc259"][n : n + 1], "video": arrays["au35"][n : n + 1]} for n, i in enumerate(arrays["clip"])}
    )
    ids = [str(i) for i in arrays["clip"]]
    take = "01-01-03-01-02-02-07"
    assert find_copies(features, [i for i in ids if i != take], [take]) == [take]  # of its first repetition: in one fold with it by actor
    assert find_copies(features, ids[:700], ids[700:]) == []
