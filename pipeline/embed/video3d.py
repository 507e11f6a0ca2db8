"""torchvision's 18-layer 3-D residual networks over 16 frames of 112², un-pooled.

Du Tran, Heng Wang, Lorenzo Torresani, Jamie Ray, Yann LeCun, Manohar Paluri. A Closer Look at Spatiotemporal Convolutions for Action
Recognition. CVPR 2018. Here as the matchmap paper uses them (methods.md §2.3): frames scaled to [0, 1] and not normalised further, the
layer-4 features (512, time, 7, 7) averaged over space as a sequence, AdaptiveAvgPool3d((1, 7, 7)) as the map.
Differs from the paper: frames without a face are left out instead of repeating the previous crop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipeline.embed.network import EncoderNetwork
from pipeline.embed.pictures import decode_faces, found_times
from pipeline.shards.extractor import Row, Skip

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Options:
    """Options of the row.

    Args:
        model: r3d_18 (3-D convolutions throughout), or mc3_18 (2-D after the first stage, so time stays 16).
        num_frames: frames of a clip that the network sees.
        image_size: pixels of a side.
    """

    model: Literal["r3d_18", "mc3_18"]
    num_frames: int = 16
    image_size: int = 112


class Video3d(EncoderNetwork):
    """A unit is a whole clip, (num_frames, height, width, 3) uint8 RGB."""

    Options = Options
    batch_size = 4
    picture = True

    def build(self) -> "nn.Module":
        """Return the network up to its fourth layer."""
        from torchvision.models import video

        module: nn.Module = getattr(video, self.options.model)(weights=None)
        del module.avgpool, module.fc
        return module

    def load(self, state: "Mapping[str, Tensor]") -> "nn.Module":
        """Return the network with these weights; a classifier's are left out."""
        return super().load({name: value for name, value in state.items() if not name.startswith("fc.")})

    def prepare(self, row: Row) -> "list[Tensor] | Skip":
        """Return the clip's frames, sampled evenly, as one unit."""
        import torch

        found = np.flatnonzero(row["jpeg_size"])
        chosen, places = np.unique(sample_evenly(len(found), self.options.num_frames), return_inverse=True)
        pictures = decode_faces(row, self.options.image_size, found[chosen])
        return pictures if isinstance(pictures, Skip) else [torch.stack([pictures[place] for place in places])]

    def encode(self, module: "Any", batch: "Tensor", maps: bool) -> "dict[str, Tensor]":
        """Return the sequence (units, 2 or num_frames, 512) and the map (units, 49, 512), row by row from the top left."""
        from torch.nn import functional

        features = module.stem((batch.float() / 255).permute(0, 4, 1, 2, 3))
        for layer in (module.layer1, module.layer2, module.layer3, module.layer4):
            features = layer(features)
        outputs = {"sequence": features.mean(dim=(3, 4)).transpose(1, 2)}
        if maps:
            outputs["map"] = functional.adaptive_avg_pool3d(features, (1, 7, 7)).flatten(2).transpose(1, 2)
        return outputs

    def times(self, row: Row, num_steps: int) -> np.ndarray:
        """Return the mean time of the frames behind each step, (time,) s."""
        times = found_times(row)
        sampled = times[sample_evenly(len(times), self.options.num_frames)]
        return np.asarray([part.mean() for part in np.array_split(sampled, num_steps)], np.float32)


def sample_evenly(num_frames: int, num_samples: int) -> np.ndarray:
    """Return which frames to take: each max(1, ⌈(n − 1) / samples⌉)-th, again from the first where they run out (methods.md §2.3).

    Args:
        num_frames: how many there are; 0 gives none.
        num_samples: how many to take.
    """
    if num_frames == 0:
        return np.empty(0, np.int64)
    stride = max(1, -(-(num_frames - 1) // num_samples))
    return np.resize(np.arange(0, num_frames, stride), num_samples)


Network = Video3d
