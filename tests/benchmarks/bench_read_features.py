"""Reading a corpus' embeddings into memory: packed shards against one HDF5 dataset a clip.

    python -m tests.benchmarks.bench_read_features --clips 20000

Both sides hold the same float16 sequences (text 20×384, audio 12×512, video 6×512 on average) and are read whole; the two are timed in
turn, in one process, with warm files. Expected: the ratio is 8 or more.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import h5py
import numpy as np
import typer

from pipeline.shards.features import read_features
from pipeline.shards.shard import Header, ShardRow, write_shard

MODALITIES = {"text": (20, 384), "audio": (12, 512), "video": (6, 512)}


def make_corpus(folder: Path, clips: int, shards: int) -> None:
    """Write the same sequences in both layouts."""
    rng = np.random.default_rng(0)
    for modality, (length, dim) in MODALITIES.items():
        (folder / modality).mkdir()
        pool = rng.normal(size=(4 * length, dim)).astype(np.float16)
        sequences = [pool[: rng.integers(1, 2 * length)] for _ in range(clips)]
        with h5py.File(folder / f"{modality}.h5", "w") as file:
            for number, sequence in enumerate(sequences):
                file.create_dataset(f"clip{number:06d}", data=sequence)
        for shard in range(shards):
            rows = [ShardRow(f"clip{n:06d}", f"{n:040d}", {"sequence": sequences[n]}) for n in range(shard, clips, shards)]
            write_shard(folder / modality / f"shard-{shard:05d}.h5", rows, Header("bench", 1, "{}"))


def read_datasets(path: Path) -> dict[str, np.ndarray]:
    """Read one dataset a clip, as most feature files are laid out."""
    with h5py.File(path) as file:
        return {name: dataset[()] for name, dataset in file.items()}


def timed(read: object, *arguments: object) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    read(*arguments)  # type: ignore[operator]
    return time.perf_counter() - began


def main(clips: Annotated[int, typer.Option()] = 20000, shards: Annotated[int, typer.Option()] = 16, repeats: int = 3) -> None:
    """Print the seconds of both layouts and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(folder, clips, shards)
        ratios = []
        for _ in range(repeats):
            one_each = sum(timed(read_datasets, folder / f"{modality}.h5") for modality in MODALITIES)
            packed = sum(timed(read_features, folder / modality) for modality in MODALITIES)
            ratios.append(one_each / packed)
            print(f"{clips} clips x {len(MODALITIES)}: one dataset a clip {one_each:.2f} s, shards {packed:.2f} s, ratio {ratios[-1]:.1f}")
        print(f"median ratio {statistics.median(ratios):.1f} (target 8)")


if __name__ == "__main__":
    typer.run(main)
