"""VGGish: 128 numbers for each 0.96 s of sound (methods.md §1.2).

Shawn Hershey and others. CNN Architectures for Large-Scale Audio Classification. ICASSP 2017. A patch is 96 frames of 64 bands (preset
`vggish`); patches do not overlap, and an unfinished last one is dropped, unless it is the only one: then its end is filled with the clip's
quietest value. The state dict has torchvggish's names (features.*, embeddings.*), without the PCA.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from torch import nn

from pipeline.embed.network import EncoderNetwork
from pipeline.embed.windows import check_bands, cut_windows
from pipeline.shards.extractor import Row, Skip

if TYPE_CHECKING:
    from torch import Tensor

FRAMES, BANDS = 96, 64
LAYERS: tuple[int | None, ...] = (64, None, 128, None, 256, 256, None, 512, 512, None)
"""Channels of the 3×3 convolutions; None: a maximum over 2×2."""


@dataclass(frozen=True)
class Options:
    """VGGish has no options."""


class VggishModule(nn.Module):
    """(units, 1, 96, 64) → (units, 128)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for width in LAYERS:
            layers += [nn.MaxPool2d(2)] if width is None else [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width or channels
        self.features = nn.Sequential(*layers)
        sizes = [512 * (FRAMES // 16) * (BANDS // 16), 4096, 4096, 128]
        dense = [[nn.Linear(a, b), nn.ReLU()] for a, b in pairwise(sizes)]
        self.embeddings = nn.Sequential(*(layer for pair in dense for layer in pair))

    def forward(self, patches: "Tensor") -> "Tensor":
        """Return an embedding of each patch, (units, 128); its features are flattened in the order height, width, channel."""
        embedding: Tensor = self.embeddings(self.features(patches).permute(0, 2, 3, 1).flatten(1))
        return embedding


class Vggish(EncoderNetwork):
    """A unit is a patch, (1, 96, 64)."""

    Options = Options

    def build(self) -> nn.Module:
        """Return the network with random weights."""
        return VggishModule()

    def load(self, state: "Mapping[str, Tensor]") -> nn.Module:
        """Return the network with these weights, without those of a PCA behind it."""
        return super().load({name: value for name, value in state.items() if not name.startswith("pproc.")})

    def prepare(self, row: Row) -> "list[Tensor] | Skip":
        """Return the clip's patches."""
        import torch

        check_bands(row, BANDS, "preset vggish")
        patches = cut_windows(row["logmel"], FRAMES, 1.0)
        return patches if isinstance(patches, Skip) else [torch.from_numpy(patch)[None] for patch in patches]

    def encode(self, module: nn.Module, batch: "Tensor", maps: bool) -> "dict[str, Tensor]":
        """Return an embedding of each patch, (units, 1, 128)."""
        return {"sequence": module(batch)[:, None]}


Network = Vggish
