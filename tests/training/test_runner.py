"""All runs of a task: what is trained, what is reused, that workers change nothing, and what is refused."""

import csv
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.clips.manifest import Manifest, read_manifest, write_manifest
from pipeline.clips.splits import read_splits
from pipeline.errors import CheckpointError, ModelError, PipelineError, ShardError, SplitError
from pipeline.storage import read_record, write_record
from pipeline.training.run import find_trained, read_run, read_runs, run_folder
from pipeline.training.runner import TrainOptions, train_zoo
from tests.training.corpus import ZOO, Corpus, make_corpus


def train(corpus: Corpus, task: str = "emotions", out: Path | None = None, **options: Any) -> dict[str, Any]:
    folders = (corpus.clips, corpus.embeddings, corpus.encoders)
    return train_zoo(corpus.params, task, *folders, out or corpus.out, TrainOptions(**{"device": "cpu", **options}))


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_corpus(tmp_path / "corpus")


@pytest.fixture
def trained(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, request: pytest.FixtureRequest) -> Corpus:
    """A corpus whose zoo is trained; trained once, copied for each test."""
    cache = tmp_path_factory.getbasetemp() / "trained"
    if not cache.exists():
        train(make_corpus(cache))
    shutil.copytree(cache, tmp_path / "trained")
    return Corpus(tmp_path / "trained")


def test_the_number_of_workers_changes_no_byte(corpus: Corpus) -> None:
    corpus.write_params(seeds=[0, 1])
    assert train(corpus, out=corpus.root / "one", workers=1)["computed"] == 8
    assert train(corpus, out=corpus.root / "two", workers=2)["computed"] == 8
    assert tree(corpus.root / "one") == tree(corpus.root / "two")


@pytest.mark.parametrize("task", ["emotion", "sentiment"])
def test_every_kind_of_task_trains_the_whole_zoo(corpus: Corpus, task: str) -> None:
    zoo = {**ZOO, "multitask_mbt": {"dim": 8, "num_heads": 2, "num_layers": 1}, "matchmap_sima": {"dim": 8}}
    corpus.write_params(zoo, max_epochs=1)
    assert train(corpus, task)["computed"] == len(zoo)
    runs = {run.row: run for run in read_runs(corpus.out, list(zoo))}
    assert runs["multitask_mbt"].annotations == (("M", "T", "A", "V") if task == "sentiment" else ("M",))
    heads = {f"{prefix}{m}" for m in ("text", "audio", "video") for prefix in ("", "without_")}
    assert set(runs["multitask_mbt"].logits["test"]) == {"fusion", *heads}
    assert set(runs["text_only"].logits["valid"]) == {"fusion"}
    assert all(len(run.logits["test"]["fusion"]) == len(run.clip_ids["test"]) == 10 for run in runs.values())


def test_nothing_changed_nothing_trained_and_the_same_bytes(trained: Corpus) -> None:
    before = tree(trained.out)
    summary = train(trained)
    assert (summary["computed"], summary["reused"]) == (0, 4)
    assert tree(trained.out) == before


def test_a_new_row_or_seed_trains_only_itself_and_a_row_taken_out_goes(trained: Corpus) -> None:
    trained.write_params({**ZOO, "concat_av": {}})
    assert train(trained)["computed"] == 1
    trained.write_params({"concat": {}, "constant": {}}, seeds=[0, 5])
    assert train(trained) | {"seconds": 0} == {"computed": 2, "reused": 2, "seconds": 0}
    assert {path.name for path in trained.out.iterdir()} == {"concat", "constant"}


def test_a_changed_training_parameter_or_hyperparameter_trains_what_it_concerns(trained: Corpus) -> None:
    trained.write_params({**ZOO, "text_only": {**ZOO["text_only"], "dropout": 0.3}})
    assert train(trained)["computed"] == 1
    trained.write_params(batch_size=7)
    assert train(trained)["computed"] == 4


def test_a_corrected_label_trains_again_and_another_tasks_label_does_not(trained: Corpus) -> None:
    clips = list(read_manifest(trained.clips))
    object.__setattr__(clips[0], "labels", {**clips[0].labels, "sentiment": 0.123})
    write_manifest(Manifest(clips), trained.clips)
    assert train(trained)["computed"] == 0
    object.__setattr__(clips[0], "labels", {**clips[0].labels, "anger": 1.0 - float(clips[0].labels["anger"] or 0)})
    write_manifest(Manifest(clips), trained.clips)
    assert train(trained)["computed"] == 4


def test_a_changed_embedding_trains_the_rows_that_read_it(trained: Corpus, tmp_path: Path) -> None:
    other = make_corpus(tmp_path / "other", change="clip000")
    shutil.rmtree(trained.embeddings / "c_audio")
    shutil.copytree(other.embeddings / "c_audio", trained.embeddings / "c_audio")
    assert train(trained)["computed"] == 2  # linear and concat; text_only and constant read no audio


def test_an_interrupted_training_resumes_at_its_last_finished_run(trained: Corpus) -> None:
    before = tree(trained.out)
    partial = trained.out.with_name("runs.partial")
    trained.out.rename(partial)
    shutil.rmtree(partial / "linear")
    (partial / "concat" / "fold-0" / "seed-9.tmp").mkdir()
    assert train(trained)["reused"] == 3
    assert tree(trained.out) == before
    assert not partial.exists()


def test_a_damaged_earlier_run_is_trained_again_with_a_warning(trained: Corpus, caplog: pytest.LogCaptureFixture) -> None:
    before = tree(trained.out)
    (run_folder(trained.out, "concat", 0, 0) / "model.safetensors").write_bytes(b"torn")
    with caplog.at_level(logging.WARNING):
        assert train(trained)["computed"] == 1
    assert "model.safetensors" in caplog.text
    assert tree(trained.out) == before


def test_a_plan_writes_nothing_and_says_what_would_be_trained(trained: Corpus) -> None:
    trained.write_params({**ZOO, "concat_av": {}})
    log = trained.root / "runs.log.csv"
    entries = list(csv.DictReader(log.open(newline="", encoding="utf-8")))
    with log.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(entries[0]))
        writer.writeheader()
        writer.writerows(entry | {"seconds": 12.5} for entry in entries)
    before = tree(trained.root)
    plan = train(trained, plan=True)
    assert (plan["to_compute"], plan["reused"], plan["rows"]) == (1, 4, ["concat_av"])
    assert plan["estimated_seconds"] == 12.5
    assert plan["estimated_bytes"] > 0
    assert tree(trained.root) == before


def test_times_stand_in_a_log_beside_the_output_and_not_in_it(trained: Corpus) -> None:
    assert (trained.root / "runs.log.csv").read_text().count("\n") == 5
    assert not any("seconds" in path or b"seconds" in content for path, content in tree(trained.out).items())


def test_an_encoder_that_saw_a_test_clip_is_refused(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, seen=("clip000", "clip006"))
    with pytest.raises(SplitError, match=r"`c_video` was fitted on 1 clips of the test part: clip006"):
        train(corpus)


def test_an_encoder_that_saw_train_clips_is_told_in_the_run(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, seen=("clip000",))
    corpus.write_params({"concat": {}})
    train(corpus)
    encoders = read_runs(corpus.out, ["concat"])[0].encoders
    assert {m: encoder["fit_share"] for m, encoder in encoders.items()} == {"text": None, "audio": None, "video": "half"}
    assert encoders["video"]["config"]["network"] == "test"


def test_the_half_that_an_encoder_was_fitted_on_trains_no_fusion(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, seen=("clip000", "clip001"))
    corpus.write_params({"concat": {}})
    train(corpus)
    run = read_runs(corpus.out, ["concat"])[0]
    assert run.num_train_clips == len(read_splits(corpus.clips)["speaker"][0].train) - 2


def test_an_encoder_fitted_on_every_train_clip_leaves_none_to_fuse(tmp_path: Path) -> None:
    everything = tuple(f"clip{i:03d}" for i in range(40) if i % 8 < 4)
    with pytest.raises(SplitError, match="fit them on a half"):
        train(make_corpus(tmp_path, seen=everything))


def test_each_fold_has_its_own_runs_and_embeddings(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, folds=2)
    shutil.copytree(corpus.embeddings / "c_video", tmp_path / "video")
    shutil.copytree(corpus.encoders / "c_video", tmp_path / "encoder")
    for folder, source in [(corpus.embeddings, "video"), (corpus.encoders, "encoder")]:
        shutil.rmtree(folder / "c_video")
        for fold in ("fold-0", "fold-1"):
            shutil.copytree(tmp_path / source, folder / "c_video" / fold)
    corpus.write_params({"concat": {}})
    assert train(corpus)["computed"] == 2
    first, second = (read_run(run_folder(corpus.out, "concat", fold, 0)) for fold in (0, 1))
    assert set(first.clip_ids["test"]) != set(second.clip_ids["test"])
    config = corpus.encoders / "c_video" / "fold-1" / "config.json"
    write_record(read_record(config) | {"clips": [second.clip_ids["valid"][0]]}, config)
    with pytest.raises(SplitError, match=r"fold 1: .*1 clips of the valid part"):
        train(corpus)


def test_embeddings_of_another_encoder_are_refused(corpus: Corpus) -> None:
    config = corpus.encoders / "c_text" / "config.json"
    write_record(read_record(config) | {"digest": "another"}, config)
    with pytest.raises(ShardError, match="run embed again"):
        train(corpus)


def test_a_task_that_cannot_serve_a_row_names_what_is_missing(corpus: Corpus) -> None:
    params = yaml.safe_load(corpus.params.read_text())
    del params["tasks"]["emotions"]["encoders"]["text"]
    corpus.params.write_text(yaml.safe_dump(params, sort_keys=False))
    for plan in (True, False):
        with pytest.raises(ModelError, match="TextOnly needs text; the task's encoders have: audio, video"):
            train(corpus, plan=plan)


def test_a_row_that_the_task_cannot_serve_is_refused_before_any_is_trained(corpus: Corpus) -> None:
    params = yaml.safe_load(corpus.params.read_text())
    params["tasks"]["emotions"]["encoders"] = {"audio": "c_audio"}
    corpus.params.write_text(yaml.safe_dump(params, sort_keys=False))
    with pytest.raises(ModelError, match="encoders have: audio"):
        train(corpus)
    assert not list(corpus.root.glob("**/run.json"))


def test_a_task_of_all_rows_trains_those_that_can_serve_it(corpus: Corpus) -> None:
    params = yaml.safe_load(corpus.params.read_text())
    params["tasks"]["emotions"] |= {"encoders": {"audio": "c_audio", "video": "c_video"}, "zoo": ["all"]}
    params["zoo"] = {"constant": {}, "text_only": {}, "concat": {"default": False}}
    corpus.params.write_text(yaml.safe_dump(params, sort_keys=False))
    assert train(corpus)["computed"] == 2
    assert find_trained(corpus.out, list(params["zoo"])) == ["constant", "concat"]
    with pytest.raises(CheckpointError, match="holds no runs; run train"):
        find_trained(corpus.root, list(params["zoo"]))


def test_a_hyperparameter_that_the_task_cannot_serve_is_refused_before_any_is_trained(corpus: Corpus) -> None:
    params = yaml.safe_load(corpus.params.read_text())
    params["tasks"]["emotions"]["encoders"] = {"audio": "c_audio", "video": "c_video"}
    params["zoo"] = {"concat": {}, "multitask_mbt": {"centre": "text"}}
    corpus.params.write_text(yaml.safe_dump(params, sort_keys=False))
    with pytest.raises(ModelError, match="`centre` is text, and the task's encoders have: audio, video"):
        train(corpus)
    assert not list(corpus.root.glob("**/run.json"))


def test_an_unknown_device_is_refused(corpus: Corpus) -> None:
    with pytest.raises(PipelineError, match="no device `tpu` here"):
        train(corpus, device="tpu")


def test_truncated_clips_are_counted_in_the_run(corpus: Corpus) -> None:
    corpus.write_params({"concat": {}, "text_only": {**ZOO["text_only"], "train": {"max_steps": {"text": 4}}}})
    train(corpus)
    runs = {run.row: run for run in read_runs(corpus.out, ["concat", "text_only"])}
    assert runs["concat"].truncated == {}
    assert 0 < runs["text_only"].truncated["text"] < 40
