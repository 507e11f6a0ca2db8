"""Earlier versions of an output folder, so that a stage redoes only what is new. The only door to DVC.

DVC deletes a stage's outputs before it runs the command. Earlier rows are found, cheapest first, in
1. the folder itself (a stage run by hand),
2. `<out>.partial`, what a killed run left,
3. the versions that dvc.lock of the working tree and of HEAD record, from DVC's cache or, where the cache lacks them, the team's remote.
A version that is recorded but cannot be read is an error, not a reason to compute a day's work again in silence; one that was never
recorded is an ordinary first run.
"""

import errno
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import CacheError, PipelineError
from pipeline.storage import telling_failures

log = logging.getLogger(__name__)
FULL = {errno.ENOSPC, errno.EDQUOT}  # what only the disk at hand fails with, no remote that is read


def partial_of(out: Path) -> Path:
    """Return the folder that a running stage writes, beside `out`."""
    return out.with_name(f"{out.name}.partial")


@contextmanager
def open_partial(out: Path) -> Iterator[Path]:
    """Hold `<out>.partial` as `hold` does; a second run waits, and then finds what the first one finished."""
    partial = partial_of(out)
    with hold(partial):
        yield partial


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a folder to be written, made where it is not there, under a lock; a second run waits.

    The lock is on the folder itself, so it ends with the process that holds it, however that ends.

    Raises:
        StorageError: it cannot be written, or what is written into it: the disk is full, read-only or another user's.
    """
    with telling_failures(folder):
        handle = _lock(folder)
        try:
            yield
        finally:
            os.close(handle)


def _lock(folder: Path) -> int:
    """Return an open folder whose lock is taken, saying so when another run holds it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # the other run has just renamed it
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("%s is being written by another run; waiting for it to finish", folder)
            fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_open(handle, folder):
            return handle
        os.close(handle)


def _is_open(handle: int, folder: Path) -> bool:
    """Whether an open folder still stands at its path: the run that was waited for may have renamed it."""
    try:
        return os.path.samestat(os.fstat(handle), folder.stat())
    except FileNotFoundError:
        return False


def publish(partial: Path, out: Path) -> None:
    """Rename the finished `partial` to `out`, in the place of an earlier version.

    Raises:
        PipelineError: what is there is no earlier version but something else, which a mistyped path must not delete.
    """
    old = out.with_name(f"{out.name}.old.partial")
    shutil.rmtree(old, ignore_errors=True)  # a run that was killed between the two renames leaves it
    if out.is_symlink():
        out.unlink()
    elif out.exists():
        if not _is_earlier_version(out, partial):
            message = f"{out} holds something else than what this stage writes and is left alone; remove it, or give another folder"
            raise PipelineError(f"{message}: the new version waits in {partial}")
        out.rename(old)
    partial.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _is_earlier_version(out: Path, partial: Path) -> bool:
    """Whether a folder holds no file at all, or one that the new version has too."""
    names = (path.relative_to(partial) for path in partial.rglob("*") if path.is_file())
    return out.is_dir() and (any((out / name).is_file() for name in names) or not any(path.is_file() for path in out.rglob("*")))


class Previous:
    """The earlier versions of `out`, as readable folders, cheapest first.

    Args:
        out: the output folder.
        recompute: leave out what only DVC's cache or the remote holds.
        fetch_into: folder, held by this run, for what is fetched; None: one for temporary files, often on a small disk.

    Use as a context manager: what was fetched from a remote is kept until the end.

    Raises:
        PipelineError: `out` is the working directory itself, which no stage may replace.
    """

    def __init__(self, out: Path, recompute: bool = False, fetch_into: Path | None = None) -> None:
        if not out.name:
            raise PipelineError(f"{str(out)!r} cannot be an output folder: it is replaced as a whole; give a folder of its own")
        self.out = Path(os.path.abspath(out))  # without `..`: DVC knows a path by one spelling
        self.recompute = recompute
        self._fetch_into = fetch_into
        self._folders: list[Path] = []
        self._source = self._search()
        self._fetched: list[tempfile.TemporaryDirectory[str]] = []

    def __enter__(self) -> "Previous":
        return self

    def __exit__(self, *_: object) -> None:
        for folder in self._fetched:
            folder.cleanup()

    def folders(self) -> Iterator[Path]:
        """Yield the versions' folders; a later, dearer one is looked for only when the iteration comes to it.

        Raises:
            CacheError: a version is recorded but neither DVC's cache nor a remote can give it.
        StorageError: the disk is full to which it is fetched.
        """
        yield from self._folders
        for folder in self._source:
            self._folders.append(folder)
            yield folder

    def _search(self) -> Iterator[Path]:
        """Find the versions, one after the other."""
        yield from (folder for folder in (self.out, partial_of(self.out)) if folder.is_dir())
        root = find_repository(self.out)
        if root is None or self.recompute:
            return
        seen: set[str] = set()
        for revision in (None, "HEAD"):
            files, info = _look_up(root, revision, self.out) or (None, {})
            recorded = _recorded(info)
            if recorded and recorded not in seen:
                seen.add(recorded)
                yield self._fetch(files, root)

    def _fetch(self, files: Any, root: Path) -> Path:
        """Return a folder of links to the version's files in DVC's cache, downloading those that only the remote has."""
        prefix = f"{self.out.name}-earlier-"
        if self._fetch_into and not self._fetched:
            for left in self._fetch_into.glob(f"{prefix}*"):  # by a killed run
                shutil.rmtree(left)
        target = tempfile.TemporaryDirectory(prefix=prefix, dir=self._fetch_into)
        self._fetched.append(target)
        base = self.out.relative_to(root).as_posix()
        try:
            for name in files.find(base):
                path = Path(target.name) / Path(name).relative_to(base)
                path.parent.mkdir(parents=True, exist_ok=True)
                _link_or_download(files, name, path)
        except Exception as error:  # DVC's remotes raise exceptions of many libraries, with no common base
            if isinstance(error, OSError) and error.errno in FULL:
                with telling_failures(Path(target.name)):
                    raise
            raise CacheError(
                f"an earlier version of {base} is recorded in dvc.lock but cannot be read ({type(error).__name__}: {error}). "
                f"Make the remote reachable (`dvc pull`), or give --recompute (PIPELINE_RECOMPUTE=1) to compute it again"
            ) from error
        return Path(target.name)


def find_repository(path: Path) -> Path | None:
    """Return the root of the DVC repository that holds `path`, or None, told in one line where DVC or the repository is missing."""
    root = next((parent for parent in Path(os.path.abspath(path)).parents if (parent / ".dvc").is_dir()), None)
    try:
        import dvc.api  # noqa: F401
    except ImportError:
        log.warning("DVC is not installed: earlier versions of %s in its cache are not looked for", path)
        return None
    return root


def is_dvc_output(path: Path) -> bool:
    """Whether `path` is an output that dvc.yaml names."""
    root = find_repository(path)
    found = _look_up(root, None, Path(os.path.abspath(path))) if root is not None else None
    return bool(((found[1] if found else {}).get("dvc_info") or {}).get("isout"))


def _look_up(root: Path, revision: str | None, path: Path) -> tuple[Any, dict[str, Any]] | None:
    """Return the file system of the working tree or of a git revision, and what it knows of a path.

    None where it does not know the path, or where there is no such revision or no git.

    Raises:
        CacheError: dvc.yaml or dvc.lock cannot be read.
    """
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError
    from scmrepo.exceptions import SCMError as GitError

    try:
        files = DVCFileSystem(str(root), rev=revision) if revision else DVCFileSystem(str(root))
        return files, files.info(path.relative_to(root).as_posix())
    except FileNotFoundError:
        return None
    except (SCMError, GitError) as error:
        log.debug("no earlier versions in %s: %s", revision or "the working tree", error)
        return None
    except DvcException as error:
        where = f"{revision} of {root}" if revision else root
        raise CacheError(f"{where}: DVC cannot read what is recorded ({error}); correct the file that it names") from error


def _recorded(info: dict[str, Any]) -> str | None:
    """Return the hash under which a revision records an output, or None if it does not."""
    recorded = (info.get("dvc_info") or {}).get("md5") or info.get("md5")
    return str(recorded) if recorded else None


def _link_or_download(files: Any, name: str, path: Path) -> None:
    """Make `path` a link to the file in DVC's cache, or a copy of the remote's."""
    with files.open(name, "rb") as source:
        local = getattr(source, "name", None)
        if isinstance(local, str) and os.path.isabs(local) and os.path.exists(local):
            path.symlink_to(local)
            return
        with path.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
