"""Tables in the layout of the source documents, and the documents made of them."""

import pytest

from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import read_splits
from pipeline.report.comparisons import make_comparison_table, make_outputs_table
from pipeline.report.document import Details, Heading, Items, Paragraph
from pipeline.report.html import render_html
from pipeline.report.markdown import render_markdown
from pipeline.report.published import PUBLISHED
from pipeline.report.scores import EvaluateConfig, compute_scores
from pipeline.report.table import Cell, Column, Line, Table
from pipeline.report.tables import make_main_table, make_published_table, ordered_rows, show_annotations
from pipeline.tasks.task import Task
from tests.report.worlds import SKILL, make_world


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("world"), {}
    runs = make_world(folder, skill={"concat": 1.1, **SKILL}, tasks=("emotion", "sentiment", "category"), claims=True)
    manifest, splits = read_manifest(folder / "data/clips/demo"), read_splits(folder / "data/clips/demo")
    for name in runs:
        task = Task.read(folder / "params.yaml", name)
        found[name] = compute_scores(task, ["concat", *SKILL], runs[name], manifest, splits["speaker"], EvaluateConfig(50, 0))
    return found


def titles(table):
    return [f"{c.group}_{c.title}" if c.group else c.title for c in table.columns]


def test_a_multi_label_table_has_accuracy_and_f1_of_each_label_then_averages(scores):
    table = make_main_table(scores["emotion"])
    assert titles(table)[:5] == ["Model", "anger_Acc", "anger_F1", "disgust_Acc", "disgust_F1"]
    assert titles(table)[-4:] == ["average_Acc", "average_F1", "no threshold_AUC", "no threshold_AP"]
    shown = [float(cell.text) for cell in table.lines[1].cells[1:15]]
    assert shown[13] == pytest.approx(sum(shown[1:13:2]) / 6, abs=0.06)


def test_a_sentiment_table_has_the_columns_of_the_source_and_families_by_annotation(scores):
    table = make_main_table(scores["sentiment"])
    assert titles(table)[:6] == ["Model", "Annotation", "Acc2", "F1", "MAE", "Corr"]
    assert [line.cells[0].text for line in table.lines if line.kind == "heading"] == ["trained on M", "trained on M, T, A, V"]
    assert table.lines[-1].cells[1].text == "M, T, A, V"


def test_trivial_and_linear_rows_head_every_table(scores):
    assert ordered_rows(scores["emotion"])[:2] == ["constant", "linear"]
    for make in (make_main_table, make_comparison_table):
        assert [line.cells[0].text for line in make(scores["category"]).lines[:2]] == ["constant", "linear"]


def test_the_best_value_is_marked_only_where_a_task_claims_something(scores):
    marked = [cell for line in make_main_table(scores["category"]).lines for cell in line.cells if cell.best]
    assert len(marked) >= len(make_main_table(scores["category"]).columns) - 1
    silent = {**scores["category"], "config": {**scores["category"]["config"], "claims": False}}
    assert not [cell for line in make_main_table(silent).lines for cell in line.cells if cell.best]


def test_the_smallest_error_is_the_best(scores):
    table = make_main_table(scores["sentiment"])
    column = titles(table).index("MAE")
    family = [line.cells[column] for line in table.lines if len(line.cells) > 1 and line.cells[1].text == "M"]
    assert min(float(cell.text) for cell in family) == next(float(cell.text) for cell in family if cell.best)


def test_differences_carry_signs_intervals_and_corrected_p(scores):
    table = make_comparison_table(scores["emotion"])
    rows = {line.cells[0].text: line.cells for line in table.lines}
    assert rows["linear"][3].text == "reference"
    assert rows["constant"][3].text.startswith("−")
    assert rows["concat"][1].small.startswith("[")
    assert "50 paired bootstrap draws over 2 groups of test clips (by speaker)" in table.caption


def test_heads_and_removed_modalities_stand_where_a_row_has_them(scores):
    table = make_outputs_table(scores["sentiment"])
    rows = {line.cells[0].text: line.cells for line in table.lines}
    assert rows["multitask_mbt"][2].small == "T"
    assert rows["concat"][2].text == "–"
    assert "constant" not in rows


def test_published_averages_are_computed_from_the_columns():
    rows = {line.cells[0].text: line.cells for line in make_published_table(PUBLISHED["iemocap"][0]).lines}
    assert (rows["FE2E"][-2].text, rows["FE2E"][-1].text) == ("84.5", "58.8")  # the source states 85.7 and 57.1
    assert (rows["EmoMBT"][-2].text, rows["EmoMBT"][-1].text) == ("86.6", "64.6")
    mosei = {line.cells[0].text: line.cells for line in make_published_table(PUBLISHED["mosei"][0]).lines}
    assert (mosei["EmoMBT"][-2].text, mosei["EmoMBT"][-1].text) == ("74.3", "49.6")


STATED = {
    "iemocap": {
        "Audio": (53.6, 37.7), "Visual": (80.9, 53.1), "Text": (82.2, 52.8), "LF-LSTM": (71.8, 49.5), "LF-Trans": (78.8, 50.3),
        "EmoEmbs": (72.0, 49.8), "MulT": (77.6, 56.9), "BIMHA": (78.8, 54.3), "CMHA": (84.3, 56.1), "MESE": (84.4, 57.4),
        "FE2E": (85.7, 57.1), "Le et al": (85.9, 60.9), "EmoMBT": (86.6, 64.6),
    },
    "mosei": {
        "Audio": (57.2, 38.8), "Visual": (57.7, 38.1), "Text": (64.3, 45.8), "LF-LSTM": (63.1, 43.3), "LF-Trans": (64.1, 44.4),
        "EmoEmbs": (64.2, 44.2), "MulT": (65.4, 45.2), "BIMHA": (64.8, 44.3), "CMHA": (66.1, 45.8), "MESE": (66.8, 46.8),
        "FE2E": (65.8, 47.0), "Le et al": (67.8, 47.6), "EmoMBT": (74.3, 49.6),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", STATED)
def test_the_columns_that_were_typed_give_the_averages_that_the_source_states(name):
    rows = {row: values for row, _, values in PUBLISHED[name][0].rows}
    assert list(rows) == list(STATED[name])
    gaps = {row: [abs(sum(values[k::2]) / 6 - STATED[name][row][k]) for k in (0, 1)] for row, values in rows.items()}
    assert [row for row, gap in gaps.items() if max(gap) > 0.1] == (["FE2E"] if name == "iemocap" else [])


def test_the_ch_sims_columns_add_up_as_in_the_source():
    columns = zip(*(values for _, _, values in PUBLISHED["ch_sims"][0].rows), strict=True)
    assert [round(sum(column), 2) for column in columns] == [957.52, 974.41, 525.14, 681.06]


def test_values_of_all_labels_carry_their_sd_over_seeds_and_those_of_one_do_not(scores):
    table = make_main_table(scores["emotion"])
    assert [cell.small.startswith("± ") for cell in table.lines[2].cells[1:]] == [False] * 12 + [True] * 4
    assert "mean over 2 seeds ± sd over seeds" in table.caption
    assert all(cell.small for cell in make_main_table(scores["sentiment"]).lines[3].cells[2:])


def test_a_long_table_keeps_its_head_in_sight_and_a_short_one_is_not_cut():
    lines = tuple(Line((Cell(f"row {i}"), Cell("1"))) for i in range(21))
    long, short = (Table("", (Column("Model"), Column("F1", "anger")), part) for part in (lines, lines[1:]))
    assert 'class="scroll long"' in render_html([Heading(1, "T"), long])
    assert 'class="scroll"' in render_html([Heading(1, "T"), short])


def test_a_published_number_has_the_sources_decimals():
    (improvement,) = make_published_table(PUBLISHED["iemocap_matchmap"][0]).lines
    assert improvement.cells[2].text == "7"
    assert make_published_table(PUBLISHED["ch_sims"][0]).lines[0].cells[5].text == "−4.39"


def test_published_tables_are_whole():
    for tables in PUBLISHED.values():
        for published in tables:
            width = 2 * len(published.labels) or len(published.columns)
            assert all(len(values) == width for _, _, values in published.rows)
            assert published.differs
    assert len(PUBLISHED["ch_sims"][0].rows) == 12


def test_markdown_and_html_render_the_same_table():
    cells = (Cell("a|b"), Cell("1.0", "[0.5, 1.5]", best=True))
    table = Table("Caption of `it`.", (Column("Model", numeric=False), Column("F1", "anger")), (Line((Cell("M"),), "heading"), Line(cells)))
    blocks = [Heading(1, "T"), Heading(2, "A & `b`"), Paragraph("<x>", notice=True), table, Items((("F1", "what"),)), Details("more", ())]
    text, page = render_markdown(blocks), render_html(blocks)
    assert "| Model | anger_F1 |\n| --- | ---: |\n| M |  |\n| a\\|b | **1.0** [0.5, 1.5] |" in text
    assert '<a href="#a-b">A &amp; <code>b</code></a>' in page
    assert "&lt;x&gt;" in page
    assert '<th scope="row">a|b</th><td class="start"><strong>1.0</strong> <small>[0.5, 1.5]</small></td>' in page


def test_what_a_row_was_trained_on_is_named():
    assert show_annotations(("M",)) == "M"
    assert show_annotations(("M", "T", "A", "V")) == "M, T, A, V"
    assert show_annotations(("M", "M", "M", "M")) == "M×4"
