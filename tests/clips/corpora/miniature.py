"""A miniature corpus through the real stages: tiny media with sound, and index_clips to tokenize_text in this process."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipeline.demo.video import write_video
from pipeline.shards.fingerprint import digest_file

RATE = 16000


def make_video(path: Path, seconds: float = 0.3) -> Path:
    """A video of 64×48 px at 10 Hz, whose sound is noise of its name's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(path.name.encode()))
    sound = rng.uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)
    frames = [np.full((48, 64, 3), rng.integers(255), np.uint8) for _ in range(max(1, round(seconds * 10)))]
    write_video(path, frames, 10, sound, RATE)
    return path


def make_params(folder: Path, corpus: dict[str, Any], characters: str) -> Path:
    """params.yaml with the corpus as row `mini`, log-mels, and a tokenizer of the characters given."""
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters.split()]) + "\n", encoding="utf-8")
    tokens = {"corpus": "mini", "tokenizer": f"file:{vocabulary}", "digest": digest_file(vocabulary), "max_length": 50}
    table = {
        "corpora": {"mini": {"labels": "l", "media": "m", **corpus}},
        "logmels": {"mini": {"corpus": "mini", "media": "m", "preset": "davenet"}},
        "tokens": {"mini": tokens},
        "shards": {"num_shards": 1, "max_skipped": 0.0},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(table))
    return folder / "params.yaml"


def run_stages(folder: Path, labels: Path, media: Path, partial: bool = False) -> dict[str, dict[str, Any]]:
    """Run index_clips, compute_logmel and tokenize_text; each one's summary. They write `folder`/clips, logmel and tokens."""
    from stages import compute_logmel, index_clips, tokenize_text

    params, clips = folder / "params.yaml", folder / "clips"
    return {
        "index_clips": index_clips.main("mini", labels, media, clips, params, partial=partial),
        "compute_logmel": compute_logmel.main("mini", clips, media, folder / "logmel", params, workers=1),
        "tokenize_text": tokenize_text.main("mini", clips, folder / "tokens", params),
    }
