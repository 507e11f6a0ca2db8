"""`bench` as a corpus that starts at `train`: clips with labels, a split by speaker, embeddings with maps."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.bench.config import CLASSES, MODALITIES, BenchConfig
from pipeline.bench.simulate import Renderer, SimulatedClip, simulate
from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest, write_manifest
from pipeline.clips.splits import PARTS, Fold, write_splits
from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded
from pipeline.shards.extractor import Extractor, Row

LABELS = {"M": "emotion", "T": "emotion_T", "A": "emotion_A", "V": "emotion_V"}


class BenchExtractor(Extractor[Clip]):
    """Renders one modality of the simulated clips."""

    name = "bench"
    version = 1

    def __init__(self, config: BenchConfig, modality: str, clips: Mapping[str, SimulatedClip]) -> None:
        self.config = {"modality": modality, **dataclasses.asdict(config)}
        self._modality, self._clips, self._renderer = modality, clips, Renderer(config)

    def source_key(self, source: Clip) -> Any:
        """Everything that was drawn for the clip."""
        drawn = self._clips[source.id]
        return [drawn.index, drawn.speaker, drawn.shown[self._modality], self._modality in drawn.cued, drawn.marked]

    def extract(self, source: Clip) -> Row:
        """Return the modality's arrays."""
        return dict(self._renderer.render(self._clips[source.id], self._modality))


def write_bench(config: BenchConfig, clips: Path, embeddings: Path, settings: ShardSettings) -> dict[str, Any]:
    """Write the corpus: clips.jsonl and splits.json (split `speaker`), and the embeddings bench_text, bench_audio, bench_video.

    Args:
        config: how the clips come about.
        clips: folder to write.
        embeddings: folder to write.
        settings: of the shards.

    Returns:
        The counts of rows computed and reused.
    """
    drawn = {f"bench_{clip.index:05d}": clip for clip in simulate(config)}
    manifest = Manifest(_describe(i, clip) for i, clip in drawn.items())
    clips.mkdir(parents=True, exist_ok=True)
    write_manifest(manifest, clips)
    write_splits({"speaker": (Fold.of({part: [i for i, clip in drawn.items() if clip.part == part] for part in PARTS}),)}, clips)
    extractors = {f"bench_{m}": BenchExtractor(config, m, drawn) for m in MODALITIES}
    return run_sharded(manifest, extractors, embeddings, settings, RunOptions())


def _describe(clip_id: str, clip: SimulatedClip) -> Clip:
    """Return the clip with its labels: M, and what each modality shows."""
    shown = dict(zip(LABELS.values(), (clip.label, *(clip.shown[m] for m in MODALITIES)), strict=True))
    labels = {name: CLASSES[number] for name, number in shown.items()}
    return Clip(clip_id, speaker=clip.speaker, group=clip_id, labels={**labels, "kind": clip.kind, "hidden": CLASSES[clip.hidden]})
