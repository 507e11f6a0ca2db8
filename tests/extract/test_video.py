import json
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import ManifestError, MediaError
from pipeline.extract.frames import SLACK, Frame
from pipeline.extract.video import read_frames
from pipeline.shards import pulse
from pipeline.shards.extractor import Skip
from tests.conftest import make_clip
from tests.extract.media import grey_levels, level, write_video


def read(folder: Path, fps: float = 5, media: str = "a.mp4", **changes: object) -> list[Frame]:
    frames = read_frames(make_clip(media=media, **changes), folder, fps)
    assert not isinstance(frames, Skip), frames
    return list(frames)


def turn_clockwise(path: Path) -> None:
    """Write the rotation tag of a phone held upright into an MP4's track header."""
    data = path.read_bytes()
    matrix = data.index(b"tkhd") + 4 + 40
    clockwise = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:matrix] + clockwise + data[matrix + 36 :])


def test_frames_are_sampled_by_presentation_time(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", grey_levels(50))
    frames = read(tmp_path)
    assert [level(frame.picture) for frame in frames] == list(range(0, 50, 5))
    assert np.allclose([frame.time for frame in frames], np.arange(10) / 5, atol=0.002)


def test_a_variable_frame_rate_is_sampled_by_time_not_by_number(tmp_path: Path) -> None:
    times = [0, 0.03, 0.06, 0.09, 0.45, 0.52, 0.61, 0.9, 0.95, 1.3]
    write_video(tmp_path / "a.mp4", grey_levels(10), times)
    frames = read(tmp_path)
    assert [level(frame.picture) for frame in frames] == [0, 4, 6, 7, 9]
    assert np.allclose([frame.time for frame in frames], [0, 0.45, 0.61, 0.9, 1.3], atol=0.002)


def test_more_fps_than_the_video_has_takes_each_frame_once(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", grey_levels(20))
    assert [level(frame.picture) for frame in read(tmp_path, fps=60)] == list(range(20))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_clip_from_the_middle_holds_the_pictures_that_decoding_from_the_start_gives(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / name, grey_levels(60))
    whole = read(tmp_path, fps=25, media=name)
    part = read(tmp_path, fps=25, media=name, start=1.2, end=1.8)
    assert [level(frame.picture) for frame in part] == list(range(30, 45))
    assert all(np.array_equal(frame.picture, whole[30 + k].picture) for k, frame in enumerate(part))
    assert np.allclose([frame.time for frame in part], np.arange(15) / 25, atol=0.002)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "avi", "mpg", "ts", "flv"])
def test_a_clip_near_the_end_is_sought_not_decoded_up_to(tmp_path: Path, suffix: str) -> None:
    write_video(tmp_path / f"a.{suffix}", [np.full((48, 64, 3), 5 * k % 256, np.uint8) for k in range(500)])
    whole = read(tmp_path, fps=25, media=f"a.{suffix}")
    before = pulse._cells[pulse.STEPS]
    part = read(tmp_path, fps=25, media=f"a.{suffix}", start=18.0, end=19.0)
    assert pulse._cells[pulse.STEPS] - before < 100
    wanted = [frame for frame in whole if 18 - SLACK <= frame.time < 19 - SLACK]
    assert len(part) == len(wanted) == 25
    assert all(np.array_equal(one.picture, other.picture) for one, other in zip(part, wanted, strict=True))


def test_the_clock_starts_where_the_file_starts(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv", grey_levels(20), times=[7 + k / 25 for k in range(20)])
    frames = read(tmp_path, media="a.mkv")
    assert [level(frame.picture) for frame in frames] == [0, 5, 10, 15]
    assert frames[0].time == pytest.approx(0, abs=0.002)


def test_a_rotation_tag_is_respected(tmp_path: Path) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :16] = 200
    write_video(tmp_path / "a.mp4", [picture] * 3)
    turn_clockwise(tmp_path / "a.mp4")
    upright = read(tmp_path)[0].picture
    assert upright.shape == (64, 48, 3)
    assert upright[:14].mean() > 150
    assert upright[18:].mean() < 50


def test_a_region_is_cut_from_the_upright_picture(tmp_path: Path) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, 32:] = 200
    write_video(tmp_path / "a.mp4", [picture] * 3)
    right = read(tmp_path, region=(0.5, 0.25, 1.0, 1.0))[0].picture
    assert right.shape == (36, 32, 3)
    assert right.mean() > 150
    with pytest.raises(ManifestError, match=r"region \(0\.5, 0, 0\.4, 1\)"):
        read(tmp_path, region=(0.5, 0, 0.4, 1))


def test_a_folder_of_pictures_is_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for index, picture in enumerate(grey_levels(12)):
        cv2.imwrite(str(tmp_path / "frames" / f"frame{index}.png"), picture)
    frames = read(tmp_path, media="frames", frame_rate=10.0, start=0.2)
    assert [level(frame.picture) for frame in frames] == [2, 4, 6, 8, 10]
    with pytest.raises(MediaError, match="frame_rate"):
        read(tmp_path, media="frames")


def test_what_is_no_video_is_a_skip_and_what_is_absent_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    write_video(tmp_path / "a.mp4", grey_levels(10))
    (tmp_path / "torn.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:-400])
    for name in ("text.mp4", "empty.mp4", "torn.mp4"):
        assert read_frames(make_clip(media=name), tmp_path, 5) == Skip("unreadable_media")
    assert read_frames(make_clip(media=None), tmp_path, 5) == Skip("no_video")
    assert read_frames(make_clip(media="a.mp4", start=60.0), tmp_path, 5) == Skip("no_video")
    with pytest.raises(MediaError, match=r"clip a: .*gone\.mp4 is not here"):
        read_frames(make_clip(media="gone.mp4"), tmp_path, 5)


def test_of_a_truncated_file_the_beginning_is_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_video(tmp_path / "a.mkv", [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(50)])
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "b.mkv").write_bytes(data[: len(data) // 2])
    assert 2 <= len(read(tmp_path, media="b.mkv")) < 10


def test_published_presentation_times_are_met(realdata: Path) -> None:
    published = json.loads((realdata / "odd" / "torchcodec_nasa_13013.mp4.stream3.all_frames_info.json").read_text())
    times = np.array([float(frame["pts_time"]) for frame in published])
    expected = [times[times >= k / 4 - 0.002][0] for k in range(52)]
    frames = read(realdata / "odd", fps=4, media="torchcodec_nasa_13013.mp4")
    assert np.allclose([frame.time for frame in frames], expected, atol=0.001)


@pytest.mark.parametrize(("name", "shape"), [("decord_video_90.mov", (568, 320, 3)), ("torchcodec_nasa_13013_rotated.mp4", (480, 270, 3))])
def test_rotation_tags_of_phones_are_respected(realdata: Path, name: str, shape: tuple[int, int, int]) -> None:
    assert read(realdata / "odd", media=name)[0].picture.shape == shape


def test_every_odd_file_gives_frames_or_a_reason(realdata: Path) -> None:
    for path in sorted((realdata / "odd").iterdir()):
        frames = read_frames(make_clip(media=path.name, end=1.0), realdata / "odd", 5)
        assert isinstance(frames, Skip) or list(frames), path.name
