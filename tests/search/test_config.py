"""The points of the search: the same for every row, inside their ranges, and more of them keep those that there were."""

import dataclasses

import pytest

from pipeline.errors import ParamsError
from pipeline.params import build, read_section
from pipeline.search.config import SearchConfig, draw_points
from tests.conftest import ROOT

CONFIG = SearchConfig(20, 0, 1000, (0,), (1e-4, 1e-2), (1e-5, 0.1), (0.0, 0.5), (0.5, 1.0, 2.0), 10**7)


def test_points_lie_in_their_ranges_and_cover_them() -> None:
    points = draw_points(CONFIG)
    assert len(points) == 19
    assert all(1e-4 <= p.learning_rate <= 1e-2 and 1e-5 <= p.weight_decay <= 0.1 and 0 <= p.dropout <= 0.5 for p in points)
    assert 7 <= sum(p.learning_rate < 1e-3 for p in points) <= 12  # half of a logarithmic range
    assert {p.width for p in points} == {0.5, 1.0, 2.0}


def test_the_points_depend_on_their_seed_alone_and_more_trials_keep_them() -> None:
    points = draw_points(CONFIG)
    assert draw_points(dataclasses.replace(CONFIG, trials=40))[:19] == points
    assert draw_points(dataclasses.replace(CONFIG, run_seed=7)) == points
    assert draw_points(dataclasses.replace(CONFIG, seed=1)) != points


def test_one_trial_is_the_rows_own_values() -> None:
    assert draw_points(dataclasses.replace(CONFIG, trials=1)) == ()


@pytest.mark.parametrize(
    "wrong",
    [{"trials": 0}, {"folds": [0, 0]}, {"learning_rate": [0, 1]}, {"weight_decay": [0.1, 0.01]}, {"dropout": [0.5, 1.0]}, {"widths": []}],
)
def test_a_range_that_cannot_be_drawn_from_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ParamsError, match=next(iter(wrong))):
        build(SearchConfig, {**dataclasses.asdict(CONFIG), **wrong}, "search")


def test_the_repositorys_section_is_what_the_issue_asks() -> None:
    assert read_section(ROOT / "params.yaml", "search", SearchConfig).trials == 20
