"""Ray: the same bytes as here, and a machine, a process or a driver that dies costs no finished row. Two real nodes on this machine."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest, write_manifest
from pipeline.errors import MediaError, PipelineError
from pipeline.shards import worker
from pipeline.shards.engine import LOCAL, Engine, ShardWork, run_shards_on_ray
from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded
from pipeline.shards.extractor import Row, Skip
from tests.cache.project import PARAMS
from tests.conftest import ROOT, LengthExtractor, make_clip, wait_for
from tests.shards.test_executor import media_of_shard, read_bytes
from tests.shards.test_supervisor import EvilExtractor, raise_error, read_skips

SETTINGS = ShardSettings(num_shards=4, max_skipped=0.9, clip_timeout=30.0)


class HeldExtractor(LengthExtractor):
    """Flushes every row, says which clip it begins, and at the fourth of a process leaves its number and waits until it may go on."""

    name = "held"
    begun = 0

    def extract(self, source: Clip) -> Row | Skip:
        worker.FLUSH_SECONDS = 0.0
        row = super().extract(source)
        self.begun += 1
        if self.log and self.begun >= 4:
            self.log.with_name(f"held-{os.getpid()}").touch()
            wait_for(self.log.with_name("go").exists)
        return row


class ResourcesWork:
    """Tells what Ray gave it."""

    def prepare(self) -> None:
        pass

    def do(self, unit: Path) -> dict[str, float]:
        import ray

        return ray.get_runtime_context().get_assigned_resources()


class DeadlyWork(ResourcesWork):
    """Kills its process until a file is there that says it did, which names that process; or each time, where it can write none."""

    def do(self, unit: Path) -> Any:
        if not unit.exists():
            if unit.parent.is_dir():
                unit.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return unit.read_text() != str(os.getpid())


@pytest.fixture
def engine(ray_cluster: Any) -> Engine:
    return Engine("ray", ray_cluster.address)


def run(clips: list[Clip], extractor: LengthExtractor, out: Path, engine: Engine = LOCAL) -> dict[str, Any]:
    return run_sharded(Manifest(clips), extractor, out, SETTINGS, RunOptions(engine=engine))


def make_clips(count: int, shards: int = 2) -> list[Clip]:
    """As many clips in each of the first shards."""
    return [make_clip(f"clip{k:02d}", media=media_of_shard(k % shards)) for k in range(count)]


def find_held(folder: Path) -> list[int]:
    """The living processes that have come to their fourth clip."""
    return [number for number in (int(path.name.removeprefix("held-")) for path in folder.glob("held-*")) if is_alive(number)]


def is_alive(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_engine_changes_no_byte_and_a_clip_that_kills_its_decoder_costs_itself_alone(tmp_path: Path, engine: Engine) -> None:
    clips = [*make_clips(9, shards=4), make_clip("abort", text="abort"), make_clip("mute", text="")]
    here, there = (run(clips, EvilExtractor(), tmp_path / name, of) for name, of in (("here", LOCAL), ("there", engine)))
    assert here | {"seconds": 0} == there | {"seconds": 0}
    assert read_skips(tmp_path / "there") == {"abort": "decoder_crashed", "mute": "empty_text"}
    assert read_bytes(tmp_path / "here") == read_bytes(tmp_path / "there")


def test_stages_that_tokenize_and_embed_give_the_same_bytes(tmp_path: Path, engine: Engine) -> None:
    from stages import embed, tokenize_text
    from tests.embed.models import CASES, make_artifact, make_upstream

    (tmp_path / "clips").mkdir()
    write_manifest(Manifest(make_clips(6)), tmp_path / "clips")
    make_artifact(CASES[5], tmp_path / "encoder")
    features = make_upstream(CASES[5], tmp_path / "features")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    for name, options in (("here", {}), ("there", {"engine": "ray", "address": engine.address})):
        given = {"params": tmp_path / "params.yaml", **options}
        embed.main("mine_audio", features, tmp_path / "encoder", tmp_path / f"{name}-embeddings", device="cpu", workers=1, **given)
        tokenize_text.main("mine", tmp_path / "clips", tmp_path / f"{name}-tokens", **given)
    for kind in ("tokens", "embeddings"):
        assert read_bytes(tmp_path / f"here-{kind}") == read_bytes(tmp_path / f"there-{kind}")


def test_stages_that_read_media_give_the_same_bytes(tmp_path: Path, engine: Engine) -> None:
    from stages import compute_logmel, crop_faces, index_clips, make_demo
    from tests.faults.place import make_media

    _, clips, media, _, _, params = make_media(tmp_path / "place")["crop_faces"].arguments
    make_demo.main(media, params)
    index_clips.main("demo", media / "label.csv", media, clips, params)
    for stage, name in ((crop_faces, "faces"), (compute_logmel, "logmel")):
        summary = stage.main("demo", clips, media, tmp_path / "here" / name, params, workers=1)
        assert summary["computed"] == 4
        stage.main("demo", clips, media, tmp_path / "there" / name, params, engine="ray", address=engine.address)
        assert read_bytes(tmp_path / "here" / name) == read_bytes(tmp_path / "there" / name)


@pytest.mark.parametrize(("device", "given"), [("cpu", {"CPU": 1}), ("auto", {"CPU": 1, "GPU": 1})])
def test_a_unit_takes_the_cores_that_a_machine_has_and_a_gpu_where_it_needs_one(engine: Engine, device: str, given: dict) -> None:
    from pipeline.shards.ray_engine import Cluster

    assert list(Cluster(engine.address, 1).spread(ResourcesWork(), [Path("unit")], device, threads=64)) == [(Path("unit"), given)]


def test_ones_own_cluster_has_the_cores_that_a_unit_takes(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def init(where: str, **own: Any) -> None:
        raise ConnectionError(f"{own['num_cpus']} cores are not free")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    extractor = LengthExtractor()
    extractor.threads = 3
    with pytest.raises(PipelineError, match=r"answers at local \(3 cores are not free"):
        run_shards_on_ray(Engine("ray"), [], ShardWork(extractor, tmp_path, 1.0), 1, print)


def test_a_process_that_is_killed_costs_itself_alone_until_it_is_killed_too_often(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.shards import ray_engine

    cluster = ray_engine.Cluster(engine.address, 1)
    assert list(cluster.spread(DeadlyWork(), [tmp_path / "a"], "cpu", threads=1)) == [(tmp_path / "a", True)]
    monkeypatch.setattr(ray_engine, "MAX_RETRIES", 0)
    with pytest.raises(PipelineError, match=r"Ray gave up at unit \(.*what is finished is kept: run the stage again"):
        list(cluster.spread(DeadlyWork(), [tmp_path / "none" / "unit"], "cpu", threads=1))


def test_what_rules_ray_out_is_told_in_a_sentence(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from pipeline.shards.ray_engine import Cluster

    cluster = Cluster(engine.address, 1)
    with pytest.raises(PipelineError, match="--device cuda:1 names a GPU of one machine; on Ray give cuda"):
        list(cluster.spread(ResourcesWork(), [Path("unit")], "cuda:1", threads=1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "getcwd", lambda: "/no/such/folder")
        with pytest.raises(PipelineError, match=f"on {os.uname().nodename}: /no/such/folder is not here .* under one path"):
            list(cluster.spread(ResourcesWork(), [Path("unit")], "cpu", threads=1))
    monkeypatch.setattr(ray, "wait", lambda *_, **__: raise_error(ray.exceptions.RpcError("gone")))
    with pytest.raises(PipelineError, match=r"does not answer any more \(RpcError: gone.* run the stage again"):
        list(cluster.spread(ResourcesWork(), [Path("unit")], "cpu", threads=1))


def test_a_cluster_that_is_not_there_is_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from pipeline.shards.ray_engine import Cluster

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(PipelineError, match=r"no Ray cluster that this program can use answers at nowhere .*ray start --head"):
        Cluster("nowhere", 1)


def test_what_a_worker_raises_is_raised_here_with_its_machine_and_its_trace(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(MediaError, match=rf"^on {os.uname().nodename}: .*its file is gone") as caught:
        run([make_clip("closed", text="closed")], EvilExtractor(), tmp_path / "out", engine)
    assert "raise_error" in "".join(caught.value.__notes__)


def test_a_node_that_is_killed_costs_no_finished_row(tmp_path: Path, engine: Engine, ray_cluster: Any) -> None:
    clips, log = make_clips(24), tmp_path / "log"
    run(clips, HeldExtractor(), tmp_path / "here")

    def kill() -> None:
        wait_for(lambda: len(find_held(tmp_path)) == 2)
        ray_cluster.remove_node(next(iter(ray_cluster.worker_nodes)), allow_graceful=False)
        wait_for(lambda: len(find_held(tmp_path)) == 1)  # a worker outlives its node by a moment, in which it may not finish
        (tmp_path / "go").touch()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    summary = run(clips, HeldExtractor(log=log), tmp_path / "there", engine)
    killer.join()
    assert (summary["computed"], summary["reused"]) == (24, 0)
    assert 24 < len(log.read_text().split()) <= 26  # what the killed node was at, again
    assert read_bytes(tmp_path / "here") == read_bytes(tmp_path / "there")


def test_a_driver_that_is_killed_costs_no_finished_row(tmp_path: Path, engine: Engine, ray_cluster: Any) -> None:
    clips, log = make_clips(12), tmp_path / "log"
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path), str(engine.address)], cwd=ROOT)
    num_nodes = len(ray_cluster.list_all_nodes())
    wait_for(lambda: driver.poll() is not None or len(find_held(tmp_path)) == num_nodes)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_for(lambda: not find_held(tmp_path))  # its workers outlive it by a moment
    (tmp_path / "go").touch()
    summary = run(clips, HeldExtractor(log=log), tmp_path / "out", engine)
    assert (summary["reused"], summary["computed"]) == (3 * num_nodes, 12 - 3 * num_nodes)
    run(clips, HeldExtractor(), tmp_path / "here")
    assert read_bytes(tmp_path / "out") == read_bytes(tmp_path / "here")


def test_without_ray_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PipelineError, match=r"needs the extra `ray`.* --engine local"):
        run([make_clip("a")], LengthExtractor(), tmp_path / "out", Engine("ray"))


DRIVER = """
import pathlib, sys
from tests.shards.test_ray_engine import *
folder = pathlib.Path(sys.argv[1])
run(make_clips(12), HeldExtractor(log=folder / "log"), folder / "out", Engine("ray", sys.argv[2]))
"""
