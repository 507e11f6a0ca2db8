"""Training and scoring the rows that the sources' claims compare, on `bench` and its variants or on a task of one's own."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.bench.config import BenchConfig
from pipeline.bench.corpus import write_bench
from pipeline.params import read_section
from pipeline.report.claims import Scored, Term, judge_claims, make_claims, make_claims_table, make_scores_table, score_rows
from pipeline.report.markdown import render_markdown
from pipeline.report.scores import EvaluateConfig, tested_metrics
from pipeline.shards.executor import ShardSettings
from pipeline.tasks.task import Task
from pipeline.training.runner import TrainOptions, train_zoo
from pipeline.training.zoo import read_zoo

VARIANTS = ("bench", "bench_own", "bench_weak_audio", "bench_weak_video")


def judge_on_bench(params: Path, out: Path, options: TrainOptions) -> list[dict[str, Any]]:
    """Make `bench` and its weakened variants below `out`, train their tasks, and judge the claims.

    Raises:
        ParamsError: the section `bench`, or a task of the overlay, is not what it should be.
    """
    config, settings = read_section(params, "bench", BenchConfig), read_section(params, "shards", ShardSettings)
    scored: dict[Term, Scored] = {}
    for name in VARIANTS:
        weak = name.partition("_weak_")[2]
        world = out / (f"weak_{weak}" if weak else "full")
        write_bench(config.weaken(weak) if weak else config, world / "clips", world / "embeddings", settings)
        scored |= _train_and_score(params, name, world, world / "runs" / name, options)
    return _write(params, "bench", scored, out)


def judge_on_task(params: Path, task: str, data: Path, out: Path, options: TrainOptions) -> list[dict[str, Any]]:
    """Judge the claims on a task whose embeddings are there already, as far as it can serve the rows that they compare.

    Args:
        params: params.yaml, or an overlay, with the task.
        task: its name.
        data: the folder of clips/, embeddings/ and encoders/, and of faces/ and logmel/ where a row reads them.
        out: written.
        options: of the training.
    """
    corpus = Task.read(params, task).config.corpus
    world = {name: data / name / corpus for name in ("clips", "embeddings")}
    features = {name: data / name for name in ("faces", "logmel")}
    compared = tuple({row: None for claim in make_claims(task) for _, row in claim.terms})
    options = dataclasses.replace(options, rows=compared)
    train_zoo(params, task, world["clips"], world["embeddings"], data / "encoders", out / "runs", options, features)
    return _write(params, task, score_rows(Task.read(params, task), world["clips"], out / "runs", _evaluation(params)), out)


def _train_and_score(params: Path, task: str, world: Path, runs: Path, options: TrainOptions) -> Mapping[Term, Scored]:
    """Train one variant's rows and score them."""
    train_zoo(params, task, world / "clips", world / "embeddings", world / "encoders", runs, options)
    return score_rows(Task.read(params, task), world / "clips", runs, _evaluation(params))


def _evaluation(params: Path) -> EvaluateConfig:
    """The section `evaluate`."""
    return read_section(params, "evaluate", EvaluateConfig)


def _write(params: Path, task: str, scored: Mapping[Term, Scored], out: Path) -> list[dict[str, Any]]:
    """Judge the claims and write claims.json and claims.md."""
    config = _evaluation(params)
    found = judge_claims(task, scored, config.level)
    seeds = len(read_zoo(params)[0].train.seeds)
    metric = tested_metrics(Task.read(params, task))[0].upper()
    record = {
        "claims": found,
        "evaluate": dataclasses.asdict(config),
        "scores": {f"{name}/{row}": {"mean": each.mean, "parameters": each.num_parameters} for (name, row), each in scored.items()},
    }
    (out / "claims.json").write_text(json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    tables = [make_claims_table(found, metric, config, seeds), make_scores_table(scored, config.level)]
    (out / "claims.md").write_text(render_markdown(tables), encoding="utf-8")
    return found
