"""The state of the git repository: what a colleague who clones it gets."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor.check import Check, Place, failed, ok, warning


def check_git(place: Place) -> Iterator[Check]:
    """Check that the folder is a git repository, that dvc.lock is committed, and nothing else waits to be."""
    if (inside := _git(place.root, "rev-parse", "--is-inside-work-tree")) is None or inside.strip() != "true":
        told = "git is absent, or this is no repository of yours"
        yield failed("git", told, "`git clone` the project, or `git init`; `git status` says what git thinks of this folder")
        return
    branch = (_git(place.root, "rev-parse", "--abbrev-ref", "HEAD") or "no commit yet").strip()
    status = _git(place.root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal", "--", ".") or ""
    above = (_git(place.root, "rev-parse", "--show-prefix") or "").rstrip("\n")  # -z names paths from the repository's root
    changed = [line[3:].removeprefix(above) for line in status.split("\0") if line]
    lock = "dvc.lock"
    if not (place.root / lock).exists():
        yield warning("dvc.lock", "absent: nothing was computed here yet, or it was not committed", "`dvc repro`, then `git add dvc.lock`")
    elif _git(place.root, "ls-files", "--error-unmatch", lock) is None or lock in changed:
        told = "differs from the last commit: colleagues cannot pull what it records"
        yield warning("dvc.lock", told, "`git add dvc.lock && git commit`, after `dvc push`")
    else:
        yield ok("dvc.lock", "committed")
    others = [path for path in changed if path != lock]
    if others:
        named = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        yield warning("git", f"{branch}, not committed: {named}", "`git add` and `git commit`, or `git stash`")
    else:
        yield ok("git", f"{branch}, nothing to commit")


def _git(root: Path, *arguments: str) -> str | None:
    """Return what a git command prints, or None where it fails; it takes no locks."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(["git", *arguments], cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
