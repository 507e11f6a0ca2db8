"""DAVEnet, as the matchmap paper varies it: log-mel, Δ and ΔΔ of 3 s to 10 steps (methods.md §2.4).

David Harwath, Adrià Recasens, Dídac Surís, Galen Chuang, Antonio Torralba, James Glass. Jointly Discovering Visual Objects and Spoken Words
from Raw Sensory Input. ECCV 2018; varied in Pizarro & Bekios-Calfa, ICPRS 2021: 300 frames → 150 → 75 → 38 → 19 → 10.
A clip longer than a window is cut into windows from its start, and their steps follow each other; a last window that is not filled to 65 %
is dropped, unless it is the only one (methods.md §2.2). What is missing of a window is filled with the clip's quietest value.
Differs from the paper: the decibels of a long clip refer to the clip's maximum, not to each window's.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn
from torch.nn import functional

from pipeline.embed.deltas import delta
from pipeline.embed.network import EncoderNetwork
from pipeline.embed.windows import check_bands, cut_windows
from pipeline.shards.extractor import Row, Skip

if TYPE_CHECKING:
    from torch import Tensor

MIN_FILLED = 0.65


@dataclass(frozen=True)
class Options:
    """Options of the row.

    Args:
        embed_dim: width of the embedding; the inner layers are an eighth, a quarter and half as wide.
        n_mels: bands of the log-mels.
        window: frames of a window; 300 with a hop of 10 ms are 3 s.
        dropout: factor on the paper's dropout rates.
    """

    embed_dim: int = 512
    n_mels: int = 40
    window: int = 300
    dropout: float = 1.0

    def __post_init__(self) -> None:
        if self.embed_dim % 8 or self.window < 160:
            raise ValueError("embed_dim must be a multiple of 8 and window at least 160 frames")


class DaveNetModule(nn.Module):
    """(units, 3, n_mels, window) → (units, steps, embed_dim)."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width, factor = options.embed_dim, options.dropout
        self.norm = nn.BatchNorm2d(3)
        self.bands = nn.Conv2d(3, width // 8, (options.n_mels, 1))
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(width // 8, width // 4, (1, 11), padding=(0, 5)),
                nn.Conv2d(width // 4, width // 2, (1, 17), padding=(0, 8)),
                nn.Conv2d(width // 2, width // 2, (1, 17), padding=(0, 8)),
                nn.Conv2d(width // 2, width, (1, 17), padding=(0, 8)),
            ]
        )
        self.last = nn.Conv2d(width, width, (1, 10))
        rates = (0.2617, 0.1342, 0.2902, 0.3718)
        self.dropouts = nn.ModuleList([nn.Dropout2d(factor * rates[0]), *(nn.Dropout(factor * rate) for rate in rates[1:])])
        self.last_dropout = nn.Dropout2d(factor * 0.3995)

    def forward(self, windows: "Tensor") -> "Tensor":
        """Return the un-pooled steps, (units, steps, embed_dim)."""
        features = functional.relu(self.bands(self.norm(windows)))
        for dropout, conv in zip(self.dropouts, self.convs, strict=True):
            features = functional.max_pool2d(functional.relu(conv(dropout(features))), (1, 3), (1, 2), (0, 1))
        steps: Tensor = self.last_dropout(functional.relu(self.last(features)))
        return steps.squeeze(2).transpose(1, 2)


class DaveNet(EncoderNetwork):
    """A unit is a window of log-mel, Δ and ΔΔ, (3, n_mels, window)."""

    Options = Options
    hidden_head = 438

    def build(self) -> nn.Module:
        """Return the network with random weights."""
        return DaveNetModule(self.options)

    def prepare(self, row: Row) -> "list[Tensor] | Skip":
        """Return the clip's windows with their derivatives."""
        import torch

        check_bands(row, self.options.n_mels, "preset davenet")
        windows = cut_windows(row["logmel"], self.options.window, MIN_FILLED)
        if isinstance(windows, Skip):
            return windows
        return [torch.from_numpy(np.stack([w, delta(w, 1), delta(w, 2)]).transpose(0, 2, 1).copy()) for w in windows]

    def encode(self, module: nn.Module, batch: "Tensor", maps: bool) -> "dict[str, Any]":
        """Return the steps of each window, (units, 10, embed_dim)."""
        return {"sequence": module(batch)}


Network = DaveNet
