"""A synthetic voice by the source-filter model: glottal pulses and noise, shaped by the formants of the words' vowels.

Fant, "Acoustic Theory of Speech Production", 1960. The filters change with time, so they are applied to the short-time
spectrum; nothing loops over samples.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.demo.cast import Recording, Timbre
from pipeline.demo.phones import HISSES, ROUNDED, VOWELS, Syllable
from pipeline.demo.prosody import Prosody

Array = npt.NDArray[np.float64]

HOP = 0.008
WINDOW = 0.032
BANDWIDTHS = (80.0, 110.0, 170.0, 260.0)
"""Of the formants, in Hz."""

LEVEL = -24.0
"""Of neutral speech, in dB below full scale."""


@dataclass(frozen=True)
class Speech:
    """A voice's recording.

    Attributes:
        sound: (samples,) in [-1, 1].
        opening: (frames,) of the mouth in [0, 1], from the sound's envelope.
        rounding: (frames,) of the lips in [0, 1].
    """

    sound: npt.NDArray[np.float32]
    opening: Array
    rounding: Array


def speak(
    syllables: list[Syllable],
    prosody: Prosody,
    timbre: Timbre,
    recording: Recording,
    num_frames: int,
    fps: int,
    sampling_rate: int,
    random: np.random.Generator,
) -> Speech:
    """Say the syllables; the sound is exactly as long as the video's frames."""
    num_samples = round(num_frames * sampling_rate / fps)
    time = np.arange(num_samples) / sampling_rate
    source = _pulses(_pitch(time, syllables, prosody, timbre, random), prosody, timbre, sampling_rate, random)
    voice = _filter(source, sampling_rate, _tract(syllables, prosody, timbre, num_samples, sampling_rate))
    voice *= _loudness(time, syllables, prosody)
    hiss = _filter(random.standard_normal(num_samples), sampling_rate, _hisses(syllables, num_samples, sampling_rate))
    voice = voice / (_rms(voice) + 1e-9) + 0.35 * hiss / (_rms(hiss) + 1e-9) * (_rms(hiss) > 0)
    opening = _envelope(voice, num_frames, fps, sampling_rate)
    voice *= 10 ** ((LEVEL + prosody.level + recording.gain) / 20)
    voice += random.standard_normal(num_samples) * 10 ** (recording.noise / 20)
    round_lips = _at(np.arange(num_frames) / fps, syllables, [ROUNDED.get(s.vowel, 0.0) for s in syllables])
    return Speech((0.98 * np.tanh(voice / 0.98)).astype(np.float32), opening, round_lips)


def _at(time: Array, syllables: list[Syllable], values: list[float]) -> Array:
    """Values given at the syllables' vowels, between them on straight lines, (time,)."""
    return np.interp(time, [s.start + 0.6 * s.duration for s in syllables], values)


def _pitch(time: Array, syllables: list[Syllable], prosody: Prosody, timbre: Timbre, random: np.random.Generator) -> Array:
    """Fundamental frequency in Hz, (samples,): slope, accents, the last syllable's rise, tremor and drift."""
    start, end = syllables[0].start, syllables[-1].start + syllables[-1].duration
    course = np.clip((time - start) / (end - start), 0, 1)
    edges = [e for s in syllables for e in (s.start, s.start + 0.45 * s.duration)]
    heights = [h for s in syllables for h in (0.0, prosody.accent * (s.stress + random.normal(0, 0.15)))]
    final = np.clip((time - syllables[-1].start) / syllables[-1].duration, 0, 1) * prosody.final
    tremor = prosody.tremor * np.sin(2 * np.pi * (6 * time + random.random()))
    drift = np.interp(time, np.linspace(0, time[-1], 8), random.normal(0, 0.3, 8))
    semitones = prosody.pitch + prosody.slope * (course - 0.5) + np.interp(time, edges, heights) + final + tremor + drift
    return np.asarray(timbre.pitch * 2 ** (semitones / 12))


def _pulses(pitch: Array, prosody: Prosody, timbre: Timbre, sampling_rate: int, random: np.random.Generator) -> Array:
    """Derivative of the glottal flow (Rosenberg's pulse) with jitter, shimmer and breath, (samples,)."""
    knots = np.linspace(0, len(pitch), len(pitch) * 150 // sampling_rate + 2)
    jitter = 1 + (0.008 + 0.05 * prosody.roughness) * np.interp(np.arange(len(pitch)), knots, random.standard_normal(len(knots)))
    phase = np.cumsum(pitch * jitter) / sampling_rate
    cycle = phase.astype(int)
    position = phase - cycle
    closing = np.cos(0.5 * np.pi * np.clip((position - 0.4) / 0.16, 0, 1))
    flow = np.where(position < 0.4, 0.5 - 0.5 * np.cos(np.pi * position / 0.4), closing)
    shimmer = np.exp((0.04 + 0.25 * prosody.roughness) * random.standard_normal(int(cycle[-1]) + 1))
    weak = 1 - 0.55 * prosody.roughness * (np.arange(len(shimmer)) % 2)
    pulses = np.diff(flow, prepend=0.0) * (shimmer * weak)[cycle]
    noise = random.standard_normal(len(pitch)) * (0.3 + flow)
    share = min(1.0, timbre.breathiness + prosody.breath)
    return np.asarray(pulses / _rms(pulses) * (1 - 0.6 * share) + noise / _rms(noise) * 0.45 * share)


def _tract(syllables: list[Syllable], prosody: Prosody, timbre: Timbre, num_samples: int, sampling_rate: int) -> Array:
    """Gain of the vocal tract and of the voice's brightness, (windows, frequencies)."""
    time, frequency = _grid(num_samples, sampling_rate)
    gain = np.ones((len(time), len(frequency)))
    for k, bandwidth in enumerate(BANDWIDTHS):
        formant = timbre.formant_scale * _at(time, syllables, [float(VOWELS[s.vowel][k]) for s in syllables])[:, None]
        gain *= formant**2 / np.sqrt((formant**2 - frequency**2) ** 2 + (bandwidth * frequency) ** 2)
    octaves = np.log2(np.maximum(frequency, 500.0) / 500.0)
    return gain * 10 ** (prosody.brightness * octaves / 20)


def _hisses(syllables: list[Syllable], num_samples: int, sampling_rate: int) -> Array:
    """Gain of the consonants' noise, (windows, frequencies)."""
    time, frequency = _grid(num_samples, sampling_rate)
    gain = np.zeros((len(time), len(frequency)))
    for syllable in syllables:
        if syllable.hiss is not None:
            centre, loudness = HISSES[syllable.hiss]
            middle, spread = syllable.start + 0.14 * syllable.duration, 0.11 * syllable.duration
            shape = np.exp(-0.5 * ((frequency - min(centre, 0.42 * sampling_rate)) / (0.25 * centre)) ** 2)
            gain += loudness * np.exp(-0.5 * ((time - middle) / spread) ** 2)[:, None] * shape
    return gain


def _loudness(time: Array, syllables: list[Syllable], prosody: Prosody) -> Array:
    """Each syllable's swell and fade, (samples,)."""
    onset = 0.30 - 0.18 * prosody.attack
    edges, heights = [0.0], [0.0]
    for s in syllables:
        strength = 0.65 + 0.35 * s.stress
        edges += [s.start + 0.08 * s.duration, s.start + (0.08 + onset) * s.duration, s.start + 0.75 * s.duration, s.start + s.duration]
        heights += [0.04, strength, 0.8 * strength, 0.06]
    return np.interp(time, [*edges, edges[-1] + 0.03], [*heights, 0.0])


def _grid(num_samples: int, sampling_rate: int) -> tuple[Array, Array]:
    """Times (s) of the short-time spectrum's windows and its frequencies (Hz)."""
    hop, size = round(HOP * sampling_rate), round(WINDOW * sampling_rate)
    times = np.arange(num_samples // hop + size // hop) * HOP - 0.5 * WINDOW
    return times.astype(np.float64), np.fft.rfftfreq(size, 1 / sampling_rate).astype(np.float64)


def _filter(sound: Array, sampling_rate: int, gain: Array) -> Array:
    """Multiply the short-time spectrum by a gain (windows, frequencies), and add the windows up again, (samples,)."""
    hop, size = round(HOP * sampling_rate), round(WINDOW * sampling_rate)
    window = np.hanning(size + 1)[:-1]
    padded = np.pad(sound, (size, hop * len(gain) + size - len(sound)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][: len(gain)]
    filtered = np.fft.irfft(np.fft.rfft(windows * window, axis=1) * gain, n=size, axis=1) * window
    out = np.zeros(len(padded))
    for k, piece in enumerate(filtered):
        out[k * hop : k * hop + size] += piece
    return out[size : size + len(sound)]


def _envelope(voice: Array, num_frames: int, fps: int, sampling_rate: int) -> Array:
    """Loudness around each frame as an opening in [0, 1], (frames,)."""
    power = np.concatenate([[0.0], np.cumsum(voice**2)])
    centre = (np.arange(num_frames) + 0.5) * sampling_rate / fps
    low, high = (np.clip(centre + side * 0.03 * sampling_rate, 0, len(voice)).astype(int) for side in (-1, 1))
    rms = np.sqrt((power[high] - power[low]) / np.maximum(high - low, 1))
    return np.asarray(np.clip((rms / 1.7) ** 0.8 - 0.06, 0, 1))


def _rms(sound: Array) -> float:
    return float(np.sqrt(np.mean(sound**2)))
