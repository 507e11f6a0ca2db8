"""Digests of media: each file is hashed once, and a clip whose media is elsewhere keeps the digest that the team recorded."""

import dataclasses
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline.clips.clip import Clip
from pipeline.clips.frames import is_pattern, list_frames
from pipeline.clips.listing import refuse_dangling
from pipeline.clips.manifest import Manifest
from pipeline.errors import ManifestError
from pipeline.progress import show_progress
from pipeline.shards.fingerprint import digest_file, fingerprint


def add_digests(
    clips: Iterable[Clip], media: Path, cache: Path, earlier: Iterable[Manifest], partial: bool = False
) -> tuple[Manifest, dict[str, int]]:
    """Return the clips with the digests of their media, and how many files were hashed, known, or absent here.

    Args:
        clips: without digests.
        media: the corpus' media folder.
        cache: a database beside the outputs: path, size and mtime to digest.
        earlier: earlier manifests of the corpus, looked at only if a file is absent.
        partial: leave out the clips whose media is absent and unknown, instead of refusing them.

    Raises:
        ManifestError: files are absent and no earlier manifest knows them, or the media folder is a dangling link; lists the first ten.
    """
    refuse_dangling(media)
    manifest = Manifest(clips)
    names = sorted({name for clip in manifest for name in (clip.media, clip.audio) if name})
    counts = {"hashed": 0, "known": 0, "absent": 0}
    digests: dict[str, str] = {}
    with _open_cache(cache) as known, show_progress("index_clips", len(names), "files") as progress:
        for name in names:
            if files := _list_files(media, name):
                digests[name] = _digest(files, name, known, counts)
            progress.advance()
    absent = [name for name in names if name not in digests]
    counts["absent"] = len(absent)
    digests |= _recorded(absent, earlier)
    if not partial:
        _refuse_absent([name for name in names if name not in digests], media)
    listed = (clip for clip in manifest if all(name in digests for name in (clip.media, clip.audio) if name))
    return Manifest(_with_digests(clip, digests) for clip in listed), counts


def _list_files(media: Path, name: str) -> list[Path]:
    """Return the files that a clip's media stands for: a file, a folder with all that is in it, or numbered pictures."""
    path = media / name
    if not os.path.exists(path):  # also false of a name that no file can have, where Path.exists raises
        return [picture for _, picture in list_frames(media, name)] if is_pattern(name) else []
    return [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]


def _with_digests(clip: Clip, digests: Mapping[str, str]) -> Clip:
    """Return the clip with the digests of its files."""
    media = digests[clip.media] if clip.media else None
    return dataclasses.replace(clip, digest=media, audio_digest=digests[clip.audio] if clip.audio else None)


@contextmanager
def _open_cache(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database of known digests; a damaged one is begun anew, since everything in it can be hashed again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = _connect(path)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter where a message of SQLite holds what is damaged
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise  # not damaged: in use, or on a disk that is full or read-only
        path.unlink()
        connection = _connect(path)
    with closing(connection):
        yield connection


def _connect(path: Path) -> sqlite3.Connection:
    """Return a connection to a sound database that has the table; a digest is kept at once, also where the run is killed."""
    connection = sqlite3.connect(path, timeout=60, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.text_factory = lambda text: text.decode(errors="replace")
    if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
        raise sqlite3.DatabaseError(f"{path} is damaged")
    connection.execute("CREATE TABLE IF NOT EXISTS sealed (path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, digest TEXT, seal TEXT)")
    connection.execute("SELECT path, size, mtime, digest, seal FROM sealed LIMIT 1")
    return connection


def _digest(files: list[Path], name: str, known: sqlite3.Connection, counts: dict[str, int]) -> str:
    """Return the digest of a file, or of the pictures of a recording, from the database if sizes and mtimes are as they were."""
    stats = [file.stat() for file in files if file.exists()]  # a folder's own time changes when its files are renamed
    size, mtime = sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)
    if found := _look_up(known, name, size, mtime):
        counts["known"] += 1
        return found
    if files[0].is_dir() or is_pattern(name):
        top = files[0] if files[0].is_dir() else files[0].parent
        digest = fingerprint([(file.relative_to(top).as_posix(), digest_file(file)) for file in files if file.is_file()])
    else:
        digest = digest_file(files[0])
    counts["hashed"] += 1
    seal = fingerprint(name, size, mtime, digest)
    known.execute("INSERT OR REPLACE INTO sealed VALUES (?, ?, ?, ?, ?)", (name, size, mtime, digest, seal))
    return digest


def _look_up(known: sqlite3.Connection, name: str, size: int, mtime: int) -> str | None:
    """Return the digest that a file of this size and mtime had; None where it is not known, or what is known was damaged."""
    try:
        found = known.execute("SELECT digest, seal FROM sealed WHERE path = ? AND size = ? AND mtime = ?", (name, size, mtime)).fetchone()
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return None
    return str(found[0]) if found and found[1] == fingerprint(name, size, mtime, str(found[0])) else None


def _recorded(absent: list[str], earlier: Iterable[Manifest]) -> dict[str, str]:
    """Return the digests that earlier manifests have for files that are absent here."""
    digests: dict[str, str] = {}
    wanted = set(absent)
    for manifest in earlier if absent else ():
        for clip in manifest:
            for name, digest in ((clip.media, clip.digest), (clip.audio, clip.audio_digest)):
                if name in wanted and digest:
                    digests.setdefault(name, digest)
        if len(digests) == len(absent):
            break
    return digests


def _refuse_absent(unknown: list[str], media: Path) -> None:
    """Raise ManifestError if there are files that nobody has a digest of."""
    if unknown:
        raise ManifestError(
            f"{len(unknown)} media files that the labels list are not in {media} and no earlier clips.jsonl knows them: "
            f"{', '.join(unknown[:10])}; add the files, or `dvc pull` the manifest of someone who has them; "
            "or accept an incomplete copy with `partial: true` in its row of `corpora`"
        )
