"""What encoders of transformers have in common: a config as JSON, weights as a state dict, nothing remote, no pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.embed.network import EncoderNetwork, Weights
from pipeline.embed.origins import read_hub_config, read_hub_weights
from pipeline.errors import CheckpointError
from pipeline.shards.fingerprint import digest_file

if TYPE_CHECKING:
    from torch import nn

TOKENIZER_NAMES = ("tokenizer.json", "vocab.txt")
"""The file whose digest the tokens' header holds; the first one that is there."""
NOT_ARCHITECTURE = ("transformers_version", "_name_or_path", "torch_dtype", "dtype")


class Transformer(EncoderNetwork):
    """A network that transformers builds from its config."""

    batch_size = 32

    @classmethod
    def read_folder(cls, options: Mapping[str, Any], folder: Path) -> Weights:
        """Read a transformers model folder; only the encoder of an encoder–decoder is kept.

        Raises:
            CheckpointError: it has no safetensors, or they leave a weight of the network open.
        """
        import torch
        from transformers import AutoModel
        from transformers.utils import logging

        config = read_hub_config(folder)
        read_hub_weights(folder)
        logging.disable_progress_bar()
        try:
            model, report = AutoModel.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise CheckpointError(f"{folder} is no model that transformers can load: {error}") from error
        module = _encoder_of(model)
        state = module.state_dict()
        missing = [name for name in report["missing_keys"] if name.removeprefix("encoder.") in state or name in state]
        if [name for name in missing if "pooler" not in name]:
            raise CheckpointError(f"{folder} lacks {len(missing)} weights of the network ({sorted(missing)[0]} …); the file is incomplete")
        architecture: dict[str, Any] = {"config": {k: v for k, v in config.items() if k not in NOT_ARCHITECTURE}}
        tokenizers = [digest_file(folder / name) for name in TOKENIZER_NAMES if (folder / name).exists()]
        architecture |= {"tokenizer_digest": tokenizers[0]} if tokenizers else {}
        return Weights(architecture, state)

    def build(self) -> "nn.Module":
        """Return the network with random weights."""
        from transformers import AutoConfig, AutoModel

        if "config" not in self.architecture:
            raise CheckpointError(f"{type(self).__name__} is described by a transformers config; use `source: package` or `source: hub`")
        values = dict(self.architecture["config"])
        config = AutoConfig.for_model(values.pop("model_type"), **values)
        return _encoder_of(AutoModel.from_config(config).float())


def _encoder_of(model: Any) -> "nn.Module":
    """Return the part of a model that encodes: all of it, or its encoder where a decoder follows."""
    module: nn.Module = model.get_encoder() if model.config.is_encoder_decoder else model
    return module
