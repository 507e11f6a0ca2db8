"""DVC's cache: how files are linked out of it, whether a group can share it, and whether locks hold where it lies."""

from __future__ import annotations

import fcntl
import grp
import os
import stat
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.doctor.check import Check, Place, failed, find_nearest, ok, warning
from pipeline.doctor.rows import read_rows
from pipeline.params import read_params

if TYPE_CHECKING:
    from dvc.repo import Repo

NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "beegfs", "gpfs", "ceph", "afs", "9p", "glusterfs", "sshfs", "s3fs"}
"""Types of file systems that lie on other machines; of `fuse.sshfs` the second word."""
MOST = 1000
"""Folders of a cache that are looked at; a cache has at most a few more than 256."""
GROUP_BITS = stat.S_ISGID | stat.S_IRWXG


def check_links(place: Place) -> Iterator[Check]:
    """Check which links lead from the working tree into the cache."""
    if (repo := place.repo) is None:
        return
    wanted, working = _configured(repo), _try_links(repo)
    link = choose_link(repo)
    told = f"{link} (configured: {', '.join(wanted)}; working from here: {', '.join(working) or 'none but copies'})"
    remedy = "`dvc config --local cache.type symlink`, then `dvc checkout --relink`; or a disk with reflinks (XFS, Btrfs)"
    if link == "hardlink" and _is_shared(repo):
        yield warning("cache links", f"{told}: a shared file whose owner unlocks it changes in every working tree", remedy)
    elif link == "copy" and _is_shared(repo):
        yield warning("cache links", f"{told}: each member's working tree holds everything a second time", remedy)
    elif link == "symlink" and {"reflink", "copy"} & set(wanted[: wanted.index(link)]) and _is_shared(repo):
        yield warning("cache links", f"{told}: what is computed here stays a copy, which DVC takes for a reflink", remedy)
    else:
        yield ok("cache links", told)


def choose_link(repo: Repo) -> str:
    """Return the first of the configured links that works here, as DVC chooses it."""
    working = [*_try_links(repo), "copy"]
    return next((link for link in _configured(repo) if link in working), "copy")


def _configured(repo: Repo) -> list[str]:
    """Return `cache.type`, or DVC's default."""
    return [str(link) for link in repo.config["cache"].get("type") or ("reflink", "copy")]


def _try_links(repo: Repo) -> list[str]:
    """Return the links that can be made from the cache to the working tree, each tried once."""
    from dvc_objects.fs.generic import test_links

    source = cache_folder(repo) if cache_folder(repo).is_dir() else Path(repo.tmp_dir)
    if not os.access(source, os.W_OK):
        return []
    links: list[str] = test_links(["reflink", "hardlink", "symlink"], repo.fs, str(source), repo.fs, os.path.join(repo.dvc_dir, "link"))
    return links


def cache_folder(repo: Repo) -> Path:
    """Return the cache's folder."""
    return Path(repo.cache.local_cache_dir)


def _is_shared(repo: Repo) -> bool:
    """Whether other working trees use the cache too."""
    return bool(repo.config["cache"].get("shared")) or Path(repo.root_dir) not in cache_folder(repo).parents


def check_group(place: Place) -> Iterator[Check]:
    """Check that the members of a group can all write into a shared cache."""
    if (repo := place.repo) is None:
        return
    folder = cache_folder(repo)
    if not _is_shared(repo):
        yield ok("cache group", f"{folder} is this working tree's own")
        return
    if not folder.is_dir():
        remedy = f"`install -d -g <group> -m 2775 {folder}`"
        yield failed("cache group", f"{folder} does not exist", remedy)
        return
    group = _group_of(folder)
    remedy = f"`chgrp -R {group} {folder} && find {folder} -type d -exec chmod 2775 {{}} +`"
    if repo.config["cache"].get("shared") != "group":
        told = f"{folder} lies outside the project, and what is written there belongs to its writer alone"
        yield warning("cache group", told, "`dvc config --local cache.shared group`, unless nobody else uses it")
        return
    folders = [folder, *islice((path for path in folder.glob("**/") if path != folder), MOST)]
    bad = [path for path in folders if path.stat().st_mode & GROUP_BITS != GROUP_BITS or _group_of(path) != group]
    if bad:
        told = f"{len(bad)} of {len(folders)} folders are not writable for the group {group} or lack setgid, such as {bad[0]}"
        yield failed("cache group", told, remedy)
    elif not os.access(folder, os.W_OK):
        told = f"{folder} is the group {group}'s, and you are not in it"
        yield failed("cache group", told, f"`usermod -aG {group} <you>`, then log in anew")
    else:
        yield ok("cache group", f"{folder}: group {group}, setgid, writable")


def _group_of(path: Path) -> str:
    """Return the name of a path's group, or its number."""
    number = path.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def check_locks(place: Place) -> Iterator[Check]:
    """Check that locks can be taken where DVC and stages take theirs, and that DVC's are of the kind that holds on a network."""
    dvc = Path(place.repo.tmp_dir) if place.repo is not None and place.repo.tmp_dir else place.root
    rows = read_rows(place.root, read_params(place.params))
    folders = [dvc, *(find_nearest((place.root / out).parent) for row in rows for out in row.outs)]
    by_disk = {folder.stat().st_dev: folder for folder in reversed(folders)}  # the first of each disk
    for folder in dict.fromkeys(folders):
        if by_disk[folder.stat().st_dev] == folder:
            yield _check_lock(folder, place.repo if folder == dvc else None)


def _check_lock(where: Path, repo: Repo | None) -> Check:
    """Check that a lock can be taken in a folder, in which DVC takes its own where `repo` is given."""
    try:
        with tempfile.TemporaryDirectory(dir=where) as folder, open(Path(folder) / "lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return failed("locks", f"none can be taken in {where} ({error})", "work in a folder of a local disk that you may write")
    kind = read_file_system(where)
    if kind not in NETWORK:
        return ok("locks", f"{where} lies on {kind or 'a local disk'}, where they hold")
    told = f"{where} lies on {kind}, where a stage's lock holds among the processes of one machine only"
    remedy = "run a stage of one working tree on one machine at a time"
    if repo is not None and not repo.config["core"].get("hardlink_lock"):
        told, remedy = f"{told}, and DVC's may hang", f"`dvc config --local core.hardlink_lock true`; {remedy}"
    return warning("locks", told, remedy)


def read_file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the type of the file system on which a path lies; empty where the machine does not tell."""
    try:
        lines = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    place = os.path.realpath(path)
    points = {_unescape(line[1]): line[2].removeprefix("fuse.") for line in lines}  # what is mounted later lies on top
    over = [point for point in points if place == point or place.startswith(point.rstrip("/") + "/")]
    return points[max(over, key=len)] if over else ""


def _unescape(text: str) -> str:
    """Return a mount point whose blanks are written as octal numbers."""
    return text.encode().decode("unicode_escape").encode("latin-1").decode() if "\\" in text else text
