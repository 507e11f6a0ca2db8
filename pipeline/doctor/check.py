"""What a check found, and where it looks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dvc.repo import Repo


@dataclass(frozen=True)
class Check:
    """One line of the doctor's.

    Args:
        name: what was looked at.
        status: a warning is worth knowing and stops nothing; what failed stops a stage or a colleague.
        found: what it is like.
        remedy: what to do, where it is not ok.
    """

    name: str
    status: Literal["ok", "warning", "failed"]
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        return asdict(self)


def ok(name: str, found: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name, "ok", found)


def warning(name: str, found: str, remedy: str) -> Check:
    """Return a check that found something worth knowing."""
    return Check(name, "warning", found, remedy)


def failed(name: str, found: str, remedy: str) -> Check:
    """Return a check that found what stops a stage or a colleague."""
    return Check(name, "failed", found, remedy)


@dataclass(frozen=True)
class Place:
    """Where the checks look.

    Args:
        root: of the project: dvc.yaml lies here.
        params: the parameters of all stages.
        repo: the DVC repository; None where DVC or the repository is missing.
    """

    root: Path
    params: Path
    repo: Repo | None = None


def find_nearest(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there: on its disk the path will lie."""
    return next(each for each in (path, *path.absolute().parents) if each.exists())
