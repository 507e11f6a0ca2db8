"""What a corpus adapter returns: clips, splits, and in which numbers this copy differs from the corpus as it was published."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import PARTS, Fold
from pipeline.errors import ManifestError
from pipeline.storage import read_record, remove, write_record

FILE_NAME = "partial.json"
SHOWN = 10


@dataclass(frozen=True)
class Discrepancy:
    """The corpus has one number of something, this copy another.

    Args:
        what: it is a number of: "labelled turns".
        expected: as published.
        found: in this copy.
        missing: names of what is missing, where they are known.
        where: the adapter looked, below the corpus' folder.
    """

    what: str
    expected: int
    found: int
    missing: tuple[str, ...] = ()
    where: str = ""

    def __str__(self) -> str:
        names = f"; missing: {', '.join(self.missing[:SHOWN])}{' …' if len(self.missing) > SHOWN else ''}" if self.missing else ""
        return f"{self.what}: {self.found} of {self.expected}{names}{f' (looked at {self.where})' if self.where else ''}"


@dataclass(frozen=True)
class Listing:
    """A corpus as its adapter reads it.

    Args:
        clips: without digests.
        splits: name to folds.
        discrepancies: empty where the copy is whole.
        layout: what the folder should look like, in a few lines, for whoever must complete it.
    """

    clips: Sequence[Clip]
    splits: Mapping[str, tuple[Fold, ...]]
    discrepancies: tuple[Discrepancy, ...] = ()
    layout: str = ""


def count(what: str, expected: int, found: int | Collection[Any], missing: Iterable[str] = (), where: str = "") -> tuple[Discrepancy, ...]:
    """Compare a number with the published one: nothing where they agree, else a discrepancy."""
    number = found if isinstance(found, int) else len(found)
    return () if number == expected else (Discrepancy(what, expected, number, tuple(missing), where),)


def below(name: str) -> str:
    """Return a path from a label file in the manifest's spelling.

    Raises:
        ManifestError: it would leave the corpus' folder.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or path.is_absolute() or ".." in path.parts or path.parts[0].endswith(":"):
        raise ManifestError(f"{name!r} must be a path below the media folder")
    return path.as_posix()


def refuse_dangling(media: Path) -> None:
    """Refuse a media folder that is a link to nowhere.

    Raises:
        ManifestError: says where it points.
    """
    if media.is_symlink() and not media.exists():
        raise ManifestError(
            f"{media} links to {os.readlink(media)}, which is not there; link it to the folder that holds the media, or remove the link "
            "and use the team's features (`dvc pull`, `dvc repro --allow-missing`)"
        )


def refuse_incomplete(listing: Listing) -> None:
    """Refuse a copy that is not the corpus as published.

    Raises:
        ManifestError: says of what it has how many, the first ten names that are missing, where it looked, and the layout.
    """
    if listing.discrepancies:
        lines = "\n".join(f"  {discrepancy}" for discrepancy in listing.discrepancies)
        layout = f"\nThe layout should be\n{listing.layout}" if listing.layout else ""
        raise ManifestError(
            f"this copy of the corpus is not the published one:\n{lines}{layout}\n"
            "Complete it; or accept it with `partial: true` in its row of `corpora`, and every report made from it will say so"
        )


def restrict(splits: Mapping[str, tuple[Fold, ...]], ids: Collection[str]) -> dict[str, tuple[Fold, ...]]:
    """Return the splits without the clips that are not there."""
    known = set(ids)
    return {
        name: tuple(Fold.of({part: known.intersection(fold.part(part)) for part in PARTS}) for fold in folds)
        for name, folds in splits.items()
    }


def write_partial(listing: Listing, manifest: Manifest, folder: Path) -> dict[str, Any]:
    """Write `folder`/partial.json: what an incomplete copy lacks, for every report made from it; nothing where it lacks nothing.

    Args:
        listing: of the corpus.
        manifest: the clips of the listing whose media is known.
        folder: the manifest's.

    Returns:
        How much is lacking, for the stage's summary; empty where nothing is.
    """
    absent = sorted({clip.id for clip in listing.clips}.difference(manifest.ids))
    path = folder / FILE_NAME
    remove(path)
    if not listing.discrepancies and not absent:
        return {}
    shown = [asdict(d) | {"missing": d.missing[:SHOWN], "num_missing": len(d.missing)} for d in listing.discrepancies]
    record = {"discrepancies": shown, "absent_media": {"count": len(absent), "first": absent[:SHOWN]}}
    write_record(record, path)
    return {"partial": {"discrepancies": len(shown), "clips_without_media": len(absent)}}


def read_partial(folder: Path) -> dict[str, Any] | None:
    """Return what `folder`/partial.json says, None where the copy was whole.

    Raises:
        ManifestError: it is not what index_clips writes.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    try:
        record = read_record(path)
        record["discrepancies"], record["absent_media"]["count"]
    except (ValueError, TypeError, KeyError) as error:
        raise ManifestError(f"{path} is not a record of an incomplete copy: {error}; delete it and run index_clips again") from error
    return record
