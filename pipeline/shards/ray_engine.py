"""Units of work on a Ray cluster. The only door to Ray.

Ray does what it does best: it places units by the cores and GPUs that they ask for, repeats those whose process or machine is gone, asks
its autoscaler for machines where units wait, and hands each machine what all units share once, from its object store. Results lie in the
file system that all machines share; what comes back is a count. Of many units only some are submitted at a time, so that a million clips
wait in the driver and not in every queue.
"""

import logging
import os
import sys
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from pipeline.errors import PipelineError
from pipeline.shards.engine import Work
from pipeline.shards.worker import portable

MAX_RETRIES = 20
"""Times that a unit is repeated whose process or machine was lost; one that Ray sees pre-empted does not count."""
WAITING = 2
"""Units submitted for each that can run."""
SPARE = 8
"""Units submitted beyond that, so that a cluster that grows with what waits begins to."""
POLL = 1.0
"""Seconds between two looks at the cluster's size."""
_prepared: dict[str, Work] = {}  # of this worker process


class Cluster:
    """A Ray cluster that this process drives.

    Args:
        address: `auto`, `host:port`; None: what RAY_ADDRESS says, else a cluster of this machine alone, for as long as this process lives.
        workers: cores of that one.

    Raises:
        PipelineError: Ray is not installed, or no cluster of its version answers.
    """

    def __init__(self, address: str | None, workers: int) -> None:
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # or `uv run` makes Ray upload the folder, data and all
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise PipelineError("--engine ray needs the extra `ray`: `uv sync --extra ray`; or use --engine local") from error
        self._ray = ray
        if ray.is_initialized():
            return
        where = address or os.environ.get("RAY_ADDRESS") or "local"
        own: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if where == "local" else {}
        try:
            ray.init(where, logging_level=logging.WARNING, **own)
        except Exception as error:  # Ray raises bare ones, too
            message = f"no Ray cluster that this program can use answers at {where} ({error})"
            raise PipelineError(f"{message}; start one (`ray start --head`), or give --address (PIPELINE_RAY_ADDRESS)") from error

    def spread(self, work: Work, units: Sequence[Any], device: str, threads: int) -> Iterator[tuple[Any, Any]]:
        """Yield units and what doing them gave, as they finish, in any order.

        Args:
            work: what they have in common; its `prepare` and `do` run on the cluster.
            units: what to do, in the order in which to begin.
            device: cpu; cuda: a unit takes a GPU; auto: it does where the cluster has one.
            threads: cores that a unit takes, or as many as a machine has.

        Raises:
            PipelineError: what `do` raised, and on which machine; or Ray gave up, or is gone.
        """
        ray = self._ray
        gpus = self._gpus(device)
        cpus = self._cores(threads, gpus)
        # a worker of a GPU would end after each unit, and with it the network that it holds
        remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=MAX_RETRIES, max_calls=0)(_do)
        shared, folder = [_share(ray, work)], os.getcwd()
        waiting, flying = deque(units), dict[Any, Any]()
        try:
            while waiting or flying:
                for unit in islice(_drain(waiting), max(0, self._room(cpus, gpus) - len(flying))):
                    flying[remote.remote(shared, folder, unit)] = unit
                done, _ = ray.wait(list(flying), timeout=POLL)
                for reference in done:
                    unit = flying.pop(reference)
                    yield unit, self._fetch(reference, unit)
        except ray.exceptions.RayError as error:
            message = f"the Ray cluster does not answer any more ({type(error).__name__}: {error})"
            raise PipelineError(f"{message}; what is finished is kept: run the stage again") from error
        finally:
            with suppress(ray.exceptions.RayError):  # where the cluster is gone, so are its units
                for reference in flying:
                    ray.cancel(reference, force=True)

    def _fetch(self, reference: Any, unit: Any) -> Any:
        """Return what a unit gave, or raise what it raised."""
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            message = f"Ray gave up at {unit.name} ({type(error).__name__}: {error})"
            raise PipelineError(f"{message}; what is finished is kept: run the stage again") from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _gpus(self, device: str) -> int:
        """GPUs that a unit takes."""
        if device.startswith("cuda:"):
            raise PipelineError(f"--device {device} names a GPU of one machine; on Ray give cuda, or leave it at auto")
        return int(device == "cuda" or (device == "auto" and self._ray.cluster_resources().get("GPU", 0) > 0))

    def _cores(self, threads: int, gpus: int) -> int:
        """Cores that a unit takes: as asked, at most those of the largest machine, or its share where GPUs share a machine."""
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        shares = [int(of.get("CPU", 0) // (max(1, of.get("GPU", 0)) if gpus else 1)) for of in machines if not gpus or of.get("GPU", 0)]
        return max(1, min(threads, max(shares, default=1)))

    def _room(self, cpus: int, gpus: int) -> int:
        """Units that may be submitted at a time, with the machines that the cluster has now."""
        has = self._ray.cluster_resources()
        return WAITING * int(has.get("GPU", 0) // gpus if gpus else has.get("CPU", 0) // cpus) + SPARE


def _drain(waiting: deque[Any]) -> Iterator[Any]:
    """Yield what waits, taking each from the queue only when it is asked for."""
    while waiting:
        yield waiting.popleft()


def _share(ray: Any, work: Work) -> Any:
    """Put what units share into the object store; tensors as arrays, which every process of a machine reads where they lie."""
    torch = sys.modules.get("torch")
    if torch is None:
        return ray.put(work)
    from ray.util.serialization import deregister_serializer, register_serializer

    register_serializer(torch.Tensor, serializer=lambda tensor: tensor.detach().cpu().numpy(), deserializer=_tensor)
    try:
        return ray.put(work)
    finally:
        deregister_serializer(torch.Tensor)


def _tensor(array: Any) -> Any:
    """Return a tensor of an array's own memory, which nobody may write."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


def _do(shared: list[Any], folder: str, unit: Any) -> Any:
    """Do one unit in a worker process of the cluster; what it raises is an answer, since repeating it would not help."""
    import ray

    try:
        key = shared[0].hex()
        if key not in _prepared:
            _enter(folder)
            work = ray.get(shared[0])
            work.prepare()
            _prepared.clear()
            _prepared[key] = work
        return _prepared[key].do(unit)
    except Exception as error:
        if isinstance(error, PipelineError):
            error.args = (f"on {os.uname().nodename}: {error}",)
        return portable(error)


def _enter(folder: str) -> None:
    """Work in the folder in which the stage was started, so that its paths hold here too.

    Raises:
        PipelineError: this machine does not see it.
    """
    try:
        os.chdir(folder)
    except OSError as error:
        raise PipelineError(f"{folder} is not here ({error}); all machines must see it under one path, on a shared disk") from error
