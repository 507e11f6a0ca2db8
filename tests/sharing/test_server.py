"""One cache for all members on a server: two system users work at once, and neither can change what the other has."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.shards.previous import hold, partial_of
from tests.cache.project import Project, read_summaries
from tests.sharing.team import computed, configure
from tests.sharing.users import User, finish, make_server, make_users

Member = tuple[User, Project]
OUTS = {"compute_logmel": "data/logmel/mine", "tokenize_text": "data/tokens/mine"}


@pytest.fixture(scope="module")
def cache() -> Iterator[Path]:
    """The folder of the shared cache."""
    with make_server() as server:
        yield server / "cache"


@pytest.fixture(scope="module")
def members(cache: Path) -> Iterator[list[Member]]:
    """Two users with a clone each, set up as the README says; they have worked at once on different stages and on the same one."""
    with make_users("ada", "bob") as users:
        project = Project.make(cache.parent / "project", clips=4)
        subprocess.run(["install", "-d", "-g", users[0].group, "-m", "2775", str(cache)], check=True)
        members = []
        for user in users:
            folder = cache.parent / user.name
            shutil.copytree(project.folder, folder)
            configure(Project(folder), cache={"dir": str(cache), "shared": "group", "type": "symlink"})
            subprocess.run(["chown", "-R", f"{user.name}:{user.name}", str(folder)], check=True)
            members.append((user, Project(folder)))
        yield members


def repro(members: list[Member], *stages: str) -> list[dict[str, int]]:
    """Let every member run `dvc repro` at once, each on their stage; return what each computed.

    The test holds the folders that the stages write until each stage has come to wait for its own, so that they work at the same time.
    """
    with ExitStack() as held:
        for (user, project), stage in zip(members, stages, strict=True):
            partial = partial_of(project.folder / OUTS[stage])
            held.enter_context(hold(partial))
            subprocess.run(["chown", "-R", f"{user.name}:{user.name}", str(partial.parent)], check=True)
        running = [user.start(project.folder, "dvc", "repro", stage) for (user, project), stage in zip(members, stages, strict=True)]
        assert all(map(waits, running))
    return [computed(read_summaries(finish(process))) for process in running]


def waits(process: "subprocess.Popen[str]") -> bool:
    """Read what a command says until it waits for a folder; whether it does before its end."""
    assert process.stderr is not None
    return any("is being written by another run; waiting" in line for line in process.stderr)


@pytest.fixture(scope="module")
def worked(members: list[Member]) -> list[Member]:
    """The members, after they have worked at once on different stages, and then on the same one."""
    assert repro(members, "compute_logmel", "tokenize_text") == [{"compute_logmel@mine": 4}, {"tokenize_text@mine": 4}]
    for _, project in members:
        project.params(lambda params: params["logmels"]["mine"].update(n_mels=32))
    assert all(set(found.values()) <= {4} for found in repro(members, "compute_logmel", "compute_logmel"))
    return members


def test_members_who_work_at_once_have_the_same_bytes(worked: list[Member]) -> None:
    (_, ada), (_, bob) = worked
    assert ada.digests("logmel/mine") == bob.digests("logmel/mine") != {}


def test_what_one_has_computed_the_other_is_given(worked: list[Member]) -> None:
    user, project = worked[0]
    assert read_summaries(user.run(project.folder, "dvc", "repro", "tokenize_text")) == {}
    assert project.digests("tokens/mine") == worked[1][1].digests("tokens/mine") != {}


def test_the_cache_is_the_groups_and_its_files_are_read_only(worked: list[Member], cache: Path) -> None:
    group = cache.stat().st_gid
    paths = [path for path in cache.rglob("*") if path.parent.parent.name == "md5" or path.is_dir()]
    assert {path.stat().st_gid for path in paths} == {group}
    assert {stat.filemode(path.stat().st_mode) for path in paths} == {"drwxrwsr-x", "-r--r--r--"}
    assert len({path.stat().st_uid for path in paths if path.is_file()}) == 2


def test_no_member_can_change_what_another_has_linked(worked: list[Member], cache: Path) -> None:
    ada, bob = worked
    before = bob[1].digests("logmel/mine") | bob[1].digests("tokens/mine")
    shards = [path for _, project in worked for path in (project.folder / "data").rglob("shard-*.h5")]
    foreign = [path for path in shards if path.owner() != ada[0].name]
    assert foreign
    assert all(os.path.realpath(path).startswith(str(cache)) and path.stat().st_nlink == 1 for path in shards)
    assert {ada[0].attempt("path.open('r+b')", path) for path in foreign} == {"PermissionError"}
    assert {ada[0].attempt("path.chmod(0o666)", path) for path in foreign[:1]} == {"PermissionError"}
    ada[1].params(lambda params: params["logmels"]["mine"].update(n_mels=24))
    ada[0].run(ada[1].folder, "dvc", "repro", "compute_logmel")
    assert bob[1].digests("logmel/mine") | bob[1].digests("tokens/mine") == before
