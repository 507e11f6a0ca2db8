"""Verbs: one Typer command for each stage of dvc.yaml, of the same name.

Arguments are paths and the row's name; options change only the speed, so they stand in no `cmd` and also read environment variables.
"""

import functools
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline.errors import PipelineError
from pipeline.storage import telling_failures

Row = Annotated[str, typer.Argument(help="The row of params.yaml to work on.")]
ClipsFolder = Annotated[Path, typer.Argument(help="The corpus' clips.jsonl and splits.json, as index_clips writes them.")]
MediaFolder = Annotated[Path, typer.Argument(help="The corpus' media: a folder, or a link to one.")]
FeaturesFolder = Annotated[Path, typer.Argument(help="The shards that the stage reads.")]
OutFolder = Annotated[Path, typer.Argument(help="The folder to write; it is replaced as a whole when everything is there.")]
Params = Annotated[Path, typer.Option("--params", envvar="PIPELINE_PARAMS", help="The parameters of all stages.")]
Workers = Annotated[int, typer.Option("--workers", min=1, envvar="PIPELINE_WORKERS", help="Processes; changes the speed, never a result.")]
Device = Annotated[str, typer.Option("--device", envvar="PIPELINE_DEVICE", help="auto, cpu, cuda or cuda:<n>.")]
EngineName = Annotated[
    Literal["local", "ray"], typer.Option("--engine", envvar="PIPELINE_ENGINE", help="Processes of this machine, or a Ray cluster.")
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address", envvar="PIPELINE_RAY_ADDRESS", help="The Ray cluster: auto, host:port; else RAY_ADDRESS, or this machine alone."
    ),
]
Plan = Annotated[bool, typer.Option("--plan", help="Say what would be computed and reused, with an estimate; write nothing.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first clips, for development; refuses an output of dvc.yaml.")]
Recompute = Annotated[
    bool,
    typer.Option(
        "--recompute",
        envvar="PIPELINE_RECOMPUTE",
        help="Compute rows whose recorded earlier version cannot be read, or that a process failed at.",
    ),
]
PARAMS = Path("params.yaml")
RECORD = "Run by hand: `dvc commit -f {stage}` records what it wrote; `dvc repro -s {stage}` runs and records in one go."
WORKERS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_stage(main: Callable[..., dict[str, Any]], records: bool = True) -> None:
    """Run a stage's `main` as a command: its summary as one JSON line, a PipelineError as a message and exit code 1.

    `records`: whether it writes an output of dvc.yaml, so that a run by hand is told how DVC learns of it.
    """
    name = Path(sys.argv[0]).stem

    @functools.wraps(main)
    def command(*args: Any, **options: Any) -> None:
        try:
            with telling_failures(options.get("out", Path.cwd())):
                summary = main(*args, **options)
        except PipelineError as error:
            typer.echo(f"{name}: {error}", err=True)
            raise typer.Exit(1) from error
        row = options.get("row", options.get("task"))
        typer.echo(json.dumps({"stage": name, **({"row": row} if row else {}), **summary}))
        if records and "DVC_STAGE" not in os.environ and not summary.get("plan"):
            typer.echo(RECORD.format(stage=f"{name}@{row}" if row else name), err=True)

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format=f"{name}: %(message)s")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(command)
    app()
