"""The whole zoo on the demo's two tasks: minutes in all, seconds of each row.

    dvc repro && python -m tests.benchmarks.bench_train_zoo data

Needs a folder that a finished `dvc repro` of the demo left: its clips, embeddings, encoders, faces and log-mels are read, nothing is
written there. Every model that a task can serve is trained (`stages.train --model all`), with params.yaml's values but for its seeds.
Expected: no more than 20 minutes for 5 seeds with 2 workers on 2 cores.
"""

import csv
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer
import yaml

from pipeline.training.runner import TrainOptions, train_zoo
from tests.conftest import ROOT

TASKS = ("demo_emotion", "demo_sentiment")


def write_params(seeds: int, path: Path) -> None:
    """params.yaml with so many seeds."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["train"]["seeds"] = list(range(seeds))
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def print_rows(log: Path) -> None:
    """Print what each row's runs took, the dearest first."""
    took = defaultdict[str, list[tuple[float, float]]](list)
    with log.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            took[line["row"]].append((float(line["seconds"]), float(line["epochs"])))
    for row, runs in sorted(took.items(), key=lambda item: -sum(seconds for seconds, _ in item[1])):
        seconds, epochs = (statistics.mean(values) for values in zip(*runs, strict=True))
        print(f"  {row:24} {seconds:7.1f} s a run of {epochs:4.1f} epochs, {len(runs)} runs")


def main(
    data: Annotated[Path, typer.Argument(help="The demo's data folder, after `dvc repro`.")],
    seeds: Annotated[int, typer.Option()] = 5,
    workers: Annotated[int, typer.Option()] = 2,
) -> None:
    """Train everything in a temporary folder and print what it took."""
    inputs = (data / "clips/demo", data / "embeddings/demo", data / "encoders")
    features = {"faces": data / "faces", "logmel": data / "logmel"}
    if missing := [str(folder) for folder in inputs if not folder.is_dir()]:
        raise SystemExit(f"{', '.join(missing)}: not there; run `dvc repro` first, or give its data folder")
    total = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_params(seeds, folder / "params.yaml")
        for task in TASKS:
            began = time.perf_counter()
            summary = train_zoo(folder / "params.yaml", task, *inputs, folder / task, TrainOptions(workers, "cpu", "all"), features)
            took = time.perf_counter() - began
            total += took
            print(f"{task}: {summary['computed']} runs with {workers} workers in {took / 60:.1f} min", flush=True)
            print_rows(folder / f"{task}.log.csv")
    print(f"{seeds} seeds: {total / 60:.1f} min in all, {total / 60 / seeds:.1f} min a seed (target 20 min for 5 seeds)")


if __name__ == "__main__":
    typer.run(main)
