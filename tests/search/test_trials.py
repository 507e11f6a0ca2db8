"""Every row of the zoo at every point: what is changed, and that it can be built."""

import dataclasses
from typing import Any

import pytest

from pipeline.fusion.base import ClosedFormModel, find_model, model_names
from pipeline.params import build
from pipeline.search.config import Point
from pipeline.search.trials import Trial, change, count_parameters, make_trials
from pipeline.training.zoo import TrainConfig, ZooRow
from tests.fusion.batches import kinds_of, make_spec
from tests.search.test_config import CONFIG
from tests.training.corpus import TRAIN

LEARNED = [name for name in model_names() if not issubclass(find_model(name), ClosedFormModel)]
POINTS = (Point(0.002, 0.001, 0.25, 0.5), Point(0.005, 0.02, 0.4, 2.0), Point(0.0003, 0.1, 0.0, 1.0))


def make_row_trials(name: str, max_parameters: int = 10**7, **hyperparams: Any) -> list[Trial]:
    values = dataclasses.asdict(build(find_model(name).Hyperparams, hyperparams, name))  # type: ignore[call-overload]
    config = dataclasses.replace(CONFIG, max_parameters=max_parameters)
    row = ZooRow(name, name, values, build(TrainConfig, TRAIN, "train"))
    return make_trials(row, POINTS, config, make_spec(kinds_of(name)[0]))


@pytest.mark.parametrize("name", LEARNED)
def test_every_trial_of_every_row_can_be_built_and_changes_a_width_and_dropout(name: str) -> None:
    trials = make_row_trials(name, dim=16) if name.startswith("concat") else make_row_trials(name)
    sizes = [count_parameters(name, trial.row.hyperparams, make_spec(kinds_of(name)[0])) for trial in trials]
    assert sizes[1] < sizes[0] == sizes[3] <= sizes[2]
    assert (trials[1].dropout is None) == name.startswith("matchmap")  # which have none
    assert all(value == 0.25 for key, value in trials[1].row.hyperparams.items() if "dropout" in key)
    assert all(trial.row.train.seeds == (1000,) for trial in trials)


@pytest.mark.parametrize("name", ["constant", "linear"])
def test_a_row_in_closed_form_has_one_trial(name: str) -> None:
    assert [trial.number for trial in make_row_trials(name)] == [0]


def test_the_first_trial_has_the_rows_own_values() -> None:
    first = make_row_trials("lf_dnn", text_dim=24)[0]
    assert (first.row.hyperparams["text_dim"], first.row.train.learning_rate) == (24, TRAIN["learning_rate"])


def test_a_trial_takes_its_points_values_and_leaves_the_others() -> None:
    trial = make_row_trials("lf_dnn")[1]
    assert trial.chosen()["train"] == {"learning_rate": 0.002, "weight_decay": 0.001}
    assert (trial.chosen()["text_dim"], trial.chosen()["dropout"], trial.chosen()["fusion_dropout"]) == (64, 0.25, 0.25)
    assert trial.row.train.batch_size == TRAIN["batch_size"]


def test_a_width_stays_a_multiple_of_the_heads_and_no_layer_stays_none() -> None:
    assert change({"dim": 6, "num_heads": 2, "num_layers": 4}, 0.5, 0.1) == {"dim": 4, "num_heads": 2, "num_layers": 4}
    assert change({"dim": 0, "text_head": 4, "rank": 4}, 2.0, 0.1) == {"dim": 0, "text_head": 8, "rank": 4}


def test_a_model_that_would_be_too_large_keeps_its_own_width() -> None:
    _, narrow, wide, _ = make_row_trials("tfn")
    assert (narrow.width, wide.width) == (0.5, 1.0)
    assert wide.row.hyperparams["text_dim"] == 128
    assert wide.row.hyperparams["dropout"] == 0.4
