"""Embeddings of one encoder row: with its one artifact, or with one for each fold."""

import dataclasses
from pathlib import Path
from typing import Any

from pipeline.embed.embedding import EmbeddingExtractor
from pipeline.embed.encoder import EncoderConfig, list_folds
from pipeline.errors import ShardError
from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded
from pipeline.shards.features import list_shards
from pipeline.shards.shard import read_shard


def embed_folds(
    row: EncoderConfig, features: Path, encoder: Path, out: Path, settings: ShardSettings, options: RunOptions, device: str
) -> dict[str, Any]:
    """Embed a folder of features with each artifact of an encoder, into `out` or, where there are folds, into out/fold-<k>.

    A device has all of a run's cores: `options.workers` threads decode beside it. Where there are several GPUs, each has a process and its
    share of the threads.

    Returns:
        The summary of the run, all folds together.

    Raises:
        ShardError: there are no features.
        CheckpointError: an artifact is absent or not the row's.
    """
    shards = list_shards(features)
    if not shards:
        raise ShardError(f"{features} holds no shards; run the stage that makes it, or `dvc pull` to get it")
    header = read_shard(shards[0]).header
    extractors = {
        fold: EmbeddingExtractor(encoder / fold, row, header.config_values, device, options.workers) for fold in list_folds(encoder)
    }
    return run_sharded(features, extractors, out, settings, dataclasses.replace(options, workers=1))
