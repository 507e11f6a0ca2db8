"""Score a task's runs from their saved predictions: thresholds on valid, then test, with intervals and paired tests."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import PARAMS, ClipsFolder, OutFolder, Params, Row, run_stage

RunsFolder = Annotated[Path, typer.Argument(help="The task's runs, as train writes them.")]


def main(row: Row, clips: ClipsFolder, runs: RunsFolder, out: OutFolder, params: Params = PARAMS) -> dict[str, Any]:
    """Score every row of the zoo on a task, from saved predictions only: a new metric never retrains.

    Thresholds are searched on the valid part; test is scored once. Intervals are of a paired hierarchical bootstrap over groups (speakers
    where known) and seeds; its number of draws, their seed and the reference row stand in the section `evaluate` of params.yaml. The task's
    `subsets` are scored apart. Overlaps of the parts, copies that train counted, and what the corpus' copy lacks go with the scores.

    Example: python -m stages.evaluate demo_emotion data/clips/demo data/runs/demo_emotion data/scores/demo_emotion
    """
    from pipeline.clips.listing import read_partial
    from pipeline.clips.manifest import read_manifest
    from pipeline.clips.splits import read_splits
    from pipeline.params import read_section, read_table
    from pipeline.report.files import write_scores
    from pipeline.report.scores import EvaluateConfig, compute_scores
    from pipeline.tasks.task import Task
    from pipeline.training.copies import read_copies
    from pipeline.training.run import find_trained, read_runs

    task, config = Task.read(params, row), read_section(params, "evaluate", EvaluateConfig)
    rows = task.config.rows(read_table(params, "zoo"))
    if task.config.trains_all:
        rows = find_trained(runs, rows)
    manifest = read_manifest(clips)
    folds = task.folds(manifest, read_splits(clips))
    scores = compute_scores(task, rows, read_runs(runs, rows), manifest, folds, config)
    write_scores(scores | {"copies": read_copies(runs), "partial": read_partial(clips)}, out)
    return {"task": row, "rows": len(rows), "seeds": len(scores["seeds"]), "folds": len(folds), "groups": scores["groups"]["count"]}


if __name__ == "__main__":
    run_stage(main)
