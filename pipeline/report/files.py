"""What `evaluate` writes: scores.json holds everything; metrics.json and the CSV files are for `dvc metrics show` and `dvc plots show`."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import TaskError
from pipeline.shards.fingerprint import digest_file
from pipeline.shards.previous import hold
from pipeline.storage import read_record, write_record, write_text

SCORES, METRICS, CURVES, CONFUSION = "scores.json", "metrics.json", "learning_curves.csv", "confusion.csv"
BESIDE = (METRICS, CURVES, CONFUSION)


def write_scores(scores: Mapping[str, Any], folder: Path) -> None:
    """Write the four files into a folder, scores.json last, which names the digests of the others; the same scores give the same bytes."""
    tested = {metric: {row: _mean(described, metric) for row, described in scores["rows"].items()} for metric in scores["tested"]}
    with hold(folder):
        write_json(tested, folder / METRICS)
        _write_csv(("row", "fold", "seed", "epoch", "train_loss", "valid_loss", "valid_selection"), _curves(scores), folder / CURVES)
        _write_csv(("row", "label", "truth", "prediction", "count"), _confusions(scores), folder / CONFUSION)
        files = {name: digest_file(folder / name) for name in BESIDE}
        write_record({**scores, "files": files}, folder / SCORES, sort_keys=False)


def read_scores(folder: Path) -> dict[str, Any]:
    """Read a task's scores.json.

    Raises:
        TaskError: the file is absent or is not what `write_scores` writes, or a file beside it is not.
    """
    path = folder / SCORES
    try:
        scores = read_record(path)
        files = scores.pop("files")
        bad = [name for name in BESIDE if not (folder / name).is_file() or digest_file(folder / name) != files.get(name)]
    except FileNotFoundError as error:
        raise TaskError(f"{path} does not exist; run evaluate@{folder.name}, or `dvc pull` to get it") from error
    except (ValueError, KeyError, AttributeError) as error:
        raise TaskError(f"{path} does not hold scores ({error}); delete it and run evaluate@{folder.name} again") from error
    if bad:
        raise TaskError(f"{folder}: {', '.join(bad)} is absent or not what scores.json describes; run evaluate@{folder.name} again")
    return scores


def write_json(values: Any, path: Path) -> None:
    """Write JSON with one key a line, keys in the order given."""
    write_text(json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n", path)


def _mean(described: Mapping[str, Any], metric: str) -> float | None:
    """The value of a metric of a row's fused output."""
    value: float | None = described["outputs"]["fusion"]["metrics"][metric]["mean"]
    return value


def _curves(scores: Mapping[str, Any]) -> Iterable[Sequence[Any]]:
    """One line per row, run and epoch."""
    for row, described in scores["rows"].items():
        for run in described["runs"]:
            for record in run["history"]:
                numbers = [record.get(name, "") for name in ("train_loss", "valid_loss", "valid_selection")]
                yield (row, run["fold"], run["seed"], int(record["epoch"]), *numbers)


def _confusions(scores: Mapping[str, Any]) -> Iterable[Sequence[Any]]:
    """One line per row, label and cell of the fused output's confusion, summed over seeds."""
    classes, labels = scores["confusion_classes"], scores["outputs"]
    for row, described in scores["rows"].items():
        tables = described["outputs"]["fusion"]["confusion"]
        named = zip(labels, tables, strict=True) if scores["config"]["kind"] == "multi_label" else [("", tables)]
        for label, table in named:
            for truth, line in zip(classes, table, strict=True):
                yield from ((row, label, truth, choice, count) for choice, count in zip(classes, line, strict=True))


def _write_csv(header: Sequence[str], lines: Iterable[Sequence[Any]], path: Path) -> None:
    """Write a CSV file with one header line."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    write_text(text.getvalue(), path)
