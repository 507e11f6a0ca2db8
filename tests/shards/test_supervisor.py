"""A clip that hangs or takes its process down costs that clip alone."""

import csv
import os
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.errors import MediaError, ShardError
from pipeline.shards import pulse, supervisor
from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded
from pipeline.shards.extractor import Row, Skip
from pipeline.shards.features import read_features
from tests.conftest import LengthExtractor, make_clip

SETTINGS = ShardSettings(num_shards=2, max_skipped=0.9, clip_timeout=3.0)
EVIL = {
    "abort": os.abort,
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(3600),
    "memory": lambda: eat_memory(),
    "closed": lambda: raise_error(MediaError("clip closed: its file is gone")),
}
"""What a clip of that text does to the process that decodes it."""
REASONS = {"abort": "decoder_crashed", "kill": "out_of_memory", "memory": "out_of_memory", "hang": "decoder_timeout"}


class EvilExtractor(LengthExtractor):
    """Reads a clip's text and does what it says."""

    name = "evil"
    isolated = True

    def extract(self, source: Clip) -> Row | Skip:
        if source.text in EVIL and not (self.log and self.log.with_name("mended").exists()):
            EVIL[source.text]()
        return super().extract(source)


class PatientExtractor(LengthExtractor):
    """Takes longer than the timeout, and shows that it is alive."""

    name = "patient"
    isolated = True

    def extract(self, source: Clip) -> Row | Skip:
        for _ in range(25):
            time.sleep(0.1)
            pulse.step()
        return super().extract(source)


def eat_memory() -> None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (1 << 32, limit))
    np.ones(1 << 33)


def raise_error(error: Exception) -> None:
    raise error


def make_clips(*texts: str, count: int = 8) -> list[Clip]:
    return [make_clip(f"clip{k:02d}") for k in range(count)] + [make_clip(text, text=text) for text in texts]


def run(clips: list[Clip], out: Path, workers: int = 1, extractor: LengthExtractor | None = None, **options: object) -> dict:
    return run_sharded(Manifest(clips), extractor or EvilExtractor(), out, SETTINGS, RunOptions(workers, **options))  # type: ignore[arg-type]


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_skips(out: Path) -> dict[str, str]:
    with (out / "skipped.csv").open() as file:
        return {row["clip_id"]: row["reason"] for row in csv.DictReader(file)}


def test_evil_clips_are_skipped_with_their_reasons_and_the_others_kept_by_any_number_of_workers(tmp_path: Path) -> None:
    clips = make_clips(*REASONS)
    summaries = [run(clips, tmp_path / name, workers) for name, workers in (("one", 1), ("two", 2))]
    assert read_skips(tmp_path / "one") == REASONS
    assert [(summary["computed"], summary["reused"]) for summary in summaries] == [(len(clips), 0)] * 2
    assert sorted(read_features(tmp_path / "one").skips) == sorted(REASONS)
    assert read_bytes(tmp_path / "one") == read_bytes(tmp_path / "two")


def test_what_a_finished_version_gave_up_is_kept_until_it_is_asked_for_again(tmp_path: Path) -> None:
    extractor = EvilExtractor(log=tmp_path / "log")
    run(make_clips("abort"), tmp_path / "out", extractor=extractor)
    (tmp_path / "mended").touch()
    assert run(make_clips("abort"), tmp_path / "out", extractor=extractor)["reused"] == 9
    again = run(make_clips("abort"), tmp_path / "out", extractor=extractor, recompute=True)
    assert (again["computed"], again["reused"], again["skipped"]) == (1, 8, {})


def test_what_an_unfinished_version_gave_up_is_tried_again(tmp_path: Path) -> None:
    extractor = EvilExtractor(log=tmp_path / "log")
    with pytest.raises(MediaError, match="its file is gone") as caught:
        run([*make_clips("abort", count=0), make_clip("closed", text="closed", media="~")], tmp_path / "out", extractor=extractor)
    assert "raise_error" in "".join(caught.value.__notes__)
    (tmp_path / "mended").touch()
    summary = run(make_clips("abort", "closed"), tmp_path / "out", extractor=extractor)
    assert (summary["computed"], summary["skipped"]) == (10, {})


def test_rows_that_were_flushed_before_the_crash_are_not_computed_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    clips = [make_clip(f"{k}{text}", text=text, media="same.mp4") for k, text in enumerate(("a", "b", "abort", "c", "exit", "d"))]
    summary = run(clips, tmp_path / "out", extractor=FlushingExtractor(log=log))
    assert (summary["computed"], summary["reused"], summary["skipped"]) == (6, 0, {"decoder_crashed": 2})
    assert sorted(log.read_text().split()) == ["0a", "1b", "3c", "5d"]


def test_slow_is_not_hanging(tmp_path: Path) -> None:
    settings = ShardSettings(1, 0.0, clip_timeout=2.0)
    summary = run_sharded(Manifest([make_clip("a")]), PatientExtractor(), tmp_path / "out", settings, RunOptions())
    assert (summary["computed"], summary["skipped"]) == (1, {})


def test_process_after_process_failing_is_not_the_clips_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "MAX_FAILURES", 1)
    clips = [make_clip(str(k), text="exit", digest=str(k)) for k in range(4)]
    with pytest.raises(ShardError, match=r"2 processes of broken failed in a row, the last at clip .*mend it"):
        run(clips, tmp_path / "out", extractor=BrokenExtractor())
    assert not (tmp_path / "out").exists()


def test_a_process_that_ends_at_no_clip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"a worker process of evil ended between clips \(exit status 1"):
        run(make_clips(count=1), tmp_path / "out", extractor=EvilExtractor(scale=Unloadable()))  # type: ignore[arg-type]


class FlushingExtractor(EvilExtractor):
    """Flushes after every row."""

    def extract(self, source: Clip) -> Row | Skip:
        from pipeline.shards import worker

        worker.FLUSH_SECONDS = 0.0
        return super().extract(source)


class BrokenExtractor(EvilExtractor):
    """Fails at every clip, each of which has a fingerprint of its own."""

    name = "broken"

    def source_key(self, source: Clip) -> str | None:
        return source.digest


class Unloadable(float):
    """Cannot be unpickled."""

    def __reduce__(self) -> tuple:
        return os._exit, (1,)
