"""Import a corpus of ready-made features: clips, splits and embeddings, without any media."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import PARAMS, OutFolder, Params, Plan, Recompute, Row, run_stage

Source = Annotated[Path, typer.Argument(help="The features: a file or a folder, as their format has them.")]
ClipsOut = Annotated[Path, typer.Argument(help="The folder to write clips.jsonl and splits.json into.")]
Origin = Annotated[Path, typer.Argument(help="The folder to write origin.json into: which files the features come from.")]


def main(
    row: Row,
    features: Source,
    clips: ClipsOut,
    embeddings: OutFolder,
    origin: Origin,
    params: Params = PARAMS,
    plan: Plan = False,
    recompute: Recompute = False,
) -> dict[str, Any]:
    """Import the features of a row of `feature_sets`: MMSA pickles, `.csd` sequences, numpy arrays.

    Writes clips, splits and, for each modality, embeddings that a task names as <row>_<modality>; the pipeline goes on with train. Pickles
    are read by an unpickler that runs nothing. Only rows whose arrays are new are written anew.

    Example: python -m stages.import_features mosi data/raw/mosi/aligned_50.pkl data/clips/mosi data/embeddings/mosi data/encoders/mosi
    """
    from pipeline.clips.features import read_feature_set
    from pipeline.params import read_section
    from pipeline.shards.executor import RunOptions, ShardSettings
    from pipeline.shards.imported import write_imported

    settings = read_section(params, "shards", ShardSettings)
    found = read_feature_set(params, row, features)
    return write_imported(row, found, clips, embeddings, origin, settings, RunOptions(recompute=recompute, plan=plan))


if __name__ == "__main__":
    run_stage(main)
