"""Pickles of MMSA and of MMSA-FET: MOSI, MOSEI, CH-SIMS v1 and v2, and what FET extracts; aligned and unaligned.

    {train | valid | test: {id: "video$_$clip" each, raw_text, text (n, time, dim), audio, vision, text_bert (n, 3, time),
        audio_lengths, vision_lengths, annotations, classification_labels, regression_labels, regression_labels_{T,A,V}}}

Real steps: those that `<modality>_lengths` counts; of text, those of text_bert's mask; where audio and vision are aligned with the text and
have no lengths of their own, the text's. Where nothing says it, all-zero steps at the end are padding. Layout: thuiar/MMSA, README and
data_loader.py; thuiar/MMSA-FET, dataset.py (which writes `text_bert` and no `classification_labels`). `text_lengths`, `group`, `speaker`
and `labels` (name to a value a clip) are written by our own export only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.clips.clip import Label
from pipeline.clips.features.feature_set import FeatureSet, FeatureSetConfig, Table, make_feature_set
from pipeline.clips.features.rules import SplitRule, find_column, read_labels
from pipeline.clips.features.sequences import Sequences, read_sequences
from pipeline.clips.pickles import read_pickle
from pipeline.clips.splits import PARTS
from pipeline.errors import ManifestError

KEYS = {"text": "text", "audio": "audio", "video": "vision"}
LABELS = {
    "sentiment": ("regression_labels",),
    "sentiment_T": ("regression_labels_T", "label_T"),
    "sentiment_A": ("regression_labels_A", "label_A"),
    "sentiment_V": ("regression_labels_V", "label_V"),
    "class": ("classification_labels",),
    "annotation": ("annotations",),
}
PART = "part"


@dataclass(frozen=True, kw_only=True)
class Config(FeatureSetConfig):
    """A row of `feature_sets` of the format mmsa.

    Args:
        padding: where it stands; FET can pad at the start.
        modalities: that are taken; default: all that the file has.
    """

    padding: Literal["start", "end"] = "end"
    modalities: tuple[Literal["text", "audio", "video"], ...] = ()
    splits: dict[str, SplitRule] = field(default_factory=lambda: {"standard": SplitRule(column=PART)})


def read(path: Path, config: Config) -> FeatureSet:
    """Read an MMSA pickle; its parts are the split `standard`.

    Raises:
        ManifestError: it is no such pickle, lacks ids, features or labels, or lengths lie beyond their arrays.
    """
    parts = _find_parts(read_pickle(path), path)
    ids = [i for part in parts.values() for i in _ids(part, str(path))]
    found = [m for m in config.modalities or KEYS if config.modalities or any(KEYS[m] in part for part in parts.values())]
    sequences = {m: [a for name, part in parts.items() for a in _sequences(m, part, config, f"{path}: {name}")] for m in found}
    labels = {name: [v for part in parts.values() for v in _labels(part, keys, str(path))] for name, keys in LABELS.items()}
    labels = _own_labels(parts, str(path)) or {name: v for name, v in labels.items() if any(value is not None for value in v)}
    if not labels:
        raise ManifestError(f"{path} has no labels: none of {', '.join(key for keys in LABELS.values() for key in keys)}")
    texts, groups, speakers = (_words(parts, key) for key in ("raw_text", "group", "speaker"))
    columns = {PART: [name for name, part in parts.items() for _ in _ids(part, str(path))]}
    groups = groups if groups is not None else [i.split("$_$")[0] if "$_$" in i else None for i in ids]
    return make_feature_set(Table(path, (path,), ids, sequences, labels, texts, groups, speakers, columns), config)


def _find_parts(loaded: object, path: Path) -> dict[str, Mapping[str, Any]]:
    """Return the parts that hold clips."""
    table = loaded if isinstance(loaded, dict) else {}
    parts = {name: table[name] for name in PARTS if isinstance(table.get(name), dict)}
    if not parts:
        have = ", ".join(map(str, list(table)[:10])) or f"no keys, it is a {type(loaded).__name__}"
        raise ManifestError(f"{path} is no MMSA pickle: it needs dictionaries {', '.join(PARTS)}, and has {have}")
    for name, part in parts.items():
        if "id" not in part:
            raise ManifestError(f"{path}: {name} has no `id`; it has {', '.join(map(str, list(part)[:30]))}")
    return {name: part for name, part in parts.items() if len(_ids(part, str(path)))}


def _ids(part: Mapping[str, Any], where: str) -> list[str]:
    """Return the clips' ids."""
    array = find_column(part, "id", where)
    if array.ndim == 0 or array.size != len(array) or array.dtype.kind not in "USO":
        raise ManifestError(f"{where}: `id` is {array.dtype}{array.shape}, not one text a clip")
    return [value.decode() if isinstance(value, bytes) else str(value) for value in array.reshape(-1).tolist()]


def _sequences(modality: str, part: Mapping[str, Any], config: Config, where: str) -> Sequences:
    """Return a modality's sequences of one part."""
    key = KEYS[modality]
    ids = _ids(part, where)
    if key not in part:
        raise ManifestError(f"{where} has no `{key}`; it has {', '.join(map(str, list(part)[:30]))}")
    lengths = part.get(f"{key}_lengths")
    mask = _text_mask(part)
    if lengths is None and mask is not None and _time(part[key]) == mask.shape[1]:
        lengths = mask.sum(axis=1)
    return read_sequences(part[key], lengths, config.padding, ids, f"{where}: `{key}`")


def _text_mask(part: Mapping[str, Any]) -> np.ndarray | None:
    """Return text_bert's mask (n, time), None where there is none."""
    bert = part.get("text_bert")
    array = np.asarray(bert) if bert is not None and not isinstance(bert, list) else None
    return array[:, 1] != 0 if array is not None and array.ndim == 3 and array.shape[1] == 3 else None


def _time(values: Any) -> int:
    """Return the padded length of an array, 0 where it has none."""
    return values.shape[1] if isinstance(values, np.ndarray) and values.ndim == 3 else 0


def _labels(part: Mapping[str, Any], keys: tuple[str, ...], where: str) -> list[Label]:
    """Return a label of each clip of a part, None where it has none."""
    number = len(_ids(part, where))
    key = next((key for key in keys if key in part), None)
    if key is None:
        return [None] * number
    size = find_column(part, key, where).size
    if size % number:
        raise ManifestError(f"{where}: `{key}` has {size} values for {number} ids")
    return read_labels(part, key, where) if size == number else [None] * number


def _own_labels(parts: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, list[Label]]:
    """Return the labels as our own export wrote them, by their names; none where another program wrote the file."""
    tables = [part["labels"] for part in parts.values() if isinstance(part.get("labels"), dict)]
    names = sorted({str(name) for table in tables for name in table}) if len(tables) == len(parts) else []
    return {name: [v for part in parts.values() for v in _labels(part["labels"] | {"id": part["id"]}, (name,), where)] for name in names}


def _words(parts: Mapping[str, Mapping[str, Any]], key: str) -> list[str | None] | None:
    """Return texts of all parts, None where the file has none."""
    if not any(key in part for part in parts.values()):
        return None
    words: list[str | None] = []
    for part in parts.values():
        number = len(np.atleast_1d(np.asarray(part["id"])))
        values = np.asarray(part.get(key, [None] * number), dtype=object).reshape(-1).tolist()
        words += [None if value is None else str(value) for value in values] if len(values) == number else [None] * number
    return words
