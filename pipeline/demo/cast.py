"""Who speaks and where: the speakers' looks and voices, and the recordings they appear in."""

from dataclasses import dataclass

import numpy as np

from pipeline.demo.seeding import generator

Colour = tuple[float, float, float]
"""Blue, green, red in [0, 255], OpenCV's order."""

SKINS: tuple[Colour, ...] = ((166, 197, 238), (146, 180, 226), (128, 164, 212), (104, 140, 190), (78, 108, 156), (62, 84, 124))
HAIRS: tuple[Colour, ...] = ((28, 26, 30), (34, 46, 70), (48, 78, 122), (96, 150, 196), (44, 62, 138), (140, 142, 146))
EYES: tuple[Colour, ...] = ((42, 62, 92), (120, 96, 62), (84, 112, 74), (36, 48, 66))


@dataclass(frozen=True)
class Looks:
    """A face's geometry, in units of half its height (hairline to chin), and its colours."""

    width: float
    jaw: float
    eye_distance: float
    eye_size: float
    brow_thickness: float
    brow_height: float
    nose_width: float
    nose_length: float
    mouth_width: float
    lip_fullness: float
    skin: Colour
    hair: Colour
    iris: Colour
    style: str
    beard: float
    glasses: bool


@dataclass(frozen=True)
class Timbre:
    """A voice: pitch in Hz, formants' scale (1: a long vocal tract), rate in syllables per second, breathiness in [0, 1]."""

    pitch: float
    formant_scale: float
    rate: float
    breathiness: float


@dataclass(frozen=True)
class Speaker:
    """One of the cast."""

    number: int
    looks: Looks
    timbre: Timbre


@dataclass(frozen=True)
class Recording:
    """One sitting of a speaker: room, clothes, light, camera and microphone.

    Attributes:
        number: counts over all speakers, from 1.
        wall: the background's colour.
        clothes: the clothes' colour.
        light: gains of blue, green, red.
        zoom: half the head's height as a share of the picture's height.
        offset: the head's centre, right and down of its usual place, as shares of the picture's height.
        gain: of the microphone, in dB.
        noise: level of the room's noise, in dB below full scale.
    """

    number: int
    wall: Colour
    clothes: Colour
    light: Colour
    zoom: float
    offset: tuple[float, float]
    gain: float
    noise: float


def draw_speaker(seed: int, number: int) -> Speaker:
    """The speaker of that number, counted from 0; low and high voices take turns."""
    random = generator(seed, "speaker", number)
    high = number % 2 == 1
    return Speaker(number, _draw_looks(random, number, high), _draw_timbre(random, high))


def _draw_looks(random: np.random.Generator, number: int, high: bool) -> Looks:
    styles = ("bob", "long", "bun", "curly", "long", "short") if high else ("short", "receding", "curly", "short", "curly", "receding")
    uniform = random.uniform
    skin = (number * 5 + 1) % len(SKINS)
    hairs = HAIRS if skin < 3 else HAIRS[:3]
    return Looks(
        width=uniform(0.68, 0.76),
        jaw=uniform(0.78, 0.92) if high else uniform(0.92, 1.12),
        eye_distance=uniform(0.305, 0.35),
        eye_size=uniform(0.155, 0.180),
        brow_thickness=uniform(0.038, 0.055) if high else uniform(0.055, 0.080),
        brow_height=uniform(0.225, 0.26),
        nose_width=uniform(0.13, 0.18),
        nose_length=uniform(0.36, 0.44),
        mouth_width=uniform(0.27, 0.33),
        lip_fullness=uniform(0.085, 0.115) if high else uniform(0.065, 0.095),
        skin=_vary(random, SKINS[skin], 8),
        hair=_vary(random, hairs[(number * 7 + number // 6) % len(hairs)], 8),
        iris=EYES[int(random.integers(len(EYES)))],
        style=styles[(number // 2) % len(styles)],
        beard=0.0 if high or random.random() < 0.55 else uniform(0.45, 0.9),
        glasses=bool(random.random() < 0.25),
    )


def _draw_timbre(random: np.random.Generator, high: bool) -> Timbre:
    return Timbre(
        pitch=random.uniform(180, 225) if high else random.uniform(95, 135),
        formant_scale=random.uniform(1.10, 1.22) if high else random.uniform(0.95, 1.06),
        rate=random.uniform(5.0, 6.0),
        breathiness=random.uniform(0.02, 0.10),
    )


def draw_recording(seed: int, speaker: int, take: int, number: int) -> Recording:
    """A speaker's recording of that take, with the number that it has in the corpus."""
    random = generator(seed, "recording", speaker, take)
    hue = random.uniform(0, 2 * np.pi)
    warmth = random.normal(0, 0.02)
    return Recording(
        number=number,
        wall=_pastel(hue, random.uniform(95, 190), random.uniform(6, 24)),
        clothes=_pastel(random.uniform(0, 2 * np.pi), random.uniform(50, 170), random.uniform(25, 60)),
        light=(1 - warmth, 1.0, 1 + warmth),
        zoom=random.uniform(0.25, 0.30),
        offset=(random.uniform(-0.12, 0.12), random.uniform(-0.03, 0.03)),
        gain=random.normal(0, 2.0),
        noise=random.uniform(-58, -46),
    )


def _pastel(hue: float, level: float, chroma: float) -> Colour:
    blue, green, red = (float(np.clip(level + chroma * np.cos(hue + shift), 0, 255)) for shift in (0, 2.1, 4.2))
    return blue, green, red


def _vary(random: np.random.Generator, colour: Colour, spread: float) -> Colour:
    blue, green, red = (float(np.clip(c + random.normal(0, spread / 2), 0, 255)) for c in colour)
    return blue, green, red
