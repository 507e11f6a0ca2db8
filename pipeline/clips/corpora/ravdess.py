"""RAVDESS: 24 actors speak or sing two statements in eight emotions; the labels stand in the files' names.

Steven R. Livingstone, Frank A. Russo. The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS). PLoS ONE 13(5), 2018.

A name is modality-vocal-emotion-intensity-statement-repetition-actor, two digits each (01-01-03-01-02-01-12). The corpus is a full design,
so its clips are known without a single file: 60 spoken clips of each actor (1440), 44 sung ones of each but actor 18 (1012); neutral has no
strong intensity, song neither disgust nor surprise. Each exists in three modalities of the same take; only one is listed, or every clip
would have a copy.
"""

from itertools import product
from pathlib import Path

from pipeline.clips.clip import Clip
from pipeline.clips.listing import Listing
from pipeline.clips.splits import rotate_folds
from pipeline.clips.tables import read_csv
from pipeline.errors import ManifestError, ParamsError

NUM_FOLDS = 6
MODALITIES = {"av": ("01", ".mp4"), "video": ("02", ".mp4"), "audio": ("03", ".wav")}
EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
INTENSITIES = {"01": "normal", "02": "strong"}
ACTORS = tuple(f"{number:02d}" for number in range(1, 25))
VOCAL = {"speech": ("01", tuple(EMOTIONS), ACTORS), "song": ("02", tuple(EMOTIONS)[:6], tuple(a for a in ACTORS if a != "18"))}
"""Vocal channel: its number, its emotions and its actors."""
LAYOUT = "  Actor_01/01-01-01-01-01-01-01.mp4 … Actor_24/   (or Video_Speech_Actor_01/Actor_01/…, or all in one folder)"


def read(labels: Path, media: Path, modality: str = "av", vocal: str = "speech") -> Listing:
    """Read the clips and six folds by actor, `actors`: blocks of four consecutive actors, two men and two women, see `rotate_folds`.

    Args:
        labels: statements.csv.
        media: the folder of the media; it need not be there.
        modality: `av`, `video` (without sound) or `audio`.
        vocal: `speech` or `song`.

    Raises:
        ParamsError: an option has another value.
        ManifestError: statements.csv is absent or wrong, or a file of that modality and channel has a name that the design does not.
    """
    if modality not in MODALITIES or vocal not in VOCAL:
        raise ParamsError(
            f"the options of ravdess are modality: {' | '.join(MODALITIES)} and vocal: {' | '.join(VOCAL)}, not {modality!r} and {vocal!r}"
        )
    texts = {row["code"]: row["text"] for _, row in read_csv(labels, ("code", "text"))}
    names = _list_names(MODALITIES[modality][0], vocal, sorted(texts))
    files = _find_files(media, modality, f"{MODALITIES[modality][0]}-{VOCAL[vocal][0]}-", set(names))
    clips = [_make_clip(name, files.get(name), MODALITIES[modality][1], texts) for name in names]
    folds = rotate_folds({clip.id: str(clip.speaker) for clip in clips}, NUM_FOLDS)
    return Listing(clips, {"actors": folds}, layout=LAYOUT)


def _list_names(number: str, vocal: str, statements: list[str]) -> list[str]:
    """Return the names of all clips of a modality and vocal channel."""
    channel, emotions, actors = VOCAL[vocal]
    design = product(emotions, INTENSITIES, statements, ("01", "02"), actors)
    return ["-".join((number, channel, *values)) for values in design if values[:2] != ("01", "02")]


def _find_files(media: Path, modality: str, start: str, names: set[str]) -> dict[str, str]:
    """Return clip name → path below the folder, for the media that are there; of a clip that stands in two folders, the first by name.

    Raises:
        ManifestError: a file's name is none of the corpus.
    """
    files: dict[str, str] = {}
    suffix = MODALITIES[modality][1]
    for depth in ("", "*/", "*/*/"):
        for path in sorted(media.glob(f"{depth}{start}*{suffix}")):
            if path.stem not in names:
                raise ManifestError(f"{path} is no clip of RAVDESS: its numbers should be like 01-01-03-01-02-01-12; rename or remove it")
            files.setdefault(path.stem, path.relative_to(media).as_posix())
    return files


def _make_clip(name: str, path: str | None, suffix: str, texts: dict[str, str]) -> Clip:
    """Return the clip of a name; where this copy has no file of it, its media is where the corpus' archives have it."""
    _, _, emotion, intensity, statement, _, actor = name.split("-")
    labels = {
        "emotion": EMOTIONS[emotion],
        "intensity": INTENSITIES[intensity],
        "statement": statement,
        "sex": "female" if int(actor) % 2 == 0 else "male",
    }
    return Clip(name, media=path or f"Actor_{actor}/{name}{suffix}", text=texts[statement], speaker=actor, labels=labels)
