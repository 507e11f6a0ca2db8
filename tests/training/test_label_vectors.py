"""The vectors of the emotions' words: by a text encoder as transformers runs it, by a file, and as a run keeps them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.embed.encoder import Encoder, write_encoder
from pipeline.embed.text import TextEncoder
from pipeline.errors import CheckpointError, ModelError
from pipeline.shards.features import list_shards
from pipeline.shards.shard import Header, read_shard
from pipeline.tasks.task import Task, TaskConfig
from pipeline.training.label_vectors import encode_words, name_words, read_glove
from pipeline.training.run import read_run, run_folder
from pipeline.training.runner import TrainOptions, train_zoo
from tests.conftest import make_features
from tests.embed.models import save_bert
from tests.training.corpus import Corpus, make_corpus

VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nanger\nhap\n##piness\nsad\n##ness\n"
GLOVE = "the 1 2 3\nhappiness 0.5 -1 2\nanger 1 0 0\nsadness 0 0 1\npositive 1 1 1\nnegative 0 1 0\n"


def make_encoder(folder: Path) -> Encoder:
    """Write the artifact of a tiny BERT, its tokenizer's folder beside it."""
    hub = save_bert(folder / "hub")
    (hub / "vocab.txt").write_text(VOCABULARY)
    weights = TextEncoder.read_folder({}, hub)
    origin = {"source": "hub", "repo": str(hub), "revision": "local"}
    return write_encoder(Encoder("text", "text", {}, weights.architecture, origin, "f" * 40), weights.state, folder)


def write_glove(folder: Path, text: str = GLOVE) -> Path:
    (folder / "glove.txt").write_text(text)
    return folder / "glove.txt"


def train(corpus: Corpus, task: str, **row: str) -> int:
    corpus.write_params({"emo_embs": {"audio_dim": 4, "video_dim": 4, **row}}, max_epochs=1)
    places = (corpus.params, task, corpus.clips, corpus.embeddings, corpus.encoders, corpus.out)
    return int(train_zoo(*places, TrainOptions(device="cpu"))["computed"])


def test_a_words_vector_is_the_mean_of_its_own_tokens(tmp_path: Path) -> None:
    from transformers import BertModel

    encoder = make_encoder(tmp_path)
    found = encode_words(("anger", "happiness"), tmp_path, encoder.digest)
    model = BertModel.from_pretrained(tmp_path / "hub").eval()
    with torch.inference_mode():
        for vector, ids in zip(found.values, ([2, 4, 3], [2, 5, 6, 3]), strict=True):
            expected = model(torch.tensor([ids])).last_hidden_state[0, 1:-1].mean(0)
            torch.testing.assert_close(vector, expected, atol=1e-5, rtol=1e-4)


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path)
    (tmp_path / "hub" / "vocab.txt").write_text(f"{VOCABULARY}more\n")
    with pytest.raises(CheckpointError, match="not the tokenizer that stood beside its weights"):
        encode_words(("anger",), tmp_path, encoder.digest)


def test_abbreviated_labels_become_words_and_a_value_has_two_poles() -> None:
    common = {"corpus": "c", "split": "s", "encoders": {"text": "t"}}
    task = Task("t", TaskConfig(kind="multi_label", labels=("ang", "exc", "hap", "neu", "calm"), **common))  # type: ignore[arg-type]
    assert name_words(task) == ("anger", "excited", "happy", "neutral", "calm")
    value = Task("t", TaskConfig(kind="regression", annotations={"M": "sentiment"}, **common))  # type: ignore[arg-type]
    assert name_words(value) == ("positive", "negative")


def test_a_file_of_word_vectors_is_read_and_its_place_is_of_no_matter(tmp_path: Path) -> None:
    found = read_glove(write_glove(tmp_path), ("anger", "happiness sadness"))
    np.testing.assert_allclose(found.values, [[1, 0, 0], [0.25, -0.5, 1.5]])
    (tmp_path / "elsewhere").mkdir()
    assert read_glove(write_glove(tmp_path / "elsewhere"), ("anger", "happiness sadness")).identity == found.identity


@pytest.mark.parametrize(
    ("text", "message"),
    [("anger 1 2\n", "has no vector of happiness"), ("anger 1 2\nhappiness 1\n", "different widths"), ("anger x\n", "cannot be read")],
)
def test_a_file_that_is_no_list_of_vectors_says_why(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_glove(write_glove(tmp_path, text), ("anger", "happiness"))


@pytest.mark.parametrize("task", ["emotions", "sentiment"])
def test_a_run_keeps_the_vectors_and_trains_anew_when_they_change(tmp_path: Path, task: str) -> None:
    from safetensors.numpy import load_file

    corpus, glove = make_corpus(tmp_path), str(write_glove(tmp_path))
    assert train(corpus, task, glove=glove) == 1
    folder = run_folder(corpus.out, "emo_embs", 0, 0)
    words = ("anger", "happiness", "sadness") if task == "emotions" else ("positive", "negative")
    np.testing.assert_array_equal(load_file(folder / "model.safetensors")["words"], read_glove(Path(glove), words).values)
    assert read_run(folder).spec["label_dim"] == 3
    assert train(corpus, task, glove=glove) == 0
    write_glove(tmp_path, GLOVE.replace("anger 1", "anger 2").replace("positive 1", "positive 2"))
    assert train(corpus, task, glove=glove) == 1


def test_a_task_without_a_text_encoder_of_words_refuses_the_row(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="leave its row out, or give `glove`"):
        train(make_corpus(tmp_path), "emotions")


def test_the_tasks_own_text_encoder_gives_a_run_its_vectors(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    shutil.rmtree(corpus.encoders / "c_text")
    encoder = make_encoder(corpus.encoders / "c_text")
    rows = [row for path in list_shards(corpus.embeddings / "c_text") for row in read_shard(path).read_rows(range(20))]
    make_features(corpus.embeddings / "c_text", rows, Header("text", 1, "{}", encoder.digest))
    assert train(corpus, "emotions") == 1
    run = read_run(run_folder(corpus.out, "emo_embs", 0, 0))
    assert (run.spec["label_dim"], run.hyperparams["glove"]) == (16, "")
