"""params.yaml: every wrong key is named."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from pipeline.errors import ParamsError
from pipeline.params import build, read_params, read_row, read_section


@dataclass(frozen=True)
class Inner:
    depth: int = 1


@dataclass(frozen=True)
class Config:
    fps: float
    kind: Literal["a", "b"] = "a"
    box: tuple[float, float] | None = None
    names: tuple[str, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    inner: Inner = Inner()

    def __post_init__(self) -> None:
        if self.fps <= 0:
            raise ValueError("fps must be above 0")


def test_a_row_becomes_a_dataclass_without_its_wiring(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("faces: {demo: {corpus: demo, media: raw, fps: 3, box: [1, 2.5], names: [x], inner: {depth: 2}}}")
    (tmp_path / "q.yaml").write_text("faces: {demo: {fps: 1e-4}}")
    config = read_row(tmp_path / "p.yaml", "faces", "demo", Config)
    assert config == Config(3.0, "a", (1.0, 2.5), ("x",), {}, Inner(2))
    assert isinstance(config.fps, float)
    assert read_row(tmp_path / "q.yaml", "faces", "demo", Config).fps == 1e-4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fps": 1, "knid": "a"}, r"unknown key `knid` \(did you mean `kind`\?\)"),
        ({}, "lacks `fps`"),
        ({"fps": "3"}, r"w\.fps must be float, not str '3'"),
        ({"fps": True}, r"w\.fps must be float, not bool"),
        ({"fps": 1, "kind": "c"}, r"w\.kind must be one of 'a', 'b'"),
        ({"fps": 1, "box": [1]}, r"w\.box must have 2 items"),
        ({"fps": 1, "inner": {"depth": 1.5}}, r"w\.inner\.depth must be int"),
        ({"fps": 1, "weights": {"x": "y"}}, r"w\.weights\.x must be float"),
        ({"fps": 0}, "w: fps must be above 0"),
        (None, "w must be a mapping, not nothing"),
    ],
)
def test_a_wrong_key_is_named(values: dict, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        build(Config, values, "w")


def test_absent_rows_sections_and_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    with pytest.raises(ParamsError, match="does not exist"):
        read_params(path)
    path.write_text("faces: {demo: {}}\nshards: {}")
    with pytest.raises(ParamsError, match=r"faces has no row `dmeo` \(did you mean `demo`\?\); its rows: demo"):
        read_row(path, "faces", "dmeo", Config)
    with pytest.raises(ParamsError, match=r"no section `shard` \(did you mean `shards`\?\)"):
        read_section(path, "shard", Config)


@pytest.mark.parametrize("text", ["a: [", "- a", "\x00", "a: &x [*x]"])
def test_a_file_that_is_no_mapping_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"p\.yaml"):
        read_section(tmp_path / "p.yaml", "a", Config)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1e999", 10**400])
def test_a_number_that_is_not_finite_is_named(value: object) -> None:
    @dataclass(frozen=True)
    class Rate:
        rate: float

    with pytest.raises(ParamsError, match=r"p\.rate must be a finite number"):
        build(Rate, {"rate": value}, "p")


@pytest.mark.parametrize("text", ["day: 2020-13-45", "number: " + "9" * 5000])
def test_a_value_that_yaml_cannot_read_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match="not readable YAML"):
        read_params(tmp_path / "params.yaml")


def test_an_overlay_is_laid_over_the_file_that_it_extends(tmp_path):
    (tmp_path / "params.yaml").write_text("zoo: {a: {dim: 1}, b: {dim: 2}}\ntrain: {seeds: [0], epochs: 5}\ncorpora: {c: {}}\n")
    (tmp_path / "deep").mkdir()
    overlay = tmp_path / "deep" / "overlay.yaml"
    overlay.write_text("extends: ../params.yaml\nzoo: {b: {width: 3}, d: {}}\ntrain: {seeds: [1, 2]}\n")
    assert read_params(overlay) == {
        "zoo": {"a": {"dim": 1}, "b": {"width": 3}, "d": {}},
        "train": {"seeds": [1, 2], "epochs": 5},
        "corpora": {"c": {}},
    }


def test_an_overlay_of_itself_or_of_nothing_is_told(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(ParamsError, match="extends itself"):
        read_params(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("extends: gone.yaml\n")
    with pytest.raises(ParamsError, match=r"gone\.yaml does not exist"):
        read_params(tmp_path / "a.yaml")
