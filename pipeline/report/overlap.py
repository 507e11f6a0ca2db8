"""What the parts of a split share: counted for scores.json, and said beside the table where the task declares that they overlap."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import PARTS, Fold, overlaps
from pipeline.report.document import Paragraph

KINDS = {"group": "recordings", "speaker": "speakers"}
PAIRS = ("train-valid", "train-test", "valid-test")


def describe_fold(fold: Fold, manifest: Manifest) -> dict[str, Any]:
    """Return sizes of a fold's parts, what pairs of them share, how many groups and speakers there are, and how many stand in all three."""
    parts = {part: [manifest[i] for i in fold.part(part)] for part in PARTS}
    names = {kind: [{getattr(clip, kind) for clip in clips} - {None} for clips in parts.values()] for kind in KINDS}
    return {
        **{part: len(clips) for part, clips in parts.items()},
        "overlap": overlaps(fold, manifest),
        "distinct": {kind: len(set().union(*of_parts)) for kind, of_parts in names.items()},
        "in_all_parts": {kind: len(set.intersection(*of_parts)) for kind, of_parts in names.items()},
    }


def explain_overlap(scores: Mapping[str, Any]) -> Iterable[Paragraph]:
    """Say what the parts share, where the task declares that they may; and the copies that it has counted, where there are some."""
    folds, rules = scores["folds"], scores["config"]["disjoint"]
    declared = [pair for pair in PAIRS if rules.get(pair) == "none"]
    sentences = [_count(folds, kind, declared) for kind in KINDS] if declared else []
    sentences += [*_count_media(folds), *_count_features(scores)]
    if declared:
        head = f"Declared overlap: the task lets the parts {', '.join(declared)} share recordings and speakers."
        tail = "What a model learns of a recording or a speaker in train helps it on the clips of test that share them."
        yield Paragraph(" ".join([head, *sentences, tail]), notice=True)
    elif sentences:
        yield Paragraph(" ".join(sentences), notice=True)


def _count(folds: Sequence[Mapping[str, Any]], kind: str, pairs: Sequence[str]) -> str:
    """How many groups or speakers stand in all parts, and in both of each pair."""
    word = KINDS[kind]
    if not any(fold["distinct"][kind] for fold in folds):
        return f"Its {word} are not known."
    total = _span([fold["distinct"][kind] for fold in folds])
    in_all = _span([fold["in_all_parts"][kind] for fold in folds])
    shared = ", ".join(f"{pair} share {_span([fold['overlap'][pair][kind] for fold in folds])}" for pair in pairs)
    each = f" in each of {len(folds)} folds" if len(folds) > 1 else ""
    return f"{in_all} of {total} {word} stand in all three parts{each}; {shared}."


def _count_media(folds: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Clips of one part that are cut from the same media as a clip of another."""
    for pair in PAIRS:
        count = sum(fold["overlap"][pair]["media"] for fold in folds)
        if count:
            yield _say_copies(pair, count, sum(fold[pair.split("-")[1]] for fold in folds), "media")


def _count_features(scores: Mapping[str, Any]) -> Iterable[str]:
    """Clips of one part whose features repeat those of a clip of another, as train counted them."""
    for pair in PAIRS:
        count = sum(fold.get(pair, 0) for fold in scores.get("copies") or ())
        if count:
            yield _say_copies(pair, count, sum(fold[pair.split("-")[1]] for fold in scores["folds"]), "features")


def _say_copies(pair: str, count: int, total: int, what: str) -> str:
    """One sentence on copies."""
    of, among = pair.split("-")
    return f"Copies: {count:,} of {total:,} {among} clips have the {what} of a {of} clip."


def _span(values: Sequence[int]) -> str:
    """The number of every fold, or the smallest and the largest."""
    return f"{min(values):,}" if min(values) == max(values) else f"{min(values):,} to {max(values):,}"
