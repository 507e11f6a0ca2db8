import numpy as np

from pipeline.extract.crop import crop_face, tilt_of_eyes
from tests.extract.media import background, draw_face


def gradient() -> np.ndarray:
    """A picture whose red is the column and green the row."""
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[..., 0], picture[..., 1] = np.arange(200)[None], np.arange(200)[:, None]
    return picture


def test_a_box_is_cut_with_its_margin() -> None:
    crop = crop_face(gradient(), np.array([60.0, 70.0, 140.0, 150.0]), 100, margin=0.25, square=False)
    assert crop.shape == (100, 100, 3)
    assert np.array_equal(crop, gradient()[60:160, 50:150])


def test_a_square_keeps_proportions_and_a_stretched_box_does_not() -> None:
    box = np.array([80.0, 50.0, 120.0, 150.0])
    square = crop_face(gradient(), box, 100, margin=0, square=True)
    stretched = crop_face(gradient(), box, 100, margin=0, square=False)
    assert np.array_equal(square, gradient()[50:150, 50:150])
    assert abs(int(stretched[50, 0, 0]) - 80) <= 1
    assert abs(int(stretched[50, -1, 0]) - 119) <= 1


def test_beyond_the_edge_the_last_pixels_are_repeated() -> None:
    crop = crop_face(gradient(), np.array([-50.0, 20.0, 50.0, 120.0]), 100, margin=0, square=True)
    assert (crop[:, :50, 0] == 0).all()
    assert np.array_equal(crop[:, 50:], gradient()[20:120, :50])


def test_a_tilted_face_is_turned_until_the_eyes_are_level() -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    eyes = np.array([[80, 80], [120, 110]])
    for x, y in eyes:
        picture[y - 3 : y + 4, x - 3 : x + 4] = 255
    tilt = tilt_of_eyes(np.array([*eyes, [0, 0], [0, 0], [0, 0]], float))
    crop = crop_face(picture, np.array([50.0, 45.0, 150.0, 145.0]), 100, margin=0, square=True, tilt=tilt)
    left, right = np.argwhere(crop[:, :50, 0] > 128).mean(0), np.argwhere(crop[:, 50:, 0] > 128).mean(0)
    assert tilt == 36.86989764584402
    assert abs(left[0] - right[0]) < 1
    assert abs(right[1] + 50 - left[1] - 50) < 1.5


def test_a_turn_by_nothing_is_the_upright_cut() -> None:
    picture = draw_face(background(), (160, 120), 120)
    box = np.array([110.0, 70.0, 210.0, 170.0])
    upright, turned = (crop_face(picture, box, 100, margin=0, square=True, tilt=tilt).astype(int) for tilt in (0.0, 1e-6))
    assert np.abs(upright - turned).mean() < 1.5
