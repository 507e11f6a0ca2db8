"""What clip i is about: who speaks where, what is felt, what each modality shows of it, the words and the labels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.demo.config import MODALITIES, PARTS, DemoConfig
from pipeline.demo.emotions import EMOTIONS, OPPOSITES, PAIRS, Shown, valence
from pipeline.demo.seeding import generator
from pipeline.demo.templates import draw_text

ANNOTATIONS = ("M", "T", "A", "V")
NUM_ANNOTATORS = 5
ANNOTATOR_SD = 0.3
MASK_INTENSITY = 0.6
"""A modality that contradicts is a thin mask: it shows the opposite at this share of the intensity."""


@dataclass(frozen=True)
class Script:
    """Everything that is decided about a clip before it is rendered.

    Attributes:
        index: the clip's number, from 0.
        part: train, valid or test; a speaker belongs to one.
        speaker: the speaker's number, from 0.
        take: which of the speaker's recordings, from 0.
        felt: the emotions of the clip, with intensities: label M.
        manner: for each modality express, hide or contradict.
        shown: for each modality the emotions that it shows.
        text: what is said.
        sentiment: for each annotation M, T, A, V the mean of five annotators' -1, 0, 1.
    """

    index: int
    part: str
    speaker: int
    take: int
    felt: Shown
    manner: Mapping[str, str]
    shown: Mapping[str, Shown]
    text: str
    sentiment: Mapping[str, float]


def write_script(config: DemoConfig, index: int) -> Script:
    """Decide on clip `index`, from the seed and the index alone."""
    random = generator(config.seed, "script", index)
    part = _part(config, index)
    first = sum(config.speakers[name] for name in PARTS[: PARTS.index(part)])
    speaker = first + int(random.integers(config.speakers[part]))
    take = int(random.integers(config.recordings))
    felt = _draw_felt(random, config)
    manner = _draw_manner(random, config, felt)
    shown = _draw_shown(random, felt, manner)
    text = draw_text(random, shown["text"])
    sources = (felt, shown["text"], shown["audio"], shown["video"])
    sentiment = {name: _annotate(random, valence(source)) for name, source in zip(ANNOTATIONS, sources, strict=True)}
    return Script(index, part, speaker, take, felt, manner, shown, text, sentiment)


def _part(config: DemoConfig, index: int) -> str:
    """Walks by the golden section, so that any number of clips has nearly the wanted shares."""
    start = generator(config.seed, "parts").random()
    position = (start + index * (np.sqrt(5) - 1) / 2) % 1
    if position < config.shares["train"]:
        return "train"
    return "valid" if position < config.shares["train"] + config.shares["valid"] else "test"


def _draw_felt(random: np.random.Generator, config: DemoConfig) -> Shown:
    draw = random.random()
    if draw < config.no_emotion:
        return {}
    if draw < config.no_emotion + config.two_emotions:
        names = [str(name) for name in random.permutation(PAIRS[int(random.integers(len(PAIRS)))])]
    else:
        names = [EMOTIONS[int(random.integers(len(EMOTIONS)))]]
    return {name: float(random.uniform(0.7, 1.0)) for name in names}


def _draw_manner(random: np.random.Generator, config: DemoConfig, felt: Shown) -> dict[str, str]:
    """At least one modality expresses the emotion, and at most one contradicts it: the clip can be understood."""
    manner: dict[str, str] = {}
    for m in MODALITIES:
        draw = random.random()
        contradicts = draw < config.contradict[m] and "contradict" not in manner.values()
        manner[m] = "contradict" if contradicts else "hide" if draw < config.contradict[m] + config.hide[m] else "express"
    if "express" not in manner.values() or not felt:
        chosen = MODALITIES[int(random.integers(len(MODALITIES)))]
        manner = {m: "express" if m == chosen or not felt else manner[m] for m in MODALITIES}
    return manner


def _draw_shown(random: np.random.Generator, felt: Shown, manner: Mapping[str, str]) -> dict[str, Shown]:
    """Of two emotions a modality may show one; each is shown by some modality."""
    shown: dict[str, dict[str, float]] = {m: {} for m in MODALITIES}
    for m in MODALITIES:
        if manner[m] == "express":
            single = len(felt) == 2 and random.random() < 0.5
            names = [list(felt)[int(random.integers(2))]] if single else list(felt)
            shown[m] = {name: felt[name] * float(random.uniform(0.85, 1.0)) for name in names}
        elif manner[m] == "contradict":
            strongest = max(felt, key=lambda name: felt[name])
            opposites = OPPOSITES[strongest]
            shown[m] = {opposites[int(random.integers(len(opposites)))]: MASK_INTENSITY * felt[strongest]}
    expressing = [m for m in MODALITIES if manner[m] == "express"]
    for name in felt:
        if not any(name in shown[m] for m in expressing):
            shown[expressing[int(random.integers(len(expressing)))]][name] = felt[name]
    return dict(shown)


def _annotate(random: np.random.Generator, value: float) -> float:
    """Mean of five annotators who each say -1, 0 or 1, as in CH-SIMS: one of -1, -0.8, …, 1."""
    votes = np.rint(np.clip(value + random.normal(0, ANNOTATOR_SD, NUM_ANNOTATORS), -1, 1))
    return float(round(votes.mean(), 1)) + 0.0
