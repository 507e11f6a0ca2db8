"""Whether dvc.yaml and the imports are in step: DVC does not follow Python's imports, so a stage must name every file that it imports."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.doctor.check import Check, Place, failed, ok
from pipeline.errors import ParamsError

OWN = ("pipeline", "stages")
"""The packages of this project."""


def read_stages(root: Path) -> dict[str, dict[str, Any]]:
    """Return the stages of dvc.yaml, by name.

    Raises:
        ParamsError: it is absent or no YAML with stages.
    """
    path = root / "dvc.yaml"
    try:
        stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError) as error:
        raise ParamsError(f"{path} is absent or holds no stages ({type(error).__name__}); run from the repository's root") from error
    if not isinstance(stages, dict):
        raise ParamsError(f"{path}: `stages` must be a mapping")
    return stages


def read_body(stage: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a stage says of each of its rows."""
    body: Mapping[str, Any] = stage.get("do", stage)
    return body


@cache
def read_imports(path: Path) -> frozenset[str]:
    """Return all modules that a file imports, at its top or in its functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def find_files(root: Path, module: str) -> set[Path]:
    """Return the files of this project that importing a module runs: its own and its packages'."""
    files = set()
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        base = root.joinpath(*parts[:end])
        files |= {path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()}
    return files


@cache
def find_closure(root: Path, path: Path) -> frozenset[Path]:
    """Return a file and every file of this project that it imports, in the end."""
    seen, todo = set(), {path}
    while todo:
        file = todo.pop()
        seen.add(file)
        names = [name for name in read_imports(file) if name.split(".")[0] in OWN]
        todo |= {found for name in names for found in find_files(root, name)} - seen
    return frozenset(seen)


def find_missing(root: Path, name: str, stage: Mapping[str, Any]) -> list[str]:
    """Return the files that a stage imports and does not name in its `deps`."""
    deps = [root / dep for dep in _list_code(stage)]
    needed = find_closure(root, root / "stages" / f"{name}.py") | {root / "stages" / "__init__.py"}
    covered = {path for path in needed for dep in deps if path == dep or dep in path.parents}
    return [path.relative_to(root).as_posix() for path in sorted(needed - covered)]


def find_gone(root: Path, stage: Mapping[str, Any]) -> list[str]:
    """Return the files of code that a stage names in its `deps` and that are not there."""
    return [dep for dep in _list_code(stage) if not (root / dep).exists()]


def _list_code(stage: Mapping[str, Any]) -> list[str]:
    """Return the `deps` that are code."""
    return [dep for dep in read_body(stage).get("deps", ()) if dep.split("/")[0] in OWN]


def check_map(place: Place) -> Iterator[Check]:
    """Check that each stage of dvc.yaml depends on all that it imports and on nothing that is gone."""
    stages = read_stages(place.root)
    bad = []
    for name, stage in stages.items():
        if not (place.root / "stages" / f"{name}.py").exists():
            bad.append(f"{name} has no module stages/{name}.py")
            continue
        missing, gone = find_missing(place.root, name, stage), find_gone(place.root, stage)
        bad += [f"{name} imports {path} and does not depend on it" for path in missing]
        bad += [f"{name} depends on {path}, which is gone" for path in gone]
    if bad:
        yield failed("map", "; ".join(bad[:5]) + (f"; and {len(bad) - 5} more" if len(bad) > 5 else ""), "correct the `deps` in dvc.yaml")
    else:
        yield ok("map", f"the deps of {len(stages)} stages cover what they import")
