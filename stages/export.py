"""Write a task's embeddings for a peer's program; not a stage of dvc.yaml."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import PARAMS, ClipsFolder, Params, run_stage

Embeddings = Annotated[Path, typer.Argument(help="The corpus' embeddings: a folder for each row of `encoders`.")]
Encoders = Annotated[Path, typer.Argument(help="The encoders' artifacts, whose config.json names the clips that each one saw.")]
File = Annotated[Path, typer.Argument(help="The file to write: .pkl (MMSA's layout) or .npz.")]


def main(
    task: Annotated[str, typer.Argument(help="The task whose clips, labels, split and encoders are exported.")],
    clips: ClipsFolder,
    embeddings: Embeddings,
    encoders: Encoders,
    out: File,
    fold: Annotated[int, typer.Option("--fold", min=0, help="Which fold of the task's split.")] = 0,
    params: Params = PARAMS,
) -> dict[str, Any]:
    """Write the embeddings of TASK, so that a peer's model can be run on our features, on our split.

    Sequences are padded at the end and lengths stand beside them; import_features (format mmsa, or npz) reads the same numbers back.

    Example: python -m stages.export demo_sentiment data/clips/demo data/embeddings/demo data/encoders demo_sentiment.pkl
    """
    from pipeline.clips.manifest import read_manifest
    from pipeline.clips.splits import PARTS, read_splits
    from pipeline.errors import SplitError
    from pipeline.tasks.task import Task
    from pipeline.training.embeddings import EmbeddingsReader, leave_to_encoders
    from pipeline.training.exported import make_parts, write_parts

    of_task, manifest = Task.read(params, task), read_manifest(clips)
    folds = of_task.folds(manifest, read_splits(clips))
    if fold >= len(folds):
        raise SplitError(f"tasks.{task} has the folds 0 to {len(folds) - 1}, and --fold asks for {fold}")
    sources = EmbeddingsReader(of_task, embeddings, encoders).read(fold, folds[fold])
    kept = leave_to_encoders(folds[fold], sources)
    write_parts(make_parts(of_task, manifest, kept, {m: sources[m].features for m in of_task.modalities}), out)
    return {"task": task, "fold": fold, "file": str(out), **{part: len(kept.part(part)) for part in PARTS}}


if __name__ == "__main__":
    run_stage(main, records=False)
