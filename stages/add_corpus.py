"""Merge a corpus adapter's ready-made rows into params.yaml."""

from typing import Annotated, Any

import typer

from stages import PARAMS, Params, Plan, run_stage


def main(
    name: Annotated[str, typer.Argument(help="The adapter: a file of pipeline/clips/corpora, such as csv.")],
    row: Annotated[str | None, typer.Argument(help="What to call the corpus; default: the adapter's name.")] = None,
    params: Params = PARAMS,
    plan: Plan = False,
) -> dict[str, Any]:
    """Add a corpus: its rows of every table, and a word on what to link or copy where.

    The adapter's ready-made rows are merged into params.yaml, whose comments and order are kept. A row that is there already is left as it
    is, so the command can be repeated.

    Example: python -m stages.add_corpus csv mine
    """
    from pipeline.clips.ready_rows import merge_rows, read_rows

    rows, advice = read_rows(name, row or name)
    added, kept = merge_rows(params, rows, write=not plan)
    typer.echo(advice, err=True)
    return {"corpus": row or name, "plan": plan, "added": added, "already_there": kept}


if __name__ == "__main__":
    run_stage(main, records=False)
