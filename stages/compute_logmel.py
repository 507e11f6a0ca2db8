"""Compute the log-mel spectrogram of every clip's sound: decoded, mixed, resampled, filtered."""

from pathlib import Path
from typing import Any

from stages import (
    PARAMS,
    WORKERS,
    Address,
    ClipsFolder,
    EngineName,
    Limit,
    MediaFolder,
    OutFolder,
    Params,
    Plan,
    Recompute,
    Row,
    Workers,
    run_stage,
)


def main(
    row: Row,
    clips: ClipsFolder,
    media: MediaFolder,
    out: OutFolder,
    params: Params = PARAMS,
    workers: Workers = WORKERS,
    plan: Plan = False,
    limit: Limit = None,
    recompute: Recompute = False,
    engine: EngineName = "local",
    address: Address = None,
) -> dict[str, Any]:
    """Compute log-mels of every clip of a corpus.

    The sound is cut by presentation time, mixed to one channel (or the clip's own channel is taken), resampled, and turned into log-mels of
    the whole clip. The row's parameters stand in `logmels` of params.yaml: a preset (librosa, davenet, vggish, whisper, whisper_128, kaldi,
    ast) and what differs from it, or everything spelled out.

    Example: python -m stages.compute_logmel demo data/clips/demo data/raw/demo data/logmel/demo
    """
    from pipeline.clips.manifest import read_manifest
    from pipeline.extract.logmel import LogmelExtractor
    from pipeline.extract.logmel_config import read_logmel_config
    from pipeline.params import read_section
    from pipeline.shards.engine import Engine
    from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded

    config = read_logmel_config(params, row)
    settings = read_section(params, "shards", ShardSettings)
    options = RunOptions(workers, limit, recompute, plan, Engine(engine, address))
    return run_sharded(read_manifest(clips), LogmelExtractor(config, Path(media)), out, settings, options)


if __name__ == "__main__":
    run_stage(main)
