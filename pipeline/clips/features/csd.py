"""Computational sequences of the CMU multimodal SDK (`.csd`): one file for the labels, one for each modality, aligned here.

A clip is an interval of the labels' file; it is named `<video>[<k>]`, k counting the video's intervals in the file's order, as the SDK does
in its own alignment. It gets those steps of a feature whose middle lies in its interval, ordered by time, unpooled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.clips.clip import Label
from pipeline.clips.csd import Sequences, read_csd
from pipeline.clips.features.feature_set import FeatureSet, FeatureSetConfig, Table, make_feature_set
from pipeline.errors import ManifestError

PAUSE = "sp"
"""A pause among the words of the SDK's transcripts."""


@dataclass(frozen=True, kw_only=True)
class Config(FeatureSetConfig):
    """A row of `feature_sets` of the format csd; `features` is the folder of the files.

    Args:
        labels_file: below the folder; its intervals are the clips.
        labels: name to the column of its features.
        modalities: modality to a file below the folder.
        words: the file of the words, for transcripts.
    """

    labels_file: str
    labels: dict[str, int]
    modalities: dict[str, str]
    words: str | None = None
    group: str | None = r"^(.+)\[\d+\]$"


def read(path: Path, config: Config) -> FeatureSet:
    """Read the sequences below the folder `path` and align them to the intervals of the labels.

    Raises:
        ManifestError: a file is absent, torn or of another layout, or labels and features have no video in common.
    """
    labelled = read_csd(path / config.labels_file)
    ids, places, labels = _list_clips(labelled, config, path / config.labels_file)
    sequences, texts = {}, None
    for modality, name in config.modalities.items():
        found = read_csd(path / name)
        if not labelled.keys() & found.keys():
            raise ManifestError(f"{path / name} has no video of {config.labels_file}; its videos: {', '.join(list(found)[:10])}")
        sequences[modality] = _align(found, labelled, places, path / name)
    if config.words:
        words = read_csd(path / config.words)
        texts = [_join(steps) for steps in _align(words, labelled, places, path / config.words, numeric=False)]
    names = (config.labels_file, *config.modalities.values(), *([config.words] if config.words else []))
    return make_feature_set(Table(path, tuple(path / name for name in names), ids, sequences, labels, texts), config)


def _list_clips(labelled: Sequences, config: Config, path: Path) -> tuple[list[str], list[tuple[str, int]], dict[str, list[Label]]]:
    """Return ids, (video, place in its intervals), and labels of the clips."""
    places = [(video, k) for video, (_, intervals) in sorted(labelled.items()) for k in range(len(intervals))]
    columns: dict[str, list[Label]] = {name: [] for name in config.labels}
    for video, k in places:
        values = labelled[video][0][k]
        for name, column in config.labels.items():
            if not 0 <= column < len(values) or values.dtype.kind not in "fiub":
                raise ManifestError(f"{path}: {video} has labels {values.dtype}({len(values)}) and no number {column} for `{name}`")
            number = float(values[column])
            columns[name].append(number if np.isfinite(number) else None)
    return [f"{video}[{k}]" for video, k in places], places, columns


def _align(
    found: Sequences, labelled: Sequences, places: list[tuple[str, int]], path: Path, numeric: bool = True
) -> list[NDArray[np.generic]]:
    """Return each clip's steps, (time, dim), length 0 where it has none."""
    middles, ordered = _sort(found)
    like = next((features for features in ordered.values() if len(features)), None)
    if like is None or numeric != (like.dtype.kind in "fiub"):
        raise ManifestError(f"{path} holds no {'numbers' if numeric else 'words'}")
    steps = []
    for video, k in places:
        start, end = labelled[video][1][k]
        chosen = np.searchsorted(middles.get(video, np.zeros(0)), (start, end))
        steps.append(ordered[video][chosen[0] : chosen[1]] if video in ordered else like[:0])
    return steps


def _sort(found: Sequences) -> tuple[Mapping[str, NDArray[np.float64]], Mapping[str, NDArray[np.generic]]]:
    """Return the middles (s) and the features of each video, ordered by time."""
    middles = {video: intervals.astype(np.float64).mean(axis=1) for video, (_, intervals) in found.items()}
    order = {video: np.argsort(middle, kind="stable") for video, middle in middles.items()}
    return {v: middles[v][order[v]] for v in found}, {v: found[v][0][order[v]] for v in found}


def _join(steps: NDArray[np.generic]) -> str:
    """Return the transcript of a clip's words."""
    words = [word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word) for word in steps.reshape(-1).tolist()]
    return " ".join(word for word in words if word != PAUSE)
