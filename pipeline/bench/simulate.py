"""The clips of `bench`: what each modality shows of a hidden class, and the sequences and maps in which it shows it.

A shown class c becomes a code g·e_c + ε, with ε of unit variance, plus the speaker's own effect; the gain g is the one at which the nearest
code is the right one with the accuracy that params.yaml names. Beside the codes stand a cue, a marker and nuisance dimensions. Audio and
video share the codes' dimensions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.bench.config import CLASSES, KINDS, MODALITIES, NEGATIVE, NEUTRAL, POSITIVE, BenchConfig
from pipeline.clips.splits import PARTS

CUE, MARKER = len(CLASSES), len(CLASSES) + 1
"""Dimensions behind those of the codes."""


@dataclass(frozen=True)
class SimulatedClip:
    """A clip: its part, speaker and kind, the hidden class, and what each modality shows; classes by number."""

    index: int
    part: str
    speaker: str
    kind: str
    hidden: int
    label: int
    shown: dict[str, int]
    cued: frozenset[str]
    marked: bool


def find_gain(accuracy: float, num_classes: int = len(CLASSES)) -> float:
    """Return the gain at which one of so many orthogonal codes is recovered with an accuracy: ∫ φ(x − g) Φ(x)^(n−1) dx = accuracy."""
    from scipy.optimize import brentq
    from scipy.special import ndtr

    nodes, weights = np.polynomial.hermite.hermgauss(100)

    def excess(gain: float) -> float:
        return float(weights @ ndtr(gain + 2**0.5 * nodes) ** (num_classes - 1)) / np.pi**0.5 - accuracy

    return float(brentq(excess, 0.0, 20.0))


def simulate(config: BenchConfig) -> list[SimulatedClip]:
    """Draw all clips, part after part; a clip depends on the seed and its number in its part alone."""
    clips: list[SimulatedClip] = []
    first_speaker = 0
    for number, part in enumerate(PARTS):
        for i in range(config.clips[part]):
            rng = np.random.default_rng((config.seed, number, i))
            speaker = first_speaker + int(rng.integers(config.speakers[part]))
            clips.append(_draw(config, rng, len(clips), part, f"speaker_{speaker + 1:02d}"))
        first_speaker += config.speakers[part]
    return clips


def _draw(config: BenchConfig, rng: np.random.Generator, index: int, part: str, speaker: str) -> SimulatedClip:
    """Draw one clip."""
    hidden = int(rng.integers(len(CLASSES)))
    kind = str(rng.choice(KINDS, p=[config.shares[kind] for kind in KINDS]))
    hider = str(rng.choice(MODALITIES, p=[config.hidden[m] for m in MODALITIES]))
    other, chance = _opposite(hidden, rng), int(rng.integers(len(CLASSES)))
    shown, cued = dict.fromkeys(MODALITIES, hidden), frozenset[str]()
    if kind == "hidden":
        shown, cued = shown | {hider: NEUTRAL}, frozenset({hider})
    elif kind == "sarcasm":
        shown = {"text": other, "audio": NEUTRAL, "video": NEUTRAL}
    elif kind == "mask":
        shown, cued = {"text": NEUTRAL, "audio": hidden, "video": other}, frozenset({"video"})
    marked = kind == "sarcasm" or rng.random() < config.marker_elsewhere
    noisy = part == "train" and rng.random() < config.label_noise
    return SimulatedClip(index, part, speaker, kind, hidden, chance if noisy else hidden, shown, cued, bool(marked))


def _opposite(shown: int, rng: np.random.Generator) -> int:
    """Return a class of the opposite valence; neutral has none and stays, surprise counts as positive."""
    if shown == NEUTRAL:
        return NEUTRAL
    negative = int(rng.choice(NEGATIVE))
    return POSITIVE if shown in NEGATIVE else negative


class Renderer:
    """Turns clips into sequences and maps; a clip's arrays depend on the seed, its number, its speaker and what it shows alone."""

    def __init__(self, config: BenchConfig) -> None:
        self.config = config
        spread = (1 + config.speaker_effect**2) ** 0.5
        self.gains = {m: spread * find_gain(accuracy) for m, accuracy in config.accuracy.items()}
        self.dim = len(CLASSES) + 2 + config.nuisance

    def render(self, clip: SimulatedClip, modality: str) -> dict[str, NDArray[np.float16]]:
        """Return a modality's arrays: `sequence` (steps, dim); video also `map` (positions, dim)."""
        rng = np.random.default_rng((self.config.seed, 9, clip.index, MODALITIES.index(modality)))
        code = self._code(clip, modality, rng)
        if modality == "text":
            return {"sequence": self._at_all(code, self.config.text_steps, rng)}
        if modality == "audio":
            return {"sequence": self._at_one(code, self.config.audio_steps, rng)}
        return {"sequence": self._at_all(code, self.config.frames, rng), "map": self._at_one(code, self.config.positions, rng)}

    def _code(self, clip: SimulatedClip, modality: str, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return what a modality shows, (dim,): code, cue, marker, nuisance, and the speaker's own effect."""
        code = rng.normal(size=self.dim)
        code[clip.shown[modality]] += self.gains[modality]
        code[CUE] += self.config.cue * (modality in clip.cued)
        code[MARKER] += self.config.cue * (modality == "audio" and clip.marked)
        speaker = int(clip.speaker.removeprefix("speaker_"))
        own = np.random.default_rng((self.config.seed, 8, speaker, MODALITIES.index(modality)))
        effect: NDArray[np.float64] = code + self.config.speaker_effect * own.normal(size=self.dim)
        return effect

    def _at_all(self, code: NDArray[np.float64], places: int, rng: np.random.Generator) -> NDArray[np.float16]:
        """Return the code at every place, each with some noise of its own."""
        return (code + self.config.background * rng.normal(size=(places, self.dim))).astype(np.float16)

    def _at_one(self, code: NDArray[np.float64], places: int, rng: np.random.Generator) -> NDArray[np.float16]:
        """Return the code at one place, drawn at random, and noise at the others."""
        values = self.config.background * rng.normal(size=(places, self.dim))
        values[rng.integers(places)] += code
        return values.astype(np.float16)
