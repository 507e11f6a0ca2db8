"""Weights without internet: one member meets the hub, prepares the encoders and pushes; the others never meet it."""

from pathlib import Path
from typing import Any

import pytest

from tests.cache.project import ENVIRONMENT, Project
from tests.embed.models import save_bert, save_timm
from tests.sharing.servers import find_port, serve_hub
from tests.sharing.team import configure

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB = {"corpus": "mine", "features": "tokens/mine", "source": "hub", "revision": COMMIT}
ENCODERS: dict[str, dict[str, Any]] = {
    "words": {**HUB, "modality": "text", "network": "text", "repo": "team/bert"},
    "faces": {**HUB, "modality": "video", "network": "timm_image", "repo": "team/lcnet", "options": {"model": "lcnet_035"}},
}
PREPARED = {f"prepare_encoder@{name}" for name in ENCODERS}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A member who prepared two encoders from a hub, committed and pushed; the hub is gone since."""
    root = tmp_path_factory.mktemp("weights")
    save_bert(root / "hub" / "team" / "bert")
    save_timm(root / "hub" / "team" / "lcnet")
    project = Project.make(root / "first", clips=3)
    project.params(lambda params: params.update(encoders=ENCODERS, logmels={}))
    configure(project, core={"remote": "team"}, remote_team={"url": str(root / "remote")})
    with serve_hub(root / "hub", COMMIT) as address, pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENVIRONMENT, "HF_ENDPOINT", address)
        patch.setitem(ENVIRONMENT, "HF_HOME", str(root / "of the first"))
        summaries = project.repro("prepare_encoder")
    assert {name: summaries[name]["computed"] for name in PREPARED} == dict.fromkeys(PREPARED, 1)
    project.commit("encoders")
    project.run("dvc", "push", "-q")
    return project


@pytest.fixture(params=["switched off", "unreachable"])
def no_hub(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose cache of the hub is empty and that cannot reach it."""
    monkeypatch.setitem(ENVIRONMENT, "HF_HOME", str(tmp_path / "empty"))
    monkeypatch.setitem(ENVIRONMENT, "HF_ENDPOINT", f"http://127.0.0.1:{find_port()}")
    if request.param == "switched off":
        monkeypatch.setitem(ENVIRONMENT, "HF_HUB_OFFLINE", "1")


@pytest.mark.usefixtures("no_hub")
def test_a_colleague_has_the_weights_and_never_meets_the_hub(first: Project, tmp_path: Path) -> None:
    second = first.clone(tmp_path / "second")
    second.run("dvc", "pull", "-q", "--allow-missing")  # nothing is embedded yet
    assert {path.parent.name for path in (second.folder / "data" / "encoders").rglob("*.safetensors")} == set(ENCODERS)
    assert second.digests("encoders") == first.digests("encoders")
    second.add("another", 99)
    summaries = second.repro("--allow-missing", "prepare_encoder")
    assert {name: (summaries[name]["computed"], summaries[name]["reused"]) for name in PREPARED} == dict.fromkeys(PREPARED, (0, 1))
