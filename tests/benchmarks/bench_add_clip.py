"""What one clip more costs each feature stage, against the full computation.

    python -m tests.benchmarks.bench_add_clip --clips 240

Renders clips of the built-in corpus and runs each feature stage's own work in this process, on one core: all but the last clip into an
empty folder, then all of them again, so that one row is computed and the others are reused. Start-up (imports, networks) is timed apart,
on a clip of its own. Expected: 3 % or less for faces and log-mels; tokens cost next to nothing either way, so there the fixed cost of
reading and copying 16 small files shows.
"""

import dataclasses
import tempfile
import time
from pathlib import Path

import typer

from pipeline.clips.corpora.demo import read
from pipeline.clips.manifest import Manifest
from pipeline.demo.config import DemoConfig
from pipeline.demo.corpus import make_corpus
from pipeline.extract.faces import FaceExtractor, FacesConfig
from pipeline.extract.logmel import LogmelExtractor
from pipeline.extract.logmel_config import read_logmel_config
from pipeline.extract.tokens import TokenExtractor, TokensConfig
from pipeline.params import read_row, read_section
from pipeline.shards.digests import add_digests
from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded
from pipeline.shards.extractor import Extractor
from tests.conftest import ROOT

PARAMS = ROOT / "params.yaml"


def make_extractors(media: Path) -> dict[str, Extractor]:
    """The extractors of the demo rows of params.yaml."""
    return {
        "crop_faces": FaceExtractor(read_row(PARAMS, "faces", "demo", FacesConfig), media),
        "compute_logmel": LogmelExtractor(read_logmel_config(PARAMS, "demo"), media),
        "tokenize_text": TokenExtractor(read_row(PARAMS, "tokens", "demo", TokensConfig)),
    }


def timed(manifest: Manifest, extractor: Extractor, out: Path) -> tuple[float, int]:
    """Seconds of a run on one core, and how many rows it computed."""
    began = time.perf_counter()
    summary = run_sharded(manifest, extractor, out, read_section(PARAMS, "shards", ShardSettings), RunOptions())
    return time.perf_counter() - began, summary["computed"]


def main(clips: int = 240, workers: int = 2) -> None:
    """Print the seconds of start-up, of all clips, and of one more."""
    config = dataclasses.replace(read_section(PARAMS, "demo", DemoConfig), num_clips=clips + 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(config, folder / "raw", workers=workers)
        listing = read(folder / "raw" / "label.csv", folder / "raw")
        manifest, _ = add_digests(listing.clips, folder / "raw", folder / "digests.sqlite", ())
        for stage, extractor in make_extractors(folder / "raw").items():
            start, _ = timed(Manifest(manifest[:1]), extractor, folder / f"{stage}-start")
            full, rows = timed(Manifest(manifest[:-1]), extractor, folder / stage)
            more, added = timed(manifest, extractor, folder / stage)
            print(f"{stage}: start-up {start:.2f} s; {rows} clips {full:.2f} s; {added} clip more {more:.3f} s, {more / full:.1%} of it")


if __name__ == "__main__":
    typer.run(main)
