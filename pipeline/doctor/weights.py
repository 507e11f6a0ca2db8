"""The encoders' weights and the tokenizers: prepared, on this machine, or to be had from the hub."""

import importlib.util
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.doctor.check import Check, Place, failed, ok, warning
from pipeline.doctor.rows import read_rows
from pipeline.params import read_params

TIMEOUT = 3.0
"""Seconds that the hub has to take a connection."""
ADVICE = "`dvc pull` gets the encoder that a colleague prepared"


def check_weights(place: Place) -> Iterator[Check]:
    """Check that the weights of every encoder are here or can be had; the hub is asked for a connection only where it is needed."""
    params = read_params(place.params)
    encoders = params.get("encoders") or {}
    outs = {row.key: row.outs[0] for row in read_rows(place.root, params) if row.stage == "prepare_encoder"}
    wanted = {name: row for name, row in encoders.items() if not any((place.root / outs[name]).rglob("*.safetensors"))}
    absent = [f"encoders.{name}: {told}" for name, row in wanted.items() if (told := _find_absent(place.root, row))]
    hub = {f"encoders.{name}": (row["repo"], row["revision"]) for name, row in wanted.items() if row.get("source") == "hub"}
    hub |= {f"tokens.{name}": _split(row) for name, row in (params.get("tokens") or {}).items() if _split(row)[1]}
    hub = {name: each for name, each in hub.items() if not Path(each[0]).is_dir() and not _is_cached(*each)}
    if absent:
        yield failed("weights", "; ".join(absent), f"bring what is named, or {ADVICE}")
    elif not hub:
        yield ok("weights", f"{len(encoders)} encoders: {len(encoders) - len(wanted)} prepared, the others' sources are here")
    else:
        yield _ask_hub(sorted(hub))


def _find_absent(root: Path, row: dict[str, Any]) -> str:
    """Return what is absent of a row whose weights come from a package or a file."""
    package, path = row.get("package"), row.get("path")
    if package and (not str(package).isidentifier() or importlib.util.find_spec(str(package)) is None):
        return f"the package {package} is not installed"
    return f"{path} is not there" if path and not (root / str(path)).is_file() else ""


def _split(row: dict[str, Any]) -> tuple[str, str]:
    """Return the repository and commit of a tokenizer of the hub, or empty texts."""
    kind, _, name = str(row.get("tokenizer", "")).partition(":")
    repository, _, commit = name.partition("@")
    return (repository, commit) if kind == "hub" else ("", "")


def _is_cached(repository: str, revision: str) -> bool:
    """Whether the hub's cache on this machine has something of a repository at a commit."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots" / revision
    return folder.is_dir() and any(folder.iterdir())


def _ask_hub(names: list[str]) -> Check:
    """Return whether the hub takes a connection; it is not asked where it is switched off."""
    from huggingface_hub import constants

    needed = f"{', '.join(names)} not here yet"
    if constants.HF_HUB_OFFLINE:
        return warning("weights", f"{needed}, and the hub is switched off (HF_HUB_OFFLINE)", ADVICE)
    address = urlsplit(constants.ENDPOINT)
    proxy = os.environ.get(f"{address.scheme}_proxy") or os.environ.get(f"{address.scheme.upper()}_PROXY")
    target = urlsplit(proxy) if proxy else address
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        socket.create_connection((target.hostname or "", port), TIMEOUT).close()
    except OSError as error:
        told = f"{needed}, and {target.hostname} does not answer ({type(error).__name__})"
        return failed("weights", told, f"{ADVICE}; or run `prepare_encoder` where the hub can be reached")
    return ok("weights", f"{needed}; {address.hostname} answers")
