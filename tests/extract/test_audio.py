"""Sound is decoded by presentation time, to the sample, and what is missing is told apart from what is silent."""

import pickle
from fractions import Fraction
from pathlib import Path

import av
import librosa
import numpy as np
import pytest
import soundfile

from pipeline.errors import MediaError
from pipeline.extract.audio import AudioReader, read_sound
from pipeline.extract.sound import Sound, mix
from pipeline.shards.extractor import Skip
from tests.conftest import make_clip

RATE = 44100


def make_noise(num_samples: int = RATE, num_channels: int = 1, seed: int = 0) -> np.ndarray:
    """Samples (samples, channels), float32."""
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (num_samples, num_channels)).astype(np.float32)


def write_sound(path: Path, samples: np.ndarray, starts: list[int], codec: str = "pcm_s16le", layout: str = "mono") -> Path:
    """Write samples (channels, samples) with PyAV in as many pieces as `starts`, each beginning at its sample number."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout=layout)
        for start, piece in zip(starts, np.array_split(samples, len(starts), axis=1), strict=True):
            data = piece if stream.format.is_planar else piece.T.reshape(1, -1)
            is_float = stream.format.name.startswith("flt")
            data = data.astype(np.float32) if is_float else np.round(data * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), format=stream.format.name, layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path: Path, **changes: object) -> Sound:
    """The sound of a file, which must have one."""
    sound = read_sound(path, **changes)  # type: ignore[arg-type]
    assert isinstance(sound, Sound)
    return sound


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_a_wav_file_is_read_as_soundfile_and_librosa_read_it(tmp_path: Path, subtype: str, num_channels: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, make_noise(num_channels=num_channels), RATE, subtype=subtype)
    sound = read(path)
    assert sound.rate == RATE
    np.testing.assert_array_equal(sound.samples, librosa.load(path, sr=None)[0])


def test_resampling_is_librosas_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, make_noise(RATE + 17, 2), RATE)
    np.testing.assert_array_equal(read(path).resample(16000).samples, librosa.load(path, sr=16000)[0])


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.25, 0.75), (1 / 3, 2 / 3), (0.9, 5.0), (0.5, None)])
def test_a_cut_is_exact_to_the_sample(tmp_path: Path, start: float, end: float | None) -> None:
    path, noise = tmp_path / "a.wav", make_noise()
    soundfile.write(path, noise, RATE, subtype="FLOAT")
    expected = noise[round(start * RATE) : None if end is None else round(end * RATE), 0]
    np.testing.assert_array_equal(read(path, start=start, end=end).samples, expected)


@pytest.mark.parametrize("suffix", ["mkv", "mov", "wav", "flac"])
def test_cuts_of_one_track_join_to_the_whole(tmp_path: Path, suffix: str) -> None:
    samples = make_noise(3 * RATE).T
    path = write_sound(tmp_path / f"a.{suffix}", samples, list(range(0, 3 * RATE, RATE // 10)), "flac" if suffix == "flac" else "pcm_s16le")
    reader, clips = AudioReader(tmp_path), [make_clip("a", media=path.name, start=s, end=s + 1) for s in (1, 0, 2)]
    second, first, third = (reader.read(clip) for clip in clips)
    np.testing.assert_array_equal(np.concatenate([cut.samples for cut in (first, second, third)]), read(path).samples)
    np.testing.assert_allclose(read(path).samples, samples[0], atol=2**-14)


def test_a_sound_that_begins_late_or_has_a_hole_keeps_its_times(tmp_path: Path) -> None:
    samples = make_noise(RATE).T
    path = write_sound(tmp_path / "a.mkv", samples, [0, 2 * RATE])
    sound = read(path).samples
    np.testing.assert_allclose(sound[: RATE // 2], samples[0, : RATE // 2], atol=2**-14)
    assert not sound[RATE // 2 : 2 * RATE].any()
    np.testing.assert_allclose(sound[2 * RATE :], samples[0, RATE // 2 :], atol=2**-14)
    assert read_sound(path, 0.6, 1.9) == Skip("no_audio")


def test_digital_silence_is_a_sound_and_its_absence_is_not(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(1000), RATE)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    (tmp_path / "bytes.mp4").write_bytes(b"no media at all" * 99)
    (tmp_path / "nothing.mp4").touch()
    assert len(read(tmp_path / "a.wav").samples) == 1000
    assert read_sound(tmp_path / "a.wav", start=1.0) == Skip("no_audio")
    assert read_sound(tmp_path / "empty.wav") == Skip("no_audio")
    assert read_sound(tmp_path / "bytes.mp4") == read_sound(tmp_path / "nothing.mp4") == Skip("unreadable_media")
    assert read_sound(tmp_path) == Skip("no_audio")


def test_surround_sound_is_mixed_by_its_loudspeakers() -> None:
    names = ["FL", "FR", "FC", "LFE", "BL", "BR"]
    channels = list(np.eye(6, dtype=np.float32))
    total = 2 * 2**-0.5 + 1 + 2 * 0.5
    np.testing.assert_allclose(mix(channels, names), np.array([2**-0.5, 2**-0.5, 1, 0, 0.5, 0.5]) / total, rtol=1e-6)
    np.testing.assert_allclose(mix(channels[:2], ["FL", "FR"])[:2], 0.5)
    np.testing.assert_allclose(mix(channels[:3], ["NONE"] * 3)[:3], 1 / 3)
    np.testing.assert_allclose(mix(channels[:1], ["LFE"])[:1], 1)


@pytest.mark.parametrize(("suffix", "codec"), [("wav", "pcm_s16le"), ("flac", "flac"), ("mp4", "aac")])
def test_a_channel_of_a_surround_file_can_be_taken(tmp_path: Path, suffix: str, codec: str) -> None:
    times = np.arange(RATE) / RATE
    samples = np.stack([0.5 * np.sin(2 * np.pi * 200 * (k + 1) * times) for k in range(6)]).astype(np.float32)
    path = write_sound(tmp_path / f"a.{suffix}", samples, [0], codec, "5.1")
    for channel in range(6) if codec != "aac" else (0, 1, 2):
        spectrum = np.abs(np.fft.rfft(read(path, channel=channel).samples[:RATE]))
        assert np.argmax(spectrum) == 200 * (channel + 1)
    spectrum = np.abs(np.fft.rfft(read(path).samples[:RATE]))
    assert spectrum[600] > 1.3 * spectrum[200] > 1.3 * 1.3 * spectrum[1000] > 100 * spectrum[800]


def test_of_several_sound_streams_the_default_one_is_taken_or_the_one_asked_for(tmp_path: Path) -> None:
    times = np.arange(RATE) / RATE
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=RATE, layout=layout) for layout in ("stereo", "mono", "5.1")]
        streams[1].disposition = av.stream.Disposition.default
        for stream, tone in zip(streams, (300, 500, 700), strict=True):
            samples = np.round(20000 * np.sin(2 * np.pi * tone * times)).astype(np.int16).repeat(stream.channels)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=stream.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    clip = make_clip(media="a.mkv")
    for number, tone in ((None, 500), (0, 300), (1, 500), (2, 700)):
        sound = AudioReader(tmp_path, number).read(clip)
        assert isinstance(sound, Sound)
        assert np.argmax(np.abs(np.fft.rfft(sound.samples))) == tone
    assert AudioReader(tmp_path, 3).read(clip) == Skip("no_such_stream")


def test_a_channel_or_a_file_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", make_noise(num_channels=2), RATE)
    reader = AudioReader(tmp_path)
    with pytest.raises(MediaError, match=r"a\.wav has 2 audio channels and a clip asks for channel 2"):
        reader.read(make_clip("a", media="a.wav", channel=2))
    with pytest.raises(MediaError, match=r"clip b: .*b\.mp4 is not here"):
        reader.read(make_clip("b"))
    assert reader.read(make_clip("c", media=None)) == Skip("no_audio")


def test_a_separate_sound_file_is_preferred_and_the_reader_travels(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", make_noise(), RATE)
    reader = AudioReader(tmp_path)
    assert isinstance(reader.read(make_clip("a", media="gone.mp4", audio="a.wav")), Sound)
    assert isinstance(pickle.loads(pickle.dumps(reader)).read(make_clip("a", audio="a.wav")), Sound)


def test_a_few_damaged_packets_leave_a_hole_and_many_make_the_clip_unreadable(tmp_path: Path) -> None:
    times = np.arange(4 * RATE) / RATE
    samples = 0.5 * np.sin(2 * np.pi * (200 + 300 * times) * times, dtype=np.float32)[None]
    path = write_sound(tmp_path / "a.mp4", samples, list(range(0, 4 * RATE, RATE // 10)), "aac")
    whole = read(path).samples
    content = bytearray(path.read_bytes())
    begin = content.index(b"mdat") + 4
    damaged = tmp_path / "damaged.mp4"
    for share, readable in ((0.02, True), (0.6, False)):
        size = int((len(content) - begin) * 0.9 * share)
        damaged.write_bytes(content[: begin + 9000] + b"\xff" * size + content[begin + 9000 + size :])
        sound = read_sound(damaged)
        assert isinstance(sound, Sound) == readable
        if isinstance(sound, Sound):
            np.testing.assert_allclose(sound.samples[-RATE:], whole[-RATE:], atol=0.05)


def test_real_media_end_in_a_sound_or_a_skip(realdata: Path) -> None:
    outcome = {
        path.name: read_sound(path) for folder in ("clips", "odd", "grid", "cremad") for path in sorted((realdata / folder).iterdir())
    }
    sounds = {name: sound for name, sound in outcome.items() if isinstance(sound, Sound)}
    assert {"liveportrait_d18.mp4", "torchcodec_nasa_13013.mp4", "1001_DFA_ANG_XX.flv", "lipnet_bbaf2n.mpg"} <= sounds.keys()
    assert not sounds["liveportrait_d18.mp4"].samples.any()
    assert all(np.isfinite(sound.samples).all() and len(sound.samples) > sound.rate for sound in sounds.values())
    assert outcome["dark_man_silent.mp4"] == outcome["torchcodec_av1_video.mkv"] == Skip("no_audio")
    assert outcome["labels.csv"] == Skip("unreadable_media")


def test_a_late_first_sample_of_real_media_is_preceded_by_silence(realdata: Path) -> None:
    path = realdata / "clips" / "pyfeat_face_noface.mov"
    sound = read(path)
    first = np.flatnonzero(sound.samples)[0] / sound.rate
    assert 2.43 <= first < 2.5
    assert read_sound(path, 0.0, 2.4) == Skip("no_audio")
    np.testing.assert_array_equal(read(path, start=3.0, end=4.0).samples, sound.samples[3 * sound.rate : 4 * sound.rate])
