"""Ready-made rows come into params.yaml and leave its comments alone."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.clips.ready_rows import merge_rows
from pipeline.errors import ParamsError
from tests.conftest import ROOT


def add(params: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stages.add_corpus", *arguments, "--params", str(params)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def make_params(folder: Path) -> Path:
    (folder / "params.yaml").write_text("# mine\ncorpora:\n  demo: {adapter: demo}  # kept\nfaces: {}\nzoo: {}\n")
    return folder / "params.yaml"


def test_rows_are_merged_and_comments_kept(tmp_path: Path) -> None:
    params = make_params(tmp_path)
    done = add(params, "csv", "talks")
    assert "data/labels/talks/clips.csv" in done.stderr
    text = params.read_text()
    assert "# mine" in text
    assert "# kept" in text
    table = yaml.safe_load(text)
    assert list(table["corpora"]) == ["demo", "talks"]
    assert table["encoders"]["talks_text"]["features"] == "tokens/talks"


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    params = make_params(tmp_path)
    add(params, "csv", "talks")
    before = params.read_text()
    assert '"added": []' in add(params, "csv", "talks").stdout
    assert params.read_text() == before


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    params = make_params(tmp_path)
    before = params.read_text()
    assert "corpora.talks" in add(params, "csv", "talks", "--plan").stdout
    assert params.read_text() == before


def test_unknown_adapters_and_impossible_names_are_told(tmp_path: Path) -> None:
    params = make_params(tmp_path)
    assert "there are for: crema_d, csv, e2e_iemocap" in add(params, "cvs").stderr
    assert "lower-case" in add(params, "csv", "../talks").stderr


@pytest.mark.parametrize("text", ["", "- a list", "corpora: [1]", "a: [", "a: \x80"])
def test_a_file_that_is_no_mapping_of_tables_is_told_and_kept(tmp_path: Path, text: str) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(text, encoding="latin-1")
    with pytest.raises(ParamsError, match=str(params)):
        merge_rows(params, {"corpora": {"mine": {}}})
    assert params.read_text(encoding="latin-1") == text
