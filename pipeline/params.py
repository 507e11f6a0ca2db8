"""A row or section of params.yaml becomes a frozen dataclass.

Everything that changes a result stands in params.yaml, so a key that is misspelt must never be read as "not given": an unknown, missing or
ill-typed key is a `ParamsError` that names the key, where it stands and the nearest key that would have been right.
"""

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from pipeline.errors import ParamsError

T = TypeVar("T")
MAX_VALUES = 100_000
_EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")  # PyYAML reads 1e-4 as text: YAML 1.1 wants 1.0e-4


def read_params(path: Path, extended: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read the whole of params.yaml, or of an overlay of it.

    An overlay names the file that it is laid over in its key `extends`, a path from its own folder: its rows and keys stand in the place of
    those of the same name.

    Args:
        path: the file.
        extended: overlays that led here.

    Raises:
        ParamsError: the file is absent, is not YAML, is not a mapping, or extends itself in the end.
    """
    params = _load(path)
    base = params.pop("extends", None)
    if base is None:
        return params
    below = path.parent / str(base)
    if path.resolve() in extended:
        raise ParamsError(f"{path} extends itself in the end; correct its key `extends`")
    table = read_params(below, (*extended, path.resolve()))
    merged = {name: {**table[name], **own} for name, own in params.items() if isinstance(own, dict) and isinstance(table.get(name), dict)}
    return {**table, **params, **merged}


def read_overlaid(path: Path, table: str) -> tuple[str, ...]:
    """Names of the rows of a table that an overlay and those below it have themselves, not the file that all are laid over.

    Raises:
        ParamsError: a file is not readable, or extends itself in the end.
    """
    merged, names, seen = read_params(path).get(table), set[str](), path
    while (own := _load(seen)).get("extends") is not None:
        names |= {str(name) for name in own.get(table) or {}}
        seen = seen.parent / str(own["extends"])
    return tuple(str(name) for name in merged or {} if str(name) in names)


def _load(path: Path) -> dict[str, Any]:
    """Read a YAML file that is a mapping."""
    try:
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError(f"{path} does not exist; run the stage from the repository's root or give --params") from error
    except (yaml.YAMLError, ValueError, IsADirectoryError, RecursionError) as error:  # ValueError: no UTF-8, no date, a number too long
        raise ParamsError(f"{path} is not readable YAML: {error}") from error
    if not isinstance(params, dict):
        raise ParamsError(f"{path} must be a mapping of tables and sections, not {_kind(params)}")
    if _count(params, {}) > MAX_VALUES:
        raise ParamsError(f"{path} holds more than {MAX_VALUES:,} values once its aliases (`*name`) are written out; shorten it")
    return params


def _count(value: Any, known: dict[int, float]) -> float:
    """Return how many values a YAML value holds with its aliases written out, without doing so; endless for one that holds itself."""
    if not isinstance(value, (dict, list, tuple, set)):
        return 1 + len(value) / 1000 if isinstance(value, (str, bytes)) else 1
    if id(value) not in known:
        known[id(value)] = math.inf
        items = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_count(item, known) for item in items)
    return known[id(value)]


def read_table(path: Path, table: str) -> dict[str, dict[str, Any]]:
    """Read every row of a table, unchecked.

    Raises:
        ParamsError: the table is absent or a row is no mapping.
    """
    params = read_params(path)
    if table not in params:
        raise ParamsError(f"{path} has no table `{table}`{_nearest(table, params)}")
    rows = params[table] or {}
    if not isinstance(rows, dict):
        raise ParamsError(f"{path}: {table} must be a mapping of rows, not {_kind(rows)}")
    bad = [str(name) for name, row in rows.items() if row is not None and not isinstance(row, dict)]
    if bad:
        raise ParamsError(f"{path}: {table}.{bad[0]} must be a mapping, not {_kind(rows[bad[0]])}")
    return {str(name): row or {} for name, row in rows.items()}


def read_row(path: Path, table: str, row: str, cls: type[T], wiring: Iterable[str] = ("corpus", "media")) -> T:
    """Read one row of a table, without the keys that only wire stages together, into the dataclass `cls`.

    Raises:
        ParamsError: no such row, or a key is unknown, missing or ill-typed.
    """
    rows = read_table(path, table)
    if row not in rows:
        raise ParamsError(f"{path}: {table} has no row `{row}`{_nearest(row, rows)}; its rows: {', '.join(rows) or 'none'}")
    wires = set(wiring)
    return build(cls, {key: value for key, value in rows[row].items() if key not in wires}, f"{path}: {table}.{row}")


def read_section(path: Path, section: str, cls: type[T]) -> T:
    """Read a section of params.yaml into the dataclass `cls`.

    Raises:
        ParamsError: no such section, or a key is unknown, missing or ill-typed.
    """
    params = read_params(path)
    if section not in params:
        raise ParamsError(f"{path} has no section `{section}`{_nearest(section, params)}")
    return build(cls, params[section] or {}, f"{path}: {section}")


def build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build the dataclass `cls` from `values`; `where` heads every message.

    Raises:
        ParamsError: a key is unknown, missing or ill-typed, or the dataclass refuses a value (ValueError).
    """
    if not isinstance(values, Mapping):
        raise ParamsError(f"{where} must be a mapping, not {_kind(values)}")
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls)) if field.init}
    for key in values:
        if key not in fields:
            raise ParamsError(f"{where} has an unknown key `{key}`{_nearest(str(key), fields)}; known: {', '.join(fields)}")
    required = [n for n, f in fields.items() if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]
    missing = [name for name in required if name not in values]
    if missing:
        raise ParamsError(f"{where} lacks {', '.join(f'`{name}`' for name in missing)}")
    hints = get_type_hints(cls)
    built = {key: _convert(hints[key], value, f"{where}.{key}") for key, value in values.items()}
    try:
        return cls(**built)
    except ValueError as error:
        raise ParamsError(f"{where}: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return `value` as the type `hint`, or raise ParamsError."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(args, value, where)
    if origin is Literal:
        if value in args and not isinstance(value, bool):
            return value
        raise ParamsError(f"{where} must be one of {', '.join(map(repr, args))}, not {value!r}{_nearest(str(value), map(str, args))}")
    if origin is tuple:
        return _convert_tuple(args, value, where)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise ParamsError(f"{where} must be a mapping, not {_kind(value)}")
        return {str(key): _convert(args[1], item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type[Any], hint), value, where)
    if hint is float and (type(value) in (int, float) or (isinstance(value, str) and _EXPONENT.fullmatch(value))):
        return _finite(value, where)
    if type(value) is hint:
        return value
    raise ParamsError(f"{where} must be {_name(hint)}, not {_kind(value)} {value!r}")


def _finite(value: int | float | str, where: str) -> float:
    """Return a number as a float, or raise ParamsError where it is none that a computation can use."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ParamsError(f"{where} must be a finite number, not {str(value)[:80]}")
    return number


def _convert_union(args: tuple[Any, ...], value: Any, where: str) -> Any:
    """Return `value` as the first member of the union that takes it."""
    if value is None and type(None) in args:
        return None
    members = [arg for arg in args if arg is not type(None)]
    errors = []
    for member in members:
        try:
            return _convert(member, value, where)
        except ParamsError as error:
            errors.append(error)
    raise errors[0]


def _convert_tuple(args: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    """Return a YAML list as a tuple of the hinted types."""
    if not isinstance(value, (list, tuple)):
        raise ParamsError(f"{where} must be a list, not {_kind(value)}")
    if len(args) == 2 and args[1] is Ellipsis:
        args = (args[0],) * len(value)
    if len(args) != len(value):
        raise ParamsError(f"{where} must have {len(args)} items, not {len(value)}")
    return tuple(_convert(arg, item, f"{where}[{i}]") for i, (arg, item) in enumerate(zip(args, value, strict=True)))


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return ' (did you mean …?)' for the nearest known word, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean `{close[0]}`?)" if close else ""


def _kind(value: Any) -> str:
    """Return how YAML's reader would call the value's type."""
    return "nothing" if value is None else type(value).__name__


def _name(hint: Any) -> str:
    """Return a readable name of a type."""
    return getattr(hint, "__name__", str(hint))
