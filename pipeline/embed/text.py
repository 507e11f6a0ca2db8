"""Any text encoder of transformers: its last hidden states, one a token, special tokens included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.embed.transformer import Transformer
from pipeline.errors import CheckpointError
from pipeline.shards.extractor import Row, Skip

if TYPE_CHECKING:
    from torch import Tensor

PADDING = -1
"""Stands for no token; token ids are 0 and above."""


@dataclass(frozen=True)
class Options:
    """A text encoder has no options: its config says everything."""


class TextEncoder(Transformer):
    """A unit is a clip's token ids, (tokens,) int64."""

    Options = Options
    bucketed = True

    def check_features(self, config: Mapping[str, Any]) -> None:
        """Check that the tokens were made by the tokenizer that stood beside the weights, or at least fit the vocabulary."""
        made, own = config.get("digest"), self.architecture.get("tokenizer_digest")
        vocabulary = self.architecture["config"].get("vocab_size")
        if (own and made and own != made) or (vocabulary and config.get("vocab_size", 0) > vocabulary):
            raise CheckpointError(
                f"the tokens were made by {config.get('tokenizer', 'a tokenizer')} ({config.get('vocab_size')} ids, digest {made}) and the "
                f"encoder reads those of its own ({vocabulary} ids, digest {own}); name the encoder's tokenizer in the row of `tokens`"
            )

    def prepare(self, row: Row) -> "list[Tensor] | Skip":
        """Return the clip's token ids.

        Raises:
            CheckpointError: an id is beyond the network's vocabulary, or there are more tokens than it has positions for.
        """
        import torch

        ids = np.asarray(row["input_ids"], np.int64)
        config = self.architecture["config"]
        vocabulary, positions = config.get("vocab_size"), config.get("max_position_embeddings")
        if not len(ids):
            return Skip("empty_text")
        if vocabulary is not None and ids.max() >= vocabulary:
            raise CheckpointError(f"token {ids.max()} is beyond the encoder's vocabulary of {vocabulary}: another tokenizer made it")
        if positions is not None and len(ids) > positions:
            raise CheckpointError(f"{len(ids)} tokens are more than the encoder's {positions} positions; lower the tokens' max_length")
        return [torch.from_numpy(ids)]

    def collate(self, units: "Sequence[Tensor]") -> "Tensor":
        """Return the ids padded to the longest, (units, tokens)."""
        from torch.nn.utils.rnn import pad_sequence

        return pad_sequence(list(units), batch_first=True, padding_value=PADDING)

    def encode(self, module: "Any", batch: "Tensor", maps: bool) -> "dict[str, Tensor]":
        """Return the last hidden states (units, tokens, dim), padding included."""
        mask = batch != PADDING
        hidden = module(input_ids=batch.clamp(min=0), attention_mask=mask.long()).last_hidden_state
        return {"sequence": hidden}

    def assemble(self, row: Row, outputs: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Return the clip's hidden states without the padding, (tokens, dim)."""
        return {"sequence": outputs["sequence"][0, : len(row["input_ids"])]}


Network = TextEncoder
