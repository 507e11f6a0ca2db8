"""Vectors that stand for a task's outputs: those of the emotions' words, by the task's own text encoder or from a file of word vectors."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pipeline.embed.encoder import WEIGHTS_NAME, Encoder, check_weights, read_encoder, read_weights
from pipeline.embed.text import TextEncoder
from pipeline.errors import CheckpointError, ModelError
from pipeline.extract.tokens import TokensConfig, find_tokenizer, load_tokenizer
from pipeline.shards.fingerprint import digest_file, fingerprint
from pipeline.tasks.task import Task

if TYPE_CHECKING:
    from pipeline.training.embeddings import Source

log = logging.getLogger(__name__)

WORDS = {
    "ang": "anger",
    "dis": "disgust",
    "exc": "excited",
    "fea": "fear",
    "fru": "frustrated",
    "hap": "happy",
    "neu": "neutral",
    "sad": "sad",
    "sur": "surprise",
}
"""What corpora abbreviate; other names of labels and classes are words themselves."""
POLES = ("positive", "negative")
"""What a value is compared with: its score is that of the first less that of the second."""
MAX_TOKENS = 64


@dataclass(frozen=True)
class LabelVectors:
    """The words of a task's outputs and their vectors.

    Attributes:
        words: one an output; of a regression, `POLES`.
        values: (words, dim) float32.
        identity: a fingerprint of what they come from, the same on every machine.
    """

    words: tuple[str, ...]
    values: Tensor
    identity: str


def name_words(task: Task) -> tuple[str, ...]:
    """Return the words of a task's outputs."""
    if task.config.kind == "regression":
        return POLES
    return tuple(WORDS.get(name.lower(), name.lower().replace("_", " ")) for name in task.output_names)


def read_label_vectors(task: Task, text: Source | None, wanted: Collection[str]) -> dict[str, LabelVectors]:
    """Return where vectors come from → the vectors, of those `wanted`: "" for the text encoder, else a file of word vectors.

    A text encoder that cannot be run on words is told as a warning: the models that need it refuse the task.

    Raises:
        ModelError: a file is absent, or lacks a word.
    """
    words = name_words(task)
    found = {path: read_glove(Path(path), words) for path in sorted(wanted) if path}
    if "" in wanted and text is not None and text.encoder is not None and text.artifact is not None:
        try:
            found[""] = encode_words(words, text.artifact, text.encoder.digest)
        except CheckpointError as error:
            log.warning("the text encoder `%s` has no vectors of words: %s", text.row, error)
    return found


@functools.lru_cache(maxsize=8)
def encode_words(words: Sequence[str], artifact: Path, digest: str) -> LabelVectors:
    """Return the mean hidden state of each word's own tokens, without the special ones around them.

    Args:
        words: a tuple of them.
        artifact: a text encoder's folder.
        digest: of it, which the vectors' identity holds.

    Raises:
        CheckpointError: it is no text encoder, its weights were changed, or its tokenizer is not here.
    """
    encoder = read_encoder(artifact)
    if encoder.network != "text":
        raise CheckpointError(f"{artifact} is of the kind `{encoder.network}`, which reads no words")
    check_weights(encoder, artifact)
    tokenizer = load_tokenizer(find_own_tokenizer(encoder), TokensConfig("", MAX_TOKENS))
    network = TextEncoder(encoder.options, encoder.architecture)
    module = network.load(read_weights(artifact / WEIGHTS_NAME))
    vectors = []
    for word in words:
        encoding = tokenizer.encode(word)
        own = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
        if not own:
            raise CheckpointError(f"its tokenizer has no token for the word {word!r}")
        with torch.inference_mode():
            hidden = network.encode(module, torch.tensor([encoding.ids]), False)["sequence"][0]
        vectors.append(hidden[own].float().mean(0))
    return LabelVectors(tuple(words), torch.stack(vectors).clone(), fingerprint("encoder", digest, list(words)))


def find_own_tokenizer(encoder: Encoder) -> Path:
    """Return the tokenizer's file that stands beside the weights where the encoder came from.

    Raises:
        CheckpointError: it is not here, or is another one.
    """
    origin, known = encoder.origin, encoder.architecture.get("tokenizer_digest")
    if known is None or not {"package", "repo"} & origin.keys():
        raise CheckpointError("no tokenizer stood beside its weights")
    address = f"package:{origin['package']}" if "package" in origin else f"hub:{origin['repo']}@{origin.get('revision')}"
    if "repo" in origin and Path(origin["repo"]).is_dir():
        address = f"file:{origin['repo']}"
    path = find_tokenizer(address)
    if digest_file(path) != known:
        raise CheckpointError(f"{path} is not the tokenizer that stood beside its weights")
    return path


def read_glove(path: Path, words: Sequence[str]) -> LabelVectors:
    """Return vectors from a text file of one word and its numbers a line; of several words, their mean. DVC does not watch the file.

    Raises:
        ModelError: the file is absent, lacks a word, or a word's numbers are none.
    """
    wanted = {part.encode() for word in words for part in word.split()}
    found: dict[bytes, np.ndarray] = {}
    try:
        with path.open("rb") as file:
            for line in file:
                word, _, numbers = line.partition(b" ")
                if word in wanted and word not in found:
                    found[word] = np.array(numbers.split(), np.float32)
                    if len(found) == len(wanted):
                        break
    except (OSError, ValueError) as error:
        raise ModelError(f"glove: {path} cannot be read as word vectors: {error}") from error
    if missing := sorted(word.decode() for word in wanted - found.keys()):
        raise ModelError(f"glove: {path} has no vector of {', '.join(missing)}; it must be lower-case English")
    if len({len(vector) for vector in found.values()}) > 1 or not all(np.isfinite(vector).all() for vector in found.values()):
        raise ModelError(f"glove: {path} holds vectors of different widths, or numbers that are not finite")
    values = np.stack([np.mean([found[part.encode()] for part in word.split()], axis=0) for word in words])
    return LabelVectors(tuple(words), torch.from_numpy(values), fingerprint("glove", list(words), values.tolist()))
