"""An adapter's ready-made rows, and how they come into params.yaml with its comments kept.

corpora/<adapter>.yaml, beside the adapter, is a params.yaml of its own, in which CORPUS stands for the corpus' name; its leading comment
says what to link or copy where.
"""

import io
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from pipeline.errors import ParamsError


def read_rows(adapter: str, corpus: str) -> tuple[dict[str, dict[str, Any]], str]:
    """Return an adapter's rows for a corpus of that name, by table, and its advice.

    Raises:
        ParamsError: the adapter has no ready-made rows, or the name is not one that a folder and a stage can bear.
    """
    folder = Path(__file__).parent / "corpora"
    path = folder / f"{adapter}.yaml"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise ParamsError(f"there are no ready-made rows for `{adapter}`; there are for: {known}")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", corpus):
        raise ParamsError(f"a corpus' name must be lower-case letters, digits and _, not {corpus!r}")
    text = path.read_text(encoding="utf-8").replace("CORPUS", corpus)
    advice = [line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#")]
    return YAML().load(text), "\n".join(advice)


def merge_rows(params: Path, rows: dict[str, dict[str, Any]], write: bool = True) -> tuple[list[str], list[str]]:
    """Add rows to the tables of params.yaml, keeping its comments; return the names of those added and of those already there.

    Raises:
        ParamsError: params.yaml is absent or not readable.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 140
    try:
        table = yaml.load(params.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError(f"{params} does not exist; run the command from the repository's root or give --params") from error
    except (YAMLError, ValueError) as error:
        raise ParamsError(f"{params} is not readable YAML: {error}") from error
    if not isinstance(table, dict) or any(table.get(name) and not isinstance(table[name], dict) for name in rows):
        raise ParamsError(f"{params} must be a mapping of tables, each a mapping of rows; correct it, then add the corpus")
    added: list[str] = []
    kept: list[str] = []
    for name, new in rows.items():
        if name == "zoo":
            added_values, kept_values = merge_task_values(table.get("zoo") or {}, new)
            added, kept = added + added_values, kept + kept_values
            continue
        if not table.get(name):
            table[name] = CommentedMap()
        for row, values in new.items():
            (kept if row in table[name] else added).append(f"{name}.{row}")
            table[name].setdefault(row, values)
    if write and added:
        text = io.StringIO()
        yaml.dump(table, text)
        temporary = params.with_suffix(".yaml.tmp")
        temporary.write_text(text.getvalue(), encoding="utf-8")
        temporary.replace(params)
    return added, kept


def merge_task_values(zoo: dict[str, Any], new: dict[str, dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Give rows of the zoo the values that the literature has for a corpus' tasks, in their key `tasks`.

    A row that is not there is left out.

    Args:
        zoo: params.yaml's table, changed in place.
        new: row → {tasks: {task: values}}.

    Returns:
        The names of those added and of those already there.
    """
    added: list[str] = []
    kept: list[str] = []
    for row, values in new.items():
        for task, own in values["tasks"].items() if row in zoo else ():
            if not zoo[row]:
                zoo[row] = CommentedMap()
            tasks = zoo[row].setdefault("tasks", CommentedMap())
            (kept if task in tasks else added).append(f"zoo.{row}.tasks.{task}")
            tasks.setdefault(task, own)
    return added, kept
