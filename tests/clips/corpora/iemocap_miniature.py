"""A small IEMOCAP: the release's folders, names, headers and quirks around drawn faces and pure tones."""

import wave
from functools import cache
from pathlib import Path

import numpy as np

from tests.extract.media import draw_face, write_video

DURATION = 0.8  # s
TONES = (500, 2000)  # Hz: left channel, right channel
HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
TURNS = {
    "Ses01F_impro01_F000": (0.0, 0.4, "hap", (3.5, 3.0, 2.5), "Excuse me."),
    "Ses01F_impro01_M000": (0.4, 0.8, "exc", (4.0, 4.5, 3.0), "It says: bring this: and that."),
    "Ses01F_impro01_F001": (0.5, 0.8, "xxx", (2.5, 2.5, 2.5), "Yeah."),
    "Ses01M_script01_1_M000": (0.1, 0.6, "ang", (1.5, 4.0, 4.5), "What is going on?"),
    "Ses01M_script01_1_F000": (0.2, 0.7, "sad", (2.0, 1.5, 2.0), "Nothing."),
    "Ses02F_impro02_F000": (0.0, 0.5, "neu", (3.0, 2.0, 3.0), "Okay."),
    "Ses02F_impro02_MX01": (0.1, 0.6, "fru", (2.0, 3.5, 3.0), "Fine."),
}
LISTS = {
    "train": ("Ses01F_impro01_F000", "Ses01M_script01_1_M000"),
    "valid": ("Ses01F_impro01_M000", "Ses02F_impro02_MX01"),
    "test": ("Ses02F_impro02_F000", "Ses01M_script01_1_F000"),
}


def dialogue_of(turn: str) -> str:
    return turn.rpartition("_")[0]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_tones(path: Path, *tones: int, duration: float = DURATION, loudness: int = 8000) -> None:
    """Write a PCM wav file, 16 kHz, a tone (Hz) a channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(duration * 16000)) / 16000
    samples = np.stack([loudness * np.sin(2 * np.pi * tone * times) for tone in tones], axis=1).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(tones))
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())


@cache
def two_views() -> np.ndarray:
    """Two actors side by side, the left view reddish, the right one bluish, black above and below; RGB (240, 360, 3)."""
    picture = np.zeros((240, 360, 3), np.uint8)
    for left, colour in ((0, (150, 110, 110)), (180, (110, 110, 150))):
        view = np.full((140, 180, 3), colour, np.uint8)
        picture[50:190, left : left + 180] = draw_face(view, (90, 70), 90)
    return picture


def make_lists(folder: Path, pattern: str = "{}.txt") -> Path:
    """Write the id lists."""
    for part, ids in LISTS.items():
        write(folder / pattern.format(part), "\n".join(ids) + "\n")
    return folder


def make_release(folder: Path, media: bool = True) -> Path:
    """Write the release's label files, and its dialogues' sound and pictures unless `media` is False."""
    for number, dialogue in enumerate(dict.fromkeys(map(dialogue_of, TURNS))):
        part = folder / f"Session{dialogue[4]}" / "dialog"
        write(part / "EmoEvaluation" / f"{dialogue}.txt", evaluate(dialogue))
        write(part / "EmoEvaluation" / "Categorical" / f"{dialogue}_e1_cat.txt", f"{dialogue}_F000 :Happiness; ()\n")
        write(part / "EmoEvaluation" / f"._{dialogue}.txt", "Mac OS X        2\0ATTR[0.0 - 1.0]\tnothing")
        write(part / "transcriptions" / f"._{dialogue}.txt", "Mac OS X        2\0ATTR")
        write(part / "transcriptions" / f"{dialogue}.txt", transcribe(dialogue))
        if media:
            write_tones(part / "wav" / f"{dialogue}.wav", *TONES, loudness=8000 + number)  # no two of the same bytes
            (part / "avi" / "DivX").mkdir(parents=True, exist_ok=True)
            write_video(part / "avi" / "DivX" / f"{dialogue}.avi", [two_views()] * round(10 * DURATION), fps=10)
    return folder


def evaluate(dialogue: str) -> str:
    """An EmoEvaluation file: a summary line a turn, the annotators' lines below it."""
    text = HEADER
    for turn, (start, end, emotion, (valence, activation, dominance), _) in TURNS.items():
        if dialogue_of(turn) == dialogue:
            text += f"[{start:.4f} - {end:.4f}]\t{turn}\t{emotion}\t[{valence:.4f}, {activation:.4f}, {dominance:.4f}]\n"
            text += "C-E2:\tNeutral;\t()\nC-F1:\tNeutral; Anger;\t(curious)\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
    return text


def transcribe(dialogue: str) -> str:
    """A transcript: a line a turn, among them lines of no turn."""
    text = ""
    for turn, (start, end, _, _, words) in TURNS.items():
        if dialogue_of(turn) == dialogue:
            text += f"{turn} [{start:08.4f}-{end:08.4f}]: {words}\n"
    return text + f"M: [LAUGHTER]\nF: Mm-hmm: yes.\n{dialogue}_MXX0 [000.7000-000.8000]: Well.\n"
