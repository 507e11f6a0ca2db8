"""Check what goes wrong in practice, and name the remedy; not a stage of dvc.yaml."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import PARAMS, Params, run_stage

WIDTH = 400
"""Characters of a line where no terminal says how wide it is, so that `grep` finds whole ones."""


def main(
    params: Params = PARAMS,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value, for scripts.")] = False,
) -> dict[str, Any]:
    """Check this machine and this working tree: packages, device, params.yaml, dvc.yaml, git, cache, locks, remote, weights, disk.

    Exit code 1 where a check failed; a warning fails nothing. Nothing is changed, and only the remote and, where weights are not here yet,
    the hub are asked over the network, for a few seconds at most.

    Example: python -m stages.doctor
    """
    import json

    from pipeline.doctor.doctor import examine, make_table, summarise

    found = examine(Path(), params)
    summary = summarise(found)
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
    else:
        from rich.console import Console

        console = Console(highlight=False)
        console.print(make_table(found), width=None if console.is_terminal else WIDTH, crop=False)
        typer.echo(f"{summary['ok']} ok, {summary['warning']} warnings, {summary['failed']} failed")
    raise typer.Exit(1 if summary["failed"] else 0)


if __name__ == "__main__":
    run_stage(main, records=False)
