"""Stages as processes that begin at once: one process imports everything and forks for each run, so that a kill falls into the stage's own
work and 500 of them take minutes. Commands are JSON lines, answers too; a run's output goes to a file.
"""

import contextlib
import ctypes
import importlib
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

    def start(self, stage: str, *arguments: object, log: Path, flush: float | None = None, bare: bool = False) -> int:
        """Start a stage; returns its process id.

        Args:
            stage: its name.
            arguments: of its command.
            log: file that its output goes to.
            flush: seconds between two flushes of a shard, where not the shipped ones.
            bare: without the rights that only root has, so that modes of files bind it.
        """
        texts = [str(argument) for argument in arguments]
        return int(self._ask("start", stage=stage, arguments=texts, log=str(log), flush=flush, bare=bare))

    def wait(self, process: int) -> int:
        """Wait for a process to end; returns its exit code, or minus the signal that ended it."""
        return int(self._ask("wait", process=process))

    def run(self, stage: str, *arguments: object, log: Path, **options: Any) -> tuple[int, str]:
        """Run a stage to its end; returns its exit code and its output."""
        code = self.wait(self.start(stage, *arguments, log=log, **options))
        return code, log.read_text()

    def kill(self, stage: str, *arguments: object, log: Path, after: float, **options: Any) -> bool:
        """Run a stage and kill it after so many seconds; returns whether it was still at work."""
        process = self.start(stage, *arguments, log=log, **options)
        deadline = time.monotonic() + after
        while time.monotonic() < deadline and not _has_ended(process):
            time.sleep(min(0.02, max(0.0, deadline - time.monotonic())))
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        return self.wait(process) == -signal.SIGKILL


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


def run(stage: str, arguments: list[str], log: str, flush: float | None, bare: bool) -> int:
    """Become the stage; does not return."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for number, handle in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
        os.dup2(handle, number)
    code = 1
    try:
        if bare:
            ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
        if flush is not None:
            importlib.import_module("pipeline.shards.worker").FLUSH_SECONDS = flush  # type: ignore[attr-defined]
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


if __name__ == "__main__":
    serve()
