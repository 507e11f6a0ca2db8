"""Sound in memory: one channel of samples and its rate; mixing and resampling."""

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.errors import MediaError

MIX = {"FL": 2**-0.5, "FR": 2**-0.5, "FC": 1.0, "BL": 0.5, "BR": 0.5, "SL": 0.5, "SR": 0.5, "BC": 0.5, "LFE": 0.0, "LFE2": 0.0}
"""Weights of ITU-R BS.775 for a mix of loudspeaker channels; their sum is brought to 1, so stereo becomes the mean of both."""


Resampling = Literal["soxr_mq", "soxr_hq", "soxr_vhq"]


@dataclass(frozen=True)
class Sound:
    """One channel of sound.

    Args:
        samples: float32 (samples,), full scale 1.
        rate: samples per second (Hz).
    """

    samples: np.ndarray
    rate: int

    def resample(self, sampling_rate: int, quality: Resampling = "soxr_hq") -> "Sound":
        """Return the sound at another sampling rate (Hz), with librosa.load's resampler and its length, ceil(samples · ratio)."""
        if self.rate == sampling_rate:
            return self
        import soxr

        resampled = soxr.resample(self.samples, self.rate, sampling_rate, quality=quality.removeprefix("soxr_").upper())
        num_samples = -(-len(self.samples) * sampling_rate // self.rate)
        return Sound(np.pad(resampled[:num_samples], (0, max(0, num_samples - len(resampled)))), sampling_rate)


class Timeline:
    """Samples at their places in time, growing at the end; silence fills what lies between them, and the beginning can be forgotten."""

    def __init__(self) -> None:
        self.length = self.num_held = 0
        self._wanted = 0
        self._pieces: deque[np.ndarray] = deque()
        self._spans: deque[tuple[int, int]] = deque()

    @property
    def begin(self) -> int:
        """The place of the first sample that is held."""
        return self.length - self.num_held

    def forget(self, place: int) -> None:
        """Hold no more than what comes from a place on."""
        self._wanted = max(self._wanted, place)
        self._drop()
        excess = self._wanted - self.begin
        if self._pieces and excess > 0:
            self._pieces[0] = self._pieces[0][excess:]
            self.num_held -= excess

    def add(self, piece: np.ndarray) -> None:
        """Add samples (samples,) behind the others."""
        begin = self.length
        self._append(piece)
        if self._spans and self._spans[-1][1] == begin:
            begin = self._spans.pop()[0]
        self._spans.append((begin, self.length))

    def add_silence(self, num_samples: int) -> None:
        """Leave a hole behind the last samples."""
        if num_samples:
            self._append(np.zeros(num_samples, np.float32))

    def has_sound(self, first: int, stop: int) -> bool:
        """Whether samples that were added lie between two places."""
        return any(max(first, begin) < min(stop, end) for begin, end in self._spans)

    def join(self) -> np.ndarray:
        """Return everything that is held as one array (samples,)."""
        self._pieces = deque([np.concatenate(self._pieces)]) if len(self._pieces) > 1 else self._pieces
        return self._pieces[0]

    def _append(self, piece: np.ndarray) -> None:
        self._pieces.append(piece)
        self.length, self.num_held = self.length + len(piece), self.num_held + len(piece)
        self._drop()

    def _drop(self) -> None:
        """Let go of pieces that end before what is wanted."""
        while self._pieces and self.begin + len(self._pieces[0]) <= self._wanted:
            self.num_held -= len(self._pieces.popleft())
        while self._spans and self._spans[0][1] <= self._wanted:
            self._spans.popleft()


def take_channel(channels: np.ndarray, names: list[str], channel: int | None, where: str) -> np.ndarray:
    """Return one channel, or the mix of all, of samples (channels, samples) as float32 (samples,).

    Raises:
        MediaError: the sound has no such channel.
    """
    if channel is None:
        return mix([as_float(samples) for samples in channels], names)
    if not 0 <= channel < len(names):
        message = f"{where} has {len(names)} audio channels and a clip asks for channel {channel} (from 0)"
        raise MediaError(f"{message}; correct the corpus' labels or adapter")
    return as_float(channels[channel])


def mix(channels: list[np.ndarray], names: list[str]) -> np.ndarray:
    """Mix channels (float32) into one: loudspeaker channels by their weights, channels without a known place alike."""
    weights = [MIX[name] for name in names] if MIX.keys() >= set(names) and any(MIX[name] for name in names) else [1.0] * len(names)
    mixed = channels[0] * np.float32(weights[0] / sum(weights))
    for channel, weight in zip(channels[1:], weights[1:], strict=True):
        if weight:
            mixed += channel * np.float32(weight / sum(weights))
    return mixed


def as_float(samples: np.ndarray) -> np.ndarray:
    """Return samples of any type as float32 with full scale 1, as soundfile reads them."""
    if samples.dtype.kind == "f":
        return np.ascontiguousarray(samples, np.float32)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    return samples.astype(np.float32) / np.float32(2 ** (8 * samples.dtype.itemsize - 1))
