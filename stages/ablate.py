"""Train and compare the rows of an ablation on a task; not a stage of dvc.yaml."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import WORKERS, Device, OutFolder, Workers, run_stage

Overlay = Annotated[Path, typer.Argument(help="An overlay of params.yaml whose `zoo` has the rows to compare, as in pipeline/ablations/.")]
Task = Annotated[str, typer.Argument(help="The task to train them on; its embeddings must be there.")]
Data = Annotated[Path, typer.Option("--data", help="The folder that holds clips/, embeddings/ and encoders/.")]


def main(
    overlay: Overlay, task: Task, out: OutFolder, data: Data = Path("data"), workers: Workers = WORKERS, device: Device = "auto"
) -> dict[str, Any]:
    """Train the rows that OVERLAY adds to the zoo on TASK and write their tables: a grid, and the report's own with intervals and tests.

    Runs stand below OUT, which is no output of dvc.yaml; finished ones are kept, so an interrupted ablation goes on where it was.

    Examples:
      python -m stages.ablate pipeline/ablations/multitask_mbt.yaml demo_emotion data/ablations/multitask_mbt

      python -m stages.ablate pipeline/ablations/matchmap.yaml demo_emotion data/ablations/matchmap
    """
    from pipeline.report.ablation import ablate
    from pipeline.training.runner import TrainOptions

    return ablate(overlay, task, data, out, TrainOptions(workers, device)) | {"page": str(out / "ablation.html")}


if __name__ == "__main__":
    run_stage(main, records=False)
