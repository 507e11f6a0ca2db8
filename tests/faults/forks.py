"""Stages as processes that begin at once: one process imports everything and forks for each run, so that a kill falls into the stage's own
work and 500 of them take minutes. Commands are JSON lines, answers too; a run's output goes to a file, and beside it a byte for each change
that the run or a worker of it makes below its output's name: what is made, opened for writing, renamed or removed.
"""

import contextlib
import ctypes
import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PIPELINE_WORKERS": "1", "PIPELINE_DEVICE": "cpu", "DVC_STAGE": "x"}
ENVIRONMENT |= {"PIPELINE_FLUSH_SECONDS": "0"}  # each row is flushed, so that a kill falls between two flushes of a shard
WATCH = "FAULTS_WATCH"
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"}
HEAVY = (
    "dvc.api",
    "pipeline.extract.logmel",
    "pipeline.extract.tokens",
    "pipeline.embed.davenet",
    "pipeline.embed.folds",
    "sklearn.metrics",
)
HEAVY += ("pipeline.training.runner", "pipeline.training.encoder_artifacts", "pipeline.training.encoder", "pipeline.report.report")
HEAVY += ("pipeline.report.scores", "pipeline.fusion.linear", "pipeline.fusion.constant", "pipeline.fusion.concat", "pipeline.demo.corpus")
HEAVY += (
    "torch._dynamo",
    "sklearn.linear_model",
    "matplotlib.backends.backend_svg",
    "matplotlib.backends.backend_agg",
    "PIL.features",
    "typer",
)


class Forks:
    """The process that forks, as tests use it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forks"],
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ask("import")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, command: str, **fields: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **fields}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, stage: str, *arguments: object, log: Path, **options: Any) -> int:
        """Start a stage; returns its process id.

        Args:
            stage: its name.
            arguments: of its command.
            log: file that its output goes to.
            options: of `run` below.
        """
        changes_of(log).unlink(missing_ok=True)
        texts = [str(argument) for argument in arguments]
        return int(self._ask("start", stage=stage, arguments=texts, log=str(log), **options))

    def wait(self, process: int) -> int:
        """Wait for a process to end; returns its exit code, or minus the signal that ended it."""
        return int(self._ask("wait", process=process))

    def run(self, stage: str, *arguments: object, log: Path, **options: Any) -> tuple[int, str]:
        """Run a stage to its end; returns its exit code and its output."""
        code = self.wait(self.start(stage, *arguments, log=log, **options))
        return code, log.read_text()

    def kill(self, stage: str, *arguments: object, log: Path, after: float, **options: Any) -> bool:
        """Run a stage and kill it after so many seconds; returns whether it was still at work, or killed by itself as `run` says."""
        process = self.start(stage, *arguments, log=log, **options)
        deadline = time.monotonic() + after
        while time.monotonic() < deadline and not _has_ended(process):
            time.sleep(min(0.02, max(0.0, deadline - time.monotonic())))
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        return self.wait(process) == -signal.SIGKILL


def changes_of(log: Path) -> Path:
    """The file with a byte for each change that a run with this log has made."""
    return log.with_name(f"{log.name}.changes")


def count_changes(log: Path) -> int:
    """How many changes a run with this log has made to its output so far."""
    return changes_of(log).stat().st_size if changes_of(log).exists() else 0


def _has_ended(process: int) -> bool:
    """Whether a process is only waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def serve() -> None:
    """Answer commands until the input closes."""
    for line in sys.stdin:
        fields = json.loads(line)
        command = fields.pop("command")
        if command == "import":
            for name in HEAVY:
                importlib.import_module(name)
            answer = 0
        elif command == "wait":
            answer = os.waitstatus_to_exitcode(os.waitpid(fields["process"], 0)[1])
        else:
            answer = os.fork() or run(**fields)
        print(json.dumps(answer), flush=True)


def run(stage: str, arguments: list[str], log: str, below: str = "", change: int = 0, bare: bool = False, clock: bool = False) -> int:
    """Become the stage; does not return.

    Args:
        stage: its name.
        arguments: of its command.
        log: file that its output goes to.
        below: how the paths begin whose changes are counted.
        change: the one at which the stage is killed, just before it; 0: none.
        bare: without the rights that only root has, so that modes of files bind it.
        clock: whether the time of day runs backwards, an hour each time that it is asked for.
    """
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for number, handle in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
        os.dup2(handle, number)
    code = 1
    try:
        if bare:
            ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
        if clock:
            hours = itertools.count()
            time.time = lambda now=time.time: now() - 3600 * next(hours)  # type: ignore[misc]
        if below:
            os.environ[WATCH] = json.dumps([below, str(changes_of(Path(log))), change, os.getpid()])
            watch()
        sys.argv = [f"{stage}.py", *arguments]
        stages = importlib.import_module("stages")
        stages.run_stage(importlib.import_module(f"stages.{stage}").main)
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def watch() -> None:
    """Count the changes that this process makes, and kill the stage and this process when the stage's all have made so many."""
    below, counted, change, stage = json.loads(os.environ[WATCH])
    handle = os.open(counted, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        is_write = event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if (is_write or event in CHANGES) and str(arguments[0]).startswith(below):
            os.write(handle, b".")
            if os.fstat(handle).st_size == change:
                os.kill(stage, signal.SIGKILL)
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


if __name__ == "__main__":
    serve()
elif __name__ == "__mp_main__" and WATCH in os.environ:  # a worker that a stage spawns
    watch()
