"""The stage `evaluate`, run as a command on saved runs."""

import json
import os
import subprocess
import sys

from tests.conftest import ROOT
from tests.report.worlds import make_world


def run_stage(folder, name, *arguments):
    """Run a stage in `folder`; return the finished process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", f"stages.{name}", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_task_is_scored_and_summed_up_in_one_line(tmp_path):
    make_world(tmp_path, tasks=("sentiment",), num_clips=48, draws=20)
    done = run_stage(tmp_path, "evaluate", "sentiment", "data/clips/demo", "data/runs/sentiment", "data/scores/sentiment")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert {key: summary[key] for key in ("task", "rows", "seeds", "folds", "groups")} == {
        "task": "sentiment",
        "rows": 4,
        "seeds": 2,
        "folds": 1,
        "groups": 2,
    }
    assert set(json.loads((tmp_path / "data/scores/sentiment/metrics.json").read_text())) == {"acc2", "mae"}


def test_a_row_of_the_zoo_without_runs_is_named(tmp_path):
    make_world(tmp_path, tasks=("sentiment",), num_clips=48, draws=20)
    with (tmp_path / "params.yaml").open("a") as file:
        file.write("# a new row\n")
    text = (tmp_path / "params.yaml").read_text().replace("zoo:\n", "zoo:\n  tfn: {}\n")
    (tmp_path / "params.yaml").write_text(text)
    done = run_stage(tmp_path, "evaluate", "sentiment", "data/clips/demo", "data/runs/sentiment", "data/scores/sentiment")
    assert done.returncode == 1
    assert "tfn holds no run" in done.stderr
