"""What a pickle of others may hold: stand-ins that it gets for the words which it names, and the plain values that they become.

The stand-ins check what they are called with, and call none of numpy's own functions, whose `__setstate__` believes the flags and shapes
that it is given. What was loaded becomes plain values in a second pass.
"""

import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np


class RefusedError(Exception):
    """The pickle asks for something that is not admitted."""


def refuse(what: str) -> NoReturn:
    """Raise RefusedError: the pickle does `what`."""
    raise RefusedError(what)


class _Maker:
    """A stand-in that can be called and nothing else: a pickle may try to set any object's attributes."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        object.__setattr__(self, "_make", make)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        refuse(f"sets `{str(name)[:80]}` of what it asked for")

    def __call__(self, *arguments: Any) -> Any:
        return object.__getattribute__(self, "_make")(*arguments)


class _Dtype:
    """A dtype to be: of booleans, numbers, texts, bytes or objects; a structured one is refused."""

    __slots__ = ("dtype",)

    def __init__(self, code: Any, *_: Any) -> None:
        code = code.decode("ascii") if isinstance(code, bytes) else code
        if not isinstance(code, str) or not re.fullmatch(r"[biufc][0-9]{1,2}|[SU][0-9]{1,9}|O[48]?|\?", code):
            refuse(f"holds an array of dtype {str(code)[:40]!r}, not of numbers, texts or objects")
        self.dtype = np.dtype("O" if code[0] == "O" else code)

    def __setstate__(self, state: Any) -> None:
        """Take the byte order; the rest follows from the code, or is refused."""
        if not isinstance(state, tuple) or len(state) < 5 or any(field is not None for field in state[2:5]):
            refuse("holds a structured array")
        order: Any = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|", "="):
            refuse(f"holds an array of byte order {str(order)[:20]!r}")
        self.dtype = self.dtype.newbyteorder(order) if order in "<>" else self.dtype


class _Array:
    """An array to be, or a numpy scalar where `scalar` is set; `values` are the raw bytes, or a list of objects."""

    __slots__ = ("dtype", "order", "scalar", "shape", "values")

    def __init__(self, shape: Any = (0,), dtype: Any = None, order: str = "C", values: Any = b"", scalar: bool = False) -> None:
        self.scalar = scalar
        self._set(shape, _Dtype("u1") if dtype is None else dtype, order, values)

    def __setstate__(self, state: Any) -> None:
        """Take numpy's (version, shape, dtype, is Fortran's order, raw bytes or list)."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            refuse("holds an array whose state is not numpy's")
        shape, dtype, fortran, values = state[-4:]
        self._set(shape, dtype, "F" if fortran else "C", values)

    def _set(self, shape: Any, dtype: Any, order: Any, values: Any) -> None:
        """Take an array whose shape, dtype and values fit each other."""
        if not isinstance(dtype, _Dtype) or order not in ("C", "F"):
            refuse("holds an array without a dtype, or of an unknown order")
        if not isinstance(shape, tuple) or len(shape) > 32 or any(type(n) is not int or n < 0 for n in shape):
            refuse("holds an array whose shape is none")
        if isinstance(values, str):  # Python 2's bytes
            values = values.encode("utf-8", "surrogateescape")
        objects = dtype.dtype.kind == "O"
        if not isinstance(values, list if objects else (bytes, bytearray)):
            refuse("holds an array whose values are neither bytes nor a list")
        held, claimed = len(values), math.prod(shape) * (1 if objects else dtype.dtype.itemsize)
        if held != claimed:
            refuse(f"holds an array of shape {str(shape)[:80]}, which needs {claimed} {'objects' if objects else 'bytes'} and has {held}")
        self.shape, self.dtype, self.order = shape, dtype, order
        self.values: Any = values


def _reconstruct(subtype: Any, *_: Any) -> _Array:
    """Begin an array; numpy's pickles say its state afterwards."""
    if subtype is not ADMITTED["numpy.ndarray"]:
        refuse("holds an array of a class of its own")
    return _Array()


def _frombuffer(values: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> _Array:
    """Return an array of protocol 5."""
    if axes is not None:
        refuse("holds an array whose axes are in an order of its own")
    return _Array(shape, dtype, order, values)


def _scalar(dtype: Any, values: Any = b"") -> _Array:
    """Return a numpy scalar."""
    if isinstance(dtype, _Dtype) and dtype.dtype.kind == "O":
        refuse("holds a numpy scalar that is an object")
    return _Array((), dtype, "C", values, scalar=True)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Return the bytes that Python 3 writes as text for protocols that have none."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        refuse(f"asks for the codec {str(encoding)[:40]!r}")
    return text.encode("latin1")


def _container(kind: Callable[[Any], Any]) -> _Maker:
    """Return a stand-in for a container, made of a list, a tuple or bytes; of a number it would be that long."""

    def make(values: Any = (), *more: Any) -> Any:
        if more or not isinstance(values, (list, tuple, bytes, set, frozenset, dict)):
            refuse("makes a container of what is none")
        return kind(values)

    return _Maker(make)


ADMITTED: dict[str, Any] = {
    "numpy.ndarray": _Maker(lambda *_: refuse("makes an array of a shape only")),
    "numpy.dtype": _Maker(_Dtype),
    "_codecs.encode": _Maker(_encode),
    "collections.OrderedDict": _container(dict),
}
for _module in ("numpy.core", "numpy._core"):
    ADMITTED[f"{_module}.multiarray._reconstruct"] = _Maker(_reconstruct)
    ADMITTED[f"{_module}.multiarray.scalar"] = _Maker(_scalar)
    ADMITTED[f"{_module}.numeric._frombuffer"] = _Maker(_frombuffer)
for _module in ("builtins", "__builtin__"):
    for _kind in (set, frozenset, bytes, bytearray, list, tuple, dict):
        ADMITTED[f"{_module}.{_kind.__name__}"] = _container(_kind)
    ADMITTED[f"{_module}.complex"] = _Maker(lambda real=0.0, imaginary=0.0: complex(float(real), float(imaginary)))


class Plain:
    """Turns what was loaded into plain values, each object once."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[Any, Any]] = {}  # keeps the originals too: an id is taken again when its object is gone

    def plain(self, value: Any) -> Any:
        """Return a value without stand-ins."""
        if value is None or type(value) in (bool, int, float, complex, bytes):
            return value
        if type(value) is str:
            return _text(value)
        if id(value) not in self._done:
            self._done[id(value)] = (value, value if type(value) in (list, dict) else _OPEN)  # a container may hold itself
            self._done[id(value)] = (value, self._convert(value))
        if self._done[id(value)][1] is _OPEN:
            refuse("holds a tuple or an array that holds itself")
        return self._done[id(value)][1]

    def _convert(self, value: Any) -> Any:
        """Return a container, array or dtype; lists and dictionaries are changed in place."""
        if type(value) is list:
            value[:] = [self.plain(item) for item in value]
            return value
        if type(value) is dict:
            items = [(self.plain(key), self.plain(item)) for key, item in value.items()]
            value.clear()
            value.update(items)
            return value
        if type(value) in (tuple, set, frozenset):
            return type(value)(self.plain(item) for item in value)
        if type(value) is bytearray:
            return bytes(value)
        if type(value) is _Dtype:
            return value.dtype
        if type(value) is _Array:
            return self._array(value)
        refuse(f"holds a {type(value).__name__} that is no number, text, container or array")

    def _array(self, value: _Array) -> Any:
        """Return the numpy array, or scalar."""
        dtype = value.dtype.dtype
        if dtype.kind == "O":
            array = np.empty(len(value.values), dtype)
            for place, item in enumerate(value.values):
                array[place] = self.plain(item)
        else:
            array = np.frombuffer(value.values, dtype) if value.values else np.empty(0, dtype)
        shaped = array.reshape(value.shape, order=value.order)
        return shaped[()] if value.scalar else shaped


_OPEN = object()
_ESCAPED = re.compile("[\udc80-\udcff]")


def _text(value: str) -> str:
    """Return a text; one of Python 2 that is not UTF-8, whose bytes were kept as surrogates, is read as Latin-1."""
    return value.encode("utf-8", "surrogateescape").decode("latin-1") if not value.isascii() and _ESCAPED.search(value) else value
