"""What an extractor is: a name, a version, a config and `extract`; the executor owns the loop and the counting."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from pipeline.shards.fingerprint import fingerprint

Row = dict[str, np.ndarray]
Source = TypeVar("Source")


@dataclass(frozen=True)
class Skip:
    """A clip that cannot be processed, and why: one snake_case word such as `no_face`."""

    reason: str


@dataclass(frozen=True)
class FeatureRow:
    """The upstream row that an embedding extractor reads.

    Args:
        clip_id: the clip.
        fingerprint: of the upstream row.
        arrays: the upstream arrays by name; the first axis of each is ragged.
    """

    clip_id: str
    fingerprint: str
    arrays: Row


class Extractor(ABC, Generic[Source]):
    """Turns a source (a Clip, or an upstream FeatureRow) into a row of arrays, or into a reasoned Skip.

    Each array's first axis may differ from clip to clip; its other axes and its dtype are the same for the whole corpus. Extractors travel
    to worker processes, so they build what is heavy on first use and hold no open file.
    """

    name: ClassVar[str]
    """Stands in the fingerprint and in each shard."""
    version: ClassVar[int]
    """Raised by hand when the output changes."""
    independent: ClassVar[bool] = True
    """Whether a row is bit for bit the same in any batch; if not, rows are kept per whole shard only."""
    isolated: ClassVar[bool] = False
    """Whether it decodes files that can hang it or take its process down: it works in processes that can be replaced, clip by clip."""
    config: Any
    """Frozen dataclass of everything that changes the output."""
    encoder_digest: str = ""
    """Digest of the encoder's artifact, for embeddings."""
    device_name: str = "cpu"
    """auto, cpu, cuda or cuda:<n>: where it computes."""
    threads: int = 1
    """That work for it beside each other."""

    def source_key(self, source: Source) -> Any:
        """Return, as a JSON value, what of the source this extractor reads."""
        if isinstance(source, FeatureRow):
            return source.fingerprint
        raise TypeError(f"{type(self).__name__} must say what it reads of a {type(source).__name__}")

    @abstractmethod
    def extract(self, source: Source) -> Row | Skip:
        """Compute one row."""

    def extract_stream(self, sources: Iterable[Source]) -> Iterator[Row | Skip]:
        """Compute the rows of many sources, in their order; override to batch or to prefetch."""
        return map(self.extract, sources)

    def on_each_device(self) -> "list[Extractor[Source]]":
        """Return itself, or a copy for each of several GPUs of this machine, to work beside each other in processes of their own."""
        return [self]

    def fingerprint(self, source: Source) -> str:
        """Return the hash of everything that can change the source's row."""
        return fingerprint(self.name, self.version, self.config, self.encoder_digest, self.source_key(source))
