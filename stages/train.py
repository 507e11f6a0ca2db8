"""Train every row of the zoo, fold and seed of a task on its cached embeddings; finished runs are kept, the rest spread over processes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import PARAMS, WORKERS, Address, ClipsFolder, Device, EngineName, OutFolder, Params, Plan, Recompute, Row, Workers, run_stage

EmbeddingsFolder = Annotated[Path, typer.Argument(help="The corpus' embeddings: a folder for each row of `encoders`.")]
EncodersFolder = Annotated[Path, typer.Argument(help="The encoders' artifacts, whose config.json names the clips that each one saw.")]
FacesFolder = Annotated[Path, typer.Argument(help="All rows of `faces`, for models that read them themselves; it may be absent.")]
LogmelFolder = Annotated[Path, typer.Argument(help="All rows of `logmels`, likewise.")]
Model = Annotated[
    str | None, typer.Option("--model", help="For development: one row or model, or `all` models; refuses an output of dvc.yaml.")
]


def main(
    task: Row,
    clips: ClipsFolder,
    embeddings: EmbeddingsFolder,
    encoders: EncodersFolder,
    faces: FacesFolder,
    logmel: LogmelFolder,
    out: OutFolder,
    params: Params = PARAMS,
    workers: Workers = WORKERS,
    device: Device = "auto",
    plan: Plan = False,
    model: Model = None,
    recompute: Recompute = False,
    engine: EngineName = "local",
    address: Address = None,
) -> dict[str, Any]:
    """Train the rows of `zoo` in params.yaml on a task.

    Each run (row × fold × seed) keeps its weights, learning curve, and predictions for valid and test: of the fused output, of every head,
    and with each modality removed. Runs whose fingerprint has not changed are reused; an interrupted training resumes at its last run.

    Example: python -m stages.train demo_emotion data/clips/demo data/embeddings/demo data/encoders data/faces data/logmel \
        data/runs/demo_emotion
    """
    from pipeline.shards.engine import Engine
    from pipeline.training.runner import TrainOptions, train_zoo

    options = TrainOptions(workers, device, model, recompute, plan, Engine(engine, address))
    return train_zoo(params, task, clips, embeddings, encoders, out, options, {"faces": faces, "logmel": logmel})


if __name__ == "__main__":
    run_stage(main)
