"""Data quality of a corpus: durations, faces, sounds, texts, and the clips that were skipped, by reason."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clips.manifest import Manifest
from pipeline.report import plots
from pipeline.report.document import Block, Code, Details, Figure, Heading, Paragraph
from pipeline.report.partial import warn_partial
from pipeline.report.table import NOTHING, Cell, Column, Line, Table
from pipeline.shards.features import list_shards, read_features
from pipeline.shards.shard import read_shard


@dataclass(frozen=True)
class FeatureQuality:
    """What one folder of features says of its clips.

    Args:
        table: of params.yaml: faces, logmels or tokens.
        row: of that table.
        version: of the extractor.
        config: of the extractor, as canonical JSON.
        num_clips: all of them, skipped ones too.
        skipped: reason → number of clips.
        lengths: frames or tokens of each clip that has some.
        found: faces: share of the clip's sampled frames that have a face.
        truncated: tokens: number of texts cut at max_length.
    """

    table: str
    row: str
    version: int
    config: str
    num_clips: int
    skipped: Mapping[str, int]
    lengths: NDArray[np.int64]
    found: NDArray[np.float64] | None = None
    truncated: int | None = None

    @classmethod
    def read(cls, table: str, row: str, folder: Path) -> "FeatureQuality":
        """Read a folder of shards.

        Raises:
            ShardError: no shards there, or one that cannot be read.
        """
        small = {"faces": ["found"], "logmels": [], "tokens": ["truncated"]}[table]
        features = read_features(folder, small)
        lengths = _read_lengths(folder, {"faces": "found", "logmels": "logmel", "tokens": "input_ids"}[table])
        found = np.array([features[i]["found"].mean() for i in features.ids if i in features]) if table == "faces" else None
        truncated = int(features.values["truncated"].sum()) if "truncated" in features.values else None
        skipped = dict(sorted(Counter(features.skips.values()).items()))
        return cls(table, row, features.header.version, features.header.config, len(features.ids), skipped, lengths, found, truncated)

    def to_json(self) -> dict[str, Any]:
        """Return the counts and medians as JSON holds them."""
        found = None if self.found is None or not len(self.found) else round(float(self.found.mean()), 6)
        described = {"clips": self.num_clips, "skipped": dict(self.skipped), "frames_with_face": found, "truncated": self.truncated}
        return {"version": self.version, "config": self.config, **described}


@dataclass(frozen=True)
class Corpus:
    """What the report reads of a corpus.

    Args:
        manifest: its clips.
        qualities: of its features.
        partial: what its copy lacks (pipeline/clips/listing.py), None where it is whole.
    """

    manifest: Manifest
    qualities: Sequence[FeatureQuality]
    partial: Mapping[str, Any] | None = None


def _read_lengths(folder: Path, array: str) -> NDArray[np.int64]:
    """Length of an array in each clip that is not skipped; of the array itself nothing is read."""
    lengths: list[int] = []
    for shard in map(read_shard, list_shards(folder)):
        if array in shard.offsets:
            clips = zip(np.diff(shard.offsets[array]).tolist(), shard.skip_reasons, strict=True)
            lengths += [length for length, reason in clips if not reason]
    return np.array(lengths, dtype=np.int64)


def read_durations(manifest: Manifest) -> NDArray[np.float64]:
    """Durations in seconds of the clips whose end is known."""
    return np.array([clip.end - clip.start for clip in manifest if clip.end is not None])


def describe_corpus(name: str, corpus: Corpus) -> list[Block]:
    """Every block on a corpus' data."""
    manifest, qualities = corpus.manifest, corpus.qualities
    speakers = {clip.speaker for clip in manifest if clip.speaker is not None}
    groups = {clip.group for clip in manifest if clip.group is not None}
    count = f"{len(manifest):,} labelled clips, {len(speakers) or 'unknown'} speakers, {len(groups) or 'unknown'} recordings."
    blocks: list[Block] = [Heading(3, f"Corpus `{name}`"), *warn_partial(name, corpus.partial), Paragraph(count)]
    if qualities:
        blocks.append(make_quality_table(qualities))
    blocks += _draw(name, read_durations(manifest), qualities)
    configs = "\n".join(f"{q.table}.{q.row}: version {q.version}, {q.config}" for q in qualities)
    return [*blocks, Details("Parameters of these features", (Code(configs),))] if qualities else blocks


def make_quality_table(qualities: Sequence[FeatureQuality]) -> Table:
    """One line per folder of features."""
    titles = ("Clips", "Skipped", "Reasons", "Length, median", "shortest", "longest", "Frames with a face", "Clips below half", "Truncated")
    columns = (Column("Features", numeric=False), *(Column(title, numeric=title != "Reasons") for title in titles))
    caption = (
        "Features by row of params.yaml. Skipped clips have no features of that kind, by reason, and the modality is masked for them. "
        "Lengths are sampled frames (faces), spectrogram frames (logmels) or tokens. A clip below half has a face in less than half of its "
        "frames."
    )
    return Table(caption, columns, tuple(Line(tuple(Cell(text) for text in _cells(q))) for q in qualities))


def _cells(quality: FeatureQuality) -> list[str]:
    """The cells of one folder of features."""
    lengths = quality.lengths
    length = [f"{np.median(lengths):g}", f"{lengths.min()}", f"{lengths.max()}"] if len(lengths) else [NOTHING] * 3
    reasons = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in quality.skipped.items()) or NOTHING
    faces = [NOTHING, NOTHING]
    if quality.found is not None and len(quality.found):
        faces = [f"{100 * (quality.found * lengths).sum() / max(lengths.sum(), 1):.1f} %", f"{int((quality.found < 0.5).sum())}"]
    skipped = sum(quality.skipped.values())
    truncated = NOTHING if quality.truncated is None else str(quality.truncated)
    return [f"{quality.table} `{quality.row}`", f"{quality.num_clips:,}", f"{skipped:,}", reasons, *length, *faces, truncated]


def _draw(name: str, durations: NDArray[np.float64], qualities: Sequence[FeatureQuality]) -> list[Block]:
    """Histograms of durations, of the share of frames with a face, and of lengths."""
    panels: dict[str, NDArray[Any]] = {"duration, s": durations} if len(durations) else {}
    panels |= {f"frames with a face, % ({q.row})": 100 * q.found for q in qualities if q.found is not None and len(q.found)}
    panels |= {f"{q.table} {q.row}, length": q.lengths for q in qualities if q.found is None and len(q.lengths)}
    if not panels:
        return []
    caption = f"Histograms over the clips of `{name}`; the height is a number of clips."
    return [Figure(plots.plot_histograms(f"{name}-quality", panels), f"{caption} Panels: {', '.join(panels)}.", caption)]
