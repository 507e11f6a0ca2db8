"""Test the sources' claims on `bench`, a synthetic corpus of sequences and maps, or on a task of one's own; not a stage of dvc.yaml."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import WORKERS, Device, OutFolder, Params, Workers, run_stage

Task = Annotated[str | None, typer.Option("--task", help="A task of params.yaml to test the claims on, instead of `bench`.")]
Data = Annotated[Path, typer.Option("--data", help="With --task: the folder that holds clips/, embeddings/ and encoders/.")]


def main(
    out: OutFolder,
    params: Params = Path("pipeline/bench/claims.yaml"),
    task: Task = None,
    data: Data = Path("data"),
    workers: Workers = WORKERS,
    device: Device = "auto",
) -> dict[str, Any]:
    """Train the rows that the claims compare, with ten seeds each, and say which differences hold.

    C1 is source 1's: multi-task training with one label, and with a label for each modality. C2 is source 2's: the matchmap, its margin
    loss, and both where a modality is weak. Everything stands in the section `bench` of params.yaml and in pipeline/bench/claims.yaml.
    Writes claims.json and claims.md; finished runs are kept, so an interrupted test goes on where it was. Takes about half an hour.

    Examples:
      python -m stages.claims data/bench

      python -m stages.claims data/claims_mosi --task mosi_acl2017
    """
    from pipeline.report.claims_run import judge_on_bench, judge_on_task
    from pipeline.training.runner import TrainOptions

    options = TrainOptions(workers, device)
    found = judge_on_bench(params, out, options) if task is None else judge_on_task(params, task, data, out, options)
    return {"claims": [f"{each['claim']} {each['verdict']}: {each['words']}" for each in found]}


if __name__ == "__main__":
    run_stage(main, records=False)
