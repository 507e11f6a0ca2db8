"""CMU-MOSEI as its authors released it raw: sentences of YouTube monologues, with sentiment and six emotions.

Amir Zadeh and others. Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic Fusion Graph. ACL 2018.
Labels are means over annotators, from the questionnaires (Raw/Labels/*.csv, a line an annotator) or from CMU_MOSEI_Labels.csd, which
names no clip: its intervals are looked up in the transcripts. The two order the emotions differently, so they go by name. The splits are
lists beside this project: `dai2021` (clips) and `standard` (videos); their README names the sources.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from pipeline.clips.clip import Clip
from pipeline.clips.listing import Discrepancy, Listing, below, count
from pipeline.clips.mosei_sentences import EMOTIONS, Labels, Sentence, match_csd, read_answers, read_transcripts
from pipeline.clips.splits import PARTS, Fold
from pipeline.errors import ManifestError, ParamsError

TRANSCRIPTS, ANSWERS = "Raw/Transcript/Segmented/Combined", "Raw/Labels"
CSD_FILES = ("Raw/Labels/CMU_MOSEI_Labels.csd", "CMU_MOSEI_Labels.csd")
MEDIA = {"full": "Raw/Videos/Full/Combined", "segmented": "Raw/Videos/Segmented/Combined", "none": "Raw/Audio/Full/WAV_16000"}
"""Option `videos` to the folder of the media, the preferred one first: of some labelled sentences there is no segmented file."""
LAYOUT = f"""  {TRANSCRIPTS}/<video>.txt     <video>___<clip>___<start>___<end>___<text>
  {ANSWERS}/*.csv or CMU_MOSEI_Labels.csd
  {MEDIA["full"]}/<video>.mp4, or {MEDIA["segmented"]}/<video>_<clip>.mp4, or {MEDIA["none"]}/<video>.wav"""

NUM_LABELLED = 23259
"""Labelled sentences, in the .csd (SDK issue 258) and in questionnaires with transcripts (Dai and others' preprocessing)."""
NUM_CLIPS = {"train": 14524, "valid": 1765, "test": 4188}
"""Clips of `dai2021`."""
NUM_VIDEOS = {"train": 2249, "valid": 300, "test": 678}
"""Videos of `standard`."""
NUM_POSITIVES = {
    "train": dict(zip(EMOTIONS, (3267, 2738, 1263, 7587, 4026, 1465), strict=True)),
    "valid": dict(zip(EMOTIONS, (318, 273, 169, 945, 509, 197), strict=True)),
    "test": dict(zip(EMOTIONS, (1015, 744, 371, 2220, 1066, 393), strict=True)),
}
"""Clips of `dai2021` that show an emotion at all (Dai and others, NAACL 2021)."""

log = logging.getLogger(__name__)


def read(labels: Path, media: Path, videos: str = "auto", scores: str = "auto", clips: str = "labelled") -> Listing:
    """Read the labelled sentences and the splits `dai2021` and `standard`.

    Args:
        labels: the folder of the splits' lists, <split>/<part>.txt.
        media: the folder that holds Raw.
        videos: `full` (cut by the transcripts' times), `segmented`, `none` (sound only), or `auto`: the first of them that is there.
        scores: `csv`, `csd`, or `auto`: the questionnaires if they are there.
        clips: `labelled`: all of them; `dai2021`: those of its lists only.

    Raises:
        ParamsError: an option has none of these values.
        ManifestError: transcripts, labels, media or lists are absent or wrong.
    """
    _check("clips", clips, ("labelled", "dai2021"))
    kind = _choose("videos", videos, {name: (media / folder).is_dir() for name, folder in MEDIA.items()}, media)
    sentences = read_transcripts(media / TRANSCRIPTS)
    if not sentences:
        raise ManifestError(f"{media / TRANSCRIPTS} holds no transcripts; the layout should be\n{LAYOUT}")
    known, strangers, where = _read_labels(media, scores, sentences)
    if strangers:
        log.warning("%d labels of %s match no sentence of %s: %s", len(strangers), where, TRANSCRIPTS, ", ".join(strangers[:10]))
    lists, folds = ({part: read_list(labels / split / f"{part}.txt") for part in PARTS} for split in ("dai2021", "standard"))
    lacking = count("labelled clips", NUM_LABELLED, known, strangers, f"{where}, {TRANSCRIPTS}") + _check_lists(lists, known)
    if clips == "labelled":
        lacking += _check_videos(folds, {sentences[i].video for i in known})
    else:
        known = {i: known[i] for part in PARTS for i in lists[part] if i in known}
    splits = {"dai2021": (Fold.of(lists),), "standard": (_fold_of_videos(folds, [sentences[i] for i in known]),)}
    return Listing([_clip(sentences[i], values, kind) for i, values in known.items()], splits, lacking, LAYOUT)


def read_list(path: Path) -> list[str]:
    """Read the ids of a part, one a line.

    Raises:
        ManifestError: the list is absent or no text.
    """
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read ({error}); `labels` must be the folder of the split lists") from error


def _check(name: str, value: str, known: Collection[str]) -> None:
    """Raise ParamsError if an option has a value that nobody knows."""
    if value not in known:
        raise ParamsError(f"the adapter `mosei` has no `{name}: {value}`; it may be {', '.join(known)}")


def _choose(name: str, value: str, found: Mapping[str, object], media: Path) -> str:
    """Return what an option names, or for `auto` the first that is there."""
    _check(name, value, ("auto", *found))
    chosen = next((kind for kind, there in found.items() if there), None) if value == "auto" else value
    if chosen is None:
        raise ManifestError(f"{media} holds nothing for any of `{name}: {', '.join(found)}`; the layout should be\n{LAYOUT}")
    return chosen


def _read_labels(media: Path, scores: str, sentences: Mapping[str, Sentence]) -> tuple[dict[str, Labels], list[str], str]:
    """Return the labels of sentences by clip id, the names of labels that are no sentence's, and where they were looked up."""
    answers = [path for path in sorted((media / ANSWERS).glob("*.csv")) if not path.name.startswith(".")]  # macOS leaves ._ shadows
    sequences = [name for name in CSD_FILES if (media / name).is_file()]
    chosen = _choose("scores", scores, {"csv": answers, "csd": sequences}, media)
    if not {"csv": answers, "csd": sequences}[chosen]:
        raise ManifestError(f"{media} holds nothing for `scores: {chosen}`; the layout should be\n{LAYOUT}")
    if chosen == "csd":
        return *match_csd(media / sequences[0], sentences.values()), sequences[0]
    means = read_answers(answers)
    return {i: v for i, v in means.items() if i in sentences}, sorted(means.keys() - sentences.keys()), f"{ANSWERS}/*.csv"


def _check_lists(lists: Mapping[str, list[str]], known: Mapping[str, Labels]) -> tuple[Discrepancy, ...]:
    """Compare the lists' clips, and in whole parts those that show each emotion, with the published numbers."""
    lacking: tuple[Discrepancy, ...] = ()
    for part, ids in lists.items():
        there = [i for i in ids if i in known]
        lacking += count(f"clips of the split `dai2021` ({part})", NUM_CLIPS[part], there, (i for i in ids if i not in known), ANSWERS)
        for emotion, expected in NUM_POSITIVES[part].items() if len(there) == NUM_CLIPS[part] else ():
            lacking += count(f"clips of `dai2021` ({part}) with {emotion}", expected, [i for i in there if known[i][emotion]], (), ANSWERS)
    return lacking


def _check_videos(folds: Mapping[str, list[str]], videos: set[str]) -> tuple[Discrepancy, ...]:
    """Compare the labelled videos of the standard folds with the published numbers."""
    lacking: tuple[Discrepancy, ...] = ()
    for part, ids in folds.items():
        there = [video for video in ids if video in videos]
        lacking += count(f"videos of the split `standard` ({part})", NUM_VIDEOS[part], there, (v for v in ids if v not in videos), ANSWERS)
    return lacking


def _fold_of_videos(folds: Mapping[str, list[str]], sentences: Iterable[Sentence]) -> Fold:
    """Return the clips of each part's videos."""
    part_of = {video: part for part, videos in folds.items() for video in videos}
    parts: dict[str, list[str]] = defaultdict(list)
    for sentence in sentences:
        parts[part_of.get(sentence.video, "")].append(sentence.id)
    return Fold.of(parts)


def _clip(sentence: Sentence, labels: Labels, kind: str) -> Clip:
    """Return the clip of a sentence: its own file, or its interval of the video or the sound."""
    if kind == "segmented":
        path, start, end = f"{MEDIA[kind]}/{sentence.id}.mp4", 0.0, None
    else:
        path, start, end = f"{MEDIA[kind]}/{sentence.video}.{'mp4' if kind == 'full' else 'wav'}", sentence.start, sentence.end
    return Clip(sentence.id, below(path), start=start, end=end, text=sentence.text, group=sentence.video, labels=labels)
