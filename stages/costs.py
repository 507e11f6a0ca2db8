"""Say what training cost: parameters, time, memory and epochs of every row; not a stage of dvc.yaml."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import run_stage

Runs = Annotated[list[Path], typer.Argument(help="Folders of runs; each one's log, <folder>.log.csv, is read.")]
Out = Annotated[Path | None, typer.Option("--out", help="A page to write: .html (open it in any browser), or .md.")]


def main(runs: Runs, out: Out = None) -> dict[str, Any]:
    """Print, for each row of RUNS, parameters, seconds per epoch and run, memory, epochs, and the epoch of the best valid score.

    Times never repeat, so they stand in a log beside an output and in no report. The last line of each run counts. A line that is torn is
    left out and named.

    Example: python -m stages.costs data/runs/demo_emotion data/runs/demo_sentiment --out data/costs.html
    """
    from pipeline.report.costs import make_costs, read_costs, write_costs
    from pipeline.report.markdown import render_markdown

    costs = read_costs(runs)
    blocks = make_costs(costs)
    typer.echo(render_markdown(blocks))
    if out is not None:
        write_costs(blocks, out)
    return {"runs": {name: len(entries) for name, entries in costs.items()}, **({"page": str(out)} if out else {})}


if __name__ == "__main__":
    run_stage(main, records=False)
