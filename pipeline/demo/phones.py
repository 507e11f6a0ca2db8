"""From written words to a rough sequence of syllables in time: babble that keeps the words' vowels and consonants."""

import re
from dataclasses import dataclass

import numpy as np

VOWELS = {
    "a": (750, 1250, 2550, 3500),
    "e": (520, 1850, 2550, 3500),
    "i": (320, 2250, 3000, 3600),
    "o": (480, 880, 2500, 3400),
    "u": (340, 800, 2350, 3400),
}
"""Formants in Hz, of a male vocal tract."""

ROUNDED = {"o": 0.7, "u": 1.0}
"""How round the lips are, in [0, 1]."""

HISSES = {"s": (5800, 1.0), "c": (3300, 0.7), "f": (4800, 0.35), "t": (4200, 0.6), "k": (2200, 0.5), "p": (1200, 0.35)}
"""Centre in Hz and loudness of the noise, by kind of consonant."""

KINDS = {"z": "s", "x": "s", "j": "c", "g": "k", "q": "k", "d": "t", "b": "p", "v": "f", "h": "f"}


@dataclass(frozen=True)
class Syllable:
    """A consonant and a vowel.

    Attributes:
        start: in seconds.
        duration: in seconds.
        vowel: one of the keys of VOWELS.
        hiss: one of the keys of HISSES, or None for a voiced onset (l, m, n, r, w).
        stress: in [0, 1].
    """

    start: float
    duration: float
    vowel: str
    hiss: str | None
    stress: float


def time_syllables(
    text: str, rate: float, min_duration: float, max_duration: float, random: np.random.Generator
) -> tuple[list[Syllable], float]:
    """The text's syllables and the clip's duration in seconds, at a rate in syllables per second where the duration allows it."""
    pieces = _split(text)
    lengths = np.array([(1.0 + 0.25 * stress) * random.uniform(0.85, 1.15) / rate for _, _, stress, _ in pieces])
    pauses = np.array([pause for *_, pause in pieces]) / rate
    lead, tail = random.uniform(0.08, 0.22, 2)
    shrink = min(1.0, (max_duration - lead - tail) / float(lengths.sum() + pauses.sum()))
    lengths, pauses = lengths * shrink, pauses * shrink
    starts = lead + np.concatenate([[0.0], np.cumsum(lengths + pauses)[:-1]])
    syllables = [
        Syllable(float(start), float(length), vowel, hiss, stress)
        for (vowel, hiss, stress, _), start, length in zip(pieces, starts, lengths, strict=True)
    ]
    return syllables, float(max(min_duration, starts[-1] + lengths[-1] + tail))


def _split(text: str) -> list[tuple[str, str | None, float, float]]:
    """Vowel, consonant, stress and pause behind (in syllables) of each syllable; the first of a long word is stressed."""
    pieces = []
    for word in text.lower().split():
        syllables = re.findall(r"([^aeiouy\W]*)([aeiouy]+)", word.removesuffix("e.")) or [(word[:1], "e")]
        for k, (onset, vowels) in enumerate(syllables):
            ends = k == len(syllables) - 1
            pause = 0.9 if ends and word[-1] in ".,?!" else 0.08 if ends else 0.0
            stress = 1.0 if k == 0 and len(word) > 3 else 0.3
            pieces.append((vowels[0].replace("y", "i"), _hiss(onset[:1]), stress, pause))
    pieces[-1] = (*pieces[-1][:3], 0.0)
    return pieces


def _hiss(letter: str) -> str | None:
    kind = KINDS.get(letter, letter)
    return kind if kind in HISSES else None
