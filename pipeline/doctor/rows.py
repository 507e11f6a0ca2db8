"""The rows of dvc.yaml, its templates filled from params.yaml as DVC fills them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.doctor.map import read_body, read_stages
from pipeline.errors import ParamsError

_TEMPLATE = re.compile(r"\$\{(item\.)?(\w+)\}")


@dataclass(frozen=True)
class StageRow:
    """One `stage@row`.

    Args:
        stage: its name.
        key: the row; empty for a stage without rows.
        corpus: whose clips it works on; empty where it works on none, or on several corpora's.
        outs: paths below the root.
    """

    stage: str
    key: str
    corpus: str
    outs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name that DVC knows."""
        return f"{self.stage}@{self.key}" if self.key else self.stage


def read_rows(root: Path, params: Mapping[str, Any]) -> list[StageRow]:
    """Return every `stage@row` of dvc.yaml, in its order.

    Raises:
        ParamsError: dvc.yaml cannot be read, or a row lacks a key that it asks for.
    """
    return [row for name, stage in read_stages(root).items() for row in _expand(name, stage, params)]


def _expand(name: str, stage: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[StageRow]:
    """Yield a stage's rows."""
    body = read_body(stage)
    texts = [_path_of(out) for kind in ("outs", "metrics", "plots") for out in body.get(kind, ())]
    if "foreach" not in stage:
        yield StageRow(name, "", "", tuple(texts))
        return
    table = str(stage["foreach"]).strip("${}")
    rows = params.get(table) or {}
    if not isinstance(rows, Mapping) or not all(isinstance(row, Mapping) for row in rows.values()):
        raise ParamsError(f"params.yaml: {table} must be a mapping of rows, each a mapping")
    for key, row in rows.items():
        for text in (str(body.get("cmd", "")), *map(str, body.get("deps", ()))):
            _fill(text, str(key), row, table)
        outs = tuple(_fill(text, str(key), row, table) for text in texts)
        yield StageRow(name, str(key), str(row.get("corpus", key)), outs)


def _path_of(out: Any) -> str:
    """Return the path of an output, which may have options."""
    return str(next(iter(out)) if isinstance(out, Mapping) else out)


def _fill(text: str, key: str, row: Mapping[str, Any], table: str) -> str:
    """Fill a template."""

    def value(match: re.Match[str]) -> str:
        if not match[1] and match[2] == "key":
            return key
        if not match[1] or match[2] not in row:
            raise ParamsError(f"params.yaml: {table}.{key} lacks `{match[2]}`, which dvc.yaml asks for")
        return str(row[match[2]])

    return _TEMPLATE.sub(value, text)
