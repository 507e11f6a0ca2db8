"""The only loop over clips: plan, reuse, compute, write, count, publish."""

import csv
import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.clips.manifest import Manifest
from pipeline.errors import PipelineError, ShardError, SkippedError
from pipeline.progress import show_progress
from pipeline.shards.engine import LOCAL, Engine, ShardWork, run_shards_on_ray
from pipeline.shards.extractor import Extractor, Skip
from pipeline.shards.plan import ShardJob, find_earlier, plan_clips, plan_features, set_aside
from pipeline.shards.previous import Previous, is_dvc_output, open_partial, partial_of, publish
from pipeline.shards.shard import read_shard
from pipeline.shards.supervisor import Supervisor
from pipeline.shards.worker import Tally, header_of, run_job

log = logging.getLogger(__name__)
LOG_SUFFIX = ".log.jsonl"


@dataclass(frozen=True)
class ShardSettings:
    """The section `shards` of params.yaml.

    Args:
        num_shards: files that a feature of a corpus is spread over; changing it rewrites files, and computes nothing.
        max_skipped: a stage fails when a larger share of its clips is skipped.
        clip_timeout: seconds that decoding a clip may go without a packet or picture more before it counts as hanging.
    """

    num_shards: int
    max_skipped: float
    clip_timeout: float = 300.0

    def __post_init__(self) -> None:
        if not 1 <= self.num_shards <= 99999:
            raise ValueError(f"num_shards must be 1 to 99999, not {self.num_shards}")
        if not 0 <= self.max_skipped <= 1:
            raise ValueError(f"max_skipped must be a share from 0 to 1, not {self.max_skipped}")
        if self.clip_timeout <= 0:
            raise ValueError(f"clip_timeout must be above 0 seconds, not {self.clip_timeout}")


@dataclass(frozen=True)
class RunOptions:
    """What changes a run's speed or reach, and no row.

    Args:
        workers: processes; 1 works in this process, unless the extractor must be isolated from it.
        limit: only the first clips, for development.
        recompute: compute rows again whose recorded version cannot be read, or that a process failed at.
        plan: count only, write nothing.
        engine: what spreads the shards.
    """

    workers: int = 1
    limit: int | None = None
    recompute: bool = False
    plan: bool = False
    engine: Engine = LOCAL


def run_sharded(
    source: Manifest | Path,
    extractor: Extractor[Any] | Mapping[str, Extractor[Any]],
    out: Path,
    settings: ShardSettings,
    options: RunOptions,
) -> dict[str, Any]:
    """Bring the rows of a corpus into shards below `out`, computing only those that no earlier version holds.

    Args:
        source: the corpus' clips, or the folder of upstream shards that an encoder reads.
        extractor: what computes a row; or several by the folder below `out` that each fills, such as `fold-0`.
        out: the output folder; it is replaced as a whole once everything is there.
        settings: the section `shards` of params.yaml.
        options: what changes the speed only.

    Returns:
        The summary: computed, reused, skipped by reason, shards_written, seconds.

    Raises:
        SkippedError: more clips were skipped than `max_skipped` allows; what was computed is kept for the next run.
        MediaError: a row has to be computed and its media is not here.
        CacheError: earlier rows are recorded and cannot be read.
        ShardError: the upstream shards cannot be read, or what an earlier run left at work wrote over a shard.
    """
    began = time.monotonic()
    if options.limit is not None and not options.plan and is_dvc_output(out):
        raise PipelineError(f"--limit is for development and {out} is an output of dvc.yaml; give another folder")
    extractors = extractor if isinstance(extractor, Mapping) else {"": extractor}
    parts = {part: _plan(source, extractors[part], settings, options) for part in extractors}
    if options.plan:
        with Previous(out, options.recompute) as previous:
            _find_earlier(parts, extractors, previous)
            return _estimate([job for jobs in parts.values() for job in jobs], out, options)
    with open_partial(out) as partial, Previous(out, options.recompute, partial) as previous:
        for part, jobs in parts.items():
            set_aside(jobs, partial / part)
        _find_earlier(parts, extractors, previous)
        tally = Tally()
        for part, jobs in parts.items():
            tally += _run(jobs, extractors[part], partial / part, options, settings.clip_timeout)
        tally.seconds = time.monotonic() - began
        _finish(parts, tally, partial, settings)
        _check(parts, partial)
        publish(partial, out)
    _log_run(out, tally, options)
    return tally.summary()


def _find_earlier(parts: Mapping[str, Sequence[ShardJob]], extractors: Mapping[str, Extractor[Any]], previous: Previous) -> None:
    """Look up the rows of each part in the same part of the earlier versions."""
    for part, jobs in parts.items():
        folders = (folder / part for folder in previous.folders())
        find_earlier(jobs, header_of(extractors[part]), folders, partial_of(previous.out) / part, previous.recompute)


def _plan(source: Manifest | Path, extractor: Extractor[Any], settings: ShardSettings, options: RunOptions) -> list[ShardJob]:
    """Return the shards to write."""
    if isinstance(source, Path):
        return plan_features(source, extractor, options.limit)
    if not source:
        raise PipelineError("the manifest holds no clips; index_clips found none to list")
    return plan_clips(source, extractor, settings.num_shards, options.limit)


def _run(jobs: Sequence[ShardJob], extractor: Extractor[Any], partial: Path, options: RunOptions, clip_timeout: float) -> Tally:
    """Run all jobs, here, in worker processes or on other machines, under one progress bar."""
    partial.mkdir(exist_ok=True)
    busy = sum(bool(job.to_compute) for job in jobs)
    extractors = extractor.on_each_device() if busy and not options.engine.is_ray else [extractor]
    count = min(max(options.workers, len(extractors)), busy)
    with show_progress(extractor.name, sum(len(job.items) for job in jobs)) as bar:
        if busy and options.engine.is_ray:
            work = ShardWork(extractor, partial, clip_timeout)
            tallies = run_shards_on_ray(options.engine, jobs, work, options.workers, bar.update)
        elif not busy or (not extractor.isolated and count <= 1):
            tallies = [run_job(job, extractor, partial, bar.advance) for job in jobs]
        else:
            tallies = Supervisor(extractors, partial, clip_timeout).run(jobs, count, bar.update)
    return sum(tallies, Tally())


def _finish(parts: Mapping[str, Sequence[ShardJob]], tally: Tally, partial: Path, settings: ShardSettings) -> None:
    """Write skipped.csv, remove what an earlier run left and this one did not write, and check the share of skips."""
    written = {partial / part / job.name for part, jobs in parts.items() for job in jobs}
    kept = {path for shard in written for path in (shard, *shard.parents)}
    for path in (path for path in sorted(partial.rglob("*")) if path not in kept):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)  # another may still be at work in it, or have removed it
        else:
            path.unlink(missing_ok=True)
    with (partial / "skipped.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("clip_id", "reason"), *sorted(tally.skips.items())])
    num_clips = len({item.clip_id for jobs in parts.values() for job in jobs for item in job.items})
    if len(tally.skips) > settings.max_skipped * num_clips:
        raise SkippedError(
            f"{len(tally.skips)} of {num_clips} clips were skipped ({tally.summary()['skipped']}), more than `max_skipped` allows; "
            f"{partial / 'skipped.csv'} lists them. Mend them, or raise shards.max_skipped in params.yaml; nothing computed is lost"
        )


def _check(parts: Mapping[str, Sequence[ShardJob]], partial: Path) -> None:
    """Check that each shard holds its job's rows: on other machines, a killed run's last workers may have written theirs over it."""
    for path, job in ((partial / part / job.name, job) for part, jobs in parts.items() for job in jobs):
        if not job.is_held_by(read_shard(path)):
            message = f"{path} was written over while this stage ran, by what an earlier run left at work"
            raise ShardError(f"{message}; run the stage again: it resumes, and those have ended by then")


def _estimate(jobs: Sequence[ShardJob], out: Path, options: RunOptions) -> dict[str, Any]:
    """Return what a run would do, with the time and size that the last one's figures suggest."""
    compute = sum(len(job.to_compute) for job in jobs)
    skipped = sum(isinstance(item.source, Skip) for job in jobs for item in job.items)
    rates = _read_log(out)
    return {
        "plan": True,
        "to_compute": compute,
        "reused": sum(len(job.items) for job in jobs) - compute - skipped,
        "skipped_upstream": skipped,
        "estimated_seconds": round(compute * rates["seconds"] * rates["workers"] / options.workers, 1) if rates else None,
        "estimated_bytes": round(compute * rates["bytes"]) if rates else None,
    }


def _log_run(out: Path, tally: Tally, options: RunOptions) -> None:
    """Add seconds and bytes a row to a log beside the output: they never repeat, so they stand in no output."""
    if tally.computed:
        size = sum(path.stat().st_size for path in out.rglob("*.h5"))
        rows = tally.computed + tally.reused
        entry = {"rows": tally.computed, "seconds": tally.seconds / tally.computed, "bytes": size / rows, "workers": options.workers}
        with out.with_name(out.name + LOG_SUFFIX).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _read_log(out: Path) -> dict[str, float] | None:
    """Return the figures of the largest run so far, or None; a damaged log is no reason to fail."""
    path = out.with_name(out.name + LOG_SUFFIX)
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entries.append({key: float(json.loads(line)[key]) for key in ("rows", "seconds", "bytes", "workers")})
        except (ValueError, KeyError, TypeError):
            log.warning("%s holds a line that is no record: %r", path, line[:80])
    return max(entries, key=lambda entry: entry["rows"], default=None)
