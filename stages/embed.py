"""Embed features with a prepared encoder: batched on the device, decoded beside it, float16 sequences."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import PARAMS, WORKERS, Device, FeaturesFolder, Limit, OutFolder, Params, Plan, Recompute, Row, Workers, run_stage

EncoderFolder = Annotated[Path, typer.Argument(help="The encoder's artifact, as prepare_encoder writes it.")]


def main(
    row: Row,
    features: FeaturesFolder,
    encoder: EncoderFolder,
    out: OutFolder,
    params: Params = PARAMS,
    device: Device = "auto",
    workers: Workers = WORKERS,
    plan: Plan = False,
    limit: Limit = None,
    recompute: Recompute = False,
) -> dict[str, Any]:
    """Embed a corpus' features: faces, log-mels or tokens.

    Each clip gives a float16 `sequence` (time, dim), and a `map` (49, dim) where the row of `encoders` asks for it. The network runs on
    one device; --workers threads decode beside it. Where the encoder was fitted for several folds there is one folder a fold.

    Example: python -m stages.embed demo_text data/tokens/demo data/encoders/demo_text data/embeddings/demo/demo_text
    """
    from pipeline.embed.encoder import EncoderConfig
    from pipeline.embed.folds import embed_folds
    from pipeline.params import read_row, read_section
    from pipeline.shards.executor import RunOptions, ShardSettings

    config = read_row(params, "encoders", row, EncoderConfig, wiring=("corpus", "features"))
    settings = read_section(params, "shards", ShardSettings)
    return embed_folds(config, features, encoder, out, settings, RunOptions(workers, limit, recompute, plan), device)


if __name__ == "__main__":
    run_stage(main)
