"""The loop over clips: what it computes, reuses, counts and keeps."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.errors import ShardError, SkippedError
from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded
from pipeline.shards.extractor import Row, Skip
from pipeline.shards.features import read_features
from pipeline.shards.fingerprint import shard_number
from pipeline.shards.plan import shard_name
from tests.conftest import ROOT, LengthExtractor, make_clip, wait_for

SETTINGS = ShardSettings(num_shards=4, max_skipped=0.5)


def run(clips: list[Clip], out: Path, extractor: LengthExtractor | None = None, **options: object) -> dict:
    return run_sharded(Manifest(clips), extractor or LengthExtractor(), out, SETTINGS, RunOptions(**options))  # type: ignore[arg-type]


def make_clips(count: int) -> list[Clip]:
    return [make_clip(f"clip{i:03d}") for i in range(count)]


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_first_run_computes_everything(tmp_path: Path) -> None:
    summary = run(make_clips(20), tmp_path / "out")
    assert (summary["computed"], summary["reused"], summary["skipped"]) == (20, 0, {})
    features = read_features(tmp_path / "out")
    assert features["clip007"]["codes"][0] == ord("t")
    assert len(features.ids) == 20


def test_a_second_run_computes_nothing_and_changes_no_byte(tmp_path: Path) -> None:
    run(make_clips(20), tmp_path / "out")
    before = read_bytes(tmp_path / "out")
    summary = run(make_clips(20), tmp_path / "out")
    assert (summary["computed"], summary["reused"], summary["shards_written"]) == (0, 20, 0)
    assert read_bytes(tmp_path / "out") == before


def test_one_more_clip_computes_one_row_and_changes_one_shard(tmp_path: Path) -> None:
    run(make_clips(20), tmp_path / "out")
    before = read_bytes(tmp_path / "out")
    summary = run(make_clips(21), tmp_path / "out")
    after = read_bytes(tmp_path / "out")
    assert (summary["computed"], summary["reused"], summary["shards_written"]) == (1, 20, 1)
    assert sum(after[name] != before.get(name) for name in after) == 1


def test_a_removed_clip_leaves_without_any_computation(tmp_path: Path) -> None:
    run(make_clips(20), tmp_path / "out")
    summary = run(make_clips(19), tmp_path / "out")
    assert (summary["computed"], summary["reused"]) == (0, 19)
    assert "clip019" not in read_features(tmp_path / "out").ids


def test_a_renamed_clip_is_not_computed_again(tmp_path: Path) -> None:
    run([make_clip("a", text="same")], tmp_path / "out")
    assert run([make_clip("b", text="same")], tmp_path / "out")["computed"] == 0
    assert read_features(tmp_path / "out").ids == ("b",)


def test_another_config_computes_everything(tmp_path: Path) -> None:
    run(make_clips(5), tmp_path / "out")
    assert run(make_clips(5), tmp_path / "out", LengthExtractor(2.0))["computed"] == 5


def test_workers_change_no_byte(tmp_path: Path) -> None:
    summary = run(make_clips(30), tmp_path / "one")
    assert run(make_clips(30), tmp_path / "two", workers=2)["computed"] == summary["computed"]
    assert read_bytes(tmp_path / "one") == read_bytes(tmp_path / "two")


def test_other_shard_counts_only_rewrite_files(tmp_path: Path) -> None:
    run(make_clips(20), tmp_path / "out")
    manifest = Manifest(make_clips(20))
    summary = run_sharded(manifest, LengthExtractor(), tmp_path / "out", ShardSettings(2, 0.5), RunOptions())
    assert (summary["computed"], summary["reused"]) == (0, 20)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.h5")) == [shard_name(0), shard_name(1)]


def test_other_shard_counts_compute_nothing_downstream_either(tmp_path: Path) -> None:
    for num_shards, computed in ((4, 20), (9, 0), (1, 0)):
        settings = ShardSettings(num_shards, 0.5)
        run_sharded(Manifest(make_clips(20)), LengthExtractor(), tmp_path / "codes", settings, RunOptions())
        assert run_sharded(tmp_path / "codes", MeanExtractor(), tmp_path / "means", settings, RunOptions())["computed"] == computed
    assert [path.name for path in (tmp_path / "means").glob("*.h5")] == [shard_name(0)]


@pytest.mark.parametrize("num_shards", [2, 9])
def test_other_shard_counts_lose_no_row_of_a_killed_run(tmp_path: Path, num_shards: int) -> None:
    run(make_clips(20), tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "out.partial")
    settings = ShardSettings(num_shards, 0.5)
    for name, computed in (("out", 0), ("undisturbed", 20)):
        summary = run_sharded(Manifest(make_clips(20)), LengthExtractor(), tmp_path / name, settings, RunOptions())
        assert summary["computed"] == computed
    assert read_bytes(tmp_path / "out") == read_bytes(tmp_path / "undisturbed")


def test_clips_of_one_recording_are_computed_in_the_order_of_their_start(tmp_path: Path) -> None:
    clips = [make_clip(name, media="one.mp4", start=start) for name, start in (("a", 20.0), ("b", 3.0), ("c", 100.0), ("d", 0.0))]
    run(clips, tmp_path / "out", LengthExtractor(log=tmp_path / "log"))
    assert (tmp_path / "log").read_text().split() == ["d", "b", "a", "c"]
    assert read_features(tmp_path / "out").ids == ("a", "b", "c", "d")


def test_a_timeout_that_nothing_could_meet_is_refused() -> None:
    with pytest.raises(ValueError, match="clip_timeout must be above 0 seconds"):
        ShardSettings(4, 0.5, clip_timeout=0)


def test_a_bad_clip_is_counted_not_raised(tmp_path: Path) -> None:
    summary = run([*make_clips(3), make_clip("mute", text="")], tmp_path / "out")
    assert summary["skipped"] == {"empty_text": 1}
    assert (tmp_path / "out" / "skipped.csv").read_text() == "clip_id,reason\nmute,empty_text\n"


def test_too_many_bad_clips_stop_the_stage_and_lose_nothing(tmp_path: Path) -> None:
    clips = [make_clip("good"), make_clip("mute1", text=""), make_clip("mute2", text=None)]
    with pytest.raises(SkippedError, match="2 of 3 clips were skipped"):
        run(clips, tmp_path / "out")
    assert run([*clips, *make_clips(3)], tmp_path / "out")["reused"] == 3


def test_a_corrupted_earlier_shard_is_computed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(make_clips(20), tmp_path / "out")
    before = read_bytes(tmp_path / "out")
    victim = tmp_path / "out" / shard_name(1)
    victim.write_bytes(victim.read_bytes()[:-100])
    summary = run(make_clips(20), tmp_path / "out")
    assert summary["computed"] + summary["reused"] == 20
    assert summary["computed"] > 0
    assert read_bytes(tmp_path / "out") == before
    assert shard_name(1) in caplog.text


def test_embeddings_follow_their_upstream_rows(tmp_path: Path) -> None:
    run([*make_clips(9), make_clip("mute", text="")], tmp_path / "codes")
    summary = run_sharded(tmp_path / "codes", MeanExtractor(), tmp_path / "means", SETTINGS, RunOptions())
    assert (summary["computed"], summary["skipped"]) == (9, {"empty_text": 1})
    run([*make_clips(9), make_clip("mute", text=""), make_clip("new", text="new")], tmp_path / "codes")
    summary = run_sharded(tmp_path / "codes", MeanExtractor(), tmp_path / "means", SETTINGS, RunOptions())
    assert (summary["computed"], summary["reused"]) == (1, 9)


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    plan = run(make_clips(4), tmp_path / "out", plan=True)
    assert (plan["to_compute"], plan["reused"]) == (4, 0)
    assert list(tmp_path.iterdir()) == []


def test_finished_rows_survive_a_kill(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HELD, str(tmp_path)], cwd=ROOT)
    log = tmp_path / "log"
    wait_for(lambda: process.poll() is not None or (log.exists() and len(log.read_text().split()) == 8))
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list((tmp_path / "out.partial").glob("shard-*.h5")))
    assert done > 0
    summary = run(make_clips(12), tmp_path / "out")
    assert summary["reused"] > 0
    assert summary["computed"] < 12
    run(make_clips(12), tmp_path / "undisturbed")
    assert read_bytes(tmp_path / "out") == read_bytes(tmp_path / "undisturbed")


def test_a_shard_that_is_written_anew_lends_no_row_to_another(tmp_path: Path) -> None:
    twins = [make_clip("b", media=media_of_shard(0), text="the same"), make_clip("z", media=media_of_shard(1), text="the same")]
    run(twins[:1], tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "out.partial")
    run([make_clip("a", media=media_of_shard(0), text="another"), *twins], tmp_path / "out")
    features = read_features(tmp_path / "out")
    texts = {i: "".join(map(chr, features[i]["codes"].astype(int))) for i in features.ids}
    assert texts == {"a": "another", "b": "the same", "z": "the same"}


def test_no_empty_folder_of_a_killed_run_is_published(tmp_path: Path) -> None:
    (tmp_path / "out.partial" / "fold-0").mkdir(parents=True)
    (tmp_path / "out.partial" / "fold-0" / ".shard-00000.h5.tmp").write_text("torn")
    run(make_clips(2), tmp_path / "out")
    assert not (tmp_path / "out" / "fold-0").exists()


class IntrudedExtractor(LengthExtractor):
    """After each shard but the first, a worker of another run writes `over` in the place of the first, which is finished."""

    def __init__(self, shard: Path, over: Path) -> None:
        super().__init__()
        self.shard, self.over = shard, over

    def extract_stream(self, sources: Iterable[Clip]) -> Iterator[Row | Skip]:
        yield from super().extract_stream(sources)
        if self.shard.exists():
            shutil.copyfile(self.over, self.shard)


def test_rows_that_a_worker_of_an_earlier_run_writes_over_are_missed(tmp_path: Path) -> None:
    clips = [make_clip(name, media=media_of_shard(number)) for number in (0, 3) for name in (f"a{number}", f"b{number}")]
    run(clips[:1], tmp_path / "earlier")
    shard = tmp_path / "out.partial" / shard_name(0)
    with pytest.raises(ShardError, match=r"shard-00000\.h5 was written over .* run the stage again"):
        run(clips, tmp_path / "out", IntrudedExtractor(shard, tmp_path / "earlier" / shard_name(0)))
    assert (run(clips, tmp_path / "out")["reused"], len(read_features(tmp_path / "out").ids)) == (3, 4)


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "out.partial" / "shard-00001").mkdir(parents=True)
    for name in ("shard-00001/.one.h5.1.tmp", ".shard-00000.h5.2.tmp"):
        (tmp_path / "out.partial" / name).write_text("torn")
    (tmp_path / "out.partial" / "fetched").symlink_to(tmp_path / "gone")
    run(make_clips(2), tmp_path / "out")
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".h5", ".csv"}


def media_of_shard(number: int) -> str:
    """A recording that goes to the shard of that number."""
    return next(name for name in (f"{i}.mp4" for i in range(1000)) if shard_number(name, SETTINGS.num_shards) == number)


class MeanExtractor(LengthExtractor):
    """Averages an upstream row."""

    name = "mean"

    def source_key(self, source) -> str:  # type: ignore[no-untyped-def, override]
        return source.fingerprint

    def extract(self, source) -> Row | Skip:  # type: ignore[no-untyped-def, override]
        return {"mean": source.arrays["codes"].mean(keepdims=True)}


HELD = """
import sys, time, pathlib
from tests.conftest import LengthExtractor
from tests.shards.test_executor import make_clips, run
class Held(LengthExtractor):
    begun = 0
    def extract(self, source):
        row = super().extract(source)
        self.begun += 1
        if self.begun == 8:
            time.sleep(300)
        return row
folder = pathlib.Path(sys.argv[1])
run(make_clips(12), folder / "out", Held(log=folder / "log"))
"""
