"""IEMOCAP, the official full release: dialogues of two actors, cut into labelled turns (methods.md §2.3, §2.6, §3.1, §5.2).

A clip is a turn: from its start to its end in the dialogue's video, in the half of the picture where its speaker sits and on the channel
of that speaker's microphone. The two halves meet in the middle (E2E's 360 columns each); above and below the two views the picture is
black, so rows 100 to 380 of 480 are kept, as source 2 keeps them: they hold E2E's rows 128 to 352, and the smallest face that is looked for
is a share of a height without borders.

The sound is that of dialog/wav, which runs with the video. A copy that has sentences/wav instead gives each turn a file of its own, whose
channels, if it has several, are mixed; that sound starts with the turn.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.clips.clip import Clip
from pipeline.clips.id_lists import compare_lists, read_id_lists
from pipeline.clips.iemocap_turns import LIST_SIZES, Turn, label_turn, speaker_folds
from pipeline.clips.listing import Discrepancy, Listing, count
from pipeline.clips.splits import Fold
from pipeline.errors import ManifestError, ParamsError

NUM_TURNS, NUM_DIALOGUES = 10039, 151
NUM_LABELLED = {"ang": 1103, "exc": 1041, "fru": 1849, "hap": 595, "neu": 1708, "sad": 1084}
NUM_LABELLED |= {"dis": 2, "fea": 40, "oth": 3, "sur": 107, "xxx": 2507}
"""Turns of each emotion in the full release (methods.md §5.2)."""
NUM_LISTED = {
    "train": {"ang": 757, "exc": 736, "fru": 1298, "hap": 398, "neu": 1214, "sad": 759},
    "valid": {"ang": 112, "exc": 92, "fru": 180, "hap": 62, "neu": 173, "sad": 118},
    "test": {"ang": 234, "exc": 213, "fru": 371, "hap": 135, "neu": 321, "sad": 207},
}
"""Turns of each emotion in source 1's lists (methods.md §3.1)."""
LAYOUT = """\
  IEMOCAP_full_release/   (this folder, or the one that holds it)
    Session1/ … Session5/
      dialog/EmoEvaluation/Ses01F_impro01.txt
      dialog/transcriptions/Ses01F_impro01.txt
      dialog/avi/DivX/Ses01F_impro01.avi   (a release without videos: `options: {video: none}` in the corpus' row)
      dialog/wav/Ses01F_impro01.wav   (or sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav)"""
EVALUATIONS = "Session*/dialog/EmoEvaluation/Ses*.txt"
LEFT, RIGHT = (0.0, 100 / 480, 0.5, 380 / 480), (0.5, 100 / 480, 1.0, 380 / 480)
"""The speaker's part of the picture: left, top, right, bottom, as shares of 720 × 480 px."""
_EVALUATION = re.compile(r"\[([\d.]+) - ([\d.]+)\]\s+(\S+)\s+(\S+)\s+\[([\d.]+), ([\d.]+), ([\d.]+)\]")


@dataclass(frozen=True)
class Release:
    """Where a copy is, and which of its media are used.

    Args:
        folder: holds Session1 to Session5.
        prefix: of that folder in the names of media; empty, or "IEMOCAP_full_release/".
        has_video: whether clips have pictures.
        sound: dialog or sentences: which of the two folders of wav files.
    """

    folder: Path
    prefix: str
    has_video: bool
    sound: str


def read(labels: Path, media: Path, video: str = "dialog", sound: str = "auto") -> Listing:
    """Read the turns, source 1's lists as split `iemocap_6` and source 2's ten folds as split `iemocap_4`.

    Args:
        labels: the folder of source 1's lists.
        media: the release, or the folder that holds it; it carries the labels.
        video: `dialog`, or `none` for a release without videos.
        sound: `dialog` or `sentences`; `auto` takes the sentences only where there are no dialogues.

    Raises:
        ParamsError: an option has another value.
        ManifestError: the folder is no release, or a line of a label file is not what it should be.
    """
    release = _open(media, video, sound)
    files = sorted(release.folder.glob(EVALUATIONS))
    if not files:
        raise ManifestError(f"{release.folder} has no label file {EVALUATIONS}; the layout should be\n{LAYOUT}")
    clips = [clip for file in files for clip in _read_dialogue(file, release)]
    lists = read_id_lists(labels)
    splits = {"iemocap_6": (Fold.of(lists),), "iemocap_4": speaker_folds(clips)}
    return Listing(clips, splits, _compare(clips, files, lists, release), LAYOUT)


def _open(media: Path, video: str, sound: str) -> Release:
    """Find the release and choose its media."""
    if video not in ("dialog", "none") or sound not in ("auto", "dialog", "sentences"):
        raise ParamsError(f"options of `iemocap`: video is dialog or none, not {video}; sound is auto, dialog or sentences, not {sound}")
    prefix = next((prefix for prefix in ("", "IEMOCAP_full_release/") if any((media / prefix).glob("Session[1-5]"))), None)
    if prefix is None:
        raise ManifestError(f"{media} does not hold IEMOCAP; put the release there, or a link to it. The layout should be\n{LAYOUT}")
    folder = media / prefix
    if sound == "auto":
        found = {name for name in ("dialog", "sentences") if any(folder.glob(f"Session*/{name}/wav/Ses*"))}
        sound = "sentences" if found == {"sentences"} else "dialog"
    return Release(folder, prefix, video == "dialog", sound)


def _read_dialogue(file: Path, release: Release) -> Iterator[Clip]:
    """Yield the turns of a dialogue, from the summary lines of its evaluation; annotators' lines stand between them."""
    texts = _read_transcript(_transcript(file))
    for number, line in enumerate(_read_text(file).split("\n"), 1):
        if line.startswith("["):
            try:
                yield _read_turn(line, file, texts, release)
            except ManifestError as error:
                raise ManifestError(f"{file}, line {number}: {error}") from error


def _read_turn(line: str, file: Path, texts: Mapping[str, str], release: Release) -> Clip:
    """Return the clip of a summary line: times (s), id, emotion, and valence, activation, dominance from 1 to 5."""
    match = _EVALUATION.fullmatch(line.strip())
    try:
        start, end, turn_id, emotion, *values = match.groups() if match else ()
        numbers = [float(value) for value in (start, end, *values)]
    except ValueError as error:
        raise ManifestError(f"{line[:80]!r} is not `[start - end] id emotion [valence, activation, dominance]`") from error
    turn = Turn.of(turn_id)
    return Clip(
        id=turn_id,
        text=texts.get(turn_id),
        speaker=turn.speaker,
        group=turn.dialogue,
        labels=label_turn(turn, emotion) | dict(zip(("valence", "activation", "dominance"), numbers[2:], strict=True)),
        **_locate(turn_id, turn, numbers[0], numbers[1], release.prefix + file.parents[2].name, release),
    )


def _locate(turn_id: str, turn: Turn, start: float, end: float, session: str, release: Release) -> dict[str, Any]:
    """Return a clip's media fields: its speaker's half of the picture and channel, between its times (s)."""
    fields: dict[str, Any] = {"start": start, "end": end}
    if release.sound == "sentences":
        fields |= {"audio": f"{session}/sentences/wav/{turn.dialogue}/{turn_id}.wav", "audio_start": 0.0}
    else:
        fields |= {"audio": f"{session}/dialog/wav/{turn.dialogue}.wav", "channel": 0 if turn.is_left else 1}
    if release.has_video:
        fields |= {"media": f"{session}/dialog/avi/DivX/{turn.dialogue}.avi", "region": LEFT if turn.is_left else RIGHT}
    return fields


def _transcript(evaluation: Path) -> Path:
    """Return where the transcript of a dialogue is, or should be."""
    return evaluation.parents[1] / "transcriptions" / evaluation.name


def _read_transcript(file: Path) -> dict[str, str]:
    """Return id to text. Lines of a speaker without a turn (`M: …`) name no id; texts may hold colons; no file, no texts."""
    texts = {}
    for line in _read_text(file).split("\n") if file.is_file() else ():
        head, colon, text = line.partition(":")
        if colon and head.startswith("Ses"):
            texts[head.split()[0]] = text.strip()
    return texts


def _read_text(file: Path) -> str:
    """Read a label file."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise ManifestError(f"{file} is not readable text ({error}); copy it again from the release") from error


def _compare(clips: list[Clip], files: list[Path], lists: Mapping[str, tuple[str, ...]], release: Release) -> tuple[Discrepancy, ...]:
    """Compare the copy with the published numbers. The lists, in which every dialogue stands, tell which names are missing."""
    words = {clip.id: str(clip.labels["emotion"]) for clip in clips}
    counts = Counter(words.values())
    dialogues = {file.stem for file in files}
    lost = sorted({Turn.of(i).dialogue for ids in lists.values() for i in ids} - dialogues)
    mute = [file.stem for file in files if not _transcript(file).is_file()]
    where = release.prefix + EVALUATIONS
    found = count("labelled turns", NUM_TURNS, words, where=where) + count("dialogues", NUM_DIALOGUES, dialogues, lost, where)
    found += count("transcripts of dialogues", len(files), len(files) - len(mute), mute, release.prefix + "Session*/dialog/transcriptions")
    for emotion, expected in NUM_LABELLED.items():
        found += count(f"turns labelled `{emotion}`", expected, counts[emotion], where=where)
    absent = compare_lists("iemocap_6", lists, LIST_SIZES, words, where)
    return found + absent + (() if absent else _compare_labels(lists, words, where))


def _compare_labels(lists: Mapping[str, tuple[str, ...]], words: Mapping[str, str], where: str) -> tuple[Discrepancy, ...]:
    """Compare the emotions of source 1's lists with the published numbers."""
    found: tuple[Discrepancy, ...] = ()
    for part, ids in lists.items():
        counts = Counter(words[i] for i in ids)
        for emotion, expected in NUM_LISTED[part].items():
            found += count(f"turns labelled `{emotion}` in the list `iemocap_6`, {part}", expected, counts[emotion], where=where)
    return found
