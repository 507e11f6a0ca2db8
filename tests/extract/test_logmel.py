"""Log-mels agree with librosa, Whisper, Kaldi, AST and VGGish, and every clip ends in a row or a skip."""

import dataclasses
import warnings
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import yaml

from pipeline.errors import ManifestError, MediaError, ParamsError
from pipeline.extract.logmel import LogmelExtractor, compute_logmel, make_filters
from pipeline.extract.logmel_config import AST, DAVENET, KALDI, LIBROSA, PRESETS, VGGISH, WHISPER, LogmelConfig, read_logmel_config
from pipeline.shards.extractor import Skip
from pipeline.shards.fingerprint import fingerprint
from tests.conftest import make_clip

WHISPER_FIRST_MEL = """
.1193 -.0946 -.1098 -.0196 .0225 -.0690 -.1736 .0951 .0971 -.0817 -.0702 .0162 .0260 .0017 -.0192 -.1678 .0709 -.1867 -.0655 -.0274
-.0234 -.1884 -.0516 -.0554 -.0274 -.1425 -.1423 .0837 .0377 -.0854"""

GOLDEN = {
    "librosa": -44.5717,
    "davenet": -42.3923,
    "vggish": -2.6277,
    "whisper": 0.1945,
    "whisper_128": 0.1763,
    "kaldi": 18.535,
    "ast": -0.0594,
}
"""Mean log-mel of half a second under each preset: if it changes, so must LogmelExtractor.version."""


def make_samples(duration: float = 1.5, seed: int = 0) -> np.ndarray:
    """A noisy chirp at 16 kHz, float32 (samples,)."""
    times = np.arange(round(duration * 16000)) / 16000
    noise = np.random.default_rng(seed).normal(scale=0.01, size=len(times))
    return (0.3 * np.sin(2 * np.pi * (200 + 1500 * times) * times) + noise).astype(np.float32)


def read_speech(realdata: Path) -> np.ndarray:
    """The LibriSpeech clip, 16 kHz."""
    samples: np.ndarray = soundfile.read(realdata / "audio" / "1272-128104-0000.wav", dtype="float32")[0]
    return samples


def read_kaldi(path: Path) -> np.ndarray:
    """A matrix as Kaldi prints it."""
    lines = path.read_text().replace("[", "").replace("]", "").splitlines()[1:]
    return np.array([[float(value) for value in line.split()] for line in lines if line.strip()])


def write_params(folder: Path, text: str) -> Path:
    """A params.yaml with one row of logmels."""
    path = folder / "params.yaml"
    path.write_text(f"logmels:\n  a: {{{text}}}\n")
    return path


@pytest.mark.parametrize(
    "config", [DAVENET, LIBROSA, dataclasses.replace(LIBROSA, pad_mode="reflect", htk=True, norm=None, power=1, top=None)]
)
def test_log_mels_are_librosas(config: LogmelConfig) -> None:
    samples = make_samples()
    keywords = {name: getattr(config, name) for name in ("n_fft", "hop_length", "win_length", "window", "center", "pad_mode", "power")}
    filters = {name: getattr(config, name) for name in ("n_mels", "fmin", "fmax", "htk", "norm")}
    mel = librosa.feature.melspectrogram(y=samples, sr=config.sampling_rate, **keywords, **filters)
    expected = librosa.power_to_db(mel, ref=np.max, amin=config.floor, top_db=config.top).T
    np.testing.assert_allclose(compute_logmel(samples, config), expected, atol=1e-3)


@pytest.mark.parametrize("folder", ["grid", "cremad", "clips", "audio"])
def test_log_mels_of_real_sound_are_librosas(realdata: Path, folder: str) -> None:
    extractor, count = LogmelExtractor(DAVENET, realdata / folder), 0
    for path in sorted((realdata / folder).iterdir()):
        row, sound = extractor.extract(clip := make_clip(media=path.name)), extractor._reader.read(clip)
        if isinstance(row, Skip) or isinstance(sound, Skip):
            continue
        keywords = {"n_fft": 512, "win_length": 400, "hop_length": 160, "window": "hamming", "n_mels": 40, "fmin": 300, "fmax": 8000}
        mel = librosa.feature.melspectrogram(y=sound.resample(16000).samples, sr=16000, **keywords)
        np.testing.assert_allclose(row["logmel"], librosa.power_to_db(mel, ref=np.max).T, atol=1e-3)
        count += 1
    assert count >= 2


def test_whispers_published_values_are_met(realdata: Path) -> None:
    logmel = compute_logmel(read_speech(realdata), WHISPER)
    np.testing.assert_allclose(logmel[:30, 0], np.array(WHISPER_FIRST_MEL.split(), float), atol=1e-4)


def test_whispers_filters_are_openais(realdata: Path) -> None:
    published = np.load(realdata / "audio" / "mel_filters.npz")
    for n_mels in (80, 128):
        np.testing.assert_array_equal(make_filters(dataclasses.replace(WHISPER, n_mels=n_mels)).T, published[f"mel_{n_mels}"])


@pytest.mark.parametrize("name", ["whisper", "whisper_128"])
def test_whispers_frames_are_those_of_its_padded_window(name: str) -> None:
    from transformers import WhisperFeatureExtractor

    samples = make_samples(2.345)
    expected = (
        WhisperFeatureExtractor(feature_size=PRESETS[name].n_mels)(samples, sampling_rate=16000, return_tensors="np").input_features[0].T
    )
    logmel = compute_logmel(samples, PRESETS[name])
    assert logmel.shape == (len(samples) // 160, PRESETS[name].n_mels)
    np.testing.assert_allclose(logmel, expected[: len(logmel)], atol=1e-4)


def test_asts_front_end_is_met() -> None:
    from transformers import ASTFeatureExtractor

    samples = make_samples(2.345)
    expected = ASTFeatureExtractor()(samples, sampling_rate=16000, return_tensors="np").input_values[0]
    logmel = compute_logmel(samples, AST)
    np.testing.assert_allclose(logmel, expected[: len(logmel)], atol=1e-3)


@pytest.mark.parametrize("name", ["test.txt", "test-htk.txt"])
def test_kaldis_filter_banks_are_met(realdata: Path, name: str) -> None:
    expected = read_kaldi(realdata / "audio" / name)[:, :23]  # with --htk-compat the energy follows
    samples: np.ndarray = soundfile.read(realdata / "audio" / "test.wav", dtype="float32")[0]
    logmel = compute_logmel(samples, KALDI)
    assert logmel.shape == expected.shape == (118, 23)
    np.testing.assert_allclose(logmel, expected, atol=0.02)  # natural log; both sides compute in float32
    assert np.abs(logmel - expected).mean() < 2e-4


@pytest.mark.parametrize("number", ["001", "002", "003", "020", "040", "060"])
def test_filters_are_those_of_the_matlab_toolbox(realdata: Path, number: str) -> None:
    import scipy.io

    saved = scipy.io.loadmat(realdata / "audio" / "librosa_matlab" / f"feature-melfb-{number}.mat", squeeze_me=True)
    keys = {"sampling_rate": "sr", "n_fft": "nfft", "n_mels": "nfilts", "fmin": "fmin", "fmax": "fmax", "htk": "htk"}
    values = {name: type(getattr(LIBROSA, name))(saved[key]) for name, key in keys.items()}
    config = dataclasses.replace(LIBROSA, **values, win_length=values["n_fft"])
    with warnings.catch_warnings(action="ignore"):  # more filters than bins: some are empty there too
        filters = make_filters(config)
    np.testing.assert_allclose(filters.T, saved["wts"][:, : config.n_fft // 2 + 1], atol=1e-6)


def test_vggishs_front_end_is_met_as_its_paper_computes_it() -> None:
    samples = make_samples(2.0)
    frames = np.stack([samples[160 * k : 160 * k + 400] for k in range(1 + (len(samples) - 400) // 160)]).astype(np.float64)
    magnitude = np.abs(np.fft.rfft(frames * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)), 512))

    def to_mel(hertz: np.ndarray) -> np.ndarray:
        return 1127 * np.log(1 + hertz / 700)

    edges = np.linspace(*to_mel(np.array([125.0, 7500.0])), 66)
    filters = np.zeros((257, 64))
    for k, place in enumerate(to_mel(np.arange(257) * 16000 / 512)):
        for m in range(64):
            rise, fall = (place - edges[m]) / (edges[m + 1] - edges[m]), (edges[m + 2] - place) / (edges[m + 2] - edges[m + 1])
            filters[k, m] = max(0, min(rise, fall)) if k else 0
    np.testing.assert_allclose(compute_logmel(samples, VGGISH), np.log(magnitude @ filters + 0.01), atol=1e-3)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("samples", [np.zeros(16000), np.zeros(1), np.full(100, 0.5), make_samples(0.3), np.ones(16000)])
def test_silence_and_the_shortest_sounds_give_finite_frames(name: str, samples: np.ndarray) -> None:
    logmel = compute_logmel(samples.astype(np.float32), PRESETS[name])
    assert len(logmel) >= 1
    assert np.isfinite(logmel).all()


def test_a_short_clip_still_fills_vggishs_first_patch() -> None:
    assert compute_logmel(make_samples(0.2), VGGISH).shape == (96, 64)


def test_a_preset_and_its_twin_spelled_out_have_one_fingerprint(tmp_path: Path) -> None:
    preset = read_logmel_config(write_params(tmp_path, "corpus: demo, media: raw/demo, preset: davenet, n_mels: 64, fmax: 7600"), "a")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"logmels": {"a": dataclasses.asdict(preset)}}))
    twin = read_logmel_config(tmp_path / "params.yaml", "a")
    assert preset == twin == dataclasses.replace(DAVENET, n_mels=64, fmax=7600.0)
    assert fingerprint(preset) == fingerprint(twin) != fingerprint(DAVENET)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("preset: davnet", "there is no preset `davnet`; the presets: librosa, davenet"),
        ("preset: davenet, n_mel: 64", "unknown key `n_mel` .did you mean `n_mels`"),
        ("n_mels: 64", "lacks `sampling_rate`, `resampling`"),
        ("preset: davenet, fmax: 9000", "fmin 300.0 and fmax 9000.0 must lie in order between 0 and 8000"),
        ("preset: davenet, win_length: 1024", "win_length 1024 is longer than n_fft 512"),
        ("preset: davenet, floor: 0", "digital silence has no logarithm"),
        ("preset: vggish, center: true", "are not centred"),
        ("preset: davenet, hop_length: 0", "hop_length is 0, too small"),
        ("preset: davenet, window: hanning", "must be one of"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        read_logmel_config(write_params(tmp_path, text), "a")


def test_every_parameter_is_hashed_and_only_what_is_read_of_the_clip() -> None:
    extractor = LogmelExtractor(DAVENET, Path())
    clip = make_clip()
    same = [make_clip(text="other", speaker="s9", labels={"x": 1.0}, region=(0, 0, 0.5, 1)), make_clip("b", digest=clip.digest)]
    other = [
        make_clip(digest="x"),
        make_clip(start=0.5),
        make_clip(end=1.0),
        make_clip(channel=0),
        make_clip(audio="a.wav", audio_digest="y"),
    ]
    assert {extractor.fingerprint(clip)} == {extractor.fingerprint(twin) for twin in same}
    assert len({extractor.fingerprint(one) for one in [clip, *other]}) == 6
    assert extractor.fingerprint(clip) != LogmelExtractor(VGGISH, Path()).fingerprint(clip)


def test_a_clip_gives_a_row_a_skip_or_an_error_with_a_remedy(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", make_samples(1.0), 16000)
    soundfile.write(tmp_path / "nan.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    extractor = LogmelExtractor(dataclasses.replace(DAVENET, dtype="float16"), tmp_path)
    row = extractor.extract(make_clip(media="a.wav", start=0.25, end=0.75))
    assert not isinstance(row, Skip)
    assert row["logmel"].shape == (51, 40)
    assert row["logmel"].dtype == np.float16
    assert extractor.extract(make_clip(media="nan.wav")) == Skip("non_finite_audio")
    assert extractor.extract(make_clip(media=None)) == Skip("no_audio")
    with pytest.raises(MediaError, match="not here or not readable"):
        extractor.extract(make_clip())
    with pytest.raises(ManifestError, match="has no digest; run index_clips again"):
        extractor.source_key(make_clip(digest=None))


@pytest.mark.parametrize("preset", [DAVENET, VGGISH, WHISPER])
def test_all_real_media_end_in_a_row_or_a_skip(realdata: Path, preset: LogmelConfig) -> None:
    outcomes = {}
    for folder in ("clips", "odd", "grid", "cremad", "audio"):
        extractor = LogmelExtractor(preset, realdata / folder)
        outcomes |= {path.name: extractor.extract(make_clip(media=path.name)) for path in sorted((realdata / folder).iterdir())}
    assert {outcome.reason for outcome in outcomes.values() if isinstance(outcome, Skip)} == {"no_audio", "unreadable_media"}
    rows = [outcome["logmel"] for outcome in outcomes.values() if not isinstance(outcome, Skip)]
    assert len(rows) >= 40
    assert all(np.isfinite(logmel).all() and len(logmel) >= 96 for logmel in rows)


def test_a_golden_row_guards_the_version() -> None:
    means = {name: float(compute_logmel(make_samples(0.5), config).mean()) for name, config in PRESETS.items()}
    assert LogmelExtractor.version == 1
    assert means == pytest.approx(GOLDEN, abs=1e-3)
