"""embed as a command, shard to shard."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.errors import ShardError
from pipeline.shards.features import list_shards, read_features
from stages import embed, prepare_encoder
from tests.conftest import ROOT
from tests.training.encoder_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A corpus with faces and a fitted video encoder."""
    torch.set_num_threads(1)
    return prepared(Project(tmp_path, num_clips=24))


def prepared(project: Project, folds: int = 1) -> Project:
    """The project with its video encoder, whose row asks for maps."""
    project.folds = folds
    project.rows["video"]["fit"]["epochs"] = 1
    project.rows["video"]["map"] = True
    project.write()
    prepare_encoder.main("video", project.clips, project.faces, project.root / "encoder", project.params, device="cpu")
    return project


def run(project: Project, out: str = "out", **options: Any) -> dict[str, Any]:
    """Embed the project's faces."""
    paths = (project.faces, project.root / "encoder", project.root / out)
    return embed.main("video", *paths, project.params, device="cpu", workers=2, **options)


def test_every_clip_gets_a_sequence_and_a_map(project: Project) -> None:
    assert run(project)["computed"] == 24
    features = read_features(project.root / "out")
    assert sorted(features.ids) == [f"clip{i:03d}" for i in range(24)]
    assert features["clip003"]["sequence"].shape == (3, 1280)
    assert features["clip003"]["map"].shape == (49, 176)
    assert features.header.feature == "embedding"


def test_the_same_features_give_the_same_shards(project: Project) -> None:
    run(project, "one")
    run(project, "two")
    one, two = ([path.read_bytes() for path in list_shards(project.root / name)] for name in ("one", "two"))
    assert one == two


def test_one_new_row_upstream_computes_one_row(project: Project) -> None:
    run(project)
    project.edits["clip005"] = 1
    project.write()
    summary = run(project)
    assert (summary["computed"], summary["reused"], summary["shards_written"]) == (1, 23, 1)


def test_another_encoder_computes_everything_and_a_plan_says_so(project: Project) -> None:
    run(project)
    project.rows["video"]["fit"]["seed"] = 1
    prepared(project)
    assert run(project, plan=True)["to_compute"] == 24


def test_each_fold_has_embeddings_of_its_own_encoder(tmp_path: Path) -> None:
    project = prepared(Project(tmp_path, num_clips=24), folds=2)
    summary = run(project)
    assert (summary["computed"], run(project)["reused"]) == (48, 48)
    headers = [read_features(tmp_path / "out" / f"fold-{k}").header for k in range(2)]
    assert headers[0].encoder_digest != headers[1].encoder_digest


def test_the_command_prints_one_json_line_and_an_error_on_one_line(project: Project) -> None:
    command = [sys.executable, "-m", "stages.embed", "video", project.faces, project.root / "encoder", project.root / "out"]
    options = {"cwd": ROOT, "capture_output": True, "text": True}
    ran = subprocess.run([*map(str, command), "--params", str(project.params)], check=True, **options)  # type: ignore[call-overload]
    assert json.loads(ran.stdout)["computed"] == 24
    command[4] = project.root / "nowhere"
    failed = subprocess.run([*map(str, command), "--params", str(project.params)], check=False, **options)  # type: ignore[call-overload]
    assert failed.returncode == 1
    assert failed.stderr.splitlines() == [
        f"embed: {project.root / 'nowhere'} holds no shards; run the stage that makes it, or `dvc pull` to get it"
    ]


def test_features_that_are_not_there_are_an_error(project: Project) -> None:
    with pytest.raises(ShardError, match="holds no shards"):
        embed.main("video", project.root / "nowhere", project.root / "encoder", project.root / "out", project.params)
