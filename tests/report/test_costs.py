"""The page of what training costs, made of logs."""

from pathlib import Path

import pytest

from pipeline.errors import TaskError
from pipeline.report.costs import make_costs, make_costs_table, read_costs, write_costs
from pipeline.training.costs import COLUMNS, Cost, Entry, log_path


def make_entry(row: str = "concat", seed: int = 0, **changes: float | None) -> Entry:
    values = {"seconds": 2.0, "seconds_per_epoch": 0.25, "epochs": 8, "best_epoch": 4, "num_parameters": 12345, "added_bytes": 3 * 2**20}
    return Entry(row, 0, seed, "cpu", Cost(**{**values, **changes}))  # type: ignore[arg-type]


def test_a_row_has_medians_the_range_of_its_epochs_and_the_least_memory() -> None:
    runs = [(1.0, 5, 2, 900 * 2**20), (2.0, 8, 4, 3 * 2**20), (30.0, 9, 8, 4 * 2**20)]
    entries = [make_entry(seed=i, seconds=s, epochs=e, best_epoch=b, added_bytes=a) for i, (s, e, b, a) in enumerate(runs)]
    (line,) = make_costs_table(entries).lines
    assert [cell.text for cell in line.cells] == ["concat", "cpu", "12,345", "0.250", "2.00", "3.0 MiB", "8", "4", "3"]
    assert [cell.small for cell in line.cells[-3:-1]] == ["[5, 9]", "[2, 8]"]


def test_a_row_without_epochs_and_one_of_unknown_memory_say_so() -> None:
    entries = [make_entry("linear", epochs=1, best_epoch=0), make_entry("concat", added_bytes=None)]
    linear, concat = make_costs_table(entries).lines
    assert [linear.cells[i].text for i in (3, 6, 7)] == ["–", "–", "–"]
    assert concat.cells[5].text == "–"


def test_the_last_line_of_a_run_counts_and_rows_that_are_gone_do_not(tmp_path: Path) -> None:
    (tmp_path / "runs" / "concat").mkdir(parents=True)
    lines = ["concat,0,0,cpu,9.0,1.0,4,2,100,", "gone,0,0,cpu,1.0,1.0,4,2,100,", "concat,0,0,cpu,2.0,0.5,4,2,100,1024"]
    log_path(tmp_path / "runs").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    (entry,) = read_costs([tmp_path / "runs"])["runs"]
    assert (entry.row, entry.cost.seconds) == ("concat", 2.0)


def test_a_folder_without_a_log_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"runs\.log\.csv does not exist"):
        read_costs([tmp_path / "runs"])


def test_the_page_is_html_or_markdown_by_its_name(tmp_path: Path) -> None:
    blocks = make_costs({"demo": [make_entry()]})
    write_costs(blocks, tmp_path / "new" / "costs.html")
    write_costs(blocks, tmp_path / "costs.md")
    assert (tmp_path / "new" / "costs.html").read_text().startswith("<!doctype html>")
    assert "| concat | cpu | 12,345 |" in (tmp_path / "costs.md").read_text()
