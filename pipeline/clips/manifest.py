"""A manifest: the clips of a corpus, sorted by id, one JSON line each."""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

from pipeline.clips.clip import Clip
from pipeline.errors import ManifestError
from pipeline.storage import read_lines, write_lines

log = logging.getLogger(__name__)
FILE_NAME = "clips.jsonl"


class Manifest(Sequence[Clip]):
    """Immutable, sorted by id, ids unique.

    Raises:
        ManifestError: an id stands twice; the message lists the first ten.
    """

    def __init__(self, clips: Iterable[Clip]) -> None:
        self._clips = tuple(sorted(clips, key=lambda clip: clip.id))
        self._places = {clip.id: place for place, clip in enumerate(self._clips)}
        if len(self._places) < len(self._clips):
            twice = [i for i, count in Counter(clip.id for clip in self._clips).items() if count > 1]
            raise ManifestError(f"{len(twice)} clip ids stand more than once: {', '.join(twice[:10])}; give each clip an id of its own")

    @overload
    def __getitem__(self, key: int | str) -> Clip: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Clip, ...]: ...
    def __getitem__(self, key: int | str | slice) -> Clip | tuple[Clip, ...]:
        """Return the clip at a place, of an id, or those of a slice."""
        return self._clips[self._places[key]] if isinstance(key, str) else self._clips[key]

    def __len__(self) -> int:
        return len(self._clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self._clips)

    def __contains__(self, clip: object) -> bool:
        """Whether a clip, or the clip of an id, is in the manifest."""
        return (clip.id if isinstance(clip, Clip) else clip) in self._places

    @property
    def ids(self) -> tuple[str, ...]:
        """The clips' ids, sorted."""
        return tuple(self._places)


def read_manifest(folder: Path) -> Manifest:
    """Read `folder`/clips.jsonl.

    Raises:
        ManifestError: the file is absent, or a line is not a clip, which the message names; or it is not what its checksum says.
    """
    path = folder / FILE_NAME
    clips = []
    try:
        for number, line in enumerate(read_lines(path), 1):
            clips.append(_read_line(line, f"{path}, line {number}"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ManifestError(f"{path} does not exist; run index_clips, or `dvc pull` to get it") from error
    except ValueError as error:
        remedy = "correct the labels instead, delete it and run index_clips again (import_features, where there are no media)"
        raise ManifestError(f"{path} cannot be trusted: {error}; {remedy}") from error
    return Manifest(clips)


def _read_line(line: str, where: str) -> Clip:
    """Return the clip that a line holds."""
    try:
        return Clip.from_json(json.loads(line))
    except (ValueError, OverflowError, RecursionError, ManifestError) as error:
        raise ManifestError(f"{where} is not a clip: {error}; delete the file and run index_clips again") from error


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write `folder`/clips.jsonl and its checksum; the same clips give the same bytes."""
    write_lines((json.dumps(clip.to_json(), ensure_ascii=False, sort_keys=True) + "\n" for clip in manifest), folder / FILE_NAME)


def read_manifests(folders: Iterable[Path]) -> Iterator[Manifest]:
    """Yield the manifests of earlier versions; a folder without one is passed over, and so is a damaged one, which is told."""
    for folder in folders:
        if (folder / FILE_NAME).exists():
            try:
                yield read_manifest(folder)
            except ManifestError as error:
                log.warning("an earlier manifest is left out: %s", error)
