"""What CMU-MOSEI's raw release says of its sentences: transcripts, and labels from either of two sources, as means over annotators.

The questionnaires (a line an annotator) name the clip; the computational sequence CMU_MOSEI_Labels.csd names no clip, so its intervals are
looked up in the transcripts. The two order the emotions differently: they go by name.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.clips.clip import Label
from pipeline.errors import ManifestError

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
CSD_COLUMNS = ("sentiment", "happiness", "sadness", "anger", "surprise", "disgust", "fear")
TOLERANCE = 0.1
"""Seconds by which each end of a labelled interval may lie off the sentence's in the transcript."""

Labels = dict[str, Label]


@dataclass(frozen=True)
class Sentence:
    """A line of a transcript; `start` and `end` in seconds from the start of the full video, `start` clipped to 0."""

    video: str
    clip: str
    start: float
    end: float
    text: str

    @property
    def id(self) -> str:
        """The clip's id."""
        return f"{self.video}_{self.clip}"


def read_transcripts(folder: Path) -> dict[str, Sentence]:
    """Read the transcripts of a folder, <video>.txt, clip id to sentence; nothing where there are none.

    Raises:
        ManifestError: a line is no sentence, or a clip stands twice; the message names the line.
    """
    sentences: dict[str, Sentence] = {}
    for path in sorted(folder.glob("[!.]*.txt")):
        for sentence in _read_transcript(path):
            if sentence.id in sentences:
                raise ManifestError(f"{path}: the clip {sentence.clip} stands there twice; keep one of its lines")
            sentences[sentence.id] = sentence
    return sentences


def _read_transcript(path: Path) -> Iterator[Sentence]:
    """Yield the sentences of a video; a line without fields goes on with the text of the one before."""
    fields: list[str] = []
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # not splitlines: texts hold rarer line ends
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8 text: {error}; save it as such") from error
    where = ""
    for number, line in enumerate([*lines, f"{path.stem}___"], 1):
        if line.startswith(f"{path.stem}___"):  # the id may end in _, so it is not split off
            if fields:
                yield _sentence(path.stem, fields, where)
            fields, where = line.removeprefix(f"{path.stem}___").rstrip("\r").split("___", 3), f"{path}, line {number}"
        elif line.strip() and ("___" in line or not fields):
            raise ManifestError(f"{path}, line {number} is not {path.stem}___<clip>___<start>___<end>___<text>: {line[:80]!r}")
        elif line.strip():
            fields[-1] = f"{fields[-1]} {line.strip()}"


def _sentence(video: str, fields: list[str], where: str) -> Sentence:
    """Return the sentence of a line's fields after the video."""
    try:
        clip, start, end, text = fields
        return Sentence(video, clip.strip(), max(0.0, float(start)), float(end), text.strip())
    except ValueError as error:
        raise ManifestError(f"{where} is not {video}___<clip>___<start>___<end>___<text>: {error}") from error


def read_answers(paths: Iterable[Path]) -> dict[str, Labels]:
    """Average the annotators' answers of all questionnaires, clip id to labels.

    An emotion that an annotator left empty counts as 0, a sentiment left empty not at all, nor an annotator who left everything empty.

    Raises:
        ManifestError: a file lacks a column, or an answer is not a number; the message names the line.
    """
    answers: dict[str, list[list[float | None]]] = defaultdict(list)
    columns = [f"Answer.{name}" for name in (*EMOTIONS, "sentiment")]
    for path in paths:
        for line, row in _read_csv(path, ("Input.VIDEO_ID", "Input.CLIP", *columns)):
            try:
                values = [float(row[name]) if row[name].strip() not in ("", "nan") else None for name in columns]
            except ValueError as error:
                raise ManifestError(f"{path}, line {line}: an answer is not a number: {error}") from error
            video = row["Input.VIDEO_ID"].strip().rsplit("/", 1)[-1]
            if any(value is not None for value in values):
                answers[f"{video}_{row['Input.CLIP'].strip().removesuffix('.0')}"].append(values)
    return {i: _average(rows) for i, rows in answers.items()}


def _average(rows: list[list[float | None]]) -> Labels:
    """Return the means over annotators."""
    *emotions, sentiments = zip(*rows, strict=True)
    values: Labels = {name: sum(v or 0.0 for v in given) / len(rows) for name, given in zip(EMOTIONS, emotions, strict=True)}
    scores = [value for value in sentiments if value is not None]
    return values | {"sentiment": sum(scores) / len(scores) if scores else None}


def _read_csv(path: Path, required: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file with a header, each with its line's number."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            missing = [name for name in required if name not in (reader.fieldnames or ())]
            if missing:
                raise ManifestError(f"{path} lacks the columns {', '.join(missing)}; its folder must hold the questionnaires only")
            for row in reader:
                yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path} is not a CSV file in UTF-8: {error}; save it as one") from error


def match_csd(path: Path, sentences: Iterable[Sentence]) -> tuple[dict[str, Labels], list[str]]:
    """Return the labels of a .csd by clip id, and the names of intervals that are no sentence's, or one's that has labels already.

    Raises:
        ManifestError: the file is no computational sequence, or does not hold the seven labels.
    """
    from pipeline.clips.csd import read_csd

    spoken: dict[str, list[Sentence]] = defaultdict(list)
    for sentence in sentences:
        spoken[sentence.video].append(sentence)
    known: dict[str, Labels] = {}
    strangers = []
    for video, (features, intervals) in read_csd(path).items():
        if features.shape[1:] != (len(CSD_COLUMNS),) or not np.isfinite(features).all():
            raise ManifestError(
                f"{path}: {video} does not hold the {len(CSD_COLUMNS)} numbers {', '.join(CSD_COLUMNS)}; copy the file again"
            )
        times = np.array([(s.start, s.end) for s in spoken[video]]).reshape(-1, 1, 2)
        distance = np.abs(times - np.maximum(intervals, 0)).max(axis=2) if len(times) else np.full((1, len(intervals)), np.inf)
        for row, place in enumerate(distance.argmin(axis=0)):
            i = spoken[video][place].id if distance[place, row] <= TOLERANCE else None
            if i is None or i in known:
                strangers.append(f"{video} [{intervals[row, 0]:g}–{intervals[row, 1]:g} s]")
            else:
                known[i] = dict(zip(CSD_COLUMNS, map(float, features[row]), strict=True))
    return known, strangers
