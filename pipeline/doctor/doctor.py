"""All checks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.doctor.cache import check_group, check_links, check_locks
from pipeline.doctor.check import Check, Place, failed, warning
from pipeline.doctor.disk import check_disk
from pipeline.doctor.environment import check_device, check_packages
from pipeline.doctor.git import check_git
from pipeline.doctor.map import check_map
from pipeline.doctor.params_file import check_params
from pipeline.doctor.remote import check_remote
from pipeline.doctor.weights import check_weights
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from dvc.repo import Repo
    from rich.table import Table

MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]"}
CHECKS: tuple[tuple[str, Callable[[Place], Iterator[Check]]], ...] = (
    ("packages", check_packages),
    ("device", check_device),
    ("params", check_params),
    ("map", check_map),
    ("git", check_git),
    ("cache links", check_links),
    ("cache group", check_group),
    ("locks", check_locks),
    ("remote", check_remote),
    ("weights", check_weights),
    ("disk", check_disk),
)


def examine(root: Path, params: Path) -> list[Check]:
    """Run every check; one that stumbles is a failed one, and the others go on.

    Args:
        root: of the project.
        params: the parameters of all stages.
    """
    with _open_repository(root) as (repo, found):
        place = Place(root.absolute(), params.absolute(), repo)
        return [*found, *(each for name, check in CHECKS for each in _run(name, check, place))]


@contextmanager
def _open_repository(root: Path) -> Iterator[tuple[Repo | None, list[Check]]]:
    """Open the DVC repository; where there is none, say so."""
    try:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo
    except ImportError:
        told = "not installed: stages run by hand, nothing is kept by version, nothing is pulled or pushed"
        yield None, [warning("dvc", told, '`uv sync`, or `pip install "dvc[s3,ssh]"`; a bare GPU image does without')]
        return
    try:
        repo = Repo(str(root))
    except (DvcException, OSError) as error:
        yield None, [failed("dvc", f"{root} cannot be opened: {error}", "run from the root of a clone; `dvc doctor` says more")]
        return
    with repo:
        yield repo, []


def _run(name: str, check: Callable[[Place], Iterator[Check]], place: Place) -> list[Check]:
    """Run a check."""
    try:
        return list(check(place))
    except PipelineError as error:
        return [failed(name, str(error), "correct what is named")]
    except ModuleNotFoundError as error:
        return [warning(name, f"cannot be checked: `{error.name}` is not installed", "`uv sync`")]
    except Exception as error:  # whatever is wrong here, the other checks are worth having
        told = f"cannot be checked: {type(error).__name__}: {error}"
        return [failed(name, told, "see what is named; `git status` and `dvc status` may help")]


def summarise(checks: Sequence[Check]) -> dict[str, Any]:
    """Return the checks and how many of each status there are, as a JSON value."""
    counts = {status: sum(check.status == status for check in checks) for status in MARKS}
    return {**counts, "checks": [check.as_json() for check in checks]}


def make_table(checks: Sequence[Check]) -> Table:
    """Return the checks as a terminal shows them: a line each, and the remedy below."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 1))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        table.add_row(MARKS[check.status], check.name, escape(check.found))
        if check.remedy:
            table.add_row("", "", f"[bold]→ {escape(check.remedy)}[/]")
    return table
