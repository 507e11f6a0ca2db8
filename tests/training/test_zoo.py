"""Rows of the zoo and the section `train`, read strictly."""

from pathlib import Path

import pytest

from pipeline.errors import ModelError, ParamsError
from pipeline.fusion.base import model_names
from pipeline.training.zoo import read_zoo
from tests.training.corpus import Corpus


def write(folder: Path, zoo: dict[str, object], **train: object) -> Path:
    corpus = Corpus(folder)
    corpus.write_params(zoo, **train)
    return corpus.params


def test_a_row_without_a_model_is_its_models_own_name(tmp_path: Path) -> None:
    rows = read_zoo(write(tmp_path, {"text_only": {"dim": 8}, "mbt_dwa": {"model": "multitask_mbt", "loss_weighting": "dwa"}}))
    assert [(row.name, row.model) for row in rows] == [("text_only", "text_only"), ("mbt_dwa", "multitask_mbt")]
    assert rows[0].hyperparams == {"dim": 8, "num_layers": 2, "num_heads": 4, "dropout": 0.1}


def test_a_row_overrides_how_it_is_trained(tmp_path: Path) -> None:
    row, other = read_zoo(write(tmp_path, {"concat": {"train": {"learning_rate": 0.5}}, "concat_av": {}}))
    assert row.train.learning_rate == 0.5
    assert other.train.learning_rate == 0.003
    assert "train" not in row.hyperparams


def test_a_row_may_differ_from_task_to_task(tmp_path: Path) -> None:
    row = {"dim": 8, "dropout": 0.5, "train": {"learning_rate": 0.5}, "tasks": {"emotions": {"dim": 16, "train": {"weight_decay": 0.25}}}}
    params = write(tmp_path, {"text_only": row})
    here, elsewhere = read_zoo(params, task="emotions")[0], read_zoo(params, task="sentiment")[0]
    assert (here.hyperparams["dim"], here.hyperparams["dropout"], elsewhere.hyperparams["dim"]) == (16, 0.5, 8)
    assert (here.train.learning_rate, here.train.weight_decay) == (0.5, 0.25)
    assert elsewhere.train.weight_decay != 0.25


@pytest.mark.parametrize(
    ("zoo", "error", "message"),
    [
        ({"concatt": {}}, ModelError, "did you mean concat"),
        ({"text_only": {"dimm": 8}}, ModelError, "did you mean `dim`"),
        ({"text_only": {"dim": "wide"}}, ModelError, "zoo.text_only.dim"),
        ({"concat": {"train": {"seeds": [1]}}}, ParamsError, "never its seeds"),
        ({"concat": {"train": {"learning_rat": 1.0}}}, ParamsError, "learning_rate"),
        ({"a/b": {"model": "concat"}}, ParamsError, "becomes a folder"),
        ({"concat": {"tasks": ["emotions"]}}, ParamsError, "zoo.concat.tasks maps a task"),
        ({"concat": {"tasks": {"emotions": {"model": "linear"}}}}, ParamsError, "one model for all tasks"),
        ({"concat": {"tasks": {"emotions": {"dropuot": 0.5}}}}, ModelError, "did you mean `dropout`"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, zoo: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_zoo(write(tmp_path, zoo), task="emotions")


@pytest.mark.parametrize(
    "train",
    [
        {"seeds": []},
        {"seeds": [1, 1]},
        {"learning_rate": 0.0},
        {"warmup": 1.0},
        {"schedule": "step"},
        {"modality_dropout": 1.0},
        {"batch_steps": -1},
        {"max_steps": {"smell": 3}},
        {"max_steps": {"text": 0}},
    ],
)
def test_a_training_that_cannot_be_is_refused(tmp_path: Path, train: dict[str, object]) -> None:
    with pytest.raises(ParamsError):
        read_zoo(write(tmp_path, {"concat": {}}, **train))


def test_all_adds_every_model_that_has_no_row(tmp_path: Path) -> None:
    path = write(tmp_path, {"mine": {"model": "concat"}})
    rows = read_zoo(path, "all")
    assert sorted(row.model for row in rows) == sorted(model_names())
    assert [row.name for row in read_zoo(path, "mine")] == ["mine"]
    assert [row.name for row in read_zoo(path, "linear")] == ["linear"]
