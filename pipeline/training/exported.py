"""A task's embeddings for programs of others: a pickle in MMSA's layout, or the same arrays as .npz.

    {train | valid | test: {id, raw_text, text, audio, vision (n, time, dim) padded at the end, <modality>_lengths (n,), annotations,
        classification_labels, regression_labels, regression_labels_{T,A,V}, group, speaker, labels: {name: (n,)}}}

A clip without a modality has the length 0. Arrays keep the shards' dtype, so `import_features` gives back the same numbers. Models of
MMSA that run BERT themselves want `text_bert`, which their own tokenizer alone can give: set `use_bert` to false.
"""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import PARTS, Fold
from pipeline.errors import PipelineError, TaskError
from pipeline.shards.features import Features
from pipeline.tasks.task import Task

KEYS = {"text": "text", "audio": "audio", "video": "vision"}
SIGNS = ("Negative", "Neutral", "Positive")
Part = dict[str, Any]


def make_parts(task: Task, manifest: Manifest, fold: Fold, features: Mapping[str, Features]) -> dict[str, Part]:
    """Return train, valid and test in MMSA's layout.

    Raises:
        TaskError: a clip lacks its label.
    """
    ids = [i for part in PARTS for i in fold.part(part)]
    longest = {m: max([1, *(len(of_corpus[i]["sequence"]) for i in ids if i in of_corpus)]) for m, of_corpus in features.items()}
    names = sorted({name for i in ids for name in manifest[i].labels})
    parts = {}
    for part in PARTS:
        clips = [manifest[i] for i in fold.part(part)]
        parts[part] = {
            "id": [clip.id for clip in clips],
            "raw_text": [clip.text or "" for clip in clips],
            "group": [clip.group for clip in clips],
            "speaker": [clip.speaker for clip in clips],
            "labels": {name: [clip.labels.get(name) for clip in clips] for name in names},
            **make_targets(task, clips),
        }
        for modality, of_corpus in features.items():
            key = KEYS[modality]
            parts[part][key], parts[part][f"{key}_lengths"] = pad(of_corpus, fold.part(part), longest[modality])
    return parts


def make_targets(task: Task, clips: Sequence[Clip]) -> Part:
    """Return a task's targets under MMSA's names.

    Regression: the values, and their sign as class; multi_class: the class, also as a number where MMSA wants a value; multi_label: 0/1 of
    each label, (n, labels).
    """
    targets = task.targets(clips)
    first = targets["M"]
    if task.config.kind == "regression":
        values = {f"regression_labels{f'_{a}' if a != 'M' else ''}": target[:, 0] for a, target in targets.items()}
        signs = np.sign(first[:, 0]).astype(np.int64) + 1
        return {**values, "classification_labels": signs, "annotations": [SIGNS[sign] for sign in signs]}
    if task.config.kind == "multi_class":
        named = [task.output_names[place] for place in first]
        return {"regression_labels": first.astype(np.float32), "classification_labels": first, "annotations": named}
    named = [" ".join(name for name, on in zip(task.output_names, row, strict=True) if on) for row in first]
    return {"regression_labels": first, "classification_labels": first.astype(np.int64), "annotations": named}


def pad(features: Features, ids: Sequence[str], time: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the sequences of clips padded with zeros, (clips, time, dim), and their lengths, (clips,)."""
    values = features.values["sequence"]
    sequences = [features[i]["sequence"] if i in features else values[:0] for i in ids]
    lengths = np.asarray([len(sequence) for sequence in sequences], dtype=np.int64)
    padded = np.zeros((len(ids), time, values.shape[1]), values.dtype)
    for place, sequence in enumerate(sequences):
        padded[place, : len(sequence)] = sequence
    return padded, lengths


def write_parts(parts: Mapping[str, Part], out: Path) -> None:
    """Write a .pkl, or a .npz with all parts one behind the other and an array `part` that says which is which.

    Raises:
        PipelineError: the file's name ends otherwise, or something is there that is no file.
        TaskError: nothing to write.
    """
    if not any(part["id"] for part in parts.values()):
        raise TaskError("the fold holds no clips; nothing to export")
    if out.suffix not in (".pkl", ".npz") or out.is_dir():
        raise PipelineError(f"{out} must be a file that ends in .pkl (MMSA's layout) or .npz")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    with temporary.open("wb") as file:
        if out.suffix == ".pkl":
            pickle.dump(dict(parts), file, protocol=4)
        else:
            np.savez(file, allow_pickle=False, **_join(parts))
    temporary.replace(out)


def _join(parts: Mapping[str, Part]) -> dict[str, NDArray[Any]]:
    """Return the parts one behind the other, texts and labels as plain arrays, a label's name before it: `label_<name>`."""
    number = {name: len(part["id"]) for name, part in parts.items()}
    arrays: dict[str, NDArray[Any]] = {"part": np.concatenate([np.full(n, name, "U5") for name, n in number.items()])}
    for key in next(iter(parts.values())):
        columns = [part[key] for part in parts.values()]
        if key == "labels":
            for name in columns[0]:
                arrays[f"label_{name}"] = _plain([value for column in columns for value in column[name]])
        elif isinstance(columns[0], list):
            arrays[key] = _plain([value for column in columns for value in column])
        else:
            arrays[key] = np.concatenate(columns)
    return arrays


def _plain(values: list[Any]) -> NDArray[Any]:
    """Return numbers as float64, anything else as text; what is missing as NaN or an empty text."""
    if all(value is None or isinstance(value, (int, float)) for value in values) and any(value is not None for value in values):
        return np.asarray([np.nan if value is None else value for value in values], np.float64)
    return np.asarray(["" if value is None else str(value) for value in values])
