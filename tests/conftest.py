"""Test media are made here or by the test; real media are used where the checkout has them beside it."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.clips.clip import Clip
from pipeline.shards.extractor import Extractor, Row, Skip
from pipeline.shards.fingerprint import canonical_json
from pipeline.shards.shard import Header, ShardRow, write_shard

ROOT = Path(__file__).resolve().parents[1]
REALDATA = ROOT.parent / "shared" / "realdata"


@pytest.fixture
def realdata() -> Path:
    """The folder of real media; the test is skipped where it is absent."""
    if not REALDATA.is_dir():
        pytest.skip("no ../shared/realdata beside this checkout")
    return REALDATA


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """Two real Ray nodes on this machine, each of one core, the second with a GPU in its books; skipped where Ray is not installed."""
    os.environ |= {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    os.environ |= {"RAY_agent_register_timeout_ms": "120000", "RAY_worker_register_timeout_seconds": "120"}  # however slow the machine
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node, num_gpus=1)  # as far as Ray believes
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def wait_for(happened: Callable[[], bool], seconds: float = 240.0) -> None:
    """Wait until something is so; an error, where it does not come about."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError(f"{happened} did not come true in {seconds} s")
        time.sleep(0.05)


def make_clip(clip_id: str = "a", **changes: object) -> Clip:
    """A valid clip; keywords change its fields."""
    fields = {"media": f"{clip_id}.mp4", "digest": f"digest of {clip_id}", "text": f"text of {clip_id}", "speaker": "s1", "group": clip_id}
    return Clip(**{"id": clip_id, **fields, **changes})  # type: ignore[arg-type]


def make_header(feature: str = "demo", **config: object) -> Header:
    """A shard header."""
    return Header(feature, 1, canonical_json(config))


def make_row(clip_id: str = "a", length: int = 3, **changes: np.ndarray) -> ShardRow:
    """A row with a sequence (length, 4) and a time (length,) that depend on the id."""
    rng = np.random.default_rng(sum(clip_id.encode()) + length)
    arrays = {"sequence": rng.normal(size=(length, 4)).astype(np.float16), "time": np.arange(length, dtype=np.float32), **changes}
    return ShardRow(clip_id, f"{clip_id:f>40}", arrays)


def make_features(folder: Path, rows: list[ShardRow], header: Header | None = None, num_shards: int = 2) -> Path:
    """A folder of shards that hold the rows, round-robin."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(min(num_shards, len(rows))):
        write_shard(folder / f"shard-{number:05d}.h5", rows[number::num_shards], header or make_header())
    return folder


class LengthExtractor(Extractor[Clip]):
    """Reads a clip's text; a real extractor, only cheap: each character's code and its square."""

    name = "length"
    version = 1

    def __init__(self, scale: float = 1.0, log: Path | None = None) -> None:
        self.config = {"scale": scale}
        self.log = log

    def source_key(self, source: Clip) -> str | None:
        return source.text

    def extract(self, source: Clip) -> Row | Skip:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{source.id}\n")
        if not source.text:
            return Skip("empty_text")
        codes = np.array([ord(letter) for letter in source.text], np.float32) * self.config["scale"]
        return {"codes": codes, "squares": np.stack([codes, codes**2], axis=1)}
