"""One adapter a file; the file's name is the corpus' `adapter` in params.yaml.

An adapter is `read(labels: Path, media: Path) -> Listing`, with the row's `options` as further keyword arguments: the clips, without
digests, the named splits that the corpus ships, and what this copy lacks of the published corpus. Beside it, `<adapter>.yaml` holds the
rows that `python -m stages.add_corpus` merges into params.yaml.
"""

import importlib
import inspect
import pkgutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.clips.listing import Listing, refuse_dangling
from pipeline.errors import ParamsError


@dataclass(frozen=True)
class CorpusConfig:
    """A row of `corpora`.

    Args:
        adapter: which adapter reads the corpus.
        options: of that adapter; its `read` says which.
        partial: accept an incomplete copy; every report made from it says so.
    """

    adapter: str
    options: dict[str, str] = field(default_factory=dict)
    partial: bool = False

    def read(self, labels: Path, media: Path) -> Listing:
        """List the corpus' clips and splits.

        Raises:
            ParamsError: no such adapter, or it has no such option.
            ManifestError: the labels are absent or wrong, or the media folder is a dangling link.
        """
        refuse_dangling(media)
        adapter = load_adapter(self.adapter)
        known = list(inspect.signature(adapter.read).parameters)[2:]
        unknown = [name for name in self.options if name not in known]
        if unknown:
            raise ParamsError(f"the adapter `{self.adapter}` has no option {', '.join(unknown)}; its options: {', '.join(known) or 'none'}")
        return adapter.read(labels, media, **self.options)


class Adapter(Protocol):
    """A corpus adapter module."""

    def read(self, labels: Path, media: Path, **options: str) -> Listing:
        """Read the corpus' labels and list its clips and splits."""


def load_adapter(name: str) -> Adapter:
    """Import the adapter `name`.

    Raises:
        ParamsError: no file of that name in pipeline/clips/corpora.
    """
    known = [module.name for module in pkgutil.iter_modules(__path__)]
    if name not in known:
        raise ParamsError(f"there is no corpus adapter `{name}`; known: {', '.join(known)}")
    adapter: Adapter = importlib.import_module(f"{__name__}.{name}")  # type: ignore[assignment]
    return adapter
