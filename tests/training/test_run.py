"""A run on disk: comes back whole, the same bytes twice, damage is noticed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.errors import CheckpointError
from pipeline.training.run import FILES, RUN, Run, check_run, read_fingerprint, read_run, read_runs, run_folder, write_run


def make_run(row: str = "concat", seed: int = 0) -> Run:
    """A run of two valid clips and one test clip."""
    logits = {
        "valid": {"fusion": np.array([[0.1], [-2.0]], np.float32), "without_text": np.zeros((2, 1), np.float32)},
        "test": {"fusion": np.array([[1 / 3]], np.float32), "without_text": np.zeros((1, 1), np.float32)},
    }
    return Run(
        task="emotions",
        row=row,
        model="concat",
        fold=0,
        seed=seed,
        fingerprint="f" * 40,
        hyperparams={"dropout": 0.0},
        train={"max_epochs": 2},
        spec={"kind": "multi_label"},
        task_config={"kind": "multi_label", "labels": ["joy"]},
        num_parameters=7,
        num_train_clips=3,
        truncated={},
        best_epoch=2,
        annotations=("M",),
        modalities=("text", "audio"),
        encoders={"text": {"row": "c_text", "digest": "d", "fit_share": None, "config": {}}},
        clip_ids={"valid": ("ä", "b"), "test": ("c",)},
        logits=logits,
        history=[{"epoch": 1, "train_loss": 0.1 + 0.2, "valid_selection": 1.5}, {"epoch": 2, "train_loss": 1e-9, "valid_selection": 1.75}],
    )


def test_a_run_comes_back_whole(tmp_path: Path) -> None:
    write_run(make_run(), tmp_path / "run", {"w": torch.ones(2)})
    run = read_run(tmp_path / "run")
    for part, outputs in make_run().logits.items():
        for name, values in outputs.items():
            assert np.array_equal(run.logits[part][name], values)
    assert replace(run, logits={}) == replace(make_run(), logits={})


class Overtaken(dict):
    """Weights that another writes, as part of the same run, while they are being written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(w=torch.ones(2))
        self.folder = folder

    def items(self) -> Any:
        write_run(make_run(), self.folder, dict(self))
        return super().items()


def test_two_that_write_one_run_at_once_do_each_other_no_harm(tmp_path: Path) -> None:
    write_run(make_run(), tmp_path / "run", Overtaken(tmp_path / "run"))
    check_run(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_run(make_run(), tmp_path / name, {"w": torch.ones(2), "b": torch.zeros(())})
    for file in (RUN, *FILES):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("file", FILES)
def test_a_changed_or_absent_file_is_noticed(tmp_path: Path, file: str) -> None:
    write_run(make_run(), tmp_path / "run", {"w": torch.ones(2)})
    path = tmp_path / "run" / file
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match=file):
        read_run(tmp_path / "run")
    path.unlink()
    with pytest.raises(CheckpointError, match="absent"):
        read_run(tmp_path / "run")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": 3}', "null"])
def test_a_torn_description_is_an_error_with_a_remedy(tmp_path: Path, text: str) -> None:
    write_run(make_run(), tmp_path / "run", {})
    (tmp_path / "run" / RUN).write_text(text)
    with pytest.raises(CheckpointError, match="run train again"):
        read_run(tmp_path / "run")
    with pytest.raises(CheckpointError, match="run train again"):
        read_fingerprint(tmp_path / "run")


def test_no_run_has_no_fingerprint(tmp_path: Path) -> None:
    assert read_fingerprint(tmp_path / "nothing") is None


def test_runs_are_read_by_row_fold_and_seed_and_a_row_without_runs_is_an_error(tmp_path: Path) -> None:
    for row, seed in [("b", 10), ("b", 2), ("a", 0)]:
        write_run(make_run(row, seed), run_folder(tmp_path, row, 0, seed), {})
    assert [(run.row, run.seed) for run in read_runs(tmp_path, ["b", "a"])] == [("b", 2), ("b", 10), ("a", 0)]
    with pytest.raises(CheckpointError, match="holds no run"):
        read_runs(tmp_path, ["c"])


def test_the_description_holds_no_time_and_no_path(tmp_path: Path) -> None:
    write_run(make_run(), tmp_path / "run", {})
    described = json.loads((tmp_path / "run" / RUN).read_text())
    assert str(tmp_path) not in json.dumps(described)
    assert set(described["files"]) == set(FILES)
