"""Claims: differences of scores with paired intervals, and the words for them."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.report.claims import Scored, judge_claims, make_claims, make_claims_table, make_scores_table
from pipeline.report.claims_run import judge_on_bench, judge_on_task
from pipeline.report.markdown import render_markdown
from pipeline.report.scores import EvaluateConfig
from pipeline.training.runner import TrainOptions
from tests.conftest import ROOT
from tests.training.corpus import make_corpus

RNG = np.random.default_rng(0)
SPEAKERS = RNG.normal(0, 0.05, 2000)  # what all rows share on a draw


def scored(mean: float, noise: float = 0.01) -> Scored:
    return Scored(mean, 10, mean + SPEAKERS + RNG.normal(0, noise, 2000))


def test_a_paired_difference_is_narrower_than_its_terms() -> None:
    found = judge_claims("t", {("t", "multitask_mbt"): scored(0.64), ("t", "multitask_mbt_single"): scored(0.60)}, 0.95)
    assert [each["claim"] for each in found] == ["C1a"]
    assert found[0]["difference"] == pytest.approx(0.04)
    assert 0 < found[0]["low"] < 0.04 < found[0]["high"] < 0.08
    assert found[0]["verdict"] == "supported"


def test_an_interval_that_holds_zero_supports_nothing_and_neither_does_a_loss() -> None:
    none = judge_claims("t", {("t", "multitask_mbt"): scored(0.601), ("t", "multitask_mbt_single"): scored(0.60)}, 0.95)
    loss = judge_claims("t", {("t", "multitask_mbt"): scored(0.50), ("t", "multitask_mbt_single"): scored(0.60)}, 0.95)
    assert (none[0]["verdict"], loss[0]["verdict"]) == ("not supported", "not supported")


def test_the_gain_under_a_weak_modality_is_a_difference_of_differences() -> None:
    terms = {("t", "matchmap_plain"): 0.6, ("t", "concat_av_projected"): 0.5, ("t_weak_audio", "matchmap_plain"): 0.5}
    terms[("t_weak_audio", "concat_av_projected")] = 0.3
    found = {each["words"]: each["difference"] for each in judge_claims("t", {term: scored(mean) for term, mean in terms.items()}, 0.95)}
    assert found["source 2: the gain of C2a with weak audio − at full strength"] == pytest.approx(0.1)
    assert len(make_claims("t")) == 8


def test_the_tables_name_every_claim_and_row() -> None:
    rows = {("t", "multitask_mbt"): scored(0.64), ("t", "multitask_mbt_single"): scored(0.60)}
    config = EvaluateConfig(2000, 0)
    text = render_markdown([make_claims_table(judge_claims("t", rows, 0.95), "UA", config, 10), make_scores_table(rows, 0.95)])
    assert "| C1a | source 1: multi-task with the same label − a single loss | +4.0 |" in text
    assert "multitask_mbt_single" in text


def test_the_claims_are_tested_from_nothing_and_finished_runs_are_kept(tmp_path: Path) -> None:
    overlay = {
        "extends": str(ROOT / "pipeline" / "bench" / "claims.yaml"),
        "bench": {"clips": {"train": 24, "valid": 12, "test": 16}, "speakers": {"train": 4, "valid": 2, "test": 3}, "positions": 4},
        "zoo": {"multitask_mbt": {"dim": 8, "num_layers": 1, "num_heads": 2}},
        "train": {"seeds": [0], "max_epochs": 1},
        "evaluate": {"draws": 50},
    }
    overlay["zoo"]["multitask_mbt_single"] = {"model": "multitask_mbt", "loss_weighting": "single", **overlay["zoo"]["multitask_mbt"]}
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    found = judge_on_bench(tmp_path / "overlay.yaml", tmp_path / "out", TrainOptions(device="cpu"))
    assert [each["claim"] for each in found] == ["C1a", "C1b", "C2a", "C2b", "C2c", "C2c", "C2c", "C2c"]
    before = (tmp_path / "out" / "claims.json").read_bytes()
    logs = sorted(tmp_path.rglob("*.log.csv"))
    lines = [log.read_text() for log in logs]
    assert judge_on_bench(tmp_path / "overlay.yaml", tmp_path / "out", TrainOptions(device="cpu")) == found
    assert (tmp_path / "out" / "claims.json").read_bytes() == before
    assert [log.read_text() for log in logs] == lines


def test_a_task_of_ones_own_is_judged_as_far_as_its_rows_go(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "data")
    for name in ("clips", "embeddings"):
        (corpus.root / name).rename(corpus.root / "c")
        (corpus.root / name).mkdir()
        (corpus.root / "c").rename(corpus.root / name / "c")
    small = {"dim": 8, "num_layers": 1, "num_heads": 2}
    single = {"model": "multitask_mbt", "loss_weighting": "single", **small}
    corpus.write_params({"constant": {}, "multitask_mbt": small, "multitask_mbt_single": single})
    params = yaml.safe_load(corpus.params.read_text()) | {"evaluate": {"draws": 50, "seed": 0}}
    corpus.params.write_text(yaml.safe_dump(params))
    found = judge_on_task(corpus.params, "emotion", corpus.root, tmp_path / "out", TrainOptions(device="cpu"))
    assert [each["claim"] for each in found] == ["C1a"]
    assert "multi-task" in (tmp_path / "out" / "claims.md").read_text()
    assert not (tmp_path / "out" / "runs" / "constant").exists()
