"""What a feature stage has to do: which rows are there already, which have to be computed, shard by shard."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline.clips.manifest import Manifest
from pipeline.errors import ShardError
from pipeline.shards.extractor import Extractor, FeatureRow, Skip
from pipeline.shards.features import list_shards
from pipeline.shards.fingerprint import shard_number
from pipeline.shards.shard import Header, Shard, read_shard

log = logging.getLogger(__name__)
CRASHED, TIMEOUT, OUT_OF_MEMORY = "decoder_crashed", "decoder_timeout", "out_of_memory"
FAILINGS = {CRASHED, TIMEOUT, OUT_OF_MEMORY}
"""Reasons of clips that a process failed at. The machine may have its part in them, so what an unfinished run gave up is tried again."""


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Where a row stands: a shard and its place in it."""

    path: Path
    place: int


@dataclass(frozen=True, slots=True)
class Item:
    """A row to be written.

    Args:
        clip_id: the clip.
        fingerprint: of everything that can change the row.
        source: the Clip, the place of the upstream row, or the Skip that the upstream stage gave.
    """

    clip_id: str
    fingerprint: str
    source: Any


@dataclass
class ShardJob:
    """One shard to be written, the unit of work.

    Args:
        name: the shard's file name.
        items: its rows, sorted by clip.
        earlier: fingerprint to the place of an earlier row that equals it.
        whole: an earlier shard that holds these very rows, to be copied as it is.
        failed: fingerprint to why a process of this run died or hung at the row.
        num_flushed: rows of `earlier` that this run computed, before a process died.
        flush_name: file that finished rows are kept in until the shard is whole: its own, or that of one attempt of several.
    """

    name: str
    items: list[Item]
    earlier: dict[str, RowPlace] = field(default_factory=dict)
    whole: Shard | None = None
    failed: dict[str, Skip] = field(default_factory=dict)
    num_flushed: int = 0
    flush_name: str = ""

    def __post_init__(self) -> None:
        self.flush_name = self.flush_name or self.name

    @property
    def stem(self) -> str:
        """The shard's name without its ending: the folder of what attempts flush to files of their own."""
        return self.name.removesuffix(".h5")

    @property
    def to_compute(self) -> list[Item]:
        """The rows that no earlier version holds, no upstream stage skipped and no process failed at."""
        done = self.earlier.keys() | self.failed.keys()
        return [item for item in self.items if item.fingerprint not in done and not isinstance(item.source, Skip)]

    def is_held_by(self, shard: Shard) -> bool:
        """Whether a shard holds these rows and no others."""
        return shard.ids == tuple(i.clip_id for i in self.items) and shard.fingerprints == tuple(i.fingerprint for i in self.items)


def shard_name(number: int) -> str:
    """Return the file name of a shard."""
    return f"shard-{number:05d}.h5"


def plan_clips(manifest: Manifest, extractor: Extractor[Any], num_shards: int, limit: int | None = None) -> list[ShardJob]:
    """Return the shards of a corpus' clips, each clip beside the others of its recording."""
    jobs: dict[int, ShardJob] = {}
    for clip in manifest[:limit]:
        number = shard_number(clip.recording, num_shards)
        jobs.setdefault(number, ShardJob(shard_name(number), [])).items.append(Item(clip.id, extractor.fingerprint(clip), clip))
    return [jobs[number] for number in sorted(jobs)]


def plan_features(folder: Path, extractor: Extractor[Any], limit: int | None = None) -> list[ShardJob]:
    """Return one shard for each shard of the upstream folder, with the same clips.

    Raises:
        ShardError: the folder holds no shards, or one that cannot be read.
    """
    jobs = []
    left = limit if limit is not None else -1
    for path in list_shards(folder):
        shard = read_shard(path)
        rows = list(zip(shard.ids, shard.fingerprints, shard.skip_reasons, strict=True))[: left if left >= 0 else None]
        left -= len(rows) if left >= 0 else 0
        items = [
            Item(clip_id, extractor.fingerprint(FeatureRow(clip_id, upstream, {})), Skip(reason) if reason else RowPlace(path, place))
            for place, (clip_id, upstream, reason) in enumerate(rows)
        ]
        jobs += [ShardJob(path.name, items)] if items else []
    if not jobs:
        raise ShardError(f"{folder} holds no shards; run the stage that makes it, or `dvc pull` to get it")
    return jobs


def find_earlier(jobs: Sequence[ShardJob], header: Header, folders: Iterable[Path], partial: Path, retry: bool = False) -> None:
    """Give each job the places of the rows that an earlier version holds, looking into no more folders than needed.

    A shard in `partial` serves the job of its own name alone, which reads it before it writes it anew; others would find other rows there.
    What was set aside or flushed to a file of its own stays as it is, and serves all.
    Clips that a process failed at are tried again where they stand in `partial`, or anywhere with `retry`.

    Raises:
        CacheError: a version is needed, recorded and cannot be read.
    """
    takers: dict[str, tuple[str, ...]] = {}
    for job in jobs:
        alone = (job.name,)  # nearly always: a million fingerprints share these few
        for item in job.items:
            if not isinstance(item.source, Skip) and job.name not in (names := takers.get(item.fingerprint, ())):
                takers[item.fingerprint] = (*names, job.name) if names else alone
    by_name = {job.name: job for job in jobs}
    found: dict[str, dict[str, RowPlace]] = {job.name: {} for job in jobs}
    missing = sum(map(len, takers.values()))
    for folder in folders if missing else ():
        again = FAILINGS if retry or folder == partial else frozenset[str]()
        for shard in _read_all(list_flushed(folder) if folder == partial else list_shards(folder)):
            job_of_name = by_name.get(shard.path.name)
            is_whole = shard.header == header and again.isdisjoint(shard.skip_reasons)
            if job_of_name is not None and job_of_name.whole is None and is_whole and job_of_name.is_held_by(shard):
                job_of_name.whole = shard
            stays = folder != partial or shard.path.parent != partial or shard.path.name not in by_name
            for place, (fingerprint, reason) in enumerate(zip(shard.fingerprints, shard.skip_reasons, strict=True)):
                for name in takers.get(fingerprint, ()) if reason not in again else ():
                    if fingerprint not in found[name] and (stays or name == shard.path.name):
                        found[name][fingerprint] = RowPlace(shard.path, place)
                        missing -= 1
        if not missing:
            break
    for job in jobs:
        job.earlier = found[job.name]


def take_flushed(job: ShardJob, partial: Path) -> None:
    """Let a job whose process died, or whose machine, go on from the rows that it had flushed, in the place of earlier shards of that name.

    Clips that a process failed at are not taken: this attempt knows its own, and those of another are tried again.
    """
    folder = Path(os.path.abspath(partial))
    files = [path for path in (folder / job.name, *sorted((folder / job.stem).glob("*.h5"))) if path.exists()]
    todo, wanted = len(job.to_compute), {item.fingerprint for item in job.items}
    held = {
        fingerprint: RowPlace(shard.path, place)
        for shard in _read_all(files)
        for place, (fingerprint, reason) in enumerate(zip(shard.fingerprints, shard.skip_reasons, strict=True))
        if fingerprint in wanted and reason not in FAILINGS
    }
    job.whole = None
    job.earlier = {fingerprint: place for fingerprint, place in job.earlier.items() if place.path not in files} | held
    job.num_flushed += todo - len(job.to_compute)


def list_flushed(partial: Path) -> list[Path]:
    """Return the shards of a folder being written, and what attempts at them flushed to files of their own."""
    return [*list_shards(partial), *sorted(partial.glob("shard-*/*.h5"))]


def set_aside(jobs: Sequence[ShardJob], partial: Path) -> None:
    """Move shards of a killed run that hold rows of other jobs, since `num_shards` was another, to where no job writes them anew.

    What it left half-written is removed.
    """
    for path in partial.rglob(".*.tmp"):
        path.unlink(missing_ok=True)
    wanted = {job.name: {item.fingerprint for item in job.items} for job in jobs}
    for shard in _read_all(list_shards(partial)):
        if not wanted.get(shard.path.name, set()).issuperset(shard.fingerprints):
            folder = shard.path.with_suffix("")
            folder.mkdir(exist_ok=True)
            shard.path.rename(folder / f"{uuid4().hex}.h5")


def _read_all(paths: Iterable[Path]) -> Iterator[Shard]:
    """Yield shards without those that are torn, which is told."""
    for path in paths:
        try:
            yield read_shard(path)
        except ShardError as error:
            log.warning("an earlier shard is left out and its rows are computed again: %s", error)
