"""What may be opened and what is refused: bombs, playlists, pipes, names that look like addresses, paths that lead elsewhere."""

import os
import resource
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from pipeline.errors import ManifestError, MediaError
from pipeline.extract import frames as frames_module
from pipeline.extract import track
from pipeline.extract.audio import AudioReader
from pipeline.extract.frames import Frame
from pipeline.extract.media import locate
from pipeline.extract.sound import Sound
from pipeline.extract.video import read_frames
from pipeline.shards.extractor import Skip
from tests.conftest import make_clip
from tests.extract.media import grey_levels, level, write_video
from tests.extract.test_audio import make_noise, write_sound

ABSURD, UNREADABLE = Skip("absurd_header"), Skip("unreadable_media")


def look(folder: Path, name: str, **changes: object) -> list[Frame] | Skip:
    """The frames of a file, at 5 fps."""
    frames = read_frames(make_clip(media=name, **changes), folder, 5)
    return frames if isinstance(frames, Skip) else list(frames)


def listen(folder: Path, name: str, **changes: object) -> Sound | Skip:
    """The sound of a file."""
    return AudioReader(folder).read(make_clip(media=name, **changes))


def make_png(width: int, height: int) -> bytes:
    """A PNG that says it is that large, and is not."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), b"IDAT": zlib.compress(bytes(1 << 20)), b"IEND": b""}
    parts = [struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def make_jpeg(width: int, height: int) -> bytes:
    """A JPEG that says it is that large, and is not."""
    data = bytearray(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def make_wav(rate: int = 16000, num_channels: int = 1, claimed: int | None = None) -> bytes:
    """A WAV of 8000 samples in all whose header says what it is told to."""
    data, width = bytes(range(250)) * 64, 2 * num_channels
    form = struct.pack("<HHIIHH", 1, num_channels, rate, min(rate * width, 2**32 - 1), width % 65536, 16)
    size = len(data) if claimed is None else claimed
    return b"RIFF" + struct.pack("<I", 2**32 - 1) + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + data


def make_raw_avi(folder: Path, width: int, height: int) -> bytes:
    """An AVI whose headers say that its raw pictures are that large."""
    write_video(folder / "small.avi", grey_levels(5))
    data = bytearray((folder / "small.avi").read_bytes())
    place = data.index(b"strf") + 8
    data[place + 4 : place + 12] = struct.pack("<ii", width, height)
    data[place + 16 : place + 20] = b"I420"
    return bytes(data)


def test_absurdly_large_pictures_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    bombs = {
        "a.y4m": b"YUV4MPEG2 W100000 H100000 F25:1 C420\nFRAME\n" + bytes(1 << 16),
        "b.y4m": b"YUV4MPEG2 W16000 H16000 F25:1 C420\nFRAME\n" + bytes(1 << 16),
        "a.png": make_png(100_000, 100_000),
        "b.png": make_png(12_000, 12_000),
        "a.jpg": make_jpeg(65_500, 65_500),
        "a.gif": b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0) + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;",
        "a.avi": make_raw_avi(tmp_path, 100_000, 100_000),
        "b.avi": make_raw_avi(tmp_path, 16_000, 16_000),
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, content in bombs.items():
        (tmp_path / name).write_bytes(content)
        assert look(tmp_path, name) == ABSURD, name
        assert listen(tmp_path, name) in (Skip("no_audio"), UNREADABLE), name
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_an_image_bomb_in_a_folder_of_frames_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for number in range(4):
        cv2.imwrite(str(tmp_path / "frames" / f"{number}.png"), grey_levels(9)[number])
    (tmp_path / "frames" / "1.png").write_bytes(make_png(20_000, 20_000))
    (tmp_path / "frames" / "2.png").write_bytes(b"no picture")
    frames = look(tmp_path, "frames", frame_rate=5.0)
    assert not isinstance(frames, Skip)
    assert [level(frame.picture) for frame in frames] == [0, 3]
    assert look(tmp_path, "frames", frame_rate=5.0, start=0.2, end=0.4) == ABSURD
    assert look(tmp_path, "frames", frame_rate=5.0, start=0.4, end=0.6) == UNREADABLE
    assert look(tmp_path, "frames", frame_rate=5.0, start=10.0) == Skip("no_video")
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "frames" / name).write_bytes(make_jpeg(30_000, 30_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert frames_module._read_picture(tmp_path / "frames" / "a.jpg") == ABSURD
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"rate": 10**9}, ABSURD),
        ({"rate": 1}, ABSURD),
        ({"rate": 768_000}, ABSURD),
        ({"num_channels": 65}, ABSURD),
        ({"num_channels": 500}, ABSURD),
        ({"num_channels": 65_535}, UNREADABLE),
        ({"rate": 384_000}, 8000),
        ({"num_channels": 8}, 1000),
        ({"claimed": 2**32 - 1}, 8000),
        ({"claimed": 2**31}, 8000),
        ({"claimed": 2}, 1),
    ],
)
def test_a_sound_header_is_believed_as_far_as_a_recording_can_be(tmp_path: Path, header: dict[str, int], expected: Skip | int) -> None:
    (tmp_path / "a.wav").write_bytes(make_wav(**header))
    sound = listen(tmp_path, "a.wav")
    assert (sound if isinstance(sound, Skip) else len(sound.samples)) == expected


def test_time_stamps_that_jump_ahead_take_no_memory_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "MAX_SAMPLES", 30_000_000)
    path = write_sound(tmp_path / "a.mkv", make_noise(441 * 8).T, [590 * 44100 * k for k in range(8)])
    assert listen(tmp_path, path.name) == Skip("too_long")
    assert isinstance(listen(tmp_path, path.name, start=0.0, end=100.0), Sound)
    assert isinstance(listen(tmp_path, path.name, start=590.0 * 7), Sound)


def test_an_absurd_duration_in_the_header_changes_nothing(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", grey_levels(10))
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    for box, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        place = data.index(box) + offset
        data[place : place + 4] = b"\x7f\xff\xff\xff"
    (tmp_path / "b.mp4").write_bytes(data)
    frames = look(tmp_path, "b.mp4")
    assert not isinstance(frames, Skip)
    assert [level(frame.picture) for frame in frames] == [0, 5]


@pytest.mark.parametrize(
    "name",
    ["concat:a.mp4|b.mp4", "http:__x.mp4", "file:a.mp4", "pipe:0", "data:x.mp4", "-i.mp4", "a b  c.mp4", "50%d%03d.mp4", "中文 视频.mp4",
     "a*b.mp4", "[a]{b}?.mp4", "'\"$(id)`&;#.mp4", "é\u0301🙂.mp4", "a\\b.mp4", ".mp4", "a.mp4?x=1#y", "~", "%s"],
)  # fmt: skip
def test_any_name_that_a_file_can_have_is_the_name_of_a_file(tmp_path: Path, name: str) -> None:
    media = tmp_path / "raw %d"
    media.mkdir()
    write_video(tmp_path / "a.mp4", grey_levels(5)).rename(media / name)
    frames = look(media, name)
    assert not isinstance(frames, Skip)
    assert level(frames[0].picture) == 0
    assert listen(media, name) == Skip("no_audio")


@pytest.mark.parametrize("name", ["../secret.mp4", "/etc/hostname", "a/../../secret.mp4", "raw/../../x", "..", "a\0b.mp4"])
def test_a_path_that_leads_out_of_the_media_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ManifestError, match="leads out of the corpus' media folder"):
        locate(tmp_path, name, "a")


def test_links_are_followed_to_regular_files_only(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    write_video(tmp_path / "a.mp4", grey_levels(5))
    (tmp_path / "raw").symlink_to(tmp_path / "disk")
    (tmp_path / "raw" / "a.mp4").symlink_to(tmp_path / "a.mp4")
    (tmp_path / "raw" / "zero.mp4").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "raw" / "pipe.mp4")
    (tmp_path / "raw" / "gone.mp4").symlink_to(tmp_path / "nothing")
    assert not isinstance(look(tmp_path / "raw", "a.mp4"), Skip)
    for name in ("zero.mp4", "pipe.mp4"):
        assert look(tmp_path / "raw", name) == listen(tmp_path / "raw", name) == UNREADABLE
    with pytest.raises(MediaError, match=r"gone\.mp4 is not here"):
        look(tmp_path / "raw", "gone.mp4")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ffconcat", "ffconcat version 1.0\nfile a.mp4\n"),
        ("a.mp4x", "ffconcat version 1.0\nfile a.mp4\n"),
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.mp4\n#EXT-X-ENDLIST\n"),
        (
            "a.mpd",
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011"></MPD>',
        ),
        ("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"),
        ("a.txt", "Once upon a time there was no video.\n" * 50),
    ],
)
def test_a_file_that_names_other_files_or_addresses_is_no_media(tmp_path: Path, name: str, text: str) -> None:
    write_video(tmp_path / "a.mp4", grey_levels(5))
    (tmp_path / name).write_text(text)
    assert look(tmp_path, name) == listen(tmp_path, name) == UNREADABLE


def test_a_series_of_pictures_is_timed_by_its_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "Ses01F [x]"
    folder.mkdir()
    for number in (3, 4, 6, 8, 11, 12):
        cv2.imwrite(str(folder / f"image_L_{number}.png"), grey_levels(20)[number])
        cv2.imwrite(str(folder / f"image_R_{number}.png"), grey_levels(20)[0])
    (folder / "image_L_x.png").write_text("no number")
    frames = look(tmp_path, "Ses01F [x]/image_L_*.png", frame_rate=10.0)
    assert not isinstance(frames, Skip)
    assert [(level(frame.picture), round(frame.time, 3)) for frame in frames] == [(3, 0.0), (6, 0.3), (8, 0.5), (11, 0.8)]
    later = look(tmp_path, "Ses01F [x]/image_L_*.png", frame_rate=10.0, start=0.45, end=0.85)
    assert not isinstance(later, Skip)
    assert [(level(frame.picture), round(frame.time, 3)) for frame in later] == [(8, 0.05), (11, 0.35)]
    assert listen(tmp_path, "Ses01F [x]/image_L_*.png", frame_rate=10.0) == Skip("no_audio")
    with pytest.raises(MediaError, match="give its frame_rate"):
        look(tmp_path, "Ses01F [x]/image_L_*.png")
    for name in ("Ses01F [x]/image_M_*.png", "nothing/image_*.png"):
        with pytest.raises(MediaError, match="no picture"):
            look(tmp_path, name, frame_rate=10.0)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "mpg", "flv", "ts"])
def test_a_file_cut_off_anywhere_gives_its_beginning_or_a_reason(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(30)]
    data = write_video(tmp_path / f"a.{suffix}", pictures).read_bytes()
    for share in (0.0, 0.001, 0.05, 0.3, 0.6, 0.9, 0.99):
        (tmp_path / f"b.{suffix}").write_bytes(data[: round(len(data) * share)])
        frames = look(tmp_path, f"b.{suffix}")
        assert frames == UNREADABLE or frames == Skip("no_video") or len(frames) <= 6  # type: ignore[arg-type]
        assert listen(tmp_path, f"b.{suffix}") in (UNREADABLE, Skip("no_audio"))


def test_clips_of_one_recording_hold_no_more_than_they_need(tmp_path: Path) -> None:
    noise = make_noise(44100 * 20)
    soundfile.write(tmp_path / "a.wav", noise, 44100, subtype="FLOAT")
    reader = AudioReader(tmp_path)
    for start in (0.0, 0.5, 7.1234, 7.5, 18.0, 18.0, 3.0):
        sound = reader.read(make_clip(media="a.wav", start=start, end=start + 1))
        assert isinstance(sound, Sound)
        np.testing.assert_array_equal(sound.samples, noise[round(start * 44100) : round((start + 1) * 44100), 0])
        assert isinstance(reader._track, track.Track)
        assert reader._track._line.num_held < 2 * 44100
