"""Search learning rate, weight decay, dropout and width of a task's rows, the same trials for each; not a stage of dvc.yaml."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import PARAMS, WORKERS, ClipsFolder, Device, Params, Plan, Row, Workers, run_stage

EmbeddingsFolder = Annotated[Path, typer.Argument(help="The corpus' embeddings: a folder for each row of `encoders`.")]
EncodersFolder = Annotated[Path, typer.Argument(help="The encoders' artifacts.")]
FacesFolder = Annotated[Path, typer.Argument(help="All rows of `faces`, for models that read them themselves; it may be absent.")]
LogmelFolder = Annotated[Path, typer.Argument(help="All rows of `logmels`, likewise.")]
SearchFolder = Annotated[Path, typer.Argument(help="The folder to write; finished trials in it are kept.")]
Model = Annotated[str | None, typer.Option("--model", help="One row or model, or `all`; else the rows that the task trains.")]

Apply = Annotated[bool, typer.Option("--apply", help="Also write the chosen values into params.yaml, under `tasks` of each row.")]


def main(
    task: Row,
    clips: ClipsFolder,
    embeddings: EmbeddingsFolder,
    encoders: EncodersFolder,
    faces: FacesFolder,
    logmel: LogmelFolder,
    out: SearchFolder,
    params: Params = PARAMS,
    workers: Workers = WORKERS,
    device: Device = "auto",
    plan: Plan = False,
    model: Model = None,
    apply: Apply = False,
) -> dict[str, Any]:
    """Search the hyperparameters of a task's rows, as the section `search` of params.yaml says.

    Every row has the same trials: its own values, then the same points in the same ranges. A trial is judged by its best epoch on valid; no
    test clip is read, and the trials' seed is none of those that are reported. Finished trials are kept: a killed search goes on where it
    was, and other rows are added to those that are there. Writes search.json (every trial), search.md (what it chose and what it cost) and
    tuned.yaml, which `train`, `evaluate` and `report` take as --params.

    Examples:
      python -m stages.search demo_emotion data/clips/demo data/embeddings/demo data/encoders data/faces data/logmel
      data/search/demo_emotion --plan

      python -m stages.train demo_emotion data/clips/demo data/embeddings/demo data/encoders data/faces data/logmel
      data/tuned/demo_emotion --params data/search/demo_emotion/tuned.yaml
    """
    from pipeline.search.apply import apply_results
    from pipeline.search.search import search_zoo
    from pipeline.training.folds import Folders
    from pipeline.training.runner import TrainOptions

    folders = Folders(clips, embeddings, encoders, {"faces": faces, "logmel": logmel})
    summary = search_zoo(params, task, folders, out, TrainOptions(workers, device, model, plan=plan))
    return {**summary, "applied": apply_results(params, out)} if apply and not plan else summary


if __name__ == "__main__":
    run_stage(main, records=False)
