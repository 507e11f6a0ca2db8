"""Writes what a search chose into params.yaml, whose comments stay."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from pipeline.errors import ParamsError
from pipeline.params import read_table
from pipeline.search.results import JSON, tune

LINE_WIDTH = 1 << 16  # a row stays one line, with its comment behind it


def apply_results(params: Path, out: Path) -> list[str]:
    """Write a search's values into the zoo of params.yaml, under `tasks` of each row; return the rows that changed.

    Raises:
        ParamsError: params.yaml is an overlay, whose rows stand elsewhere.
    """
    found = json.loads((out / JSON).read_text(encoding="utf-8"))
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, LINE_WIDTH
    table = yaml.load(params.read_text(encoding="utf-8"))
    if "extends" in table or not table.get("zoo"):
        raise ParamsError(f"{params} is an overlay; its rows stand in the file that it extends: give that one, or use tuned.yaml as it is")
    tuned, before = tune(found["task"], found["rows"], read_table(params, "zoo")), read_table(params, "zoo")
    changed = [name for name, row in tuned.items() if before.get(name) != row]
    for name in changed:
        row = table["zoo"].setdefault(name, {"default": False})
        _in_one_line(row).setdefault("tasks", {})[found["task"]] = tuned[name]["tasks"][found["task"]]
    if changed:
        text = io.StringIO()
        yaml.dump(table, text)
        temporary = params.with_suffix(".yaml.tmp")
        temporary.write_text(text.getvalue(), encoding="utf-8")
        temporary.replace(params)
    return changed


def _in_one_line(row: Mapping[str, Any]) -> Any:
    """A row as it stands; an empty one in braces, as the others are."""
    if isinstance(row, CommentedMap) and not row:
        row.fa.set_flow_style()
    return row
