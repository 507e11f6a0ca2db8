"""Make the report: Markdown, JSON and one self-contained HTML page, of the tasks and rows that params.yaml names."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import PARAMS, OutFolder, Params, run_stage

Scores = Annotated[Path, typer.Argument(help="The folder of all tasks' scores, as evaluate writes them.")]
Clips = Annotated[Path, typer.Argument(help="The folder of all corpora's clips.")]
Faces = Annotated[Path, typer.Argument(help="The folder of all rows of `faces`.")]
LogMels = Annotated[Path, typer.Argument(help="The folder of all rows of `logmels`.")]
Tokens = Annotated[Path, typer.Argument(help="The folder of all rows of `tokens`.")]


def main(
    scores: Scores, clips: Clips, faces: Faces, logmels: LogMels, tokens: Tokens, out: OutFolder, params: Params = PARAMS
) -> dict[str, Any]:
    """Make the report of all tasks: tables, intervals, pictures, data quality, and the parameters and digests behind each number.

    Only tasks, rows and corpora that params.yaml names are read; one without scores or features is an error. Writes report.html (open it in
    any browser, it loads nothing), report.md and report.json.

    Example: python -m stages.report data/scores data/clips data/faces data/logmel data/tokens data/report
    """
    from pipeline.params import read_params, read_section, read_table
    from pipeline.report.report import ReportConfig, make_report, read_corpora, read_task_scores, write_report

    config, values = read_section(params, "report", ReportConfig), read_params(params)
    of_tasks = read_task_scores(scores, read_table(params, "tasks"), read_table(params, "zoo"))
    corpora = read_corpora(values, clips, {"faces": faces, "logmels": logmels, "tokens": tokens})
    write_report(make_report(config.title, values, of_tasks, corpora), of_tasks, corpora, out)
    return {"tasks": len(of_tasks), "corpora": len(corpora)}


if __name__ == "__main__":
    run_stage(main)
