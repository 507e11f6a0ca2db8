"""What a kind of network is: how it reads a clip's features, what it computes, and what becomes of it.

The kind's file name is its name: `network: davenet` is pipeline/embed/davenet.py, which ends `Network = DaveNet`. A clip is cut into units
of one shape (frames, windows, patches), so that a batch mixes units of many clips and no unit sees another; where units differ in length
(text), `collate` pads and masks them.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.errors import CheckpointError, ParamsError
from pipeline.params import build
from pipeline.shards.extractor import Row, Skip

if TYPE_CHECKING:
    from torch import Tensor, nn

NOT_KINDS = {"__init__", "deltas", "device", "embedding", "encoder", "folds", "network", "origins", "pictures", "transformer", "windows"}


@dataclass(frozen=True)
class Weights:
    """What an artifact is made of: the architecture as a JSON value, and the state dict."""

    architecture: dict[str, Any]
    state: "dict[str, Tensor]"


class EncoderNetwork(ABC):
    """One kind of network.

    Args:
        options: of the encoder's row; strict, as `Options` says.
        architecture: what the artifact's config.json keeps besides; empty for a network that its options describe.
    """

    Options: ClassVar[type[Any]]
    batch_size: ClassVar[int] = 32
    """Units in a batch on a CPU; eight times as many on a GPU."""
    bucketed: ClassVar[bool] = False
    """Whether units differ in length, so that a batch gathers units of about the same."""
    hidden_head: ClassVar[int] = 0
    """Width of the hidden layer of the classifier that a fit puts on the un-pooled steps; 0: a linear one on their mean."""
    picture: ClassVar[bool] = False
    """Whether a unit is of pictures, (…, height, width, channels), so that a fit may mirror it."""

    def __init__(self, options: Mapping[str, Any], architecture: Mapping[str, Any]) -> None:
        self.options = build(self.Options, options, f"options of {type(self).__module__.rsplit('.', 1)[-1]}")
        self.architecture = dict(architecture)

    @classmethod
    def read_folder(cls, options: Mapping[str, Any], folder: Path) -> Weights:
        """Read a folder in the hub's layout (config.json, model.safetensors).

        Raises:
            CheckpointError: the kind has no such layout, or the folder is not one.
        """
        raise CheckpointError(f"{cls.__name__} has no layout on the hub; use `source: fit` or `source: file`")

    @classmethod
    def describe(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the architecture of a network that has no folder to read it from."""
        return {}

    def check_features(self, config: Mapping[str, Any]) -> None:
        """Check the config in the header of the features that it is to read.

        Raises:
            CheckpointError: the network was made for other features.
        """
        return

    @abstractmethod
    def build(self) -> "nn.Module":
        """Return the network with random weights."""

    def load(self, state: "Mapping[str, Tensor]") -> "nn.Module":
        """Return the network with these weights, ready to embed.

        Raises:
            CheckpointError: the weights are another network's.
        """
        module = self.build()
        try:
            module.load_state_dict(dict(state))
        except RuntimeError as error:
            raise CheckpointError(f"the weights do not fit {type(self).__name__}({self.options}): {error}") from error
        return module.eval()

    @abstractmethod
    def prepare(self, row: Row) -> "list[Tensor] | Skip":
        """Return a clip's units; runs in threads beside the network."""

    def draw(self, row: Row, generator: np.random.Generator) -> "Tensor | Skip":
        """Return one of a clip's units, drawn at random, for the fit."""
        units = self.prepare(row)
        return units if isinstance(units, Skip) else units[int(generator.integers(len(units)))]

    def collate(self, units: "Sequence[Tensor]") -> "Tensor":
        """Return units as one batch, (units, …)."""
        import torch

        return torch.stack(list(units))

    @abstractmethod
    def encode(self, module: "nn.Module", batch: "Tensor", maps: bool) -> "dict[str, Tensor]":
        """Return `sequence` (units, steps, dim) and, where `maps` asks for it, `map` (units, 49, dim)."""

    def assemble(self, row: Row, outputs: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Return a clip's arrays from its units' outputs: sequences one behind the other (time, dim), the mean of the maps (49, dim)."""
        arrays = {"sequence": outputs["sequence"].flatten(0, 1)}
        return arrays | {name: value.float().mean(dim=0) for name, value in outputs.items() if name == "map"}

    def times(self, row: Row, num_steps: int) -> "np.ndarray | None":
        """Return when each step of the sequence is, in seconds from the clip's start, (time,) float32, or None where it is not known."""
        return None


def read_kind(name: str) -> type[EncoderNetwork]:
    """Return the kind of network that pipeline/embed/<name>.py defines.

    Raises:
        ParamsError: there is no such file.
    """
    kinds = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in NOT_KINDS)
    if name not in kinds:
        raise ParamsError(f"there is no kind of network `{name}`; the kinds are {', '.join(kinds)}")
    kind: type[EncoderNetwork] = importlib.import_module(f"pipeline.embed.{name}").Network
    return kind


def make_network(name: str, options: Mapping[str, Any], architecture: Mapping[str, Any]) -> EncoderNetwork:
    """Return a network of the kind `name`."""
    return read_kind(name)(options, architecture)
