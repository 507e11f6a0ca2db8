"""Where a task's numbers come from: encoders, the split and its overlaps, runs with their fingerprints and hyperparameters."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.report.document import Block, Code, Paragraph
from pipeline.report.table import NOTHING, Cell, Column, Line, Table
from pipeline.report.tables import Scores, ordered_rows

SHOWN_FILES = 3


def make_encoder_table(scores: Scores) -> Table:
    """The encoder of each modality: network, origin, share of the train part it was fitted on, digest."""
    found = {(m, e["row"]): e for described in scores["rows"].values() for m, e in described["encoders"].items()}
    lines = []
    for (modality, row), encoder in sorted(found.items(), key=lambda item: (("text", "audio", "video").index(item[0][0]), item[0][1])):
        config, embedding = encoder.get("config", {}), encoder.get("embedding", {})
        network = "trained with the model" if "features" in config else str(config.get("network", NOTHING))
        cells = [modality, f"`{row}`", network, _origin(config, encoder.get("fit_share"))]
        cells += [
            encoder.get("fit_share") or NOTHING,
            _digests(encoder.get("digests", [encoder["digest"]])),
            f"{embedding['feature']} {embedding['version']}" if embedding else NOTHING,
        ]
        lines.append(Line(tuple(Cell(text) for text in cells)))
    titles = ("Modality", "Row", "Network", "Origin", "Fit share", "Digest", "Embedding, version")
    caption = "Encoders, frozen. Fit share: which part of the task's train clips an encoder was fitted on, where it was fitted here."
    return Table(caption, tuple(Column(title, numeric=False) for title in titles), tuple(lines))


def explain_shares(scores: Scores) -> Iterable[Block]:
    """What `half` and `all` mean for the rows."""
    shares = {e.get("fit_share") for described in scores["rows"].values() for e in described["encoders"].values()}
    if "half" in shares:
        yield Paragraph(
            "Fit share `half`: encoders were fitted on one half of the train speakers; features of the other half are as new to them as "
            "those of test."
        )
    if "all" in shares:
        yield Paragraph(
            "Fit share `all`: encoders were fitted on the very clips that the rows train on, whose features are over-confident there."
        )


def _origin(config: Mapping[str, Any], fit_share: str | None) -> str:
    """Where embeddings come from: fitted here, what names the weights' version (digests shortened), the imported files, or no encoder."""
    if "features" in config:
        return f"{config['features']} {config['version']}, pictures of {' × '.join(map(str, config['shape']))}"
    origin = config.get("origin", {})
    if not config or "files" in origin:
        return _imported(origin)
    named = [str(value) for value in origin.values() if isinstance(value, (str, int, float))]
    words = [value[:12] if len(value) >= 40 else value for value in named]
    return ", ".join((["fitted here"] if fit_share else []) + words) or NOTHING


def _imported(origin: Mapping[str, Any]) -> str:
    """Where features that came without an encoder come from: names and digests of their files, and what of them was replaced by 0."""
    files = [f"{file['file']}, {file['sha256'][:12]}" for file in origin.get("files", ())]
    more = f" and {len(files) - SHOWN_FILES} more files" if len(files) > SHOWN_FILES else ""
    replaced = sum(origin.get("replaced", {}).values())
    zeros = f"; {replaced:,} numbers that were not finite are 0" if replaced else ""
    return f"imported: {'; '.join(files[:SHOWN_FILES]) or 'origin unknown'}{more}{zeros}"


def _digests(digests: Sequence[str]) -> str:
    """The first fold's digest, and how many others there are."""
    others = len(set(digests)) - 1
    return _short(digests[0]) + (f" and {others} more, one a fold" if others else "")


def make_split_table(scores: Scores) -> Table:
    """Sizes of the parts, and what each pair of parts shares."""
    pairs = list(scores["folds"][0]["overlap"])
    columns = [Column("Fold"), *(Column(part, "clips") for part in ("train", "valid", "test"))]
    columns += [
        Column(pair, f"shared {kind}s" if kind != "media" else "same media") for kind in ("speaker", "group", "media") for pair in pairs
    ]
    lines = []
    for number, fold in enumerate(scores["folds"]):
        sizes = [f"{fold[part]:,}" for part in ("train", "valid", "test")]
        shared = [str(fold["overlap"][pair][kind]) for kind in ("speaker", "group", "media") for pair in pairs]
        lines.append(Line(tuple(Cell(text) for text in (str(number), *sizes, *shared))))
    rules = (
        ", ".join(f"{pair} disjoint by {rule}" for pair, rule in scores["config"]["disjoint"].items()) or "every pair disjoint by speaker"
    )
    return Table(f"Parts of the split and what they share; the task declares: {rules}.", tuple(columns), tuple(lines))


def make_runs_table(scores: Scores) -> Table:
    """Every run's selected epoch and fingerprint; a row fitted without epochs has neither an epoch nor parameters to train.

    Cut clips: those of the fold that `max_steps` shortened, by modality.
    """
    names = ("Fold", "Seed", "Train clips", "Cut clips", "Selected epoch", "Parameters")
    columns = (Column("Model", numeric=False), *(Column(name) for name in names), Column("Fingerprint", numeric=False))
    lines = []
    for row in ordered_rows(scores):
        described = scores["rows"][row]
        for run in described["runs"]:
            counts = (
                run["fold"],
                run["seed"],
                f"{run['num_train_clips']:,}",
                ", ".join(f"{m} {count:,}" for m, count in run["truncated"].items() if count) or NOTHING,
                run["best_epoch"] or NOTHING,
                f"{described['num_parameters']:,}" if run["best_epoch"] else NOTHING,
            )
            lines.append(Line(tuple(Cell(str(cell)) for cell in (row, *counts, _short(run["fingerprint"])))))
    return Table("Runs behind the numbers.", columns, tuple(lines))


def list_hyperparams(scores: Scores) -> Code:
    """Model and hyperparameters of each row, a line each."""
    lines = [f"{row}: {{model: {d['model']}, {json.dumps(d['hyperparams'])[1:-1]}}}" for row, d in scores["rows"].items()]
    return Code("\n".join(line.replace(", }", "}") for line in lines))


def _short(digest: str) -> str:
    """The first twelve digits of a digest."""
    return f"`{digest[:12]}`" if digest else NOTHING
