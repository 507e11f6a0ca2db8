"""Small preprocessed IEMOCAP and CMU-MOSEI: meta.pkl, numbered pictures and sound files."""

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.clips.corpora.iemocap_miniature import TURNS, dialogue_of, write_tones

FPS = 29.97
MOSEI = {"-3g5yACwYnA_10": [0, 0, 0, 1, 0, 1], "-3g5yACwYnA_2": [1, 0, 0, 0, 0, 0], "a b_0": [0, 0, 0, 0, 0, 0]}
MOSEI_LISTS: dict[str, tuple[str, ...]] = {"train": ("-3g5yACwYnA_10",), "valid": ("-3g5yACwYnA_2",), "test": ("a b_0",)}


def write_frames(folder: Path, pattern: str, numbers: range | list[int]) -> None:
    """Write small grey pictures whose level tells their number: 10 + 4 · number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        cv2.imwrite(str(folder / pattern.replace("*", str(number))), np.full((48, 48, 3), 10 + 4 * number, np.uint8))


def write_meta(folder: Path, entries: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.pkl").write_bytes(pickle.dumps(entries))


def describe_turns() -> dict[str, Any]:
    return {
        turn: {"start_time": start, "end_time": end, "label": emotion, "text": text, "sr": 16000, "fps": FPS}
        for turn, (start, end, emotion, _, text) in TURNS.items()
    }


def make_iemocap(folder: Path) -> Path:
    """IEMOCAP_RAW_PROCESSED: a dark left side, a bright right side, a tone a channel."""
    write_meta(folder, describe_turns())
    for turn in TURNS:
        clip = folder / dialogue_of(turn) / turn
        write_frames(clip, "image_L_*.jpg", range(12))
        write_frames(clip, "image_R_*.jpg", range(40, 52))
        write_tones(clip / "audio.wav", 500, 2000, duration=0.4)
        write_tones(clip / "audio_L.wav", 500, duration=0.4)
        write_tones(clip / "audio_R.wav", 2000, duration=0.4)
    return folder


def make_mosei(folder: Path) -> Path:
    """MOSEI_RAW_PROCESSED: half a second a clip, 10 pictures a second."""
    write_meta(folder, {i: {"text": f"text of {i}", "label": label} for i, label in MOSEI.items()})
    for i in MOSEI:
        write_frames(folder / i, "image_*.jpg", range(5))
        write_tones(folder / i / "audio.wav", 500, duration=0.5)
    return folder
