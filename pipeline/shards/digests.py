"""Digests of media: each file is hashed once, and a clip whose media is elsewhere keeps the digest that the team recorded."""

import dataclasses
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.errors import ManifestError
from pipeline.progress import show_progress
from pipeline.shards.fingerprint import digest_file, fingerprint


def add_digests(clips: Iterable[Clip], media: Path, cache: Path, earlier: Iterable[Manifest]) -> tuple[Manifest, dict[str, int]]:
    """Return the clips with the digests of their media, and how many files were hashed, known, or absent here.

    Args:
        clips: without digests.
        media: the corpus' media folder.
        cache: a database beside the outputs: path, size and mtime to digest.
        earlier: earlier manifests of the corpus, looked at only if a file is absent.

    Raises:
        ManifestError: files are absent and no earlier manifest knows them, or the media folder is a dangling link; lists the first ten.
    """
    if media.is_symlink() and not media.exists():
        raise ManifestError(f"{media} links to {os.readlink(media)}, which is not there; link it to the folder that holds the media")
    manifest = Manifest(clips)
    names = sorted({name for clip in manifest for name in (clip.media, clip.audio) if name})
    counts = {"hashed": 0, "known": 0, "absent": 0}
    digests: dict[str, str] = {}
    with _open_cache(cache) as known, show_progress("index_clips", len(names), "files") as progress:
        for name in names:
            if os.path.exists(media / name):  # also false of a name that no file can have, where Path.exists raises
                digests[name] = _digest(media / name, name, known, counts)
            progress.advance()
    absent = [name for name in names if name not in digests]
    counts["absent"] = len(absent)
    digests |= _recorded(absent, earlier, media)
    return Manifest(_with_digests(clip, digests) for clip in manifest), counts


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
    except sqlite3.DatabaseError:
        path.unlink()
        connection = _connect(path)
    with closing(connection):
        yield connection


def _connect(path: Path) -> sqlite3.Connection:
    """Return a connection to a sound database that has the table; a digest is kept at once, also where the run is killed."""
    connection = sqlite3.connect(path, timeout=60, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
        raise sqlite3.DatabaseError(f"{path} is damaged")
    connection.execute("CREATE TABLE IF NOT EXISTS digests (path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, digest TEXT)")
    return connection


def _digest(path: Path, name: str, known: sqlite3.Connection, counts: dict[str, int]) -> str:
    """Return the digest of a file, or of a folder of frames, from the database if size and mtime are as they were."""
    files = sorted(path.rglob("*")) if path.is_dir() else []
    stats = [file.stat() for file in (path, *files) if file.exists()]  # a folder's own time changes when its files are renamed
    size, mtime = sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)
    found = known.execute("SELECT digest FROM digests WHERE path = ? AND size = ? AND mtime = ?", (name, size, mtime)).fetchone()
    if found:
        counts["known"] += 1
        return str(found[0])
    if path.is_dir():
        digest = fingerprint([(file.relative_to(path).as_posix(), digest_file(file)) for file in files if file.is_file()])
    else:
        digest = digest_file(path)
    counts["hashed"] += 1
    known.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?)", (name, size, mtime, digest))
    return digest


def _recorded(absent: list[str], earlier: Iterable[Manifest], media: Path) -> dict[str, str]:
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
    unknown = [name for name in absent if name not in digests]
    if unknown:
        raise ManifestError(
            f"{len(unknown)} media files that the labels list are not in {media} and no earlier clips.jsonl knows them: "
            f"{', '.join(unknown[:10])}; add the files, or `dvc pull` the manifest of someone who has them"
        )
    return digests
