"""The log of what runs took: appended to, mended, and read without what is torn."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.training.costs import COLUMNS, Cost, append_log, log_path, read_log
from pipeline.training.jobs import Job
from pipeline.training.zoo import TrainConfig, ZooRow

COST = Cost(2.5, 0.5, 4, 2, 100, 2**20)
OLD = "row,fold,seed,device,seconds,seconds_per_epoch,epochs,best_epoch,num_parameters,peak_bytes\n"


def make_job(row: str = "concat", seed: int = 0) -> Job:
    return Job(ZooRow(row, row, {}, TrainConfig((seed,), 1, 1, 1, 0.1, 0.0, 0.0)), 0, seed, "f")


def test_what_is_logged_is_read_back_in_order(tmp_path: Path) -> None:
    append_log(tmp_path / "runs", make_job("linear"), replace(COST, added_bytes=None), "cpu")
    append_log(tmp_path / "runs", make_job("concat", 3), COST, "cuda:0")
    entries = read_log(tmp_path / "runs")
    assert [(e.row, e.fold, e.seed, e.device) for e in entries] == [("linear", 0, 0, "cpu"), ("concat", 0, 3, "cuda:0")]
    assert [e.cost for e in entries] == [replace(COST, added_bytes=None), COST]
    assert log_path(tmp_path / "runs").read_text().count("\n") == 3


TORN = ("concat,0,1,cp", "concat,0,1,cpu,2.5,0.5,4,2,x,1\n", "concat,0,1,cpu,nan,0.5,4,2,9,1\n", "\0,,\n", ",".join("a" * 14))


@pytest.mark.parametrize("torn", TORN)
def test_a_torn_line_is_left_out_aloud_and_costs_no_other(tmp_path: Path, torn: str, caplog: pytest.LogCaptureFixture) -> None:
    append_log(tmp_path / "runs", make_job(), COST, "cpu")
    with log_path(tmp_path / "runs").open("a") as file:
        file.write(torn)
    append_log(tmp_path / "runs", make_job(seed=2), COST, "cpu")
    with caplog.at_level(logging.WARNING):
        assert [entry.seed for entry in read_log(tmp_path / "runs")] == [0, 2]
    assert "line 3, is left out: it is torn or malformed" in caplog.text


def test_a_log_of_an_earlier_version_keeps_its_times_and_loses_its_memory(tmp_path: Path) -> None:
    log_path(tmp_path / "runs").write_text(OLD + "concat,0,0,cpu,2.5,0.5,4,2,100,409264128\n")
    append_log(tmp_path / "runs", make_job(seed=1), COST, "cpu")
    assert [entry.cost for entry in read_log(tmp_path / "runs")] == [replace(COST, added_bytes=None), COST]
    assert log_path(tmp_path / "runs").read_text().splitlines()[0] == ",".join(COLUMNS)
