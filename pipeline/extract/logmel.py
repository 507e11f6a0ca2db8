"""Log-mel spectrograms of clips.

librosa makes the filter bank and the window, once a process; frames then go through the FFT, the filters and the logarithm a few at a time,
in float32, so that what they touch stays in the processor's cache. The whole clip's frames are stored: segments, patches and padding to a
network's window are the encoder's, and deltas are made when an encoder asks for them.
"""

import functools
import math
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.clips.clip import Clip
from pipeline.errors import ManifestError
from pipeline.extract.audio import AudioReader
from pipeline.extract.logmel_config import LogmelConfig
from pipeline.shards import pulse
from pipeline.shards.extractor import Extractor, Row, Skip

CHUNK = 64
"""Frames that are transformed together."""


class LogmelExtractor(Extractor[Clip]):
    """Log-mels of a clip's sound: `logmel` (frames, n_mels).

    Args:
        config: every parameter.
        media: the corpus' media folder.
    """

    name = "logmel"
    version = 1
    isolated = True

    def __init__(self, config: LogmelConfig, media: Path) -> None:
        self.config = config
        self._reader = AudioReader(media, config.audio_stream)

    def source_key(self, source: Clip) -> Any:
        """Return the digest, channel, start and end of the sound.

        Raises:
            ManifestError: the clip has a sound and no digest of it.
        """
        digest = source.audio_digest if source.audio else source.digest
        if digest is None and (source.audio or source.media):
            raise ManifestError(f"clip {source.id}: {source.audio or source.media} has no digest; run index_clips again")
        start, end = source.audio_stretch
        return [digest, source.channel, float(start), None if end is None else float(end)]

    def extract(self, source: Clip) -> Row | Skip:
        """Decode the clip's sound and compute its log-mels.

        Raises:
            MediaError: the file is not on this machine, or has no such channel.
        """
        sound = self._reader.read(source)
        if isinstance(sound, Skip):
            return sound
        sound = sound.resample(self.config.sampling_rate, self.config.resampling)
        logmel = compute_logmel(sound.samples, self.config)
        if not np.isfinite(logmel).all():
            return Skip("non_finite_audio")
        return {"logmel": logmel.astype(self.config.dtype)}


def compute_logmel(samples: np.ndarray, config: LogmelConfig) -> np.ndarray:
    """Return the log-mels of samples (samples,) at the config's sampling rate, float32 (frames, n_mels)."""
    return take_logarithm(compute_mel(samples, config), config)


def compute_mel(samples: np.ndarray, config: LogmelConfig) -> np.ndarray:
    """Return the mel spectrum before the logarithm, float32 (frames, n_mels)."""
    from scipy.fft import rfft

    window, filters = make_window(config), make_filters(config)
    frames = frame_samples(samples, config)
    mel = np.empty((len(frames), config.n_mels), np.float32)
    for begin in range(0, len(frames), CHUNK):
        pulse.step()
        block = frames[begin : begin + CHUNK]
        if config.conditioning == "frame":
            block = condition(block, config)
        spectrum = rfft(block * window, config.n_fft, overwrite_x=True)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        np.matmul(power if config.power == 2 else np.sqrt(power), filters, out=mel[begin : begin + CHUNK])
    return mel


def frame_samples(samples: np.ndarray, config: LogmelConfig) -> np.ndarray:
    """Return the frames as a view of the padded samples, float32 (frames, frame_length)."""
    samples = samples.astype(np.float32, copy=False)
    if config.full_scale != 1:
        samples = samples * np.float32(config.full_scale)
    if config.conditioning == "signal":
        samples = condition(samples, config)
    needed = max(round(config.min_duration * config.sampling_rate), 1 if config.center else config.frame_length)
    if len(samples) < needed:
        samples = np.pad(samples, (0, needed - len(samples)))
    if config.center:
        half = config.n_fft // 2
        tail = half if config.zero_tail else 0
        samples = np.pad(samples, (half, half - tail), config.pad_mode)
        samples = np.pad(samples, (0, tail)) if tail else samples
    frames = np.lib.stride_tricks.sliding_window_view(samples, config.frame_length)[:: config.hop_length]
    return frames[:-1] if config.drop_last and len(frames) > 1 else frames


def condition(samples: np.ndarray, config: LogmelConfig) -> np.ndarray:
    """Return samples (…, samples) without their mean and with the high frequencies raised, where the config asks for either."""
    if config.remove_dc:
        samples = samples - samples.mean(-1, keepdims=True)
    if config.preemphasis:
        before = np.concatenate([samples[..., :1], samples[..., :-1]], axis=-1)
        samples = samples - np.float32(config.preemphasis) * before
    return samples


def take_logarithm(mel: np.ndarray, config: LogmelConfig) -> np.ndarray:
    """Return log-mels of a mel spectrum (frames, n_mels), which is overwritten."""
    unit = np.float32({"natural": 1, "log10": 1 / math.log(10), "db": 10 / math.log(10), "none": 0}[config.log])
    if config.offset:
        mel += np.float32(config.offset)
    np.maximum(mel, np.float32(config.floor), out=mel)
    if unit:
        ref = mel.max() if config.ref == "max" else np.float32(config.ref)
        np.log(mel, out=mel)  # numpy vectorises this logarithm alone
        mel -= np.log(ref)
        mel *= unit
    if config.top is not None:
        np.maximum(mel, mel.max() - np.float32(config.top), out=mel)
    if config.shift:
        mel += np.float32(config.shift)
    if config.scale != 1:
        mel *= np.float32(config.scale)
    return mel


@functools.lru_cache(maxsize=8)
def make_window(config: LogmelConfig) -> np.ndarray:
    """Return the window, padded to the frame's length, float32 (frame_length,)."""
    from librosa.filters import get_window
    from librosa.util import pad_center

    name = "hann" if config.window == "povey" else config.window
    window = get_window(name, config.win_length, fftbins=config.periodic)
    if config.window == "povey":
        window = window**0.85
    padded: np.ndarray = pad_center(window, size=config.frame_length).astype(np.float32)
    return padded


@functools.lru_cache(maxsize=8)
def make_filters(config: LogmelConfig) -> np.ndarray:
    """Return the mel filters, float32 (n_fft // 2 + 1, n_mels)."""
    from librosa.filters import mel

    if config.triangles == "mel":
        return _make_mel_triangles(config)
    weights: np.ndarray = mel(
        sr=config.sampling_rate,
        n_fft=config.n_fft,
        n_mels=config.n_mels,
        fmin=config.fmin,
        fmax=config.fmax,
        htk=config.htk,
        norm=config.norm,
    )
    return np.ascontiguousarray(weights.T)


def _make_mel_triangles(config: LogmelConfig) -> np.ndarray:
    """Return triangles that are straight over mel, as Kaldi and VGGish draw them; the mean's bin has no weight."""
    from librosa import fft_frequencies, hz_to_mel, mel_to_hz

    bins = hz_to_mel(fft_frequencies(sr=config.sampling_rate, n_fft=config.n_fft), htk=config.htk)[:, None]
    edges = np.linspace(hz_to_mel(config.fmin, htk=config.htk), hz_to_mel(config.fmax, htk=config.htk), config.n_mels + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0, np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre)))
    if config.norm == "slaney":
        hertz = mel_to_hz(edges, htk=config.htk)
        weights *= 2 / (hertz[2:] - hertz[:-2])
    weights[0] = 0
    triangles: np.ndarray = weights.astype(np.float32)
    return triangles
