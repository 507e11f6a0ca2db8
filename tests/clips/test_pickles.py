"""Pickles of others: what features are made of is read, in every protocol; whatever else one asks for, nothing of it runs."""

import os
import pickle
import pickletools
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.clips.pickles import read_pickle
from pipeline.errors import ManifestError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def write(folder: Path, data: bytes) -> Path:
    path = folder / "features.pkl"
    path.write_bytes(data)
    return path


def read(folder: Path, value: Any, protocol: int = 4) -> Any:
    return read_pickle(write(folder, pickle.dumps(value, protocol)))


ARRAYS = {
    "C": np.arange(12.0).reshape(3, 4),
    "Fortran": np.asfortranarray(np.arange(12, dtype=">i2").reshape(3, 4)),
    "float16": np.arange(5, dtype=np.float16)[::2],
    "texts": np.array(["video_0001$_$0001", "表达"]),
    "bytes": np.array([b"a", b"bcd"]),
    "empty": np.zeros((0, 5), np.float32),
    "none_dim": np.array(3.0),
    "booleans": np.array([True, False]),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", ARRAYS)
def test_an_array_comes_back_as_it_was(tmp_path: Path, kind: str, protocol: int) -> None:
    array = read(tmp_path, {"x": ARRAYS[kind]}, protocol)["x"]
    assert type(array) is np.ndarray
    assert array.dtype == ARRAYS[kind].dtype
    np.testing.assert_array_equal(array, ARRAYS[kind])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numbers_texts_and_containers_come_back_as_they_were(tmp_path: Path, protocol: int) -> None:
    value = {
        "numbers": [1, 10**30, 2.5, True, None, 1 + 2j, np.float32(1.5), np.int64(7)],
        "texts": ["a", "表达", b"", b"\xff\x00", bytearray(b"ab")],
        "containers": ((1, (2,)), {3}, frozenset([4]), OrderedDict(a=1)),
        "dtype": np.dtype(">f4"),
    }
    assert read(tmp_path, value, protocol) == value


def test_an_object_array_holds_what_is_admitted(tmp_path: Path) -> None:
    array = read(tmp_path, np.array([1, "x", np.ones(2), None], object))
    assert (array[0], array[1], array[2].tolist(), array[3]) == (1, "x", [1.0, 1.0], None)


def test_shared_and_circular_containers_are_read(tmp_path: Path) -> None:
    shared = [np.ones(2)]
    value = {"a": shared, "b": shared, "self": []}
    value["self"].append(value)
    copy = read(tmp_path, value)
    assert copy["a"] is copy["b"]
    assert copy["self"][0] is copy


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    """Written by hand as Python 2 does: its strings are bytes, also those of arrays; here 1.0 and -2.0 and a text in each encoding."""
    raw = np.array([1.0, -2.0]).tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntR"
        b"(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n" + b"U" + bytes([len(raw)]) + raw + b"tb"
    )
    data = b"(dS'x'\n" + array + b"sS'utf8'\nU\x03a\xc3\xa9sS'latin1'\nU\x02a\xe9sS'od'\nccollections\nOrderedDict\n((l(lS'k'\naI5\naatRs."
    value = read_pickle(write(tmp_path, data))
    np.testing.assert_array_equal(value["x"], [1.0, -2.0])
    assert (value["utf8"], value["latin1"], value["od"]) == ("aé", "aé", {"k": 5})


class Calls:
    """Pickled as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.reduced


class Own:
    """An object of a class."""


def hostile(folder: Path) -> dict[str, tuple[Any, str]]:
    """Pickles that would each make the file `ran`, and what the refusal names."""
    ran, code = folder / "ran", f"open({str(folder / 'ran')!r}, 'w')"
    touch = Calls(os.system, f"touch {ran}")
    return {
        "system": (touch, "posix.system"),
        "eval": (Calls(eval, code), "builtins.eval"),
        "exec": (Calls(exec, code), "builtins.exec"),
        "open": (Calls(open, str(ran), "w"), "io.open"),
        "getattr": (Calls(getattr, "a", "upper"), "builtins.getattr"),
        "import": (Calls(__import__, "os"), "builtins.__import__"),
        "nested": ({"train": [{"text": (1, [touch])}]}, "posix.system"),
        "in an object array": (np.array([1, touch], object), "posix.system"),
        "as a dictionary's key": ({"a": 1, Calls(eval, code): 2}, "builtins.eval"),
        "as a state": (Calls(OrderedDict, state={"a": touch}), "posix.system"),
        "numpy's runstring": (Calls(np.testing.measure, code), "numpy.testing"),
        "numpy's load": (Calls(np.load, str(ran)), "numpy.load"),
        "numpy's fromfile": (Calls(np.fromfile, str(ran)), "numpy.fromfile"),
        "numpy's memmap": (Calls(np.memmap, str(ran), "u1", "w+", 0, (4,)), "numpy.memmap"),
        "a class": (Calls(Own), "test_pickles.Own"),
        "a path": (Path("a"), "pathlib"),
        "a matrix": (np.ma.array([1.0]), "numpy.ma"),
    }


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("attack", hostile(Path()))
def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs(tmp_path: Path, attack: str, protocol: int) -> None:
    value, named = hostile(tmp_path)[attack]
    named = named.replace("builtins", "__builtin__") if protocol < 3 else named
    with pytest.raises(ManifestError, match=r"features.pkl asks for .*nothing of it was executed") as raised:
        read(tmp_path, value, protocol)
    assert named in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["features.pkl"]


def test_the_hostile_pickles_of_these_tests_do_run_when_they_are_trusted(tmp_path: Path) -> None:
    for attack in ("system", "eval", "open", "nested", "in an object array"):
        loaded = pickle.loads(pickle.dumps(hostile(tmp_path)[attack][0]))
        assert (tmp_path / "ran").exists(), attack
        (tmp_path / "ran").unlink()
        del loaded


@pytest.mark.parametrize(
    ("instructions", "named"),
    [
        (b"cnumpy\nndarray\n((I1000000000000\nttR.", "an array of a shape only"),
        (b"cbuiltins\nbytearray\n(I1000000000000\ntR.", "makes a container"),
        (b"ccollections\nOrderedDict\n)R}(S'a'\nI1\nsb.", "not a readable pickle"),  # sets attributes
        (b"cnumpy.core.multiarray\n_reconstruct\n}S'_make'\nI1\ns\x86b.", "not a readable pickle"),
        (b"cnumpy.core.multiarray\n_reconstruct\nN}S'_make'\nI1\ns\x86b.", "sets `_make`"),
        (b"c_codecs\nencode\n(Vabc\nVrot13\ntR.", "the codec 'rot13'"),
        (b"\x80\x02\x82\x01.", "copyreg extension 1"),
        (b"\x80\x02S'storage'\nQ.", "storage outside of it"),
        (b"Pstorage\n.", "storage outside of it"),
        (b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR.", "dtype 'V8'"),
        (b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nN(S'a'\nt}I-1\nI-1\nI0\ntb.", "structured"),
        (b"cnumpy\nndarray\n.", "holds a _Maker"),
        (b"\x96" + struct.pack("<Q", 10**12) + b"abc.", "not a readable pickle"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 10**12) + b"abc.", "announced and not there"),
        (b"\x80\x04\x95" + struct.pack("<Q", 10**12) + b"abc.", "announced and not there"),
        (b"\x80\x02]r\xff\xff\xff\xff.", ""),  # C's reader would take 64 GB for this memo
    ],
)
def test_instructions_by_hand_are_refused_without_taking_memory(tmp_path: Path, instructions: bytes, named: str) -> None:
    if not named:
        assert read_pickle(write(tmp_path, instructions)) == []
        return
    with pytest.raises(ManifestError, match=r"features.pkl") as raised:
        read_pickle(write(tmp_path, instructions))
    assert named in str(raised.value)


def forge(shape: tuple[int, ...], values: Any, dtype: Any = None) -> Calls:
    """An array that claims to be of another shape than its values."""
    reconstruct, arguments, _ = np.zeros(1).__reduce__()
    return Calls(reconstruct, *arguments, state=(1, shape, dtype or np.dtype("f8"), False, values))


@pytest.mark.parametrize(
    ("shape", "values", "dtype"),
    [
        ((10**12,), b"\0" * 8, None),
        ((10**10, 10**10, 10**10), b"", None),
        ((10**12,), [], np.dtype("O")),
        ((2,), b"\0" * 16, np.dtype("O")),  # bytes as pointers to objects
        ((-1,), b"", None),
        ((1,), [1.0], None),
    ],
)
def test_an_array_that_claims_another_size_is_refused(tmp_path: Path, shape: tuple[int, ...], values: Any, dtype: Any) -> None:
    with pytest.raises(ManifestError, match=r"holds an array .*nothing of it was executed"):
        read(tmp_path, forge(shape, values, dtype))


def test_the_flags_of_a_dtype_are_not_believed(tmp_path: Path) -> None:
    """numpy's own reader takes bytes for pointers where a dtype's state says that objects need no counting."""
    dtype = Calls(np.dtype, "O8", False, True, state=(3, "|", None, None, None, 8, 8, 0))
    with pytest.raises(ManifestError, match="neither bytes nor a list"):
        read(tmp_path, forge((1,), b"\x41" * 8, dtype))


def test_every_word_that_an_honest_pickle_uses_is_admitted(tmp_path: Path) -> None:
    words = {arg for p in PROTOCOLS for op, arg, _ in pickletools.genops(pickle.dumps(ARRAYS, p)) if op.name == "GLOBAL"}
    assert words
    assert all(read(tmp_path, ARRAYS, protocol) for protocol in PROTOCOLS)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "not a readable pickle"),
        (b"id,label\nvideo_0001,0.5\n", "not a readable pickle"),
        (pickle.dumps({"x": np.arange(1000.0)})[:-100], "not a readable pickle"),
        (b"PK\x03\x04 a zip file", "storage outside of it"),
    ],
)
def test_what_is_no_whole_pickle_is_told(tmp_path: Path, data: bytes, named: str) -> None:
    with pytest.raises(ManifestError, match=named):
        read_pickle(write(tmp_path, data))


def test_an_absent_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="does not exist"):
        read_pickle(tmp_path / "absent.pkl")
    with pytest.raises(ManifestError, match="is a folder"):
        read_pickle(tmp_path)


def test_a_pickle_nested_too_deep_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="not a readable pickle"):
        read_pickle(write(tmp_path, b"]" * 5001 + b"a" * 5000 + b"."))
