"""Runs of a task spread over a Ray cluster: the folds travel once to each machine, where all processes read them in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.progress import show_progress
from pipeline.shards.engine import Engine
from pipeline.training.costs import Cost
from pipeline.training.jobs import Job
from pipeline.training.worker import Workplace, keep_freed_memory

RunJob = Callable[[Job, Workplace], Cost]  # trains a job and keeps what it gave


@dataclass
class RunWork:
    """What the runs of a task have in common, in a worker process of the cluster.

    Args:
        place: the folds and the folder to write.
        run: trains one.
    """

    place: Workplace
    run: RunJob

    def prepare(self) -> None:
        """Set this process up as a local worker is: one thread, and the folds on its device."""
        import torch
        from threadpoolctl import threadpool_limits

        keep_freed_memory()
        torch.set_num_threads(1)
        threadpool_limits(1)
        device = "cuda" if self.place.device != "cpu" and torch.cuda.is_available() else "cpu"
        self.place = self.place.on(device)

    def do(self, unit: Job) -> tuple[Cost, str]:
        """Train one run and write its folder; return what it took, and of which device."""
        return self.run(unit, self.place), self.place.device


def train_on_ray(
    engine: Engine, jobs: Sequence[Job], place: Workplace, workers: int, run: RunJob
) -> Iterator[tuple[Job, tuple[Cost, str]]]:
    """Yield runs as machines of the cluster finish them, each on a core or, with `--device cuda` or a cluster of GPUs, on a GPU.

    Raises:
        PipelineError: Ray is not installed, no cluster answers, or it gave up; finished runs are kept.
    """
    from pipeline.shards.ray_engine import Cluster

    if not jobs:
        return
    work = RunWork(replace(place, root=place.root.absolute()), run)
    with show_progress("train", len(jobs), "runs") as bar:
        for job, answer in Cluster(engine.address, workers).spread(work, jobs, place.device, threads=1):
            yield job, answer
            bar.advance()
