"""Embedding faces, shard to shard, against the bare network on ready tensors: python -m tests.benchmarks.bench_embed.

Both run in turns in one process, in the same precision and batch size, with random weights; the ratio is of the medians of their rates.
Expected on 2 cores: 0.95 or more (96 faces, about two minutes).
"""

import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer


def main(
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32 or bf16, or both separated by a comma.")] = "fp32",
    faces: Annotated[int, typer.Option(help="Faces in the corpus, eight a clip; more on a GPU.")] = 96,
    model: Annotated[str, typer.Option(help="timm's name of the network.")] = "tf_efficientnet_b2",
    image_size: Annotated[int, typer.Option(help="Pixels of a side.")] = 260,
    batch_size: Annotated[int, typer.Option(help="Pictures in a batch.")] = 32,
    workers: Annotated[int, typer.Option(help="Threads that decode.")] = 2,
    rounds: Annotated[int, typer.Option(help="Turns of both.")] = 3,
) -> None:
    """Print faces a second of both and their ratio, for each precision."""
    import torch

    from pipeline.embed.device import choose_device

    where = choose_device(device)
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    print(f"{model} on {faces} faces of {image_size}×{image_size}, batches of {batch_size}: {name}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_corpus(root / "faces", faces // 8)
        for each in precision.split(","):
            bare, embed = make_runs(root, model, image_size, each, device, batch_size, workers, faces // 8 * 8)
            bare()
            embed()
            times = [(time_of(bare), time_of(embed)) for _ in range(rounds)]
            rates = [faces // 8 * 8 / statistics.median(column) for column in zip(*times, strict=True)]
            print(f"{each}: bare network {rates[0]:.1f} faces/s, embed {rates[1]:.1f} faces/s, ratio {rates[1] / rates[0]:.3f}")


def make_corpus(folder: Path, num_clips: int) -> None:
    """Write eight faces a clip, in up to 16 shards of at least 16 clips."""
    from pipeline.shards.fingerprint import canonical_json, fingerprint
    from pipeline.shards.shard import Header, ShardRow
    from tests.conftest import make_features
    from tests.embed.rows import make_faces

    faces = [make_faces(8, seed=i) for i in range(min(num_clips, 12))]
    rows = [ShardRow(f"clip{i:05d}", fingerprint(i), faces[i % len(faces)]) for i in range(num_clips)]
    make_features(folder, rows, Header("faces", 1, canonical_json({})), min(16, max(1, num_clips // 16)))


def make_runs(
    root: Path, model: str, image_size: int, precision: str, device: str, batch_size: int, workers: int, num_faces: int
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return the two things to time: the bare network over ready tensors, and the stage's work from shards to shards."""
    import torch

    from pipeline.embed.device import computing_in
    from pipeline.embed.embedding import EmbeddingExtractor
    from pipeline.embed.encoder import Encoder, EncoderConfig, write_encoder
    from pipeline.embed.network import read_kind
    from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded

    options: dict[str, int | float | str | bool] = {"model": model, "image_size": image_size}
    kind = read_kind("timm_image")
    architecture = kind.describe(options)
    state = kind(options, architecture).build().state_dict()
    write_encoder(Encoder("video", "timm_image", options, architecture, {}, "f" * 40), state, root / "encoder")
    row = EncoderConfig("video", "none", "timm_image", options, precision=precision)  # type: ignore[arg-type]
    extractor = EmbeddingExtractor(root / "encoder", row, {}, device, workers, batch_size)
    extractor.module.eval()
    ready = torch.randn(batch_size, 3, image_size, image_size, device=extractor.device).to(memory_format=torch.channels_last)

    def bare() -> None:
        with torch.inference_mode(), computing_in(precision, extractor.device):
            for begin in range(0, num_faces, batch_size):
                extractor.module(ready[: num_faces - begin])
        if extractor.device.type == "cuda":
            torch.cuda.synchronize()

    def embed() -> None:
        with tempfile.TemporaryDirectory(dir=root) as out:
            run_sharded(root / "faces", extractor, Path(out) / "out", ShardSettings(1, 0.0), RunOptions())

    return bare, embed


def time_of(run: Callable[[], None]) -> float:
    """Return the seconds that a run takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    typer.run(main)
