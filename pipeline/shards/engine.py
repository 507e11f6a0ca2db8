"""Where a stage computes: in processes of this machine, or by Ray on those of a cluster. It stands in no fingerprint and in no `cmd`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import uuid4

from pipeline.errors import ShardError
from pipeline.shards.extractor import Extractor
from pipeline.shards.plan import ShardJob, take_flushed
from pipeline.shards.shard import read_shard
from pipeline.shards.supervisor import Supervisor
from pipeline.shards.worker import Tally, run_job

EngineName = Literal["local", "ray"]


@dataclass(frozen=True)
class Engine:
    """What spreads a stage's units of work: the shards of a feature, the runs of a task.

    Args:
        name: local, or ray.
        address: of the Ray cluster (`auto`, `host:port`); None: what RAY_ADDRESS says, else this machine alone.
    """

    name: EngineName = "local"
    address: str | None = None

    @property
    def is_ray(self) -> bool:
        """Whether the work is spread by Ray."""
        return self.name == "ray"


LOCAL = Engine()


class Work(Protocol):
    """What units of work have in common. It travels once to each machine, and is prepared once in each process that works."""

    def prepare(self) -> None:
        """Get ready in the process that works."""

    def do(self, unit: Any) -> Any:
        """Do one unit, whose result is in the file system that all machines share, and return what there is to tell of it."""


@dataclass
class ShardWork:
    """Shards of one feature, each written by whichever machine gets it. A worker gets paths and clips, no pixels.

    An attempt may be another's successor, or its rival: a machine that is cut off goes on for a while. So each one flushes to a file of its
    own name, which a successor reads, and a shard takes its own name only when it is whole; rivals write the same bytes.

    Args:
        extractor: what computes a row.
        partial: the folder to write.
        clip_timeout: seconds without a sign of life after which a clip is given up.
    """

    extractor: Extractor[Any]
    partial: Path
    clip_timeout: float
    supervisor: Supervisor | None = field(default=None, init=False)

    def prepare(self) -> None:
        """Watch over a process of its own where clips can hang it or take it down."""
        if self.extractor.isolated:
            self.supervisor = Supervisor([self.extractor], self.partial, self.clip_timeout)

    def do(self, unit: ShardJob) -> Tally:
        """Write a shard, going on from what an earlier attempt flushed."""
        if not self._is_whole(unit):
            take_flushed(unit, self.partial)
        unit.flush_name = f"{unit.stem}/{uuid4().hex}.h5"
        (self.partial / unit.stem).mkdir(exist_ok=True)
        if self.supervisor is None or not unit.to_compute:
            return run_job(unit, self.extractor, self.partial, lambda _: None)
        return self.supervisor.run([unit], 1, lambda _: None, keep=True)[0]

    def _is_whole(self, job: ShardJob) -> bool:
        """Whether the earlier shard that the job is to copy is still what it was."""
        try:
            return job.whole is not None and job.is_held_by(read_shard(job.whole.path))
        except ShardError:
            return False


def run_shards_on_ray(engine: Engine, jobs: Sequence[ShardJob], work: ShardWork, workers: int, show: Any) -> list[Tally]:
    """Spread shards over a Ray cluster, the longest first.

    Args:
        engine: which cluster.
        jobs: shards to write.
        work: what they have in common.
        workers: processes where the cluster is this machine alone.
        show: told how many rows are finished, now and then.

    Raises:
        PipelineError: Ray is not installed, no cluster answers, or it gave up; finished shards are kept.
    """
    from pipeline.shards.ray_engine import Cluster

    extractor, tallies, num_rows = work.extractor, list[Tally](), 0
    cluster = Cluster(engine.address, max(workers, extractor.threads))
    longest_first = sorted(jobs, key=lambda job: -len(job.to_compute))
    for job, tally in cluster.spread(work, longest_first, extractor.device_name, extractor.threads):
        tallies.append(tally)
        num_rows += len(job.items)
        show(num_rows)
    return tallies
