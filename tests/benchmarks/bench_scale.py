"""How time and memory of everything but the media themselves grow with a corpus: 10⁴, 10⁵, 10⁶ clips.

    python -m tests.benchmarks.bench_scale --clips 10000 --clips 100000

Makes a corpus of labels, recordings of 25 clips whose media is elsewhere and whose digests an earlier clips.jsonl knows, and takes it
through each step in a process of its own: what index_clips does, reading the manifest, sharding with fingerprints, a first run of a feature
stage that computes next to nothing, a second one that reuses everything, an encoder's plan over those shards, and what the report reads.
Prints seconds and peak memory (MB) of each, start-up apart, and by which factors they grow from one size to the next.
"""

import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pipeline.clips.clip import Clip
from pipeline.clips.listing import Listing
from pipeline.clips.manifest import Manifest, read_manifest, read_manifests, write_manifest
from pipeline.clips.splits import Fold, check_ids, read_splits, write_splits
from pipeline.shards.digests import add_digests
from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded
from pipeline.shards.extractor import Extractor, FeatureRow, Row
from pipeline.shards.fingerprint import fingerprint
from pipeline.shards.plan import plan_clips
from tests.conftest import ROOT

CLIPS_A_RECORDING = 25
CLIPS_A_SHARD = 1000


class TextExtractor(Extractor[Clip]):
    """Keeps a text's characters, in the arrays of tokenize_text."""

    name = "tokens"
    version = 1

    def __init__(self) -> None:
        self.config = {"max_length": 100}

    def source_key(self, source: Clip) -> str | None:
        return source.text

    def extract(self, source: Clip) -> Row:
        ids = np.frombuffer((source.text or "").encode(), np.uint8).astype(np.int32)
        return {"input_ids": ids, "truncated": np.zeros(1, bool)}


class MeanExtractor(TextExtractor):
    """Stands for an encoder: reads the rows of another stage."""

    name = "mean"

    def source_key(self, source: Clip | FeatureRow) -> str:  # type: ignore[override]
        return source.fingerprint  # type: ignore[union-attr, return-value]


def list_clips(count: int) -> Listing:
    """What an adapter reads: clips without digests, and a split."""
    clips = [
        Clip(
            id=f"video{k // CLIPS_A_RECORDING:06d}_{k % CLIPS_A_RECORDING:04d}",
            media=f"Raw/video{k // CLIPS_A_RECORDING:06d}.mp4",
            start=4.0 * (k % CLIPS_A_RECORDING),
            end=4.0 * (k % CLIPS_A_RECORDING) + 3.5,
            text=f"clip {k} says what clips of a corpus say, in about as many words as they do",
            speaker=f"speaker{k // CLIPS_A_RECORDING % 1000}",
            group=f"video{k // CLIPS_A_RECORDING:06d}",
            labels={"anger": float(k % 2), "happiness": float(k % 3 == 0), "sentiment": (k % 21 - 10) / 10},
        )
        for k in range(count)
    ]
    ids = [clip.id for clip in clips]
    return Listing(clips, {"speaker": (Fold.of({"train": ids[::2], "valid": ids[1::4], "test": ids[3::4]}),)})


def earlier(folder: Path, count: int) -> None:
    """Write the clips.jsonl that knows the digests."""
    (folder / "earlier").mkdir()
    known = (dataclasses.replace(clip, digest=fingerprint(clip.media)) for clip in list_clips(count).clips)
    write_manifest(Manifest(known), folder / "earlier")


def index(folder: Path, count: int) -> None:
    """What index_clips does where the media is elsewhere."""
    listing = list_clips(count)
    manifest, _ = add_digests(listing.clips, folder / "media", folder / "digests.sqlite", read_manifests([folder / "earlier"]))
    check_ids(listing.splits, manifest)
    (folder / "clips" / "big").mkdir(parents=True)
    write_manifest(manifest, folder / "clips" / "big")
    write_splits(listing.splits, folder / "clips" / "big")


def read(folder: Path, count: int) -> None:
    """Read the manifest and the splits."""
    read_manifest(folder / "clips" / "big")
    read_splits(folder / "clips" / "big")


def plan(folder: Path, count: int) -> None:
    """Read the manifest, and shard it with fingerprints."""
    plan_clips(read_manifest(folder / "clips" / "big"), TextExtractor(), settings(count).num_shards)


def compute(folder: Path, count: int) -> None:
    """A first run of a feature stage; and, called again, one that looks up and reuses everything."""
    run_sharded(read_manifest(folder / "clips" / "big"), TextExtractor(), folder / "tokens" / "big", settings(count), RunOptions())


def embed(folder: Path, count: int) -> None:
    """What an encoder's stage plans over the shards of another."""
    run_sharded(folder / "tokens" / "big", MeanExtractor(), folder / "embeddings", settings(count), RunOptions(plan=True))


def report(folder: Path, count: int) -> None:
    """What the report reads and draws of a corpus."""
    from pipeline.report.quality import describe_corpus
    from pipeline.report.report import read_corpora

    corpora = read_corpora({"corpora": {"big": {}}, "tokens": {"big": {"corpus": "big"}}}, folder / "clips", {"tokens": folder / "tokens"})
    describe_corpus("big", corpora["big"])


def settings(count: int) -> ShardSettings:
    """Shards of a thousand clips."""
    return ShardSettings(max(16, count // CLIPS_A_SHARD), 0.1)


STEPS: dict[str, Callable[[Path, int], None]] = {
    "earlier": earlier,
    "index": index,
    "read": read,
    "plan": plan,
    "compute": compute,
    "reuse": compute,
    "embed": embed,
    "report": report,
}


def measure(step: str, folder: Path, count: int) -> dict[str, float]:
    """Seconds and MB of a step in a process of its own, without those of starting it."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_scale", "--step", step, "--folder", str(folder), "--clips", str(count)]
    told = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(told.splitlines()[-1])
    return found


def main(clips: Annotated[list[int], typer.Option()], step: str = "", folder: Path = Path()) -> None:
    """Measure every step at every size, or one here."""
    if step:
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        STEPS[step](folder, clips[0])
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(json.dumps({"seconds": time.process_time() - began, "MB": used / 1024}))
        return
    last: dict[str, dict[str, float]] = {}
    for count in clips:
        with tempfile.TemporaryDirectory() as name:
            for each in STEPS:
                found = measure(each, Path(name), count)
                grown = "".join(f", × {found[unit] / last[each][unit]:.1f} {unit}" for unit in found if each in last)
                print(f"{count} clips, {each}: {found['seconds']:.1f} s of a core, {found['MB']:.0f} MB{grown}", flush=True)
                last[each] = found


if __name__ == "__main__":
    typer.run(main)
