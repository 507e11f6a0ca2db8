"""How a face moves during a clip: action units of the emotion, speech, blinks and the head's sway.

The units of each emotion are the prototypes of Ekman & Friesen's Facial Action Coding System (EMFACS); numbers as there.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.demo.emotions import Shown

Array = npt.NDArray[np.float64]

UNITS = {
    "inner_brow": 1,
    "outer_brow": 2,
    "brow_lower": 4,
    "lid_raise": 5,
    "cheek_raise": 6,
    "lid_tighten": 7,
    "nose_wrinkle": 9,
    "upper_lip": 10,
    "lip_corner_up": 12,
    "lip_corner_down": 15,
    "chin_raise": 17,
    "lip_stretch": 20,
    "lip_tighten": 23,
    "lips_part": 25,
    "jaw_drop": 26,
}
"""Names of the action units, and their numbers in FACS."""

EXPRESSIONS = {
    "anger": {"brow_lower": 1.0, "lid_raise": 0.5, "lid_tighten": 0.8, "lip_tighten": 0.9, "chin_raise": 0.3},
    "disgust": {"nose_wrinkle": 1.0, "upper_lip": 0.9, "lip_corner_down": 0.5, "brow_lower": 0.45, "cheek_raise": 0.4, "lid_tighten": 0.5},
    "fear": {
        "inner_brow": 1.0,
        "outer_brow": 0.55,
        "brow_lower": 0.45,
        "lid_raise": 0.9,
        "lip_stretch": 1.0,
        "lips_part": 1.0,
        "jaw_drop": 0.15,
    },
    "happiness": {"cheek_raise": 0.9, "lip_corner_up": 1.0, "lips_part": 0.9},
    "sadness": {"inner_brow": 1.0, "brow_lower": 0.4, "lip_corner_down": 1.0, "chin_raise": 0.6},
    "surprise": {"inner_brow": 1.0, "outer_brow": 1.0, "lid_raise": 0.8, "lips_part": 1.0, "jaw_drop": 0.7},
}

POSTURES = {
    "anger": (0.0, 0.06, 0.0),
    "disgust": (0.08, -0.03, 0.04),
    "fear": (0.0, -0.05, 0.0),
    "sadness": (0.0, 0.10, 0.05),
    "surprise": (0.0, -0.05, 0.0),
}
"""How an emotion holds the head: yaw and pitch in face units, roll in radians."""


@dataclass(frozen=True)
class Face:
    """A face at one moment.

    Attributes:
        units: intensities of the action units, in [0, 1].
        blink: closure of the lids, in [0, 1].
        opening: of the mouth by speech, in [0, 1].
        rounding: of the lips by speech, in [0, 1].
        yaw: turn to the right, as a shift of the nose in face units.
        pitch: turn down, as a shift of the nose in face units.
        roll: tilt to the right, in radians.
        shift: of the head, right and down, in face units.
        gaze: of the eyes, right and down, in [-1, 1].
    """

    units: dict[str, float]
    blink: float
    opening: float
    rounding: float
    yaw: float
    pitch: float
    roll: float
    shift: tuple[float, float]
    gaze: tuple[float, float]


def perform(shown: Shown, opening: Array, rounding: Array, fps: int, random: np.random.Generator) -> Iterator[Face]:
    """The face of each frame; opening and rounding (frames,) come from the voice."""
    time = np.arange(len(opening)) / fps
    apex = _smooth((time + random.uniform(0.0, 0.35)) / 0.45)
    units = {name: np.clip(level * apex + _sway(time, 0.04, 0.6, random), 0, 1) for name, level in _mix(shown).items()}
    blink = _blinks(time, random)
    posture = [sum(level * POSTURES.get(name, (0.0, 0.0, 0.0))[k] for name, level in shown.items()) * apex for k in range(3)]
    yaw, pitch = (posture[k] + _sway(time, size, 0.35, random) for k, size in ((0, 0.07), (1, 0.04)))
    roll = posture[2] + _sway(time, 0.035, 0.3, random)
    right, down = (_sway(time, size, 0.25, random) for size in (0.06, 0.03))
    gazes = [_sway(time, 0.3, 0.4, random) for _ in range(2)]
    for k in range(len(time)):
        yield Face(
            units={name: float(track[k]) for name, track in units.items()},
            blink=float(blink[k]),
            opening=float(opening[k]),
            rounding=float(rounding[k] * min(1.0, 2 * opening[k])),
            yaw=float(yaw[k]),
            pitch=float(pitch[k] + 0.02 * opening[k]),
            roll=float(roll[k]),
            shift=(float(right[k]), float(down[k])),
            gaze=(float(gazes[0][k]), float(gazes[1][k])),
        )


def _mix(shown: Shown) -> dict[str, float]:
    """Intensity of each unit: the strongest demand among the emotions shown, weakened where two share the face."""
    weight = 1.0 if len(shown) < 2 else 0.85
    return {unit: max([weight * level * EXPRESSIONS[name].get(unit, 0.0) for name, level in shown.items()], default=0.0) for unit in UNITS}


def _smooth(ramp: Array) -> Array:
    """From 0 to 1 with level ends, for a ramp that passes 0 and 1."""
    ramp = np.clip(ramp, 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp))


def _sway(time: Array, size: float, frequency: float, random: np.random.Generator) -> Array:
    """A slow irregular movement of about that size around a frequency in Hz, (frames,)."""
    phases = random.uniform(0, 2 * np.pi, 3)
    ratios = random.uniform(0.6, 1.5, 3)
    waves = np.sin(2 * np.pi * frequency * ratios * time[:, None] + phases)
    return np.asarray(size * waves.sum(axis=1) / 1.7)


def _blinks(time: Array, random: np.random.Generator) -> Array:
    """Closures of 0.2 s, every two or three seconds, (frames,)."""
    starts = random.uniform(-0.5, 1.8) + np.arange(3) * random.uniform(1.3, 2.4)
    return np.asarray(np.clip(1.15 - np.abs(time[:, None] - starts - 0.1) / 0.085, 0, 1).max(axis=1))
