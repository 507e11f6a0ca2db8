"""Token ids of transcripts, by the fast tokenizer of a text model.

The `tokenizers` library alone is loaded: transformers would take seconds and torch with it. The digest of the tokenizer's file is part of
the config, so of each fingerprint, and stands in each shard: a text encoder can check that the ids are its own.
"""

import dataclasses
import importlib.util
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.clips.clip import Clip
from pipeline.errors import CheckpointError, ParamsError
from pipeline.shards.extractor import Extractor, Row, Skip
from pipeline.shards.fingerprint import digest_file

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

EMPTY, UNREADABLE = Skip("empty_text"), Skip("unreadable_text")
BATCH = 256
"""Texts that are tokenized together."""
FILES = ("tokenizer.json", "vocab.txt")
"""What a tokenizer's folder may hold, the first one preferred."""


@dataclass(frozen=True)
class TokensConfig:
    """A row of `tokens` in params.yaml.

    Args:
        tokenizer: `package:<name>` (inside an installed package), `hub:<id>@<commit>` (downloaded once), or `file:<path>`: a
            tokenizer.json, a BERT vocab.txt, or a folder that holds one of them; DVC does not watch it, so its row must name the digest.
        max_length: tokens, special tokens included; a longer text is cut and marked as truncated.
        lowercase: whether a bare vocab.txt means lower-case text; a tokenizer.json says so itself.
        digest: blake2b of the tokenizer's file; filled in, and checked where params.yaml gives it.
        vocab_size: ids the tokenizer can give; filled in likewise.
    """

    tokenizer: str
    max_length: int
    lowercase: bool = True
    digest: str | None = None
    vocab_size: int | None = None

    def __post_init__(self) -> None:
        if self.max_length < 3:
            raise ValueError(f"max_length {self.max_length} leaves no room between two special tokens")


class TokenExtractor(Extractor[Clip]):
    """Tokens of a clip's transcript: `input_ids` int32 (tokens,), special tokens included, and `truncated` bool (1,).

    Args:
        config: the tokenizer and the longest sequence.

    Raises:
        ParamsError: the tokenizer's address is malformed, or its file is not the one that params.yaml names.
        CheckpointError: the tokenizer cannot be found or loaded.
    """

    name = "tokens"
    version = 1

    def __init__(self, config: TokensConfig) -> None:
        self._path = find_tokenizer(config.tokenizer)
        self._tokenizer: Tokenizer | None = load_tokenizer(self._path, config)
        found = dataclasses.replace(config, digest=digest_file(self._path), vocab_size=self._tokenizer.get_vocab_size())
        if config.tokenizer.startswith("file:") and config.digest is None:
            raise ParamsError(f"tokens: DVC does not watch {config.tokenizer}; add `digest: {found.digest}` to its row of params.yaml")
        if (config.digest or found.digest, config.vocab_size or found.vocab_size) != (found.digest, found.vocab_size):
            message = f"digest {found.digest} and vocab_size {found.vocab_size}, and params.yaml names {config.digest}, {config.vocab_size}"
            raise ParamsError(f"tokens: {config.tokenizer} has {message}; correct the row, or bring the file it means")
        self.config = found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tokenizer": None}

    def source_key(self, source: Clip) -> Any:
        """Return the transcript: a clip's tokens depend on nothing else."""
        return source.text

    def extract(self, source: Clip) -> Row | Skip:
        """Tokenize one clip's transcript."""
        return next(self.extract_stream([source]))

    def extract_stream(self, sources: Iterable[Clip]) -> Iterator[Row | Skip]:
        """Tokenize transcripts, many at once; a text's tokens do not depend on its neighbours."""
        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self._path, self.config)
        texts = iter(source.text for source in sources)
        while batch := list(itertools.islice(texts, BATCH)):
            encodings = self._tokenizer.encode_batch([text if text and is_utf8(text) else "" for text in batch])
            for text, encoding in zip(batch, encodings, strict=True):
                yield make_row(encoding) if is_utf8(text or "") else UNREADABLE


def find_tokenizer(address: str) -> Path:
    """Return the file of a tokenizer.

    Raises:
        ParamsError: the address is malformed.
        CheckpointError: nothing is there.
    """
    kind, _, name = address.partition(":")
    if not name or kind not in ("package", "hub", "file"):
        raise ParamsError(f"tokens: tokenizer `{address}` must be package:<name>, hub:<id>@<commit> or file:<path>")
    if kind == "hub":
        return _find_in_hub(name)
    found = _list_in_package(name) if kind == "package" else _list_in_folder(Path(name))
    if len(found) != 1:
        raise CheckpointError(
            f"tokens: {address} holds {len(found)} tokenizers ({' or '.join(FILES)}) where one is needed; correct the row"
        )
    return found[0]


def _list_in_package(name: str) -> list[Path]:
    """Return the tokenizers in an installed package, which is not imported."""
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    folders = (spec.submodule_search_locations or []) if spec else []
    return sorted({path for folder in folders for inner in Path(folder).rglob("tokenizer.json") for path in _list_in_folder(inner.parent)})


def _list_in_folder(path: Path) -> list[Path]:
    """Return the file itself, or the preferred one of a folder."""
    if path.is_file():
        return [path]
    return [path / name for name in FILES if (path / name).is_file()][:1]


def _find_in_hub(name: str) -> Path:
    """Return the hub's tokenizer.json at a commit; from the local cache, without network, where it is there.

    Raises:
        ParamsError: the commit is missing.
        CheckpointError: it cannot be fetched.
    """
    repository, _, commit = name.partition("@")
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise ParamsError(f"tokens: hub:{name} must be hub:<id>@<commit>, with the commit's 40 digits, so that it stays the same")
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, "tokenizer.json", revision=commit))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"tokens: hub:{name} has no tokenizer.json that can be fetched here: {error}") from error


def load_tokenizer(path: Path, config: TokensConfig) -> "Tokenizer":
    """Load a tokenizer.json, or a BERT vocabulary, with the config's length and no padding.

    Raises:
        CheckpointError: the file is no tokenizer.
    """
    from tokenizers import Tokenizer
    from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

    try:
        if path.suffix == ".json":
            tokenizer = Tokenizer.from_file(str(path))
        else:
            tokenizer = Tokenizer.from_str(BertWordPieceTokenizer(str(path), lowercase=config.lowercase).to_str())
    except Exception as error:  # the library raises bare Exceptions
        raise CheckpointError(f"tokens: {path} is no tokenizer: {error}") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(config.max_length)
    return tokenizer


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8: JSON escapes can smuggle in halves of a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def make_row(encoding: "Encoding") -> Row | Skip:
    """Return an encoding as arrays, or as a skip where it holds special tokens only."""
    if all(encoding.special_tokens_mask):
        return EMPTY
    return {"input_ids": np.array(encoding.ids, np.int32), "truncated": np.array([bool(encoding.overflowing)])}
