"""Log-mels of real media: compute_logmel against `librosa.load` and `librosa.feature.melspectrogram` file by file.

    python -m tests.benchmarks.bench_compute_logmel

Both sides decode, mix, resample to 16 kHz and compute the `davenet` log-mels, interleaved in one run. librosa reads wav and mp3 by
soundfile, and video containers only through audioread, which starts an `ffmpeg` found on PATH. Where there is none, librosa is given a wav
converted beforehand, so it decodes nothing, and the line says so. Measured with Debian's ffmpeg 5.1 on two
cores: 8.5 over all files in one process (mpg 9.9, flv 13.9, mp4 8.5; wav 1.1 and mp3 0.9, where both sides run the same decoder).
"""

import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import librosa
import numpy as np
import soundfile

from pipeline.clips.clip import Clip
from pipeline.extract.audio import read_sound
from pipeline.extract.logmel import LogmelExtractor, compute_logmel
from pipeline.extract.logmel_config import DAVENET
from pipeline.extract.sound import Sound
from pipeline.shards.extractor import Skip
from tests.conftest import REALDATA

REPEATS = 9
GROUPS = {
    "wav": ["audio/1272-128104-0000.wav", "audio/test.wav"],
    "mp3": [f"cremad/1002_DFA_{emotion}_XX.mp3" for emotion in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")],
    "mpg": [f"grid/lipnet_{name}.mpg" for name in ("bbaf2n", "brbk7n", "lbax4n", "lrwp9a", "sbwe5n", "swiz3n")],
    "flv": [f"cremad/1001_DFA_{emotion}_XX.flv" for emotion in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")],
    "mp4": [f"clips/{name}.mp4" for name in ("pyfeat_no_face", "moviepy_chaplin", "videoretalking_face_1", "facenet_video_multiperson")],
}
KEYWORDS = {"sr": 16000, "n_fft": 512, "win_length": 400, "hop_length": 160, "window": "hamming", "n_mels": 40, "fmin": 300, "fmax": 8000}
"""The davenet front end in librosa's words."""
_extractor: LogmelExtractor


def compute_baseline(path: Path) -> np.ndarray:
    """The loop that most people write, for one file: log-mels (frames, 40)."""
    samples, _ = librosa.load(path, sr=16000)
    mel = librosa.feature.melspectrogram(y=samples, **KEYWORDS)
    logmel: np.ndarray = librosa.power_to_db(mel, ref=np.max).T
    return logmel


def read_samples(path: Path) -> Sound:
    """The sound of a file, which must have one."""
    sound = read_sound(path)
    if isinstance(sound, Skip):
        sys.exit(f"{path} has no sound: {sound.reason}")
    return sound


def find_readable(path: Path, folder: Path) -> tuple[Path, bool]:
    """The file that librosa is given, and whether it had to be converted first."""
    try:
        librosa.load(path, sr=None)
    except Exception:  # whatever audioread's backends raise
        sound = read_samples(path)
        converted = folder / f"{path.name}.wav"
        soundfile.write(converted, np.stack([sound.samples, sound.samples], axis=1), sound.rate)
        return converted, True
    return path, False


def measure(function: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds of one call: on the clock, and of the processor, ended child processes included."""
    began, used = time.perf_counter(), use_of_processor()
    function()
    return 1000 * (time.perf_counter() - began), 1000 * (use_of_processor() - used)


def use_of_processor() -> float:
    """Seconds of processor time of this process and the children it has waited for."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def compare(path: Path) -> float:
    """Largest difference in dB from librosa on the same samples."""
    samples = read_samples(path).resample(16000).samples
    mel = librosa.feature.melspectrogram(y=samples, **KEYWORDS)
    return float(np.abs(librosa.power_to_db(mel, ref=np.max).T - compute_logmel(samples, DAVENET)).max())


def start_worker() -> None:
    """Build the extractor of a worker process, filters included."""
    global _extractor
    _extractor = LogmelExtractor(DAVENET, REALDATA)
    compute_logmel(np.zeros(16000, np.float32), DAVENET)


def extract_all(clips: list[Clip]) -> int:
    """Compute the rows of some clips in a worker process."""
    return sum("logmel" in _extractor.extract(clip) for clip in clips)  # type: ignore[operator]


def race(names: list[str], folder: Path, pool: ProcessPoolExecutor) -> tuple[np.ndarray, bool]:
    """Median milliseconds of all files, (librosa, ours, ours in two processes) × (clock, processor); whether librosa got wavs."""
    readable = [find_readable(REALDATA / name, folder) for name in names]
    clips, extractor = [Clip(name, media=name) for name in names], LogmelExtractor(DAVENET, REALDATA)
    sides: list[Callable[[], object]] = [
        lambda: [compute_baseline(path) for path, _ in readable],
        lambda: [extractor.extract(clip) for clip in clips],
        lambda: list(pool.map(extract_all, [clips[::2] * 4, clips[1::2] * 4])),
    ]
    times = np.array([[measure(side) for side in sides] for _ in range(REPEATS)])
    return np.median(times, axis=0) / np.array([[1], [1], [4]]), readable[0][1]


def main() -> None:
    """Print one line for each kind of file and one for all."""
    if not REALDATA.is_dir():
        sys.exit("no ../shared/realdata beside this checkout")
    warnings.filterwarnings("ignore")
    print(f"ffmpeg on PATH: {'yes' if shutil.which('ffmpeg') else 'no'}; medians of {REPEATS} interleaved repeats")
    total = np.zeros((3, 2))
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2, get_context("spawn"), start_worker) as pool:
        list(pool.map(extract_all, [[], []]))
        for kind, names in GROUPS.items():
            times, is_converted = race(names, Path(folder), pool)
            total += times
            worst = max(compare(REALDATA / name) for name in names)
            note = "; librosa reads a wav converted beforehand" if is_converted else ""
            each = times[0, 0] / len(names)
            print(f"{kind}: librosa {each:.1f} ms a file; {describe(times)}; largest difference {worst:.1e} dB{note}")
    print(f"all: {describe(total)}")


def describe(times: np.ndarray) -> str:
    """The ratios in words; that of processor time hardly depends on what else the machine does."""
    (wall, cpu), (our_wall, our_cpu), (parallel, _) = times
    return f"ours {wall / our_wall:.1f} x in one process ({cpu / our_cpu:.1f} x in processor time), {wall / parallel:.1f} x in two"


if __name__ == "__main__":
    main()
