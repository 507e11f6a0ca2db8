"""One adapter a file; the file's name is the corpus' `adapter` in params.yaml.

An adapter is `read(labels: Path, media: Path) -> tuple[list[Clip], dict[str, tuple[Fold, ...]]]`: the clips, without digests, and the named
splits that the corpus ships. Beside it, `<adapter>.yaml` holds the rows that `python -m stages.add_corpus` merges into params.yaml.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.clips.clip import Clip
from pipeline.clips.splits import Fold
from pipeline.errors import ParamsError


@dataclass(frozen=True)
class CorpusConfig:
    """A row of `corpora`: which adapter reads the corpus."""

    adapter: str


class Adapter(Protocol):
    """A corpus adapter module."""

    def read(self, labels: Path, media: Path) -> tuple[list[Clip], dict[str, tuple[Fold, ...]]]:
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
