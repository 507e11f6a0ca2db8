"""Functionals of log-mels, without any weights: what was used before networks, and the floor that an audio network has to beat.

For each window of `window` frames, every `hop` frames: mean, standard deviation, smallest and largest value of each band, and the slope of
its least-squares line (units of the log-mel a frame). A clip shorter than a window gives one, of all its frames.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.embed.network import EncoderNetwork
from pipeline.shards.extractor import Row, Skip

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Options:
    """Options of the row.

    Args:
        window: frames of a window.
        hop: frames from one window to the next.
    """

    window: int = 100
    hop: int = 50

    def __post_init__(self) -> None:
        if not 1 <= self.hop <= self.window:
            raise ValueError(f"hop must be 1 to {self.window} frames, not {self.hop}")


class LogmelFunctionals(EncoderNetwork):
    """A unit is a window's functionals, (5 × n_mels,) float32; the network passes them on."""

    Options = Options

    def build(self) -> "nn.Module":
        """Return a network that does nothing."""
        from torch import nn

        return nn.Identity()

    def prepare(self, row: Row) -> "list[Tensor] | Skip":
        """Return the functionals of each window."""
        import torch

        values = np.asarray(row["logmel"], np.float32)
        if not values.size:
            return Skip("too_short")
        starts = range(0, max(1, len(values) - self.options.window + 1), self.options.hop)
        return [torch.from_numpy(functionals(values[start : start + self.options.window])) for start in starts]

    def encode(self, module: "nn.Module", batch: "Tensor", maps: bool) -> "dict[str, Tensor]":
        """Return the functionals, (units, 1, 5 × n_mels)."""
        return {"sequence": module(batch)[:, None]}


def functionals(values: np.ndarray) -> np.ndarray:
    """Return mean, standard deviation, smallest, largest and slope of each band of (frames, bands), (5 × bands,) float32."""
    place = np.arange(len(values), dtype=np.float32) - (len(values) - 1) / 2
    slope = place @ values / max(1.0, float(place @ place))
    statistics = [values.mean(axis=0), values.std(axis=0), values.min(axis=0), values.max(axis=0), slope]
    return np.concatenate(statistics).astype(np.float32)


Network = LogmelFunctionals
