"""Ready-made rows come into params.yaml and leave its comments alone."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.clips.ready_rows import merge_rows
from pipeline.errors import ParamsError
from pipeline.training.zoo import read_zoo
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


def params_with_train(params: Path) -> Path:
    """The file with the shipped section `train`."""
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())["train"]
    params.write_text(yaml.safe_dump({**yaml.safe_load(params.read_text()), "train": shipped}))
    return params


@pytest.mark.parametrize("text", ["", "- a list", "corpora: [1]", "a: [", "a: \x80"])
def test_a_file_that_is_no_mapping_of_tables_is_told_and_kept(tmp_path: Path, text: str) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(text, encoding="latin-1")
    with pytest.raises(ParamsError, match=str(params)):
        merge_rows(params, {"corpora": {"mine": {}}})
    assert params.read_text(encoding="latin-1") == text


def test_rows_of_the_zoo_get_the_literatures_values_for_a_corpus_tasks(tmp_path: Path) -> None:
    params = make_params(tmp_path)
    params.write_text(params.read_text().replace("zoo: {}", "zoo:\n  mult: {default: false} # kept\n  tfn: {}"))
    assert "zoo.mult.tasks.mine_sentiment" in add(params, "sims", "mine").stdout
    zoo = yaml.safe_load(params.read_text())["zoo"]
    assert zoo["mult"]["tasks"]["mine_sentiment"]["dim"] == 50
    assert zoo["tfn"] == {}
    rows = read_zoo(params_with_train(params), task="mine_sentiment")
    assert rows[0].train.batch_size == 16


def test_a_row_of_the_zoo_that_was_removed_stays_away(tmp_path: Path) -> None:
    params = make_params(tmp_path)
    add(params, "sims", "mine")
    assert yaml.safe_load(params.read_text())["zoo"] == {}
