"""The stage renders into a folder that appears when it is whole, and says what it did in one line."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT
from tests.demo.demo_config import make_config


def make_demo(folder: Path, *options: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    """Run the stage on parameters of its own, writing `folder`/demo."""
    params = folder / "params.yaml"
    params.write_text(yaml.safe_dump({"demo": {**dataclasses.asdict(make_config(num_clips=2)), **changes}}), encoding="utf-8")
    command = [sys.executable, "-m", "stages.make_demo", str(folder / "demo"), "--params", str(params), "--workers", "1", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_a_corpus_is_rendered_then_kept(tmp_path: Path) -> None:
    first = make_demo(tmp_path)
    assert first.returncode == 0, first.stderr
    summary = json.loads(first.stdout)
    assert (summary["stage"], summary["clips"], summary["computed"], summary["reused"]) == ("make_demo", 2, 2, 0)
    assert len(list((tmp_path / "demo").glob("Raw/*/*.mp4"))) == 2
    assert not (tmp_path / "demo.partial").exists()
    again = json.loads(make_demo(tmp_path, num_clips=3).stdout)
    assert (again["computed"], again["reused"]) == (1, 2)


def test_the_plan_writes_nothing(tmp_path: Path) -> None:
    summary = json.loads(make_demo(tmp_path, "--plan").stdout)
    assert summary["plan"] is True
    assert summary["computed"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_bad_parameter_is_named(tmp_path: Path) -> None:
    failed = make_demo(tmp_path, width=321)
    assert failed.returncode == 1
    assert "width and height must be even" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_workers_end_with_a_killed_stage(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump({"demo": dataclasses.asdict(make_config(num_clips=200))}), encoding="utf-8")
    command = [sys.executable, "-m", "stages.make_demo", str(tmp_path / "demo"), "--params", str(params), "--workers", "2"]
    stage = subprocess.Popen(command, cwd=ROOT)
    while not list((tmp_path / "demo.partial").glob("Raw/*/*.mp4")):
        assert stage.poll() is None
        time.sleep(0.1)
    stage.kill()
    stage.wait()
    time.sleep(1)
    left = sorted((tmp_path / "demo.partial").rglob("*"))
    time.sleep(2)
    assert sorted((tmp_path / "demo.partial").rglob("*")) == left
