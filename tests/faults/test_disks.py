"""Full and read-only disks, rights that are missing, clocks that run backwards, two runs at once: one message, and nothing corrupted."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.shards.previous import hold
from tests.faults.conftest import Whole, mounted
from tests.faults.forks import Forks
from tests.faults.place import PATIENCE, Stage, tree
from tests.faults.test_kill import find_finished

WRITERS = ["index_clips", "tokenize_text", "prepare_encoder", "train", "evaluate"]
REPORT = pytest.param("report", marks=pytest.mark.long)  # it writes as evaluate does, and takes long


@pytest.mark.parametrize("name", [*WRITERS, "compute_logmel", REPORT])
def test_a_full_disk_is_told_corrupts_nothing_and_the_stage_goes_on_when_there_is_room(
    name: str, stages: dict[str, Stage], whole: dict[str, Whole], forks: Forks, tmp_path: Path
) -> None:
    pages = sum(-(-path.stat().st_size // 4096) for path in stages[name].out.rglob("*") if path.is_file())
    with mounted(tmp_path / "disk", f"size={max(1, pages // 2) * 4}k") as disk:
        stage = stages[name].at(disk / "out")
        code, told = forks.run(name, *stage.arguments, log=tmp_path / "log")
        assert (code, "Traceback" in told, "the disk is full: free some space" in told) == (1, False, True), told
        find_finished(stage.out)
        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        stage.run(forks, tmp_path / "log")
        assert tree(stage.out) == tree(stages[name].out)


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_can_only_be_read_is_told(
    name: str, stages: dict[str, Stage], whole: dict[str, Whole], forks: Forks, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "ro") as disk:
        code, told = forks.run(name, *stages[name].at(disk / "out").arguments, log=tmp_path / "log")
    assert (code, "Traceback" in told) == (1, False), told
    assert "can only be read: mount it writable" in told or "has no right to it" in told


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_may_not_be_written_is_told(
    name: str, stages: dict[str, Stage], whole: dict[str, Whole], forks: Forks, tmp_path: Path
) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    code, told = forks.run(name, *stages[name].at(tmp_path / "closed/out").arguments, log=tmp_path / "log", bare=True)
    assert (code, "Traceback" in told, "this user has no right to it: mend its mode" in told) == (1, False, True), told


@pytest.mark.parametrize(("name", "folder", "file"), [("train", "clips", "clips.jsonl"), ("embed", "logmel", "shard-00000.h5")])
def test_a_file_that_may_not_be_read_is_told_by_name(
    name: str, folder: str, file: str, stages: dict[str, Stage], whole: dict[str, Whole], forks: Forks, tmp_path: Path
) -> None:
    closed = next(Path(str(argument)) / file for argument in stages[name].arguments if Path(str(argument)).name == folder)
    closed.chmod(0)
    code, told = forks.run(name, *stages[name].at(tmp_path / "out").arguments, log=tmp_path / "log", bare=True)
    closed.chmod(0o644)
    assert (code, "Traceback" in told) == (1, False), told
    assert f"{closed}: this user has no right to it" in told


@pytest.mark.parametrize("seconds", [-1e9, pytest.param(4e9, marks=pytest.mark.long)], ids=["before 1970", "after 2096"])
def test_a_clock_that_is_wrong_changes_no_byte_and_computes_nothing_again(
    seconds: float, stages: dict[str, Stage], whole: dict[str, Whole], forks: Forks, tmp_path: Path
) -> None:
    for name in ("index_clips", "tokenize_text", "train"):
        before = tree(stages[name].out)
        for path in (*stages[name].out.rglob("*"), *stages["make_demo"].out.rglob("*")):
            os.utime(path, (seconds, seconds))
        done = stages[name].run(forks, tmp_path / "log")
        assert tree(stages[name].out) == before
        assert done.get("computed") == 0 or done["media"]["hashed"] == 4


def test_media_whose_time_went_backwards_are_hashed_again(
    stages: dict[str, Stage], whole: dict[str, Whole], forks: Forks, tmp_path: Path
) -> None:
    out, media = stages["index_clips"].out, next(stages["make_demo"].out.rglob("*.mp4"))
    before, content, stat = tree(out), media.read_bytes(), media.stat()
    media.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(media, ns=(stat.st_atime_ns, stat.st_mtime_ns - 1))
    stages["index_clips"].run(forks, tmp_path / "log")
    assert tree(out) != before
    media.write_bytes(content)
    stages["index_clips"].run(forks, tmp_path / "log")
    assert tree(out) == before


@pytest.mark.parametrize("name", ["index_clips", "tokenize_text", "train"])
def test_a_clock_that_runs_backwards_meanwhile_changes_no_byte(
    name: str, stages: dict[str, Stage], whole: dict[str, Whole], forks: Forks, tmp_path: Path
) -> None:
    stage = stages[name].at(tmp_path / "out")
    stage.run(forks, tmp_path / "log", clock=True)
    assert tree(stage.out) == tree(stages[name].out)


def wait_for(logs: list[Path], text: str) -> None:
    """Wait until each log has a text."""
    deadline = time.monotonic() + PATIENCE
    while not all(told.exists() and text in told.read_text() for told in logs):
        assert time.monotonic() < deadline, "".join(told.read_text() for told in logs if told.exists())
        time.sleep(0.02)


@pytest.mark.parametrize("name", [*WRITERS, "import_features", REPORT])
def test_two_runs_at_once_with_other_params_wait_and_never_mix_what_they_write(
    name: str, stages: dict[str, Stage], whole: dict[str, Whole], forks: Forks, tmp_path: Path
) -> None:
    other = stages[name].with_other_params(tmp_path / "params.yaml").at(tmp_path / "other")
    other.run(forks, tmp_path / "log")
    wanted = [tree(stages[name].out), tree(other.out)]
    assert wanted[0] != wanted[1]
    both, logs = [stages[name].at(tmp_path / "out"), other.at(tmp_path / "out")], [tmp_path / "one", tmp_path / "two"]
    with hold(both[0].held):  # until both have come to where one has to wait for the other
        runs = [forks.start(name, *stage.arguments, log=told) for stage, told in zip(both, logs, strict=True)]
        wait_for(logs, "is being written by another run; waiting")
    assert [forks.wait(run) for run in runs] == [0, 0], "".join(told.read_text() for told in logs)
    assert tree(tmp_path / "out") in wanted
