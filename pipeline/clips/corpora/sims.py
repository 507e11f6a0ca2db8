"""CH-SIMS and CH-SIMS v2.0: sentences of Chinese films, series and shows, their sentiment annotated from each modality alone and from all.

Wenmeng Yu and others. CH-SIMS: A Chinese Multimodal Sentiment Analysis Dataset with Fine-grained Annotation of Modality. ACL 2020.
Yihe Liu and others. Make Acoustic and Visual Cues Matter: CH-SIMS v2.0 Dataset and AV-Mixup Consistent Module. ICMI 2022.
The label file has a line a clip; ids are text, zeros in front included, which spreadsheets drop. A line without a label M and a part (v2's
unsupervised half, which comes with a meta.csv of its own) is no clip: nothing here could learn from it or be tested on it.
"""

import csv
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.clips.clip import Clip, Label
from pipeline.clips.listing import Listing, below, count
from pipeline.clips.splits import PARTS, Fold
from pipeline.errors import ManifestError, ParamsError

COLUMNS = ("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation", "mode")
"""Of a file without a header line; `annotation` repeats `label` as a word and is not read."""
SENTIMENTS = {"label": "sentiment", "label_T": "sentiment_T", "label_A": "sentiment_A", "label_V": "sentiment_V"}
NUM_CLIPS: dict[str, dict[str, tuple[int, ...]]] = {
    "v1": {"train": (1368,), "valid": (456,), "test": (457,)},
    "v2": {"train": (2722, 2721), "valid": (647,), "test": (1034,)},
}
"""Clips of each part. v2's meta.csv has 2722 in train; its authors call 2721 right, those of a label.csv (ch-sims-v2, issues 4 and 11)."""
ENCODINGS = {"gb18030": "GB18030 (GBK)", "utf-16": "UTF-16"}
LAYOUT = f"""  label.csv (v2: meta.csv)               {",".join(COLUMNS)}
  Raw/<video_id>/<clip_id>.mp4           Raw/video_0001/0001.mp4; in v2 also Raw/aqgy3_0001/00000.mp4"""

log = logging.getLogger(__name__)


def read(labels: Path, media: Path, version: str = "v1") -> Listing:
    """Read the labelled clips and the split `official`.

    Args:
        labels: label.csv or meta.csv, UTF-8, with or without a header line.
        media: the folder that holds Raw; it need not be there.
        version: `v1` or `v2`.

    Raises:
        ParamsError: no such version.
        ManifestError: the label file is absent, not UTF-8, or a line is not what it should be; the message names the line.
    """
    if version not in NUM_CLIPS:
        raise ParamsError(f"the adapter `sims` has no `version: {version}`; it may be {', '.join(NUM_CLIPS)}")
    clips: list[Clip] = []
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    unlabelled = 0
    for where, row in _read_rows(labels):
        if not row["label"] and row["mode"] not in PARTS:
            unlabelled += 1
            continue
        clips.append(_read_clip(row, version, where))
        parts[row["mode"]].append(clips[-1].id)
    if unlabelled:
        log.warning("%d lines of %s have neither a label nor a part; they are no clips here", unlabelled, labels)
    lacking = [
        discrepancy
        for part, numbers in NUM_CLIPS[version].items()
        for discrepancy in (count(f"clips of the split `official` ({part})", numbers[0], parts[part], (), labels.name))
        if len(parts[part]) not in numbers
    ]
    return Listing(clips, {"official": (Fold.of(parts),)}, tuple(lacking), LAYOUT)


def _read_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the lines of the label file by column, each with its place for messages."""
    header: Sequence[str] = ()
    reader = csv.reader(io.StringIO(_read_text(path), newline=""))
    try:
        for fields in reader:
            values, where = [field.strip() for field in fields], f"{path}, line {reader.line_num}"
            if not any(values):
                continue
            if not header:
                header = _header(values, where)
                if values[0] == COLUMNS[0]:
                    continue
            if len(values) != len(header):
                raise ManifestError(f"{where}: {len(values)} fields, not {len(header)}; quote texts that hold commas")
            yield where, dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise ManifestError(f"{path}, line {reader.line_num} is not CSV: {error}; save the file as one") from error


def _read_text(path: Path) -> str:
    """Return the label file's text; of one that is not UTF-8 the error says what it seems to be."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path} cannot be read ({error}); the layout should be\n{LAYOUT}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        known = (name for codec, name in ENCODINGS.items() if _is_text(content, codec))
        raise ManifestError(f"{path} is not UTF-8; it seems to be {next(known, 'no text')} ({error}); save it as UTF-8") from error


def _is_text(content: bytes, codec: str) -> bool:
    """Whether bytes can be read so, and hold the commas of a table."""
    try:
        return "," in content.decode(codec)
    except UnicodeDecodeError:
        return False


def _header(values: Sequence[str], where: str) -> Sequence[str]:
    """Return the names of the columns: those of the first line, or the published ones where it is a clip already."""
    if values[0] != COLUMNS[0]:
        return COLUMNS
    missing = [name for name in COLUMNS if name not in values and name != "annotation"]
    if missing or len(set(values)) < len(values):
        raise ManifestError(f"{where}: the header {','.join(values)} lacks {', '.join(missing) or 'nothing, but has a column twice'}")
    return values


def _read_clip(row: dict[str, str], version: str, where: str) -> Clip:
    """Return the clip of a line."""
    video, clip = row["video_id"], row["clip_id"]
    clip = clip.zfill(4 if version == "v1" or video.startswith("video_") else 5)  # v2's own clips have five digits
    if row["mode"] not in PARTS:
        raise ManifestError(f"{where}: mode is {row['mode']!r}, not one of {', '.join(PARTS)}")
    try:
        values: dict[str, Label] = {name: float(row[column]) if row[column] else None for column, name in SENTIMENTS.items()}
        if values["sentiment"] is None or not all(-1 <= float(v) <= 1 for v in values.values() if v is not None):
            raise ValueError(f"{', '.join(row[column] or 'nothing' for column in SENTIMENTS)}, not between −1 and 1")
        return Clip(f"{video}_{clip}", below(f"Raw/{video}/{clip}.mp4"), text=row["text"], group=video, labels=values)
    except (ValueError, ManifestError) as error:
        raise ManifestError(f"{where}: a label is wrong or the clip has no place: {error}") from error
