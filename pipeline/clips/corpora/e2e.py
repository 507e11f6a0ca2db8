"""IEMOCAP and CMU-MOSEI as Dai et al. preprocessed them and source 1 used them: a folder of pictures and sound files a clip.

Wenliang Dai, Samuel Cahyawijaya, Zihan Liu, Pascale Fung. Multimodal End-to-End Sparse Model for Emotion Recognition. NAACL 2021. The
layout is that of methods.md §1.8 and §3.1; EmoMBT's variant has only the pictures in which a face was found, and their numbers keep the
time. meta.pkl is read without running anything of it. Pictures are sampled by time, so their rate is needed: meta.pkl says it for IEMOCAP,
for CMU-MOSEI it is the numbers of the pictures by the duration of the sound (the papers took every 15th file of folders that may have been
thinned before).
"""

import re
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.clips.clip import Clip, Label
from pipeline.clips.frames import list_frames
from pipeline.clips.id_lists import compare_lists, read_id_lists
from pipeline.clips.iemocap_turns import LIST_SIZES, Turn, label_turn, speaker_folds
from pipeline.clips.listing import Listing, below, count
from pipeline.clips.pickles import read_pickle
from pipeline.clips.splits import Fold
from pipeline.errors import ManifestError, ParamsError

LAYOUTS = {
    "iemocap": """\
  IEMOCAP_RAW_PROCESSED/ or IEMOCAP/   (this folder, or the one that holds it)
    meta.pkl
    Ses01F_impro01/Ses01F_impro01_F000/image_L_0.jpg …, image_R_0.jpg …, audio_L.wav, audio_R.wav""",
    "mosei": """\
  MOSEI_RAW_PROCESSED/ or MOSEI/   (this folder, or the one that holds it)
    meta.pkl
    <video>_<number>/image_0.jpg …, audio.wav""",
}
SIZES = {"iemocap": LIST_SIZES, "mosei": {"train": 14524, "valid": 1765, "test": 4188}}
"""Clips in source 1's lists (methods.md §3.1): 7380 and 20477 in all."""
SPLITS = {"iemocap": "iemocap_6", "mosei": "dai2021"}
MOSEI_EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""The order of the labels in MOSEI's meta.pkl: alphabetical, unlike that of the SDK."""


@dataclass(frozen=True)
class Source:
    """Where the clips of a copy are.

    Args:
        media: the corpus' media folder.
        prefix: of the folder with meta.pkl in the names of media; empty, or its name and a slash.
        frame_rate: of all pictures (Hz) where the row gives it.
    """

    media: Path
    prefix: str
    frame_rate: float | None


def read(labels: Path, media: Path, corpus: str = "iemocap", frame_rate: str = "") -> Listing:
    """Read the clips of source 1's lists; further clips of meta.pkl stand in no part and are left out.

    Args:
        labels: the folder of the lists: train.txt or train_split.txt, and so on.
        media: the folder of meta.pkl, or the one that holds it.
        corpus: iemocap or mosei.
        frame_rate: pictures per second (Hz), where it is known better than meta.pkl or the sound says.

    Raises:
        ParamsError: an option has another value.
        ManifestError: a list or meta.pkl is absent, or a clip's entry in it is not what it should be.
    """
    if corpus not in LAYOUTS:
        raise ParamsError(f"options of `e2e`: corpus is {' or '.join(LAYOUTS)}, not {corpus}")
    lists = read_id_lists(labels)
    source = Source(media, _find(media, corpus), _read_rate(frame_rate))
    path = media / source.prefix / "meta.pkl"
    entries = _read_meta(path)
    make = {"iemocap": _make_iemocap, "mosei": _make_mosei}[corpus]
    clips, timeless = [], []
    for clip_id in (i for ids in lists.values() for i in ids if i in entries):
        try:
            clip = make(clip_id, entries[clip_id], source)
        except (ManifestError, KeyError, TypeError, ValueError) as error:
            raise ManifestError(f"{path}, clip {clip_id}: {type(error).__name__} {error}; copy the file again") from error
        if clip.media and clip.frame_rate is None:
            timeless.append(clip_id)
        else:
            clips.append(clip)
    ids = {clip.id for clip in clips}
    where = f"{source.prefix}meta.pkl"
    found = compare_lists(SPLITS[corpus], lists, SIZES[corpus], ids.union(timeless), where)
    found += count("clips with a known frame rate", len(clips) + len(timeless), clips, timeless, f"{where} (fps) and audio.wav")
    splits = {SPLITS[corpus]: (Fold.of(lists),)} | ({"iemocap_4": speaker_folds(clips)} if corpus == "iemocap" else {})
    return Listing(clips, splits, found, LAYOUTS[corpus])


def _find(media: Path, corpus: str) -> str:
    """Return the prefix of the folder that holds meta.pkl."""
    prefixes = ("", f"{corpus.upper()}_RAW_PROCESSED/", f"{corpus.upper()}/")
    prefix = next((prefix for prefix in prefixes if (media / prefix / "meta.pkl").is_file()), None)
    if prefix is None:
        raise ManifestError(f"{media} has no meta.pkl; put the corpus there, or a link to it. The layout should be\n{LAYOUTS[corpus]}")
    return prefix


def _read_rate(text: str) -> float | None:
    """Return the row's frame rate (Hz), or None where it has none."""
    if not text:
        return None
    if not re.fullmatch(r"\d*[1-9]\d*(\.\d*)?|\d*\.\d*[1-9]\d*", text):
        raise ParamsError(f"options of `e2e`: frame_rate is a number of pictures per second, such as 29.97, not {text}")
    return float(text)


def _read_meta(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the entries of meta.pkl by the clips' ids."""
    entries = read_pickle(path)
    if not isinstance(entries, dict) or not all(isinstance(i, str) and isinstance(entry, dict) for i, entry in entries.items()):
        raise ManifestError(f"{path} does not map clip ids to their entries; copy the file again")
    return entries


def _make_iemocap(clip_id: str, entry: Mapping[str, Any], source: Source) -> Clip:
    """Return a turn: the pictures and the sound of its speaker's side."""
    turn = Turn.of(clip_id)
    side = "L" if turn.is_left else "R"
    folder = f"{source.prefix}{turn.dialogue}/{clip_id}"
    rate = source.frame_rate or float(entry["fps"])
    sound: dict[str, Any] = {"audio": f"{folder}/audio_{side}.wav"}
    if not (source.media / sound["audio"]).is_file() and (source.media / folder / "audio.wav").is_file():
        sound = {"audio": f"{folder}/audio.wav", "channel": "LR".index(side)}
    return Clip(
        clip_id,
        text=_text(entry["text"]),
        speaker=turn.speaker,
        group=turn.dialogue,
        labels=label_turn(turn, _text(entry["label"])),
        **_locate(folder, f"image_{side}_*.jpg", rate, source),
        **sound,
    )


def _make_mosei(clip_id: str, entry: Mapping[str, Any], source: Source) -> Clip:
    """Return a stretch of one speaker's video; who speaks is not known."""
    values = [float(value) for value in entry["label"]]
    labels: dict[str, Label] = dict(zip(MOSEI_EMOTIONS, values, strict=True))
    folder = source.prefix + below(clip_id)
    media = _locate(folder, "image_*.jpg", source.frame_rate or entry.get("fps"), source)
    return Clip(clip_id, audio=f"{folder}/audio.wav", text=_text(entry["text"]), group=clip_id.rpartition("_")[0], labels=labels, **media)


def _locate(folder: str, pattern: str, rate: Any, source: Source) -> dict[str, Any]:
    """Return a clip's pictures and their rate (Hz), None where it cannot be told; no pictures where the folder is there without one."""
    media = f"{folder}/{pattern}"
    frames = list_frames(source.media, media)
    if not frames and (source.media / folder).is_dir():
        return {}
    if rate is None and frames:
        duration = _read_duration(source.media / folder / "audio.wav")
        rate = (frames[-1][0] - frames[0][0] + 1) / duration if duration else None
    return {"media": media, "frame_rate": None if rate is None else float(rate)}


def _read_duration(path: Path) -> float | None:
    """Return the duration of a PCM wav file (s), None where there is none that can be read."""
    try:
        with wave.open(str(path)) as sound:
            return sound.getnframes() / sound.getframerate()
    except (OSError, EOFError, wave.Error, ZeroDivisionError):
        return None


def _text(value: Any) -> str:
    """Return a text of meta.pkl.

    Raises:
        ManifestError: it is none.
    """
    if not isinstance(value, str):
        raise ManifestError(f"{str(value)[:80]!r} is not text")
    return value
