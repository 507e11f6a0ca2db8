"""Earlier versions: looked for from cheap to dear, published whole, written by one run at a time."""

import functools
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import CacheError, PipelineError, StorageError
from pipeline.shards.previous import Previous, is_dvc_output, open_partial, partial_of, publish
from tests.faults.conftest import mounted


def test_without_a_repository_the_folder_and_its_partial_are_the_versions(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out.partial").mkdir()
    with Previous(tmp_path / "out") as previous:
        assert list(previous.folders()) == [tmp_path / "out", tmp_path / "out.partial"]
        assert list(previous.folders()) == [tmp_path / "out", tmp_path / "out.partial"]


def test_a_first_run_has_no_versions(tmp_path: Path) -> None:
    with Previous(tmp_path / "out") as previous:
        assert list(previous.folders()) == []


def test_publishing_replaces_the_folder_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("old", "new"):
        with open_partial(out) as partial:
            (partial / name).write_text(name)
            (partial / "both").write_text(name)
            publish(partial, out)
    assert sorted(path.name for path in out.iterdir()) == ["both", "new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_publishing_over_a_link_leaves_its_target_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("kept")
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    with open_partial(tmp_path / "out") as partial:
        publish(partial, tmp_path / "out")
    assert (tmp_path / "elsewhere" / "kept").exists()
    assert not (tmp_path / "out").is_symlink()


def test_a_mistyped_path_deletes_nothing(tmp_path: Path) -> None:
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "dear.mp4").write_text("dear")
    (tmp_path / "file").write_text("dear")
    for out in (tmp_path / "data", tmp_path / "file"):
        with open_partial(out) as partial:
            (partial / "skipped.csv").write_text("")
            with pytest.raises(PipelineError, match="is left alone; remove it, or give another folder"):
                publish(partial, out)
    assert (tmp_path / "data" / "raw" / "dear.mp4").read_text() == (tmp_path / "file").read_text() == "dear"


def test_what_a_run_left_that_was_killed_while_publishing_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "out.old.partial").mkdir()
    with open_partial(tmp_path / "out") as partial:
        publish(partial, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def make_repository(folder: Path, *commands: str) -> Path:
    """A git and DVC repository without a commit, whose one output is recorded in dvc.lock and deleted; returns the output's path."""
    (folder / "dvc.yaml").write_text("stages: {s: {cmd: mkdir out && seq 20000 > out/f, outs: [out]}}\n")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in ("git init -q", "dvc init -q", "dvc repro -q", *commands):
        subprocess.run(command.split(), cwd=folder, env=environment, check=True)
    shutil.rmtree(folder / "out")
    return folder / "out"


def test_a_repository_without_a_commit_has_the_version_of_its_working_tree(tmp_path: Path) -> None:
    out = make_repository(tmp_path)
    with Previous(out) as previous:
        assert [[path.name for path in folder.iterdir()] for folder in previous.folders()] == [["f"]]
    assert is_dvc_output(tmp_path / "data" / ".." / "out")
    (tmp_path / "dvc.lock").write_text("<<<<<<< a merge conflict")
    with Previous(out) as previous, pytest.raises(CacheError, match=r"dvc\.lock.*correct the file"):
        list(previous.folders())


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[str]:
    """The address of a remote that `tmp_path`/remote holds and a web server gives."""
    (tmp_path / "remote").mkdir()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "remote"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_disk_that_is_full_is_no_remote_out_of_reach_and_what_a_killed_run_fetched_is_removed(tmp_path: Path, remote: str) -> None:
    commands = (f"dvc remote add -q -d team {tmp_path}/remote", "dvc push -q", f"dvc remote modify -q team url {remote}")
    out = make_repository(tmp_path, *commands, "rm -r .dvc/cache/files")
    with mounted(tmp_path / "disk", "size=200k") as disk:
        (disk / "out-earlier-killed").mkdir()
        (disk / "out-earlier-killed" / "f").write_bytes(bytes(150_000))
        with Previous(out, fetch_into=disk) as previous:
            assert [(folder / "f").stat().st_size for folder in previous.folders()] == [108_894]
        (disk / "another").write_bytes(bytes(150_000))
        with Previous(out, fetch_into=disk) as previous, pytest.raises(StorageError, match=f"{disk}/out-.*: the disk is full: free some"):
            list(previous.folders())
        assert [path.name for path in disk.iterdir()] == ["another"]


def write_slowly(out: Path, name: str) -> None:
    with open_partial(out) as partial:
        assert not any(partial.iterdir())
        (partial / "name").write_text(name)
        time.sleep(1.0)
        publish(partial, out)


def test_a_second_run_waits_for_the_first(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=write_slowly, args=(tmp_path / "out", name)) for name in ("one", "two")]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0]
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert not partial_of(tmp_path / "out").exists()


def test_the_working_directory_is_no_output() -> None:
    with pytest.raises(PipelineError, match="give a folder of its own"):
        Previous(Path("."))
