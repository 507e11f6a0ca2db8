"""The process that forks, the stages with what they read, and disks of our own."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.forks import Forks, count_changes
from tests.faults.place import Stage, clear, make_stages


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """The process that forks."""
    server = Forks()
    yield server
    server.close()


@pytest.fixture(scope="session")
def stages(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """Every stage with what it reads, none of them run."""
    return make_stages(tmp_path_factory.mktemp("faults") / "place")


@dataclass(frozen=True)
class Whole:
    """What an undisturbed run of a stage took: seconds, and changes to its output."""

    seconds: float
    changes: int


@pytest.fixture(scope="session")
def whole(stages: dict[str, Stage], forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Whole]:
    """Every stage but the slowest run undisturbed."""
    told = tmp_path_factory.mktemp("log") / "log"
    return {name: run_undisturbed(stage, forks, told) for name, stage in stages.items() if name != "crop_faces"}


def run_undisturbed(stage: Stage, forks: Forks, told: Path) -> Whole:
    """Run a stage from nothing to its end."""
    clear(stage.out)
    began = time.monotonic()
    stage.run(forks, told)
    return Whole(time.monotonic() - began, count_changes(told))


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A tmpfs of its own at a folder; the test is skipped where this user cannot mount."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False)
    if os.geteuid() or done.returncode:
        pytest.skip("this user cannot mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
