"""Any picture network of timm, frame by frame: pooled features as a sequence, and the un-pooled map averaged over the clip's frames.

Frames without a face are left out, never replaced. Pictures are normalised as timm's data config of the network says (ImageNet's mean and
standard deviation for most).
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.embed.network import EncoderNetwork, Weights
from pipeline.embed.pictures import decode_faces, found_times
from pipeline.errors import CheckpointError, ParamsError
from pipeline.shards.extractor import Row, Skip

if TYPE_CHECKING:
    from torch import Tensor, nn

MAP_SIZE = 7
NORMALISATION = ("mean", "std")


@dataclass(frozen=True)
class Options:
    """Options of the row.

    Args:
        model: timm's name of the network, such as tf_efficientnet_b2.
        image_size: pixels of a side; pictures of another size are resized.
    """

    model: str
    image_size: int = 260

    def __post_init__(self) -> None:
        if not 16 <= self.image_size <= 1024:
            raise ValueError(f"image_size must be 16 to 1024 pixels, not {self.image_size}")


class TimmImage(EncoderNetwork):
    """A timm network without its classifier; a unit is a picture, (height, width, 3) uint8 RGB."""

    Options = Options
    picture = True

    @classmethod
    def describe(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the normalisation that timm's data config gives for the network."""
        from timm.data.config import resolve_data_config

        module = _create(str(options["model"]))
        config = resolve_data_config(pretrained_cfg=module.pretrained_cfg, model=module)
        return {key: list(config[key]) for key in NORMALISATION}

    @classmethod
    def read_folder(cls, options: Mapping[str, Any], folder: Path) -> Weights:
        """Read a timm repository of the hub; its config.json must name the row's network."""
        from pipeline.embed.origins import read_hub_config, read_hub_weights

        config = read_hub_config(folder)
        if config.get("architecture") != options.get("model"):
            raise CheckpointError(f"{folder} holds {config.get('architecture')}, and the row's options name {options.get('model')}")
        given = config.get("pretrained_cfg") or {}
        architecture = {key: list(given[key]) for key in NORMALISATION} if set(NORMALISATION) <= set(given) else cls.describe(options)
        module = _create(str(options["model"]))
        return Weights(architecture, select_weights(read_hub_weights(folder), module.state_dict(), folder))

    def build(self) -> "nn.Module":
        """Return the network, its convolutions in channels_last."""
        import torch

        module: nn.Module = _create(self.options.model).to(memory_format=torch.channels_last)
        return module

    def load(self, state: "Mapping[str, Tensor]") -> "nn.Module":
        """Return the network with these weights; a classifier's are left out."""
        return super().load(select_weights(state, self.build().state_dict(), self.options.model))

    def prepare(self, row: Row) -> "list[Tensor] | Skip":
        """Return the pictures of all frames with a face."""
        return decode_faces(row, self.options.image_size, np.flatnonzero(row["jpeg_size"]))

    def draw(self, row: Row, generator: np.random.Generator) -> "Tensor | Skip":
        """Return one of the pictures, decoding no other."""
        found = np.flatnonzero(row["jpeg_size"])
        pictures = decode_faces(row, self.options.image_size, found[generator.integers(len(found), size=1)] if len(found) else found)
        return pictures if isinstance(pictures, Skip) else pictures[0]

    def encode(self, module: "Any", batch: "Tensor", maps: bool) -> "dict[str, Tensor]":
        """Return pooled features (units, 1, dim) and the map (units, 49, channels), row by row from the top left."""
        from torch.nn import functional

        picture = normalise(batch, self.architecture["mean"], self.architecture["std"])
        features = module.forward_features(picture)
        outputs = {"sequence": module.forward_head(features, pre_logits=True)[:, None]}
        if maps:
            if features.ndim != 4 or features.shape[1] < features.shape[3]:
                raise ParamsError(f"{self.options.model} gives no (channels, height, width) map; use a CNN, or `map: false`")
            outputs["map"] = functional.adaptive_avg_pool2d(features, MAP_SIZE).flatten(2).transpose(1, 2)
        return outputs

    def times(self, row: Row, num_steps: int) -> np.ndarray:
        """Return the times of the frames with a face, (time,) s."""
        return found_times(row)


def normalise(batch: "Tensor", mean: list[float], std: list[float]) -> "Tensor":
    """Return uint8 pictures (units, height, width, 3) as normalised floats (units, 3, height, width), channels_last."""
    import torch

    scale = torch.tensor(std, device=batch.device) * 255
    shift = torch.tensor(mean, device=batch.device) * 255
    return ((batch - shift) / scale).permute(0, 3, 1, 2)


def select_weights(state: "Mapping[str, Tensor]", wanted: "Mapping[str, Tensor]", where: object) -> "dict[str, Tensor]":
    """Return the weights that the headless network wants.

    Raises:
        CheckpointError: some of them are missing.
    """
    missing = sorted(set(wanted) - set(state))
    if missing:
        raise CheckpointError(f"{where}: {len(missing)} weights are missing, {missing[0]} first; the file belongs to another network")
    return {name: state[name] for name in wanted}


def _create(model: str) -> "Any":
    """Return timm's network of that name, without a classifier and with random weights.

    Raises:
        ParamsError: timm has no such network.
    """
    import timm

    if not timm.is_model(model):
        nearest = difflib.get_close_matches(model, timm.list_models(), n=3)
        raise ParamsError(f"timm has no network `{model}`; near it: {', '.join(nearest) or 'none'}")
    return timm.create_model(model, pretrained=False, num_classes=0)


Network = TimmImage
