"""Remotes of a team: a shared folder, a server over SSH, a bucket of S3; and what a colleague pays for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cache.project import ENVIRONMENT, Project
from tests.sharing.servers import serve_s3, serve_ssh
from tests.sharing.team import FEATURES, FOLDERS, computed, configure, copy, make_finished


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which everything has been computed and committed."""
    return make_finished(tmp_path_factory.mktemp("finished") / "project")


@pytest.fixture
def folder(tmp_path: Path) -> dict[str, str]:
    """A remote in a folder that everyone sees."""
    return {"url": str(tmp_path / "shared folder")}


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A remote on a server over SSH."""
    with serve_ssh(tmp_path / "home") as port:
        monkeypatch.setitem(ENVIRONMENT, "HOME", str(tmp_path / "home"))
        yield {"url": f"ssh://127.0.0.1:{port}{tmp_path}/on the server", "keyfile": str(tmp_path / "home" / ".ssh" / "id_ed25519")}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A remote in a bucket."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setitem(ENVIRONMENT, name, "testing")
    with serve_s3("team") as address:
        yield {"url": "s3://team/dvc", "endpointurl": address, "region": "us-east-1"}


def join(finished: Project, tmp_path: Path, remote: dict[str, str]) -> tuple[Project, Project]:
    """A member who has pushed, and a colleague who has cloned and holds no media."""
    first = copy(finished, tmp_path / "first")
    configure(first, core={"remote": "team"}, remote_team=remote)
    first.commit("a remote")
    first.run("dvc", "push", "-q")
    return first, first.clone(tmp_path / "second")


@pytest.mark.parametrize("kind", ["folder", "ssh", "s3"])
def test_a_colleague_pulls_features_without_media_and_computes_nothing(
    kind: str, finished: Project, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    first, second = join(finished, tmp_path, request.getfixturevalue(kind))
    second.run("dvc", "pull", "-q")
    assert not (second.folder / "data" / "raw").exists()
    assert all(second.digests(name) == first.digests(name) for name in FOLDERS)
    assert second.repro("--allow-missing") == {}


def test_a_colleague_adds_three_clips_and_both_pay_for_three(finished: Project, tmp_path: Path, folder: dict[str, str]) -> None:
    first, second = join(finished, tmp_path, folder)
    for number in range(3):
        second.add(f"mine{number}", 50 + number)
    assert computed(second.repro()) == dict.fromkeys(FEATURES, 3)
    second.commit("three clips")
    second.run("dvc", "push", "-q")
    first.run("git", "pull", "-q", str(second.folder), "HEAD")
    first.run("dvc", "pull", "-q")
    assert all(second.digests(name) == first.digests(name) for name in FOLDERS)
    assert set(computed(first.repro()).values()) <= {0}


def test_what_was_tried_and_not_committed_is_shared_by_the_run_cache(finished: Project, tmp_path: Path, folder: dict[str, str]) -> None:
    first, second = join(finished, tmp_path, folder)
    for member in (first, second):
        member.params(lambda params: params["logmels"]["mine"].update(n_mels=32))
    first.repro("compute_logmel")
    first.run("dvc", "push", "-q", "--run-cache")
    assert second.repro("--pull", "--allow-missing", "compute_logmel") == {}
    assert second.digests("logmel/mine") == first.digests("logmel/mine")
