"""Faces show their emotion, differ between speakers and are found by MTCNN."""

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.demo.action_units import UNITS, Face, perform
from pipeline.demo.canvas import Picture
from pipeline.demo.cast import draw_recording, draw_speaker
from pipeline.demo.emotions import EMOTIONS, Shown
from pipeline.demo.face import draw_frames
from pipeline.demo.mouth import jaw_drop
from pipeline.demo.seeding import generator

SILENCE = np.zeros(25)


def make_face(**changes: object) -> Face:
    """A neutral face at rest; keywords change its fields, units by name."""
    units = dict.fromkeys(UNITS, 0.0) | {name: level for name, level in changes.items() if name in UNITS}
    rest = {"blink": 0.0, "opening": 0.0, "rounding": 0.0, "yaw": 0.0, "pitch": 0.0, "roll": 0.0, "shift": (0.0, 0.0), "gaze": (0.0, 0.0)}
    return Face(units=units, **{**rest, **{name: value for name, value in changes.items() if name not in UNITS}})  # type: ignore[arg-type]


def draw(*faces: Face, speaker: int = 1) -> list[Picture]:
    """Pictures (240, 320, 3)."""
    return list(draw_frames(draw_speaker(1, speaker).looks, draw_recording(1, speaker, 0, 1), faces, 320, 240))


def act(shown: Shown, opening: npt.NDArray[np.float64] = SILENCE) -> list[Face]:
    return list(perform(shown, opening, np.zeros(len(opening)), 25, generator(1, "face")))


def test_pictures_have_the_size_asked_for_and_repeat() -> None:
    first, second = draw(make_face()), draw(make_face())
    assert first[0].shape == (240, 320, 3)
    assert first[0].dtype == np.uint8
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("unit", UNITS)
def test_every_action_unit_can_be_seen(unit: str) -> None:
    visible = {"jaw_drop": 0.0, unit: 1.0}
    rest, moved = draw(make_face(), make_face(**visible))
    assert np.abs(rest.astype(int) - moved).max() > 30


@pytest.mark.parametrize(
    "change", [{"blink": 1.0}, {"opening": 1.0}, {"yaw": 0.1}, {"roll": 0.1}, {"shift": (0.1, 0.0)}, {"gaze": (1.0, 0.0)}]
)
def test_the_face_moves(change: dict[str, object]) -> None:
    rest, moved = draw(make_face(), make_face(**change))
    assert np.abs(rest.astype(int) - moved).max() > 30


def test_speech_opens_the_mouth_and_a_jaw_drop_wider() -> None:
    assert jaw_drop(make_face()) == 0 < jaw_drop(make_face(opening=1.0)) < jaw_drop(make_face(jaw_drop=1.0, lips_part=1.0))


def test_expressions_reach_their_units_within_half_a_second() -> None:
    smile, frown = act({"happiness": 1.0})[14].units, act({"anger": 1.0})[14].units
    assert smile["lip_corner_up"] > 0.9 > 0.2 > smile["brow_lower"]
    assert frown["brow_lower"] > 0.9 > 0.2 > frown["lip_corner_up"]


def test_every_clip_of_three_seconds_blinks() -> None:
    blinks = [max(f.blink for f in perform({}, np.zeros(75), np.zeros(75), 25, generator(seed))) for seed in range(20)]
    assert np.mean(np.array(blinks) > 0.9) > 0.9


def test_speakers_differ() -> None:
    pictures = np.stack([draw(make_face(), speaker=speaker)[0] for speaker in range(12)]).astype(int)
    differences = np.abs(pictures[:, None, 40:200, 100:220] - pictures[None, :, 40:200, 100:220]).mean(axis=(2, 3, 4))
    assert differences[~np.eye(12, dtype=bool)].min() > 8


def test_mtcnn_finds_the_face_of_every_speaker_and_emotion() -> None:
    mtcnn = pytest.importorskip("facenet_pytorch").MTCNN(keep_all=True, device="cpu")
    shown: list[Shown] = [{}, *({name: 1.0} for name in EMOTIONS)]
    pictures = [draw(act(shown[speaker % 7])[20], speaker=speaker)[0][..., ::-1] for speaker in range(12)]
    _, probabilities = mtcnn.detect(np.stack(pictures))
    assert [len(p) for p in probabilities] == [1] * 12
    assert min(p[0] for p in probabilities) > 0.9
