"""MELD: 13,708 utterances of the series Friends in three official parts, with seven emotions and three sentiments.

Soujanya Poria, Devamanyu Hazarika, Navonil Majumder, Gautam Naik, Erik Cambria, Rada Mihalcea. MELD: A Multimodal Multi-Party Dataset for
Emotion Recognition in Conversations. ACL 2019. Counts: README of its repository (declare-lab/MELD); what is wrong with which file: issues
22, 27, 39 and 52 there.

Dialogue and utterance numbers begin anew in each part, so ids bear the part: train_dia0_utt0. The recording that clips share is the
episode: the parts were drawn by dialogue, so episodes and speakers stand in all of them, and a task declares that (`disjoint: none`).

One utterance of the dev part was never published as a video (dia110_utt7): it is a clip with a text only. train's dia125_utt3 cannot be
decoded and ends as a skipped clip. In the test folder some clips stand twice, the second time as final_videos_testdia…; the authors advise
to ignore those (issue 22), others found that it is they that fit the transcripts: an option prefers them.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.clips.clip import Clip
from pipeline.clips.listing import Discrepancy, Listing, count
from pipeline.clips.splits import Fold
from pipeline.clips.tables import read_csv
from pipeline.errors import ManifestError, ParamsError

EXPECTED = {
    "train": {"anger": 1109, "disgust": 271, "fear": 268, "joy": 1743, "neutral": 4710, "sadness": 683, "surprise": 1205},
    "dev": {"anger": 153, "disgust": 22, "fear": 40, "joy": 163, "neutral": 470, "sadness": 111, "surprise": 150},
    "test": {"anger": 345, "disgust": 68, "fear": 50, "joy": 402, "neutral": 1256, "sadness": 208, "surprise": 281},
}
"""Utterances of each part and emotion: 9989, 1109 and 2610 in all."""
SENTIMENTS = ("negative", "neutral", "positive")
FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season", "Episode")
NEVER_PUBLISHED = {"dev_dia110_utt7"}
LAYOUT = """\
  labels: train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv   (folder data/MELD of the corpus' repository)
  media:  train_splits/dia0_utt0.mp4 …, dev_splits_complete/…, output_repeated_splits_test/…   (or one folder deeper: train/train_splits)"""
_FOREIGN = re.compile(r"[^\x00-\x7f]{2,}")
_CONTROL = re.compile(r"[\x80-\x9f]")


@dataclass(frozen=True)
class Videos:
    """The videos of a part.

    Args:
        folder: below the media folder.
        names: of the files that are there.
        prefer_final: take final_videos_test… where it stands beside the plain name.
    """

    folder: str
    names: frozenset[str]
    prefer_final: bool

    def find(self, name: str) -> str:
        """Return the path of an utterance's video, whether it is there or not."""
        final = f"final_videos_test{name}"
        use_final = final in self.names and (self.prefer_final or name not in self.names)
        return f"{self.folder}/{final if use_final else name}"


def read(labels: Path, media: Path, final_videos: str = "no") -> Listing:
    """Read the utterances and the official parts as the split `official`.

    Args:
        labels: the folder of the three CSV files.
        media: the folder that holds the three folders of videos; it need not be there.
        final_videos: `yes` takes final_videos_testdia… where the test folder has it; `no` only where the plain name is absent.

    Raises:
        ParamsError: `final_videos` is neither.
        ManifestError: a CSV file is absent, or a line is not what it should be; the message names it.
    """
    if final_videos not in ("yes", "no"):
        raise ParamsError(f"the option final_videos of meld is yes or no, not {final_videos!r}")
    clips: dict[str, list[Clip]] = {}
    for part, folder in FOLDERS.items():
        path = labels / f"{part}_sent_emo.csv"
        if not path.is_file():
            raise ManifestError(f"{path} does not exist; the layout should be\n{LAYOUT}")
        rows = read_csv(path, COLUMNS, ("utf-8-sig", "cp1252"))
        videos = _list_videos(media, folder, final_videos == "yes")
        clips[part] = [_make_clip(part, row, videos, f"{path}, line {line}") for line, row in rows]
    parts = {name: [clip.id for clip in clips[part]] for name, part in (("train", "train"), ("valid", "dev"), ("test", "test"))}
    return Listing([clip for each in clips.values() for clip in each], {"official": (Fold.of(parts),)}, _compare(clips), LAYOUT)


def _list_videos(media: Path, folder: str, prefer_final: bool) -> Videos:
    """Return the videos of a part: in its folder, or in the same folder one deeper."""
    found = next((each for each in (media / folder, *sorted(media.glob(f"*/{folder}"))) if each.is_dir()), media / folder)
    names = frozenset(each.name for each in found.iterdir()) if found.is_dir() else frozenset()
    return Videos(found.relative_to(media).as_posix(), names, prefer_final)


def _compare(clips: Mapping[str, list[Clip]]) -> tuple[Discrepancy, ...]:
    """Compare the number of utterances of each part and emotion with the published ones."""
    found = {part: Counter(clip.labels["emotion"] for clip in each) for part, each in clips.items()}
    return tuple(
        discrepancy
        for part, emotions in EXPECTED.items()
        for emotion, number in emotions.items()
        for discrepancy in count(f"utterances of {part} labelled {emotion}", number, found[part][emotion], where=f"{part}_sent_emo.csv")
    )


def _make_clip(part: str, row: Mapping[str, str], videos: Videos, where: str) -> Clip:
    """Return the clip of a row."""
    try:
        dialogue, utterance, season, episode = (int(row[name]) for name in ("Dialogue_ID", "Utterance_ID", "Season", "Episode"))
    except ValueError as error:
        raise ManifestError(f"{where}: a number of the dialogue, utterance, season or episode is none: {error}") from error
    emotion, sentiment = row["Emotion"].lower(), row["Sentiment"].lower()
    if emotion not in EXPECTED[part] or sentiment not in SENTIMENTS:
        raise ManifestError(f"{where}: {emotion!r} is no emotion of MELD, or {sentiment!r} none of {', '.join(SENTIMENTS)}")
    name, clip_id = f"dia{dialogue}_utt{utterance}.mp4", f"{part}_dia{dialogue}_utt{utterance}"
    absent = clip_id in NEVER_PUBLISHED and name not in videos.names
    return Clip(
        clip_id,
        media=None if absent else videos.find(name),
        text=repair(row["Utterance"]),
        speaker=repair(row["Speaker"]) or None,
        group=f"s{season:02d}e{episode:02d}",
        labels={"emotion": emotion, "sentiment": sentiment},
    )


def repair(text: str) -> str:
    """Return a text whose typographic characters were lost between Windows-1252 and UTF-8, in every way that copies of the tables show.

    A run of foreign characters that is UTF-8 once it is bytes again was encoded twice (â€™ for ’); a control character of 128 to 159 is a
    byte of Windows-1252 (0x92 for ’).
    """
    text = _FOREIGN.sub(lambda run: _decode_twice(run[0]), text)
    return _CONTROL.sub(lambda byte: byte[0].encode("latin-1").decode("cp1252", "ignore"), text)


def _decode_twice(run: str) -> str:
    """Return what was encoded twice, or the run as it is."""
    try:
        return b"".join(c.encode("latin-1" if ord(c) < 256 else "cp1252") for c in run).decode("utf-8")
    except UnicodeError:
        return run
