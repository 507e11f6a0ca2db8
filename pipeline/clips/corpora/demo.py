"""The built-in corpus, as make_demo writes it: label.csv and Raw/<video_id>/<clip_id>.mp4, in the layout of CH-SIMS."""

from pathlib import Path

from pipeline.clips.clip import Clip, Label
from pipeline.clips.listing import Listing
from pipeline.clips.splits import PARTS, Fold
from pipeline.clips.tables import read_csv
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
    if not labels.is_file():
        raise ManifestError(f"{labels} does not exist; run make_demo, or `dvc pull` to get it")
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    clips = []
    for number, row in read_csv(labels, COLUMNS):
        clip = _read_clip(row, f"{labels}, line {number}")
        clips.append(clip)
        parts[row["mode"]].append(clip.id)
    return Listing(clips, {"speaker": (Fold.of(parts),)})


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
