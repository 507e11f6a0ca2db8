"""The search of a task: every trial once, on valid alone, and an overlay that trains what it chose."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import ModelError, ParamsError
from pipeline.search.apply import apply_results
from pipeline.search.search import search_zoo
from pipeline.training.folds import Folders
from pipeline.training.runner import TrainOptions
from pipeline.training.zoo import read_zoo
from tests.training.corpus import Corpus, make_corpus

SEARCH: dict[str, Any] = {
    "trials": 3,
    "seed": 0,
    "run_seed": 1000,
    "folds": [0],
    "learning_rate": [0.001, 0.05],
    "weight_decay": [0.001, 0.1],
    "dropout": [0.0, 0.5],
    "widths": [0.5, 1, 2],
    "max_parameters": 10**7,
}
ZOO: dict[str, Any] = {"constant": {}, "concat": {"dim": 8, "train": {"learning_rate": 1e-7}}, "concat_av": {}}


def write_search(corpus: Corpus, zoo: dict[str, Any] = ZOO, **changes: Any) -> None:
    corpus.write_params(zoo, max_epochs=2)
    with corpus.params.open("a") as file:
        yaml.safe_dump({"search": {**SEARCH, **changes}}, file)


def search(corpus: Corpus, task: str = "emotion", params: Path | None = None, **options: Any) -> dict[str, Any]:
    folders = Folders(corpus.clips, corpus.embeddings, corpus.encoders)
    return search_zoo(params or corpus.params, task, folders, corpus.root / "found", TrainOptions(**{"device": "cpu", **options}))


def read_found(corpus: Corpus) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((corpus.root / "found" / "search.json").read_text())
    return found


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = make_corpus(tmp_path / "corpus")
    write_search(corpus)
    return corpus


@pytest.fixture
def searched(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Corpus:
    """A corpus whose zoo is searched; searched once, copied for each test."""
    cache = tmp_path_factory.getbasetemp() / "searched"
    if not cache.exists():
        made = make_corpus(cache)
        write_search(made)
        search(made)
    shutil.copytree(cache, tmp_path / "searched")
    return Corpus(tmp_path / "searched")


def test_every_row_has_the_same_trials_and_the_closed_form_one(searched: Corpus) -> None:
    rows = read_found(searched)["rows"]
    rates = {name: [trial["values"]["train"]["learning_rate"] for trial in row["trials"]] for name, row in rows.items()}
    assert list(rates) == ["constant", "concat", "concat_av"]
    assert len(rates["constant"]) == 1
    assert rates["concat"][0] == 1e-7
    assert rates["concat"][1:] == rates["concat_av"][1:]


def test_the_overlay_trains_the_best_values_for_this_task_alone(searched: Corpus) -> None:
    row = read_found(searched)["rows"]["concat"]
    best = max(row["trials"], key=lambda trial: trial["score"])  # not the first: at 1e-7 nothing is learned
    rows = {
        task: {row.name: row for row in read_zoo(searched.root / "found" / "tuned.yaml", None, task)} for task in ("emotion", "emotions")
    }
    assert row["best"] == best["trial"] > 0
    assert rows["emotion"]["concat"].train.learning_rate == best["values"]["train"]["learning_rate"]
    assert rows["emotion"]["concat"].hyperparams["dim"] == best["values"]["dim"]
    assert rows["emotions"] == {row.name: row for row in read_zoo(searched.params, None, "emotions")}


def test_the_table_says_what_was_chosen_and_what_it_cost(searched: Corpus) -> None:
    text = (searched.root / "found" / "search.md").read_text()
    assert "| concat | " in text
    assert "0 of 10 test clips" in text
    assert "All trials took" in text


def test_a_search_reads_no_test_clip_and_keeps_no_weights(searched: Corpus) -> None:
    assert {path.name for path in (searched.root / "found").rglob("*") if path.is_file()} == {
        "trials.log.csv",
        "trial.json",
        "search.json",
        "search.md",
        "tuned.yaml",
    }


def test_finished_trials_are_kept_and_a_torn_one_is_trained_again(searched: Corpus, caplog: pytest.LogCaptureFixture) -> None:
    before = read_found(searched)["rows"]["concat_av"]
    torn, gone = sorted((searched.root / "found" / "trials" / "concat").glob("*/trial.json"))[:2]
    torn.write_text('{"fingerp')
    gone.unlink()
    with caplog.at_level(logging.WARNING):
        assert search(searched) | {"seconds": 0, "seconds_of_all_trials": 0} == {
            "rows": 3, "trials": 7, "computed": 2, "reused": 5, "failed": 0, "seconds": 0, "seconds_of_all_trials": 0
        }  # fmt: skip
    assert "trained again" in caplog.text
    assert read_found(searched)["rows"]["concat_av"] == before


def test_workers_and_other_rows_change_no_score(searched: Corpus) -> None:
    before = read_found(searched)["rows"]
    shutil.rmtree(searched.root / "found")
    assert search(searched, only="concat", workers=2)["computed"] == 3
    assert [trial["score"] for trial in read_found(searched)["rows"]["concat"]["trials"]] == [
        t["score"] for t in before["concat"]["trials"]
    ]


def test_a_row_searched_later_joins_those_of_the_same_search(searched: Corpus) -> None:
    write_search(searched, {**ZOO, "text_only": {"dim": 8, "num_layers": 1, "num_heads": 2}})
    assert search(searched, only="text_only")["computed"] == 3
    assert list(read_found(searched)["rows"]) == ["constant", "concat", "concat_av", "text_only"]
    write_search(searched, trials=2)
    search(searched, only="concat")
    assert list(read_found(searched)["rows"]) == ["concat"]


def test_more_trials_train_only_the_new_ones(searched: Corpus) -> None:
    write_search(searched, trials=4)
    assert search(searched, plan=True)["to_compute"] == 2
    assert search(searched)["computed"] == 2


def test_a_trial_whose_loss_is_no_number_is_counted_and_not_chosen(corpus: Corpus) -> None:
    write_search(corpus, {"concat": {"dim": 8}}, learning_rate=[1e37, 1e38])
    assert search(corpus, "sentiment")["failed"] == 2
    row = read_found(corpus)["rows"]["concat"]
    assert row["best"] == 0
    assert "finite" in row["trials"][1]["runs"][0]["failed"] or "lower learning_rate" in row["trials"][1]["runs"][0]["failed"]
    assert search(corpus, "sentiment")["computed"] == 0


def test_a_row_of_which_every_trial_failed_is_an_error(corpus: Corpus) -> None:
    write_search(corpus, {"concat": {"dim": 8, "train": {"learning_rate": 1e37}}}, learning_rate=[1e37, 1e38])
    with pytest.raises(ModelError, match="concat: none of its 3 trials has a score"):
        search(corpus, "sentiment")


def test_a_plan_writes_nothing(corpus: Corpus) -> None:
    assert search(corpus, plan=True)["to_compute"] == 7
    assert not (corpus.root / "found").exists()


def test_a_reported_seed_is_refused(corpus: Corpus) -> None:
    write_search(corpus, run_seed=0)
    with pytest.raises(ParamsError, match="seeds that tune are never reported"):
        search(corpus)


def test_a_row_that_the_task_cannot_serve_is_left_out_aloud(corpus: Corpus, caplog: pytest.LogCaptureFixture) -> None:
    write_search(corpus, {"constant": {}, "self_mm": {}})
    assert search(corpus)["rows"] == 1
    assert "self_mm is left out" in caplog.text
    write_search(corpus, {"self_mm": {}})
    with pytest.raises(ModelError, match="none of the rows"):
        search(corpus)


def test_a_search_of_its_own_overlay_is_the_same_search(searched: Corpus) -> None:
    before = read_found(searched)
    params = searched.root / "again.yaml"
    params.write_text((searched.root / "found" / "tuned.yaml").read_text().replace("../params.yaml", "params.yaml"))
    assert search(searched, params=params)["computed"] == 0
    assert read_found(searched) == before
    rows = {row.name: row for row in read_zoo(searched.root / "found" / "tuned.yaml", None, "emotion")}
    best = before["rows"]["concat"]["trials"][before["rows"]["concat"]["best"]]
    assert rows["concat"].train.learning_rate == best["values"]["train"]["learning_rate"]


def test_the_chosen_values_are_written_into_params_and_its_comments_stay(searched: Corpus) -> None:
    text = searched.params.read_text()
    searched.params.write_text(text.replace("  concat_av: {}", "  concat_av: {} # as in source 2"))
    assert "concat" in apply_results(searched.params, searched.root / "found")
    assert "# as in source 2" in searched.params.read_text()
    assert read_zoo(searched.params, None, "emotion") == read_zoo(searched.root / "found" / "tuned.yaml", None, "emotion")
    assert search(searched)["computed"] == 0
    assert apply_results(searched.params, searched.root / "found") == []


def test_values_are_written_into_no_overlay(searched: Corpus) -> None:
    with pytest.raises(ParamsError, match="is an overlay"):
        apply_results(searched.root / "found" / "tuned.yaml", searched.root / "found")


@pytest.mark.parametrize(("folds", "computed", "voters"), [([0], 3, 10), ([1], 3, 0), ([], 6, 10)])
def test_of_rotated_folds_the_test_clips_that_had_a_say_are_counted(tmp_path: Path, folds: list[int], computed: int, voters: int) -> None:
    corpus = make_corpus(tmp_path / "corpus", folds=2)  # the valid part of fold 0 is the test part of fold 1
    write_search(corpus, {"concat_av": {}}, folds=folds)
    assert search(corpus)["computed"] == computed
    assert (read_found(corpus)["test_clips_with_a_say"], read_found(corpus)["test_clips"]) == (voters, 20)


def test_a_fold_that_the_split_has_not_is_refused(corpus: Corpus) -> None:
    write_search(corpus, folds=[0, 2])
    with pytest.raises(ParamsError, match="names fold 2; the split `speaker` has 1"):
        search(corpus)
