"""The built-in corpus, as make_demo writes it: label.csv and Raw/<video_id>/<clip_id>.mp4, in the layout of CH-SIMS."""

import csv
from pathlib import Path

from pipeline.clips.clip import Clip, Label
from pipeline.clips.listing import Listing
from pipeline.clips.splits import PARTS, Fold
from pipeline.errors import ManifestError

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
SENTIMENTS = {"label": "sentiment", "label_T": "sentiment_T", "label_A": "sentiment_A", "label_V": "sentiment_V"}
COLUMNS = ("video_id", "clip_id", "text", *SENTIMENTS, "mode", "speaker", *EMOTIONS)


def read(labels: Path, media: Path) -> Listing:
    """Read the labelled clips and the split by speaker.

    Args:
        labels: label.csv.
        media: the corpus' folder; it need not be there.

    Raises:
        ManifestError: label.csv is absent, lacks a column, or a line's label or part is none.
    """
    rows = _read_rows(labels)
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    clips = []
    for number, row in enumerate(rows, 2):
        clip = _read_clip(row, f"{labels}, line {number}")
        clips.append(clip)
        parts[row["mode"]].append(clip.id)
    return Listing(clips, {"speaker": (Fold.of(parts),)})


def _read_rows(labels: Path) -> list[dict[str, str]]:
    if not labels.is_file():
        raise ManifestError(f"{labels} does not exist; run make_demo, or `dvc pull` to get it")
    with labels.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise ManifestError(f"{labels} lacks the columns {', '.join(missing)}; run make_demo again")
        return list(reader)


def _read_clip(row: dict[str, str], where: str) -> Clip:
    if row["mode"] not in PARTS:
        raise ManifestError(f"{where}: mode is {row['mode']!r}, not one of {', '.join(PARTS)}")
    try:
        values: dict[str, Label] = {name: float(row[name]) for name in EMOTIONS}
        values |= {name: float(row[column]) for column, name in SENTIMENTS.items()}
    except (TypeError, ValueError) as error:
        raise ManifestError(f"{where}: a label is not a number ({error}); run make_demo again") from error
    video, clip = row["video_id"], row["clip_id"].zfill(4)
    return Clip(f"{video}_{clip}", media=f"Raw/{video}/{clip}.mp4", text=row["text"], speaker=row["speaker"], group=video, labels=values)
