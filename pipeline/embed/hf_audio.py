"""Audio encoders of transformers that read log-mels: Whisper's encoder and the Audio Spectrogram Transformer.

Alec Radford and others. Robust Speech Recognition via Large-Scale Weak Supervision. ICML 2023: 80 or 128 bands, 30 s at a time, two
frames a step. Yuan Gong, Yu-An Chung, James Glass. AST: Audio Spectrogram Transformer. Interspeech 2021: 128 bands, 1024 frames, patches of
16×16 every 10; the steps are the mean over the patches of a moment.
A longer clip is cut into windows from its start. Steps that lie wholly behind the clip's end are dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.embed.transformer import Transformer
from pipeline.embed.windows import check_bands, cut_windows
from pipeline.errors import CheckpointError
from pipeline.shards.extractor import Row, Skip

if TYPE_CHECKING:
    from torch import Tensor

WHISPER_SILENCE = -1.5
"""Whisper's log-mel of digital silence: (log10(1e-10) + 4) / 4."""
WHISPER_RANGE = 2.0
"""Largest distance to a clip's maximum that Whisper's log-mel keeps: 8 / 4."""


@dataclass(frozen=True)
class Options:
    """Options of the row.

    Args:
        pool: how many steps are averaged into one; Whisper gives 50 a second.
        mean: subtracted from the log-mels (AST: −4.2677).
        std: half of what they are divided by, as AST has it (4.5690; 0.5 divides by 1).
    """

    pool: int = 1
    mean: float = 0.0
    std: float = 0.5

    def __post_init__(self) -> None:
        if self.pool < 1 or self.std <= 0:
            raise ValueError("pool must be 1 or more and std above 0")


class LogmelTransformer(Transformer):
    """A unit is a window, (frames, bands) float32."""

    Options = Options
    batch_size = 4

    def __init__(self, options: Mapping[str, Any], architecture: Mapping[str, Any]) -> None:
        super().__init__(options, architecture)
        config = self.architecture.get("config", {})
        self.model_type = config.get("model_type", "whisper")
        if self.model_type not in ("whisper", "audio-spectrogram-transformer"):
            raise CheckpointError(f"a {self.model_type} does not read log-mels; Whisper and AST do")
        whisper = self.model_type == "whisper"
        self.n_mels = int(config.get("num_mel_bins", 80 if whisper else 128))
        self.window = 2 * int(config.get("max_source_positions", 1500)) if whisper else int(config.get("max_length", 1024))
        self.patch, self.stride = int(config.get("patch_size", 16)), int(config.get("time_stride", 10))
        self.num_steps = self.window // 2 if whisper else (self.window - self.patch) // self.stride + 1

    def prepare(self, row: Row) -> "list[Tensor] | Skip":
        """Return the clip's windows, normalised, the last one filled up with silence as the model's own front end does."""
        import torch

        check_bands(row, self.n_mels, "the preset of that network")
        values = np.asarray(row["logmel"], np.float32)
        silence = 0.0
        if self.model_type == "whisper" and values.size:
            silence = max(WHISPER_SILENCE, float(values.max()) - WHISPER_RANGE)
        windows = cut_windows(values, self.window, 0.0, silence)
        if isinstance(windows, Skip):
            return windows
        return [torch.from_numpy((w - self.options.mean) / (2 * self.options.std)).float() for w in windows]

    def encode(self, module: "Any", batch: "Tensor", maps: bool) -> "dict[str, Tensor]":
        """Return the steps of each window, (units, steps, dim)."""
        if self.model_type == "whisper":
            return {"sequence": module(batch.transpose(1, 2)).last_hidden_state}
        hidden = module(batch).last_hidden_state
        patches = hidden[:, -(hidden.shape[1] // self.num_steps) * self.num_steps :]
        return {"sequence": patches.unflatten(1, (-1, self.num_steps)).mean(dim=1)}

    def assemble(self, row: Row, outputs: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Return the steps that begin before the clip's end, averaged by `pool`, (time, dim)."""
        frames = len(row["logmel"])
        windows, rest = divmod(frames - 1, self.window)
        stride = 2 if self.model_type == "whisper" else self.stride
        real = windows * self.num_steps + min(self.num_steps, rest // stride + 1)
        steps = outputs["sequence"].flatten(0, 1)[:real].float()
        return {"sequence": steps if self.options.pool == 1 else _average(steps, self.options.pool)}


def _average(steps: "Tensor", pool: int) -> "Tensor":
    """Return the means of each `pool` steps, the last mean of what is left, (⌈time / pool⌉, dim)."""
    import torch

    return torch.stack([part.mean(dim=0) for part in steps.split(pool)])


Network = LogmelTransformer
