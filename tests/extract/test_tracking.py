import numpy as np

from pipeline.extract.detector import Faces
from pipeline.extract.tracking import follow, overlaps

TIMES = [k / 5 for k in range(12)]


def face(x: float, side: float, probability: float = 0.999) -> tuple[float, float, float]:
    return (x, side, probability)


def found(*faces: tuple[float, float, float]) -> Faces:
    """Faces at height 100: left edge (px), side (px), probability."""
    box = np.array([[x, 100, x + side, 100 + side] for x, side, _ in faces], np.float32).reshape(-1, 4)
    return Faces(box, np.array([p for _, _, p in faces], np.float32), np.zeros((len(faces), 5, 2), np.float32))


MAIN, BYSTANDER = face(100, 80), face(400, 50)


def test_the_larger_face_is_the_main_one_wherever_it_stands_in_the_list() -> None:
    assert follow([found(BYSTANDER, MAIN), found(MAIN, BYSTANDER)], TIMES[:2]) == [1, 0]


def test_a_bystander_does_not_steal_a_single_frame() -> None:
    frames = [found(MAIN, BYSTANDER) for _ in TIMES]
    frames[5] = found(BYSTANDER)
    assert follow(frames, TIMES) == [0] * 5 + [None] + [0] * 6


def test_a_bystander_who_is_larger_for_one_frame_does_not_steal_it() -> None:
    frames = [found(MAIN, BYSTANDER) for _ in TIMES]
    frames[5] = found(MAIN, face(400, 200))
    assert follow(frames, TIMES) == [0] * 12


def test_who_is_seen_alone_for_long_is_followed() -> None:
    frames = [found(MAIN)] * 4 + [found(BYSTANDER)] * 8
    assert follow(frames, TIMES) == [0] * 12


def test_a_face_that_moves_fast_is_followed() -> None:
    frames = [found(face(40 * k, 80), face(700, 50)) for k in range(12)]
    assert follow(frames, TIMES) == [0] * 12


def test_a_look_alike_of_low_probability_loses_to_a_sure_smaller_face() -> None:
    frames = [found(face(100, 90, 0.75), face(400, 70)) for _ in TIMES]
    assert follow(frames, TIMES) == [1] * 12


def test_a_face_that_comes_back_is_followed_again() -> None:
    frames = [found(MAIN)] * 3 + [found()] * 5 + [found(face(260, 80))] * 4
    assert follow(frames, TIMES) == [0] * 3 + [None] * 5 + [0] * 4


def test_without_any_face_no_frame_has_one() -> None:
    assert follow([found(), found()], TIMES[:2]) == [None, None]
    assert follow([found(BYSTANDER)], [0.0]) == [0]


def test_intersection_over_union_is_that_of_areas() -> None:
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], float)
    assert np.allclose(overlaps(np.array([0, 0, 10, 10]), others), [1, 1 / 3, 0])
