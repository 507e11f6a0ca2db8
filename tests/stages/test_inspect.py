"""Looking into what stages wrote."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.report.contents import describe
from pipeline.shards.extractor import Skip
from pipeline.shards.shard import ShardRow
from tests.conftest import ROOT, make_features, make_header, make_row


def inspect(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "stages.inspect", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)


def make_faces(folder: Path) -> Path:
    import cv2

    jpegs = [cv2.imencode(".jpg", np.full((260, 260, 3), shade, np.uint8))[1].ravel() for shade in (50, 200)]
    row = {
        "jpeg": np.concatenate(jpegs),
        "jpeg_size": np.array([len(jpegs[0]), 0, len(jpegs[1])], np.uint32),
        "time": np.array([0, 0.5, 1], np.float32),
        "probability": np.array([0.99, 0, 0.98], np.float32),
    }
    return make_features(folder, [ShardRow("a", "f" * 40, row), ShardRow("b", "e" * 40, Skip("no_face"))], make_header("faces", fps=2), 1)


def test_a_folder_is_described_and_its_checksums_tested(tmp_path: Path) -> None:
    folder = make_features(tmp_path / "f", [make_row("a", 3), make_row("b", 5), ShardRow("c", "c" * 40, Skip("no_face"))])
    contents = json.loads(inspect(folder).stdout.rsplit("\n{", 1)[0])
    assert (contents["clips"], contents["skipped"], contents["checksums"]) == (3, {"no_face": 1}, "all match")
    assert contents["arrays"]["sequence"].startswith("float16 (rows, 4), rows a clip: 0 to 5")


def test_one_clip_is_described(tmp_path: Path) -> None:
    folder = make_features(tmp_path / "f", [make_row("a", 3)])
    assert '"sequence": "float16(3, 4)"' in inspect(folder, "--clip", "a").stdout
    assert "no clip 'z'" in inspect(folder, "--clip", "z").stderr


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    folder = make_features(tmp_path / "f", [make_row("a", 3)])
    shard = folder / "shard-00000.h5"
    shard.write_bytes(shard.read_bytes()[:-300])
    done = inspect(folder)
    assert done.returncode == 1
    assert "shard-00000.h5 is not a readable shard" in done.stderr


def test_faces_become_a_contact_sheet(tmp_path: Path) -> None:
    import cv2

    faces = make_faces(tmp_path / "faces")
    assert inspect(faces, "--clip", "a", "--faces", tmp_path / "sheet.png").returncode == 0
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (282, 780, 3)
    assert "skipped as no_face" in inspect(faces, "--clip", "b", "--faces", tmp_path / "none.png").stderr


def test_what_is_no_shard_is_told(tmp_path: Path) -> None:
    make_features(tmp_path / "deep" / "f", [make_row("a")])
    assert "below it: deep/f" in inspect(tmp_path).stderr


def test_another_file_is_not_called_a_damaged_shard(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("zoo: {}\n")
    with pytest.raises(PipelineError, match=r"params\.yaml is no shard$"):
        describe(tmp_path / "params.yaml")
    with pytest.raises(PipelineError, match=r"nothing does not exist$"):
        describe(tmp_path / "nothing")
