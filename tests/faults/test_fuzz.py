"""What strangers write: whatever stands in a file, it is read, or refused with a PipelineError that has a message, in bounded memory."""

import json
import os
import pickle
import resource
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings

from pipeline.clips.corpora import CorpusConfig
from pipeline.clips.features import read_feature_set
from pipeline.clips.manifest import read_manifest, write_manifest
from pipeline.clips.pickles import read_pickle
from pipeline.clips.splits import read_splits, write_splits
from pipeline.embed.encoder import CONFIG_NAME, Encoder, EncoderConfig, read_encoder, read_weights, write_encoder
from pipeline.embed.network import read_kind
from pipeline.embed.origins import INDEX_NAME, read_hub_config, read_hub_weights
from pipeline.errors import CheckpointError, ParamsError, PipelineError
from pipeline.extract.faces import FacesConfig
from pipeline.extract.logmel_config import read_logmel_config
from pipeline.extract.tokens import TokensConfig
from pipeline.params import read_params, read_row, read_section
from pipeline.report.report import ReportConfig
from pipeline.report.scores import EvaluateConfig
from pipeline.shards.executor import ShardSettings
from pipeline.shards.extractor import Skip
from pipeline.shards.features import read_features
from pipeline.shards.shard import ShardRow, write_shard
from pipeline.storage import read_record, write_lines, write_record
from pipeline.tasks.task import Task
from pipeline.training.checkpoint import read_checkpoint, write_checkpoint
from pipeline.training.run import RUN, read_run, write_run
from pipeline.training.zoo import read_zoo
from tests.conftest import ROOT, make_clip, make_header, make_row
from tests.training.test_run import make_run

EXAMPLES = 60
LONG = 2000
ROOM = 2 << 30
"""Bytes that a reader may take on top of what the tests hold."""
plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.just("9" * 400)
    | st.sampled_from([1e999, -0.0, 2**70])
)
wild = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=8
)
SHIPPED = yaml.safe_load((ROOT / "params.yaml").read_text())
MINE = {"format": "npz", "features": "raw/mine.npz", "ids": "id", "modalities": {"text": "w"}, "labels": {"e": {"column": "y"}}}
MINE |= {"speaker": r"^(\w)_", "splits": {"s": {"rotate": 3}}, "replace_nonfinite": True}


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """No test takes much more memory than it had."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + ROOM, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def fuzz(strategy: st.SearchStrategy[Any], check: Callable[[Any], object], examples: int) -> None:
    """Hand examples to a reader: it returns, or raises a PipelineError that says something."""

    @settings(max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(example: Any) -> None:
        try:
            check(example)
        except PipelineError as error:
            assert len(str(error)) > 20  # noqa: PT017

    run()


@st.composite
def edits(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes with some of them overwritten, left out or put in, or cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place, new = draw(st.integers(0, max(0, len(data) - 1))), draw(st.binary(max_size=9))
        data[place : place + draw(st.sampled_from([0, len(new), 40]))] = new
    return bytes(data[: draw(st.sampled_from([None, None, None, len(data) // 2]))])


@st.composite
def changed(draw: st.DrawFn, table: dict[str, Any]) -> dict[str, Any]:
    """A mapping with values, keys or values within replaced by anything."""
    result = dict(table)
    for _ in range(draw(st.integers(1, 2))):
        key = draw(st.sampled_from(sorted(table)) | st.text(max_size=6))
        inner = result.get(key)
        if isinstance(inner, dict) and inner and draw(st.booleans()):
            result[key] = draw(changed(inner))
        elif draw(st.integers(0, 5)):
            result[key] = draw(wild)
        else:
            result.pop(key, None)
    return result


def first(table: str) -> dict[str, Any]:
    """The first row of a table of the shipped params.yaml."""
    return dict(next(iter(SHIPPED[table].values())))


def read_encoder_row(path: Path) -> object:
    """An encoder's row, and whether its network takes the options."""
    config = read_row(path, "encoders", "x", EncoderConfig, wiring=("corpus", "features"))
    kind = read_kind(config.network)
    return kind(config.options, kind.describe(config.options))


def read_imported(path: Path) -> object:
    """A row of imported features; with what the shipped one says there is an array for each of its names."""
    arrays = {"id": np.array(["a_1", "b_1", "c_1"]), "w": np.ones((3, 3), np.float32), "y": np.array([0.0, 1.0, 1.0])}
    np.savez(path.with_name("mine.npz"), **arrays)
    return read_feature_set(path, "x", path.with_name("mine.npz"))


PARAMS: dict[str, tuple[dict[str, Any], Callable[[Path], object]]] = {
    "corpora": (first("corpora"), lambda p: read_row(p, "corpora", "x", CorpusConfig, wiring=("labels", "media"))),
    "faces": (first("faces"), lambda p: read_row(p, "faces", "x", FacesConfig)),
    "logmels": (first("logmels"), lambda p: read_logmel_config(p, "x")),
    "tokens": (first("tokens"), lambda p: read_row(p, "tokens", "x", TokensConfig)),
    "encoders": (SHIPPED["encoders"]["demo_emotion_audio"], read_encoder_row),
    "tasks": (first("tasks"), lambda p: Task.read(p, "x")),
    "zoo": (SHIPPED["zoo"]["multitask_mbt"] | {"model": "multitask_mbt"}, read_zoo),
    "feature_sets": (MINE, read_imported),
    "shards": (SHIPPED["shards"], lambda p: read_section(p, "shards", ShardSettings)),
    "train": (SHIPPED["train"], read_zoo),
    "evaluate": (SHIPPED["evaluate"], lambda p: read_section(p, "evaluate", EvaluateConfig)),
    "report": (SHIPPED["report"], lambda p: read_section(p, "report", ReportConfig)),
}
SECTIONS = {"shards", "train", "evaluate", "report"}


def fuzz_params(name: str, folder: Path, examples: int) -> None:
    values, read = PARAMS[name]
    path, base = folder / "params.yaml", {"train": SHIPPED["train"], "zoo": {"concat": {}}}

    def check(table: Any) -> object:
        path.write_text(yaml.safe_dump({**base, name: table if name in SECTIONS else {"x": table}}))
        return read(path)

    check(values)
    fuzz(changed(values) | wild, check, examples)


def fuzz_yaml(folder: Path, examples: int) -> None:
    path, mark, whole = folder / "params.yaml", folder / "mark", (ROOT / "params.yaml").read_bytes()[:1500]
    harm = f"demo: !!python/object/apply:os.system ['touch {mark}']\n".encode()
    changes = edits(whole) | st.binary(max_size=60) | st.just(harm) | edits(harm)
    fuzz(changes, lambda data: (path.write_bytes(data), read_params(path)), examples)
    path.write_bytes(harm)
    with pytest.raises(ParamsError):
        read_params(path)
    assert not mark.exists(), "what stood in the file was executed"
    yaml.unsafe_load(harm)
    assert mark.exists(), "the mark would not have shown it"


def fuzz_clips(folder: Path, examples: int) -> None:
    clip = make_clip(labels={"anger": 1.0, "e": "sad"}, region=(0.0, 0.0, 0.5, 1.0), end=2.0).to_json()

    def check(line: Any) -> None:
        (folder / "again").mkdir(exist_ok=True)
        write_lines([json.dumps(line) if not isinstance(line, str) else line, "\n"], folder / "clips.jsonl")
        manifest = read_manifest(folder)
        write_manifest(manifest, folder / "again")
        again = read_manifest(folder / "again")
        assert [json.dumps(clip.to_json(), sort_keys=True) for clip in again] == [
            json.dumps(clip.to_json(), sort_keys=True) for clip in manifest
        ]

    fuzz(changed(clip) | wild | st.text(st.characters(exclude_categories=("Cs",)), max_size=40), check, examples)


def fuzz_splits(folder: Path, examples: int) -> None:
    table = {"speaker": [{"train": ["a"], "valid": ["b"], "test": ["c"]}]}

    def check(value: Any) -> None:
        write_lines([json.dumps(value)], folder / "splits.json")
        write_splits(read_splits(folder), folder)

    fuzz(changed(table) | changed(table["speaker"][0]).map(lambda fold: {"speaker": [fold]}) | wild, check, examples)


def fuzz_shards(folder: Path, examples: int) -> None:
    path = folder / "shard-00000.h5"
    write_shard(path, [make_row("a", 4), make_row("b", 2), ShardRow("c", "c" * 40, Skip("no_face"))], make_header(fps=2))
    fuzz(edits(path.read_bytes()) | st.binary(max_size=99), lambda data: (path.write_bytes(data), read_features(folder)), examples)


class Harm:
    """An object whose pickle runs a command when it is read as pickles are."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def harms(mark: Path) -> list[bytes]:
    """Pickles that leave a mark when they are executed, in every way that a pickle has to call."""
    command, text = f"touch {mark}", f"Vtouch {mark}\n".encode()
    calls = [b"cposix\nsystem\n(" + text + b"tR.", b"(" + text + b"iposix\nsystem\n.", b"(cposix\nsystem\n" + text + b"o."]
    return calls + [pickle.dumps({"train": [Harm(command)]}, protocol) for protocol in range(6)]


def check_unharmed(mark: Path) -> None:
    """Nothing was executed, and the mark would have shown it."""
    assert not mark.exists(), "what stood in the file was executed"
    for harm in harms(mark):
        pickle.loads(harm)
        mark.unlink()


def fuzz_pickles(folder: Path, examples: int) -> None:
    value = {"train": {"text": np.ones((2, 3), np.float32), "id": ["a$_$1", "b"], "o": np.array([1, "x", None], object)}}
    path, mark = folder / "features.pkl", folder / "mark"
    wholes = [pickle.dumps(value | {"n": [1.5, (2, {3})]}, protocol) for protocol in (0, 2, 4, 5)]
    words = [b"cposix\nsystem\n", b"cnumpy\nndarray\n", b"cnumpy.core.multiarray\n_reconstruct\n", f"Vtouch {mark}\n".encode()]
    words += [bytes([code]) for code in b"(tR}]sb02.eu\x81\x85\x94"] + [b"I99999999999\n", b"C\x01b", b"q\x01", b"h\x01"]
    words += [b"\x8e" + struct.pack("<Q", 2**62), b"iposix\nsystem\n"]
    programs = st.lists(st.sampled_from(words), max_size=25).map(b"".join)
    hostile = st.tuples(programs | st.just(b""), st.sampled_from(harms(mark)), programs | st.just(b"")).map(b"".join)

    def check(data: bytes) -> None:
        path.write_bytes(data)
        read_pickle(path)

    fuzz(st.sampled_from(wholes).flatmap(edits) | programs | hostile, check, examples)
    for harm in harms(mark):
        path.write_bytes(harm)
        with pytest.raises(PipelineError, match=r"features\.pkl .*nothing of it was executed"):
            read_pickle(path)
    check_unharmed(mark)


def fuzz_encoders(folder: Path, examples: int) -> None:
    write_encoder(
        Encoder("audio", "davenet", {"dim": 3}, {"a": 1}, {"source": "fit"}, "f" * 40, ("a",), "all"), {"w": torch.ones(3)}, folder
    )
    values, path = read_record(folder / CONFIG_NAME), folder / CONFIG_NAME

    def check(record: Any) -> object:
        write_record(record, path)
        encoder = read_encoder(folder)
        return set(encoder.clips), dict(encoder.options), encoder.network + encoder.digest

    fuzz(changed(values), check, examples)
    fuzz(edits(json.dumps(values).encode()), lambda data: (path.write_bytes(data), read_encoder(folder)), examples)


def fuzz_runs(folder: Path, examples: int) -> None:
    write_run(make_run(), folder / "run", {"w": torch.ones(2)})
    path = folder / "run" / RUN

    def check(record: Any) -> object:
        write_record(record, path)
        run = read_run(folder / "run")
        return run.row + run.fingerprint, [len(ids) for ids in run.clip_ids.values()], run.seed + run.fold

    fuzz(changed(read_record(path)), check, examples)


@st.composite
def safetensors(draw: st.DrawFn) -> bytes:
    """A file in the layout of safetensors, with a header that may claim anything."""
    entry = st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["F32", "F16", "BF16", "F8_E4M3", "F4", "I64", "BOOL", "X", "U8", 3]),
            "shape": st.lists(st.sampled_from([0, 1, 2, 2**62, -1, "a"]), max_size=3),
            "data_offsets": st.lists(st.sampled_from([0, 4, 8, 2**60, -1]), min_size=2, max_size=2),
        }
    )
    names = st.sampled_from(["test/fusion", "valid/fusion", "w", "__metadata__", ""])
    header = json.dumps(draw(st.dictionaries(names, entry | wild, max_size=3))).encode()
    return struct.pack("<Q", draw(st.sampled_from([len(header), len(header), 2**63, 3]))) + header + draw(st.binary(max_size=16))


def fuzz_weights(folder: Path, examples: int) -> None:
    weights, checkpoint, mark = folder / "model.safetensors", folder / "checkpoint.safetensors", folder / "mark"
    write_checkpoint({"epoch": 1}, {"model": {"w": np.ones(4)}}, checkpoint)
    whole = checkpoint.read_bytes()

    def check(data: bytes) -> None:
        for path, read in ((weights, read_weights), (checkpoint, read_checkpoint)):
            path.write_bytes(data)
            try:
                read(path)
            except PipelineError as error:
                assert path.name in str(error)  # noqa: PT017

    fuzz(edits(whole) | safetensors() | st.sampled_from(harms(mark)), check, examples)
    check_unharmed(mark)


@pytest.mark.parametrize("read", [read_weights, read_checkpoint])
def test_a_pickle_that_calls_itself_safetensors_is_refused_and_not_executed(read: Callable[[Path], object], tmp_path: Path) -> None:
    path, mark = tmp_path / "model.safetensors", tmp_path / "mark"
    torch.save({"w": torch.ones(2), "x": Harm(f"touch {mark}")}, tmp_path / "torch")
    for content in [*harms(mark), (tmp_path / "torch").read_bytes()]:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"model\.safetensors"):
            read(path)
    check_unharmed(mark)


def fuzz_hub(folder: Path, examples: int) -> None:
    index = {"metadata": {}, "weight_map": {"w": "model.safetensors", "v": "../../secret"}}

    def check(value: Any) -> None:
        for name, read in ((CONFIG_NAME, read_hub_config), (INDEX_NAME, read_hub_weights)):
            (folder / name).write_text(json.dumps(value) if not isinstance(value, str) else value)
            read(folder)

    fuzz(changed(index) | wild, check, examples)


KINDS: dict[str, Callable[[Path, int], None]] = {
    "yaml": fuzz_yaml,
    "clips.jsonl": fuzz_clips,
    "splits.json": fuzz_splits,
    "shards": fuzz_shards,
    "pickles": fuzz_pickles,
    "encoders": fuzz_encoders,
    "runs": fuzz_runs,
    "weights": fuzz_weights,
    "hub": fuzz_hub,
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_with_anything_in_it_is_read_or_refused_with_a_message(name: str, tmp_path: Path) -> None:
    KINDS[name](tmp_path, EXAMPLES)


@pytest.mark.parametrize("name", PARAMS)
def test_a_table_or_section_of_params_with_anything_in_it_is_read_or_refused_with_a_message(name: str, tmp_path: Path) -> None:
    fuzz_params(name, tmp_path, EXAMPLES)


@pytest.mark.long
@pytest.mark.parametrize("name", [*KINDS, *PARAMS])
def test_two_thousand_examples_are_read_or_refused_with_a_message(name: str, tmp_path: Path) -> None:
    if name in KINDS:
        KINDS[name](tmp_path, LONG)
    else:
        fuzz_params(name, tmp_path, LONG)


def test_an_index_of_names_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / INDEX_NAME).write_text(json.dumps({"weight_map": {"w": "9" * 1000}}))
    with pytest.raises(CheckpointError, match="holds no 999"):
        read_hub_weights(tmp_path)


def test_aliases_that_multiply_take_no_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))]
    (tmp_path / "params.yaml").write_text("\n".join(lines))
    with pytest.raises(ParamsError, match="more than 100,000 values once its aliases"):
        read_params(tmp_path / "params.yaml")
