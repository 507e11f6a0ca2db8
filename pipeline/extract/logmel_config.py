"""Every parameter of a log-mel spectrogram, and the published front ends as presets.

A row of params.yaml names a preset and what differs from it, or spells everything out; both become one explicit config before anything is
hashed, so a preset and its spelled-out twin have the same fingerprint. There is no dither: it is random, and rows must repeat.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.errors import ParamsError
from pipeline.extract.sound import Resampling
from pipeline.params import build, read_row, read_table
from pipeline.shards.fingerprint import LATER


@dataclass(frozen=True)
class LogmelConfig:
    """From samples to log-mels, in the order of computation.

    Args:
        sampling_rate: Hz; the sound is resampled to it.
        resampling: quality of the resampler; `soxr_hq` is librosa.load's.
        min_duration: s; a shorter sound is followed by zeros up to it, and always up to one frame.
        full_scale: value of the largest sample: 1, or 32768 as Kaldi has it.
        remove_dc: subtract the mean.
        preemphasis: c in x[t] − c·x[t−1], the first sample standing before itself; 0: none.
        conditioning: whether those two act over the whole `signal` or in each `frame` (Kaldi).
        frame: samples that make a frame: `n_fft` with the window in its middle (librosa), or `win_length` (Kaldi, VGGish).
        center: frame t is centred at t · hop_length, both ends padded by n_fft // 2; else it begins there, and only whole frames count.
        pad_mode: what stands beyond both ends where `center` is set.
        zero_tail: zeros beyond the end whatever `pad_mode` says, as if the sound were padded to a longer window (Whisper's 30 s).
        drop_last: leave out the last frame (Whisper).
        window: its name; `povey` is Kaldi's.
        periodic: the window's period is win_length (for spectra), not win_length − 1.
        win_length: samples.
        n_fft: samples; a shorter window is padded with zeros.
        hop_length: samples from frame to frame.
        power: of the magnitude: 1 or 2.
        n_mels: filters.
        fmin: Hz, the lowest filter's lower edge.
        fmax: Hz, the highest filter's upper edge.
        htk: HTK's mel formula, else Slaney's.
        triangles: the filters' sides are straight over `hertz` (librosa) or over `mel` (Kaldi, VGGish).
        norm: `slaney`: filters of equal area; None: of equal height.
        log: `natural`, `log10`, `db` (10 · log10) or `none`.
        offset: added before the logarithm (VGGish).
        floor: smaller values are raised to it before the logarithm.
        ref: value that becomes 0, or `max`: the clip's largest.
        top: values further than this below the clip's largest are raised to it, after the logarithm; None: no limit.
        shift: added at the end.
        scale: factor at the very end.
        dtype: of the stored values.
        audio_stream: which of a file's sound streams, from 0; None: its default one, or the best.
    """

    sampling_rate: int
    resampling: Resampling
    min_duration: float
    full_scale: float
    remove_dc: bool
    preemphasis: float
    conditioning: Literal["signal", "frame"]
    frame: Literal["n_fft", "win_length"]
    center: bool
    pad_mode: Literal["constant", "reflect", "edge"]
    zero_tail: bool
    drop_last: bool
    window: Literal["hann", "hamming", "blackman", "boxcar", "povey"]
    periodic: bool
    win_length: int
    n_fft: int
    hop_length: int
    power: Literal[1, 2]
    n_mels: int
    fmin: float
    fmax: float
    htk: bool
    triangles: Literal["hertz", "mel"]
    norm: Literal["slaney"] | None
    log: Literal["natural", "log10", "db", "none"]
    offset: float
    floor: float
    ref: float | Literal["max"]
    top: float | None
    shift: float
    scale: float
    dtype: Literal["float32", "float16"]
    audio_stream: int | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        positives = ("sampling_rate", "full_scale", "win_length", "n_fft", "hop_length", "n_mels")
        bad = [name for name in positives if getattr(self, name) <= 0]
        bad += [name for name in ("min_duration", "offset", "floor", "audio_stream") if (getattr(self, name) or 0) < 0]
        if bad:
            raise ValueError(f"{bad[0]} is {getattr(self, bad[0])}, too small")
        if self.win_length > self.n_fft:
            raise ValueError(f"win_length {self.win_length} is longer than n_fft {self.n_fft}")
        if not 0 <= self.fmin < self.fmax <= self.sampling_rate / 2:
            raise ValueError(f"fmin {self.fmin} and fmax {self.fmax} must lie in order between 0 and {self.sampling_rate / 2} Hz")
        if self.log != "none" and self.offset + self.floor == 0:
            raise ValueError("digital silence has no logarithm; give a floor or an offset above 0")
        if (self.ref != "max" and self.ref <= 0) or (self.log == "none" and self.ref != 1):
            raise ValueError(f"ref {self.ref} must be above 0 or `max`, and 1 without a logarithm")
        if self.center and self.frame == "win_length" and self.win_length != self.n_fft:
            raise ValueError("frames of win_length samples are not centred; set frame: n_fft or center: false")

    @property
    def frame_length(self) -> int:
        """Samples of a frame."""
        return self.n_fft if self.frame == "n_fft" else self.win_length


LIBROSA = LogmelConfig(
    sampling_rate=16000, resampling="soxr_hq", min_duration=0.0, full_scale=1.0, remove_dc=False, preemphasis=0.0, conditioning="signal",
    frame="n_fft", center=True, pad_mode="constant", zero_tail=False, drop_last=False,
    window="hann", periodic=True, win_length=512, n_fft=512, hop_length=160, power=2,
    n_mels=64, fmin=0.0, fmax=8000.0, htk=False, triangles="hertz", norm="slaney",
    log="db", offset=0.0, floor=1e-10, ref="max", top=80.0, shift=0.0, scale=1.0, dtype="float32",
)  # fmt: skip
"""librosa.feature.melspectrogram and power_to_db(ref=max), at 16 kHz with 10 ms hops."""

DAVENET = dataclasses.replace(LIBROSA, window="hamming", win_length=400, n_mels=40, fmin=300.0)
"""The matchmap paper's audio (methods.md §2.2); its 3-s segments are cut by the encoder, from the whole clip's frames."""

VGGISH = dataclasses.replace(
    LIBROSA, min_duration=0.975, frame="win_length", center=False, win_length=400, power=1, n_mels=64, fmin=125.0, fmax=7500.0,
    htk=True, triangles="mel", norm=None, log="natural", offset=0.01, floor=0.0, ref=1.0, top=None,
)  # fmt: skip
"""VGGish (Hershey et al. 2017; methods.md §1.2). 0.975 s are the 96 frames of its first patch, so every clip has one."""

WHISPER = dataclasses.replace(
    LIBROSA, pad_mode="reflect", zero_tail=True, drop_last=True, win_length=400, n_fft=400, n_mels=80,
    log="log10", ref=1.0, top=8.0, shift=4.0, scale=0.25,
)  # fmt: skip
"""Whisper (Radford et al. 2022): of the 30-s window only the clip's own frames; the encoder pads."""

KALDI = dataclasses.replace(
    LIBROSA, full_scale=32768.0, remove_dc=True, preemphasis=0.97, conditioning="frame", frame="win_length", center=False,
    window="povey", periodic=False, win_length=400, n_mels=23, fmin=20.0, htk=True, triangles="mel", norm=None,
    log="natural", floor=2.0**-23, ref=1.0, top=None,
)  # fmt: skip
"""Kaldi's compute-fbank-feats with its defaults, and dither off."""

AST = dataclasses.replace(KALDI, full_scale=1.0, window="hann", n_mels=128, shift=4.2677393, scale=1 / (2 * 4.5689974))
"""Audio Spectrogram Transformer (Gong et al. 2021), with AudioSet's mean and deviation; the encoder pads to its 1024 frames."""

PRESETS = {
    "librosa": LIBROSA,
    "davenet": DAVENET,
    "vggish": VGGISH,
    "whisper": WHISPER,
    "whisper_128": dataclasses.replace(WHISPER, n_mels=128),
    "kaldi": KALDI,
    "ast": AST,
}


@dataclass(frozen=True)
class _Preset:
    """The key of a row that names a preset."""

    preset: str | None = None


def read_logmel_config(path: Path, row: str) -> LogmelConfig:
    """Read a row of `logmels` in params.yaml: a preset with what differs from it, or every parameter.

    Raises:
        ParamsError: no such row or preset, or a key is unknown, missing or ill-typed.
    """
    keys = read_table(path, "logmels").get(row, {})
    preset = read_row(path, "logmels", row, _Preset, wiring=keys.keys() - {"preset"}).preset
    if preset is not None and preset not in PRESETS:
        raise ParamsError(f"{path}: logmels.{row}.preset: there is no preset `{preset}`; the presets: {', '.join(PRESETS)}")
    base = dataclasses.asdict(PRESETS[preset]) if preset else {}
    values = base | {key: value for key, value in keys.items() if key not in {"corpus", "media", "preset"}}
    return build(LogmelConfig, values, f"{path}: logmels.{row}")
