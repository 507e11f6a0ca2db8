"""Pictures that models read themselves: how they are cut, what a run of theirs covers, and what is refused."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.embed.pictures import decode_faces
from pipeline.errors import ModelError, ParamsError, ShardError
from pipeline.shards.features import read_features
from pipeline.tasks.task import Task
from pipeline.training.features import PictureRow, cut_face, cut_logmel, pool_channels, read_picture_rows
from pipeline.training.run import read_run, run_folder
from pipeline.training.runner import TrainOptions, train_zoo
from tests.embed.rows import make_faces, make_logmel
from tests.training.corpus import ZOO, Corpus, make_corpus
from tests.training.pictures import FE2E, FEATURES, add_features, folders, name_features


def train(corpus: Corpus, **changes: Any) -> dict[str, Any]:
    places = (corpus.params, "emotions", corpus.clips, corpus.embeddings, corpus.encoders, corpus.out)
    return train_zoo(*places, TrainOptions(device="cpu"), **{"features": folders(corpus), **changes})


def write_params(corpus: Corpus, zoo: dict[str, Any], features: dict[str, str] = FEATURES, **changes: Any) -> None:
    corpus.write_params(zoo, **{"max_epochs": 1, **changes})
    name_features(corpus, features)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = add_features(make_corpus(tmp_path / "corpus"))
    write_params(corpus, {"concat": {}, "fe2e": FE2E})
    return corpus


def test_a_face_is_scaled_and_flattened_channel_by_channel() -> None:
    row = make_faces(3, 2)
    found, expected = cut_face(row), decode_faces(row, 48, np.array([2, 3, 4]))
    assert (found.shape, found.dtype) == ((3, 3 * 48 * 48), np.uint8)
    for picture, face in zip(found, expected, strict=True):
        np.testing.assert_array_equal(picture.reshape(3, 48, 48).transpose(1, 2, 0), face)


def test_a_log_mel_is_cut_into_pieces_the_last_one_filled_up_with_silence() -> None:
    logmel = make_logmel(70, 5)["logmel"]
    found = cut_logmel({"logmel": logmel}).reshape(3, 5, 32)
    np.testing.assert_array_equal(found[1], logmel[32:64].T)
    np.testing.assert_array_equal(found[2, :, :6], logmel[64:].T)
    assert np.unique(found[2, :, 6:]).tolist() == [logmel.min()]
    assert len(cut_logmel({"logmel": logmel[:64]})) == 2


def test_a_channels_mean_and_sd_are_those_of_all_its_places() -> None:
    pictures = torch.randn(50, 2, 3, 4) * 2 + torch.tensor([1.0, -5.0]).view(1, 2, 1, 1)
    flat = pictures.flatten(1)
    mean, sd = pool_channels(flat.mean(0), flat.std(0, correction=0), (2, 3, 4))
    for place, channel in ((0, 0), (11, 0), (12, 1), (23, 1)):
        torch.testing.assert_close(mean[place], pictures[:, channel].mean())
        torch.testing.assert_close(sd[place], pictures[:, channel].std(correction=0))


def test_only_the_asked_clips_are_cut_in_the_shards_order(corpus: Corpus) -> None:
    row = PictureRow("logmel/c", read_features(corpus.root / "logmel" / "c", []))
    loaded, whole = row.load(["clip001", "clip007"]), read_features(corpus.root / "logmel" / "c")
    assert sum(len(loaded[i]["sequence"]) > 0 for i in loaded.ids) == 2
    np.testing.assert_array_equal(loaded["clip007"]["sequence"], cut_logmel(whole["clip007"]))


def test_a_run_says_what_it_read_and_takes_a_missing_face_as_missing(corpus: Corpus) -> None:
    assert train(corpus)["computed"] == 2
    run = read_run(run_folder(corpus.out, "fe2e", 0, 0))
    assert {m: encoder["row"] for m, encoder in run.encoders.items()} == {"text": "c_text", **FEATURES}
    assert run.encoders["video"]["config"] == {"features": "faces", "version": 1, "config": {"image_size": 60}, "shape": [3, 48, 48]}
    assert (run.spec["dims"]["audio"], run.spec["shapes"]["audio"]) == (16 * 32, [1, 16, 32])
    other = read_run(run_folder(corpus.out, "concat", 0, 0))
    assert {m: encoder["row"] for m, encoder in other.encoders.items()} == {m: f"c_{m}" for m in ("text", "audio", "video")}
    assert other.spec["shapes"] == {}


def test_changed_features_train_the_rows_that_read_them_and_changed_embeddings_the_others(corpus: Corpus, tmp_path: Path) -> None:
    train(corpus)
    other = add_features(make_corpus(tmp_path / "other", change="clip000"), change="clip000")
    shutil.rmtree(corpus.root / "logmel")
    shutil.copytree(other.root / "logmel", corpus.root / "logmel")
    assert train(corpus)["computed"] == 1
    shutil.rmtree(corpus.embeddings / "c_audio")
    shutil.copytree(other.embeddings / "c_audio", corpus.embeddings / "c_audio")
    assert train(corpus)["computed"] == 1
    assert train(corpus) | {"seconds": 0} == {"computed": 0, "reused": 2, "seconds": 0}


def test_naming_features_changes_no_run_of_a_row_that_reads_none(corpus: Corpus) -> None:
    corpus.write_params(ZOO, max_epochs=1)
    train(corpus, features={})
    write_params(corpus, ZOO)
    assert train(corpus, features={})["computed"] == 0


def test_workers_share_the_pictures_and_change_no_byte(corpus: Corpus) -> None:
    write_params(corpus, {"fe2e": FE2E}, seeds=[0, 1])
    train(corpus)
    first = [(run_folder(corpus.out, "fe2e", 0, seed) / "model.safetensors").read_bytes() for seed in (0, 1)]
    shutil.rmtree(corpus.out)
    places = (corpus.params, "emotions", corpus.clips, corpus.embeddings, corpus.encoders, corpus.out)
    train_zoo(*places, TrainOptions(device="cpu", workers=2), folders(corpus))
    assert first == [(run_folder(corpus.out, "fe2e", 0, seed) / "model.safetensors").read_bytes() for seed in (0, 1)]


def test_truncated_pictures_are_counted(corpus: Corpus) -> None:
    write_params(corpus, {"fe2e": {**FE2E, "train": {"max_steps": {"video": 2}}}})
    train(corpus)
    assert 0 < read_run(run_folder(corpus.out, "fe2e", 0, 0)).truncated["video"] < 40


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        ({"audio": "logmel/c"}, ModelError, r"reads the video before any encoder; add `features: \{video: faces/<row>\}`"),
        ({"audio": "faces/c", "video": "faces/c"}, ParamsError, r"\(audio: logmel/<row>, video: faces/<row>\), not"),
        ({"text": "tokens/c"}, ParamsError, "maps a modality that has an encoder to what precedes it"),
        ({"video": "faces/c", "audio": "logmel/gone"}, ShardError, "gone holds no shards; run the stage that makes it"),
    ],
)
def test_what_cannot_be_read_is_told_before_anything_is_trained(
    corpus: Corpus, features: dict[str, str], error: type[Exception], message: str
) -> None:
    write_params(corpus, {"fe2e": FE2E}, features)
    with pytest.raises(error, match=message):
        train(corpus)


def test_a_command_without_the_folders_names_the_kind(corpus: Corpus) -> None:
    with pytest.raises(ParamsError, match=r"tasks.emotions.features names logmel/c, and the command has no folder of logmel"):
        train(corpus, features={})


def test_features_of_another_corpus_are_refused(corpus: Corpus) -> None:
    with pytest.raises(ShardError, match="names another corpus' row"):
        read_picture_rows(Task.read(corpus.params, "emotions"), folders(corpus), ["elsewhere"])
