"""Embed features with a prepared encoder: batched on the device, decoded beside it, float16 sequences."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import (
    PARAMS,
    WORKERS,
    Address,
    Device,
    EngineName,
    FeaturesFolder,
    Limit,
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
    features: FeaturesFolder,
    encoder: Annotated[Path, typer.Argument(help="The encoder's artifact, as prepare_encoder writes it.")],
    out: OutFolder,
    params: Params = PARAMS,
    device: Device = "auto",
    workers: Workers = WORKERS,
    plan: Plan = False,
    limit: Limit = None,
    recompute: Recompute = False,
    engine: EngineName = "local",
    address: Address = None,
) -> dict[str, Any]:
    """Embed a corpus' features: faces, log-mels or tokens.

    Each clip gives a float16 `sequence` (time, dim), and a `map` (49, dim) where the row of `encoders` asks for it. The network runs on one
    device, or on each one of a Ray cluster, a shard at a time; --workers threads decode beside it. Folds have a folder each.

    Example: python -m stages.embed demo_text data/tokens/demo data/encoders/demo_text data/embeddings/demo/demo_text
    """
    from pipeline.embed.encoder import EncoderConfig
    from pipeline.embed.folds import embed_folds
    from pipeline.params import read_row, read_section
    from pipeline.shards.engine import Engine
    from pipeline.shards.executor import RunOptions, ShardSettings

    config = read_row(params, "encoders", row, EncoderConfig, wiring=("corpus", "features"))
    settings = read_section(params, "shards", ShardSettings)
    options = RunOptions(workers, limit, recompute, plan, Engine(engine, address))
    return embed_folds(config, features, encoder, out, settings, options, device)


if __name__ == "__main__":
    run_stage(main)
