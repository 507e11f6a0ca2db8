"""Manifests: sorted, unique, and faithful to the last character."""

from pathlib import Path

import pytest

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest, read_manifest, write_manifest
from pipeline.clips.splits import read_splits
from pipeline.errors import ManifestError, SplitError
from tests.conftest import make_clip


def test_clips_come_back_as_they_were_written(tmp_path: Path) -> None:
    clips = [
        make_clip("b", region=(0.0, 0.1, 0.5, 1.0), end=2.0),
        make_clip("a", text="我\u2028爱", labels={"anger": 1, "x": None, "e": "sad"}),
    ]
    write_manifest(Manifest(clips), tmp_path)
    manifest = read_manifest(tmp_path)
    assert manifest.ids == ("a", "b")
    assert [manifest["b"], manifest["a"]] == clips


def test_duplicate_ids_are_listed() -> None:
    with pytest.raises(ManifestError, match="2 clip ids stand more than once: a, b"):
        Manifest([make_clip(i) for i in "aabbc"])


@pytest.mark.parametrize(
    "line", ["", "{", "[]", '{"id": 3}', '{"id": "a", "colour": "red"}', '{"id": "a", "start": "x"}', '{"id": "a", "region": [1]}']
)
def test_a_line_that_is_no_clip_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "clips.jsonl").write_text('{"id": "z"}\n' + line + "\n")
    with pytest.raises(ManifestError, match="line 2"):
        read_manifest(tmp_path)


def test_an_absent_manifest_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="dvc pull"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "fields",
    [{"id": ""}, {"id": "a\nb"}, {"id": "a", "start": -1.0}, {"id": "a", "start": 2.0, "end": 1.0}, {"id": "a", "start": float("nan")}],
)
def test_an_impossible_clip_is_refused(fields: dict) -> None:
    with pytest.raises(ManifestError):
        Clip(**fields)


@pytest.mark.parametrize(
    "fields", ['"start": ' + "9" * 400, '"start": ' + "9" * 5000, '"region": [NaN, 0, 1, 1]', '"frame_rate": NaN', '"frame_rate": 0']
)
def test_a_number_that_is_none_is_told_with_its_line(tmp_path: Path, fields: str) -> None:
    (tmp_path / "clips.jsonl").write_text(f'{{"id": "a", {fields}}}\n')
    with pytest.raises(ManifestError, match="line 1"):
        read_manifest(tmp_path)


def test_half_a_character_is_no_id() -> None:
    with pytest.raises(ManifestError, match="printable"):
        Clip("\ud800")


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "clips.jsonl").write_text("")
    with pytest.raises(ManifestError, match="does not exist"):
        read_manifest(tmp_path / "clips.jsonl")
    with pytest.raises(SplitError, match="does not exist"):
        read_splits(tmp_path / "clips.jsonl")
