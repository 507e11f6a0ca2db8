"""Processes that work on shards, watched: one that dies or hangs costs the clip it was at, and is replaced.

A decoder is a million lines of C that reads what strangers wrote. Where it takes its process down, or gives no sign of life for
`clip_timeout`, the clip is skipped with the reason, and a new process goes on with the shard from the rows that were flushed.
"""

import logging
import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from pipeline.errors import ShardError
from pipeline.shards import pulse
from pipeline.shards.extractor import Extractor, Skip
from pipeline.shards.plan import CRASHED, OUT_OF_MEMORY, TIMEOUT, ShardJob, take_flushed
from pipeline.shards.worker import EXIT_OUT_OF_MEMORY, Tally, serve

log = logging.getLogger(__name__)
POLL = 0.2
"""Seconds between two looks at the workers."""
PATIENCE = 10.0
"""Seconds that a process may take to end."""
MAX_FAILURES = 10
"""Processes that may fail without a row between them: beyond, it is not the clips."""


class Worker:
    """One process, and the job it was given.

    Args:
        extractor: what computes a row.
        partial: the folder to write.
    """

    def __init__(self, extractor: Extractor[Any], partial: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.job: ShardJob | None = None
        self.extractor = extractor
        self._cells = context.RawArray("q", pulse.NUM_CELLS)
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(extractor, partial, theirs, self._cells), daemon=True)
        self._process.start()
        theirs.close()
        self._steps, self._stalled = 0, 0.0

    def give(self, job: ShardJob) -> None:
        """Hand over a job."""
        self.job, self._stalled = job, 0.0
        self._cells[pulse.PLACE], self._cells[pulse.ROWS] = pulse.NO_CLIP, 0
        with suppress(OSError):  # it is dead, which the next `answer` finds
            self.connection.send(job)

    def answer(self) -> Tally | Exception | None:
        """Return the job's tally or what it raised, None while it is at work.

        Raises:
            EOFError: the process is dead.
        """
        try:
            return self.connection.recv() if self.connection.poll() else None
        except OSError as error:
            raise EOFError from error

    def hangs(self, elapsed: float, timeout: float) -> bool:
        """Whether a clip is at hand that has given no sign of life for `timeout` s; `elapsed` since the last look.

        A look that comes late counts little: then this process was stopped, and the worker with it.
        """
        steps = self._cells[pulse.STEPS]
        is_still = steps == self._steps and self._cells[pulse.PLACE] != pulse.NO_CLIP
        self._steps, self._stalled = steps, self._stalled + min(elapsed, 2 * POLL) if is_still else 0.0
        return self._stalled > timeout

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive()

    @property
    def place(self) -> int:
        """The place in the job of the clip at hand."""
        return int(self._cells[pulse.PLACE])

    @property
    def num_rows(self) -> int:
        """Rows of the job that are finished."""
        return int(self._cells[pulse.ROWS])

    def end(self, patience: float = 0.0) -> int | None:
        """End the process, which has `patience` s to end by itself, and return its exit status."""
        self.connection.close()
        self._process.join(patience)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join(PATIENCE)
        return self._process.exitcode


class Supervisor:
    """Runs jobs in worker processes.

    Args:
        extractors: what computes a row, pickled into a process each, in turn.
        partial: the folder to write.
        clip_timeout: seconds without a sign of life after which a clip is given up.
    """

    def __init__(self, extractors: Sequence[Extractor[Any]], partial: Path, clip_timeout: float) -> None:
        self._extractors, self._partial, self._clip_timeout = extractors, partial, clip_timeout
        self._waiting: deque[ShardJob] = deque()
        self._workers: list[Worker] = []
        self._tallies: list[Tally] = []
        self._num_failures = self._num_rows = 0

    def run(self, jobs: Sequence[ShardJob], num_workers: int, show: Callable[[int], None], keep: bool = False) -> list[Tally]:
        """Spread jobs over processes, the longest first; an error ends them all and is raised.

        Args:
            jobs: shards to write.
            num_workers: processes.
            show: told how many rows are finished, now and then.
            keep: let the processes wait for another call of `run`.

        Raises:
            ShardError: processes fail, and not for a clip.
        """
        self._waiting, self._tallies, self._num_rows = deque(sorted(jobs, key=lambda job: -len(job.to_compute))), [], 0
        is_done = False
        try:
            self._workers = [worker for worker in self._workers if worker.is_alive]
            for number in range(len(self._workers), num_workers):
                self._workers.append(Worker(self._extractors[number % len(self._extractors)], self._partial))
            looked = time.monotonic()
            while self._waiting or any(worker.job for worker in self._workers):
                for worker in self._workers:
                    if worker.job is None and self._waiting:
                        worker.give(self._waiting.popleft())
                wait([worker.connection for worker in self._workers if worker.job], POLL)
                now = time.monotonic()
                for index, worker in enumerate(self._workers):
                    self._workers[index] = self._look(worker, now - looked)
                looked = now
                show(self._num_rows + sum(worker.num_rows for worker in self._workers if worker.job))
            is_done = True
        finally:
            if not (keep and is_done):
                for worker in self._workers:  # finished shards are written: there is nothing to wait for
                    worker.end()
                self._workers = []
        return self._tallies

    def _look(self, worker: Worker, elapsed: float) -> Worker:
        """Take a worker's answer, or replace it where it died or hangs."""
        if worker.job is None:
            return worker
        try:
            answer = worker.answer()
        except EOFError:
            status = worker.end(PATIENCE)
            is_out_of_memory = status in {-signal.SIGKILL, EXIT_OUT_OF_MEMORY}
            return self._replace(worker, worker.job, OUT_OF_MEMORY if is_out_of_memory else CRASHED, f"exit status {status}")
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            self._tallies.append(answer)
            self._num_rows += len(worker.job.items)
            self._num_failures = 0 if answer.computed > len(worker.job.failed) else self._num_failures
            worker.job = None
        elif worker.hangs(elapsed, self._clip_timeout):
            worker.end()
            return self._replace(worker, worker.job, TIMEOUT, f"no sign of life for {self._clip_timeout:.0f} s")
        return worker

    def _replace(self, dead: Worker, job: ShardJob, reason: str, told: str) -> Worker:
        """Skip the clip that a dead worker was at, and return a new worker; the job waits for its turn.

        Raises:
            ShardError: it was at no clip, or one process after the other dies.
        """
        is_moving = dead.num_rows > len(job.items) - len(job.to_compute)
        self._num_failures = 1 if is_moving else self._num_failures + 1
        if dead.place == pulse.NO_CLIP or not dead.extractor.isolated:
            message = f"a worker process of {dead.extractor.name} ended between clips ({told}): memory ran out, or see above"
            raise ShardError(f"{message}; run the stage again: it resumes")
        item = job.items[dead.place]
        if self._num_failures > MAX_FAILURES:
            message = f"{self._num_failures} processes of {dead.extractor.name} failed in a row, the last at clip {item.clip_id}"
            raise ShardError(f"{message} ({reason}, {told}); it is the installation or the machine, not the clips: mend it and run again")
        log.warning("clip %s is skipped: %s (%s)", item.clip_id, reason, told)
        job.failed[item.fingerprint] = Skip(reason)
        take_flushed(job, self._partial)
        self._waiting.appendleft(job)
        return Worker(dead.extractor, self._partial)
