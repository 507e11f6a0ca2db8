"""How each emotion changes a voice.

The directions follow the table of vocal cues in Juslin & Laukka, "Communication of emotions in vocal expression and
music performance", Psychological Bulletin 2003; the sizes are our own.
"""

from dataclasses import dataclass, fields, replace

from pipeline.demo.emotions import Shown


@dataclass(frozen=True)
class Prosody:
    """A manner of speaking, relative to the speaker's own.

    Attributes:
        pitch: shift of the mean, in semitones.
        accent: height of the syllables' accents, in semitones.
        slope: rise over the whole clip, in semitones.
        final: rise of the last syllable, in semitones.
        rate: factor on syllables per second.
        level: shift of the loudness, in dB.
        brightness: tilt of the spectrum, in dB per octave above 500 Hz.
        roughness: alternation of strong and weak pulses, jitter and shimmer, in [0, 1].
        breath: noise in the voice, in [0, 1].
        tremor: depth of a 6 Hz tremor of the pitch, in semitones.
        attack: abruptness of the syllables, in [0, 1].
    """

    pitch: float = 0.0
    accent: float = 2.0
    slope: float = -1.5
    final: float = -1.5
    rate: float = 1.0
    level: float = 0.0
    brightness: float = 0.0
    roughness: float = 0.05
    breath: float = 0.0
    tremor: float = 0.1
    attack: float = 0.4


NEUTRAL = Prosody()
EMOTIONAL = {
    "anger": Prosody(2.5, 4.5, -2.5, -3.0, 1.15, 7.0, 3.0, 0.75, 0.0, 0.1, 1.0),
    "disgust": Prosody(-2.5, 2.5, -3.5, -3.0, 0.82, 1.0, -0.5, 0.65, 0.15, 0.1, 0.5),
    "fear": Prosody(5.5, 1.2, 1.0, 0.5, 1.25, -1.0, 0.5, 0.25, 0.45, 1.1, 0.5),
    "happiness": Prosody(4.5, 5.5, 1.0, 1.0, 1.08, 3.5, 1.5, 0.0, 0.0, 0.1, 0.6),
    "sadness": Prosody(-2.0, 0.8, -3.0, -2.0, 0.72, -6.0, -3.0, 0.1, 0.35, 0.35, 0.1),
    "surprise": Prosody(5.0, 5.0, 2.5, 7.0, 1.0, 2.0, 0.5, 0.0, 0.15, 0.1, 0.6),
}


def blend(shown: Shown) -> Prosody:
    """The prosody of the emotions shown: neutral, moved towards each by its intensity; of two, each gives two thirds."""
    weight = 1.0 if len(shown) < 2 else 2 / 3
    moved = {
        field.name: getattr(NEUTRAL, field.name)
        + sum(weight * share * (getattr(EMOTIONAL[name], field.name) - getattr(NEUTRAL, field.name)) for name, share in shown.items())
        for field in fields(Prosody)
    }
    return replace(NEUTRAL, **moved)
