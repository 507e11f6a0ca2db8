"""What one worker does with one shard: reuse, compute, write."""

import logging
import os
import pickle
import resource
import shutil
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any

from pipeline.clips.clip import Clip
from pipeline.errors import ShardError
from pipeline.shards import pulse
from pipeline.shards.extractor import Extractor, FeatureRow, Skip
from pipeline.shards.fingerprint import canonical_json
from pipeline.shards.plan import Item, RowPlace, ShardJob
from pipeline.shards.shard import Header, Shard, ShardRow, read_shard, write_shard
from pipeline.storage import own_temporary_of

log = logging.getLogger(__name__)
FLUSH_SECONDS = float(os.environ.get("PIPELINE_FLUSH_SECONDS", "20"))
"""Seconds between two flushes of a shard at work; an environment variable, so that the processes of every engine have the same."""
EXIT_OUT_OF_MEMORY = 77
"""Exit status of a worker that could get no memory: the rest of it may be in any state, and holds much."""


@dataclass
class Tally:
    """Counts of a stage; tallies of shards add up.

    Args:
        computed: rows computed now.
        reused: rows taken from an earlier version.
        skips: clip to reason, earlier skips included.
        written: shards whose content is new; the others were copied.
        seconds: spent in the stage's own work.
    """

    computed: int = 0
    reused: int = 0
    skips: dict[str, str] = field(default_factory=dict)
    written: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.computed + other.computed,
            self.reused + other.reused,
            self.skips | other.skips,
            self.written + other.written,
            self.seconds + other.seconds,
        )

    def summary(self) -> dict[str, Any]:
        """Return the counts as a stage prints them."""
        skipped = dict(sorted(Counter(self.skips.values()).items()))
        counts = {"computed": self.computed, "reused": self.reused, "skipped": skipped, "shards_written": self.written}
        return {**counts, "seconds": round(self.seconds, 2)}


def run_job(job: ShardJob, extractor: Extractor[Any], partial: Path, advance: Callable[[int], None]) -> Tally:
    """Write one shard into `partial`: earlier rows copied, the others computed, those of one recording in the order of their start.

    Rows computed so far are flushed now and then, so that a killed stage loses little; rows that depend on their batch are kept per whole
    shard only, so that a resumed stage gives the same bytes as an undisturbed one.
    """
    if job.whole is not None and (copied := _copy_whole(job.whole, partial, job)) is not None:
        advance(len(job.items))
        return copied
    header = header_of(extractor)
    rows = _read_earlier(job)
    tally = Tally(computed=job.num_flushed, reused=len(rows) - job.num_flushed, written=1)
    for item in job.items:
        skip = item.source if isinstance(item.source, Skip) else job.failed.get(item.fingerprint)
        if skip is not None:
            rows[item.clip_id] = ShardRow(item.clip_id, item.fingerprint, skip)
            tally.computed += not isinstance(item.source, Skip)
    advance(len(job.items) - len(job.to_compute))
    todo = sorted((item for item in job.items if item.clip_id not in rows), key=_start_of)
    flushed = time.monotonic()
    for item, content in zip(todo, extractor.extract_stream(_load(todo, job)), strict=True):
        rows[item.clip_id] = ShardRow(item.clip_id, item.fingerprint, content)
        tally.computed += 1
        advance(1)
        if extractor.independent and time.monotonic() - flushed > FLUSH_SECONDS:
            write_shard(partial / job.flush_name, _ordered(job, rows), header)
            flushed = time.monotonic()
    write_shard(partial / job.flush_name, _ordered(job, rows), header)
    (partial / job.flush_name).replace(partial / job.name)
    tally.skips = {row.clip_id: row.content.reason for row in rows.values() if isinstance(row.content, Skip)}
    return tally


def header_of(extractor: Extractor[Any]) -> Header:
    """Return what an extractor's shards say of all their rows."""
    return Header(extractor.name, extractor.version, canonical_json(extractor.config), extractor.encoder_digest)


def _ordered(job: ShardJob, rows: dict[str, ShardRow]) -> list[ShardRow]:
    """Return the rows that are there, in the job's order."""
    return [rows[item.clip_id] for item in job.items if item.clip_id in rows]


def _read_earlier(job: ShardJob) -> dict[str, ShardRow]:
    """Return the earlier rows under their clips' ids of today; those of a corrupted shard are left out, which is told."""
    places: dict[Path, list[tuple[Item, int]]] = {}
    for item in job.items:
        if item.fingerprint in job.earlier and not isinstance(item.source, Skip):
            place = job.earlier[item.fingerprint]
            places.setdefault(place.path, []).append((item, place.place))
    rows = {}
    for path, wanted in places.items():
        try:
            for (item, _), row in zip(wanted, read_shard(path).read_rows([place for _, place in wanted]), strict=True):
                if row.fingerprint == item.fingerprint:  # or the shard was written anew since it was looked into
                    rows[item.clip_id] = ShardRow(item.clip_id, item.fingerprint, row.content)
        except ShardError as error:
            log.warning("rows of an earlier shard are computed again: %s", error)
    return rows


def _copy_whole(earlier: Shard, partial: Path, job: ShardJob) -> Tally | None:
    """Copy an earlier shard that holds the job's rows, or return None, which is told, where its checksums do not match."""
    try:
        earlier.verify()
    except ShardError as error:
        log.warning("rows of an earlier shard are computed again: %s", error)
        return None
    if earlier.path != partial / job.name:
        temporary = own_temporary_of(partial / job.flush_name)
        shutil.copyfile(earlier.path, temporary)
        temporary.replace(partial / job.name)
    skips = {clip_id: reason for clip_id, reason in zip(earlier.ids, earlier.skip_reasons, strict=True) if reason}
    upstream = sum(isinstance(item.source, Skip) for item in job.items)
    return Tally(reused=len(job.items) - upstream, skips=skips)


def _start_of(item: Item) -> tuple[str, int, float]:
    """Return what a clip is cut from, its channel, and where it starts (s); upstream rows stay in their order."""
    clip = item.source
    return (clip.recording, clip.channel or 0, clip.audio_stretch[0]) if isinstance(clip, Clip) else ("", 0, 0.0)


def _load(items: Sequence[Item], job: ShardJob) -> Iterator[Any]:
    """Yield what the extractor reads: the clip, or the upstream row's arrays, read when their turn comes."""
    places = {item.clip_id: place for place, item in enumerate(job.items)}
    rows = _stream_rows([item.source for item in items if isinstance(item.source, RowPlace)])
    for item in items:
        pulse.begin_clip(places[item.clip_id])
        yield next(rows) if isinstance(item.source, RowPlace) else item.source


def _stream_rows(sources: Sequence[RowPlace]) -> Iterator[FeatureRow]:
    """Yield upstream rows, of those that follow each other in one shard from the file opened once."""
    for path, of_path in groupby(sources, lambda source: source.path):
        for row in read_shard(path).stream_rows([source.place for source in of_path]):
            yield FeatureRow(row.clip_id, row.fingerprint, row.content)  # type: ignore[arg-type]  # skips are no sources


def serve(extractor: Extractor[Any], partial: Path, jobs: connection.Connection, cells: Any) -> None:
    """Work in a process of its own: run the jobs that come, send each one's tally or what it raised, until the other end closes.

    Args:
        extractor: what computes a row.
        partial: the folder to write.
        jobs: where jobs come from and answers go.
        cells: memory for the pulse, which the supervisor reads.
    """
    _prepare()
    pulse.attach(cells)
    while True:
        try:
            job = jobs.recv()
        except EOFError:
            return
        pulse.begin_job()
        try:
            answer: Tally | Exception = run_job(job, extractor, partial, pulse.finish)
        except MemoryError:
            os._exit(EXIT_OUT_OF_MEMORY)
        except Exception as error:
            answer = portable(error)
        jobs.send(answer)


def _prepare() -> None:
    """Prepare a worker process: one thread a library, no core files, first to go where memory runs out, an end with its parent."""
    os.environ.update({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor takes it
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text("500")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the parent process to end, however it does, and end too."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def portable(error: Exception) -> Exception:
    """Return an exception that another process can raise, with the trace of this one."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # what pickling may raise is the class's own affair
        return ShardError("".join(traceback.format_exception(error)))
    return error
