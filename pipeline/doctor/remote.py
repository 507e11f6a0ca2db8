"""The team's remote: configured, and reachable within a few seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.doctor.check import Check, Place, failed, ok, warning

if TYPE_CHECKING:
    from dvc.repo import Repo

TIMEOUT = 15.0
"""Seconds that a remote has to answer."""


def check_remote(place: Place) -> Iterator[Check]:
    """Check that there is a default remote and that it answers."""
    if (repo := place.repo) is None:
        return
    name = repo.config["core"].get("remote")
    if not name:
        told = "none: what is computed here stays here"
        yield warning("remote", told, "`dvc remote add -d team ssh://server/path`, or a folder, or s3://bucket/path")
        return
    answer: dict[str, Any] = {}
    thread = threading.Thread(target=_ask, args=(repo, answer), daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    url = repo.config["remote"].get(name, {}).get("url")
    if "error" in answer:
        error = answer["error"]
        told = f"{name} ({url}) cannot be reached: {type(error).__name__} {error}".rstrip()
        yield failed("remote", told, f"credentials and address: `dvc remote modify --local {name} …`; `dvc pull -v` says more")
    elif "holds" not in answer:
        yield failed("remote", f"{name} ({url}) did not answer in {TIMEOUT:.0f} s", "the network, the VPN, or the server's name")
    elif not answer["holds"]:
        yield warning("remote", f"{name} ({url}) answers, and holds nothing", "`dvc push`")
    else:
        yield ok("remote", f"{name} ({url}) answers")


def _ask(repo: Repo, answer: dict[str, Any]) -> None:
    """Ask whether something was pushed to the default remote."""
    try:
        odb = repo.cloud.get_remote_odb()
        answer["holds"] = bool(odb.fs.exists(odb.path))
    except Exception as error:  # DVC's remotes raise exceptions of many libraries, with no common base
        answer["error"] = error
