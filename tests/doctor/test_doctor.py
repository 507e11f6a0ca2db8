"""The doctor, in working trees that have what it looks for."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from pipeline.clips.manifest import Manifest, write_manifest
from pipeline.doctor import cache
from pipeline.doctor.cache import check_group, check_links, check_locks, read_file_system
from pipeline.doctor.check import Check, Place
from pipeline.doctor.disk import check_disk
from pipeline.doctor.doctor import examine, make_table, summarise
from pipeline.doctor.environment import check_device, check_packages
from pipeline.doctor.git import check_git
from pipeline.doctor.map import check_map
from pipeline.doctor.params_file import check_params
from pipeline.doctor.remote import check_remote
from pipeline.doctor.weights import check_weights
from stages import doctor
from tests.conftest import ROOT, make_clip, make_features, make_row
from tests.faults.conftest import mounted
from tests.sharing.servers import find_port

BARE = """
import runpy, sys
for name in ("dvc", "av", "librosa", "facenet_pytorch", "ruamel"):
    sys.modules[name] = None
sys.argv = ["doctor", "--json"]
runpy.run_module("stages.doctor", run_name="__main__")
"""


def look(check: Callable[[Place], Iterator[Check]], place: Place) -> dict[str, Check]:
    """Run a check; return what it found, by name."""
    return {each.name: each for each in check(place)}


def make_place(folder: Path, change: Callable[[dict[str, Any]], Any] = lambda params: None) -> Place:
    """A folder with the shipped dvc.yaml, code and params.yaml, which is changed first."""
    for name in ("dvc.yaml", "pyproject.toml", "pipeline", "stages"):
        (folder / name).symlink_to(ROOT / name)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    change(params)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    return Place(folder, folder / "params.yaml")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The shipped project."""
    return make_place(tmp_path)


def git(folder: Path, *arguments: str) -> None:
    """Run a git command."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True)


def test_the_shipped_project_is_in_order(place: Place) -> None:
    found = [look(check, place) for check in (check_packages, check_device, check_params, check_map, check_weights)]
    assert {name: check.status for checks in found for name, check in checks.items()} == dict.fromkeys(
        ("python", "packages", "device", "params", "map", "weights"), "ok"
    )


def test_a_package_of_another_version_or_absent_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=4"\ndependencies = ["numpy<1", "no-such-package", "av>=1"]\n')
    found = look(check_packages, Place(tmp_path, tmp_path / "params.yaml"))
    assert (found["python"].status, found["packages"].status) == ("failed", "failed")
    assert "no-such-package absent" in found["packages"].found
    assert "(<1)" in found["packages"].found


def misspell(params: dict[str, Any]) -> None:
    """One wrong key in five tables."""
    params["faces"]["demo"].update(fpz=3)
    params["encoders"]["demo_emotion_audio"]["options"].update(embed_dims=3)
    params["corpora"]["demo"].update(adapter="dema")
    params["tasks"]["demo_sentiment"].update(range=[1, -1])
    params["train"].update(seeds=[])


def test_every_wrong_key_of_every_table_is_named(tmp_path: Path) -> None:
    found = look(check_params, make_place(tmp_path, misspell))["params"]
    assert found.status == "failed"
    told = ("unknown key `fpz` (did you mean `fps`?)", "unknown key `embed_dims`", "no corpus adapter `dema`", "must rise", "`seeds` ()")
    assert [each for each in told if each not in found.found] == []


def unwire(params: dict[str, Any]) -> None:
    """Names that stand for nothing, and a key that only dvc.yaml reads."""
    params["encoders"]["demo_text"].update(features="tokens/dem")
    params["tasks"]["demo_emotion"]["encoders"].update(text="tex")
    params["corpora"]["demo"].pop("media")


def test_a_name_that_stands_for_nothing_is_told(tmp_path: Path) -> None:
    found = look(check_params, make_place(tmp_path, unwire))["params"]
    told = ("there are no features `tokens/dem`", "there is no encoder `tex`", "corpora.demo lacks `media`")
    assert [each for each in told if each not in found.found] == []


def test_a_dep_that_dvc_yaml_lacks_is_named(tmp_path: Path) -> None:
    text = (ROOT / "dvc.yaml").read_text().replace("        - pipeline/extract/tokens.py\n", "")
    place = make_place(tmp_path)
    (tmp_path / "dvc.yaml").unlink()
    (tmp_path / "dvc.yaml").write_text(text)
    found = look(check_map, place)["map"]
    assert found.status == "failed"
    assert "tokenize_text imports pipeline/extract/tokens.py and does not depend on it" in found.found


def test_what_git_does_not_have_is_named(place: Place) -> None:
    assert look(check_git, place)["git"].status == "failed"
    git(place.root, "init", "-q")
    (place.root / "dvc.lock").write_text("schema: '2.0'\n")
    assert {check.status for check in look(check_git, place).values()} == {"warning"}
    git(place.root, "add", "-A")
    git(place.root, "commit", "-q", "-m", "all")
    assert {check.status for check in look(check_git, place).values()} == {"ok"}
    (place.root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    assert look(check_git, place)["dvc.lock"].remedy.startswith("`git add dvc.lock")


def test_a_project_in_a_folder_of_a_repository_is_looked_at_by_its_own_paths(tmp_path: Path) -> None:
    (tmp_path / "my project").mkdir()
    lock = tmp_path / "my project" / "dvc.lock"
    lock.write_text("schema: '2.0'\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "all")
    place = Place(lock.parent, lock.parent / "params.yaml")
    assert look(check_git, place)["dvc.lock"].status == "ok"
    lock.write_text("schema: '2.0'\nstages: {}\n")
    assert {name: check.status for name, check in look(check_git, place).items()} == {"dvc.lock": "warning", "git": "ok"}


def test_the_next_stages_room_is_estimated_from_the_shards_that_are_there(place: Place) -> None:
    write_manifest(Manifest([make_clip(name) for name in "abcd"]), make_folder(place, "clips/demo"))
    assert "no shards of crop_faces yet" in look(check_disk, place)["disk"].found
    features = make_features(make_folder(place, "faces/demo"), [make_row(name) for name in "ab"], num_shards=1)
    size = sum(path.stat().st_size for path in features.iterdir())
    found = look(check_disk, place)["disk"]
    assert found.status == "ok"
    assert f"crop_faces@demo will take about {2 * size / 1000:.3g} kB (4 clips of" in found.found


def test_a_disk_that_is_too_small_fails_also_where_the_cache_lies(repository: Callable[..., Place], tmp_path: Path) -> None:
    with mounted(tmp_path / "data", "size=1m"), mounted(tmp_path / "elsewhere", "size=2m") as elsewhere:
        place = repository(cache={"dir": str(elsewhere / "cache")})
        write_manifest(Manifest([make_clip(str(k)) for k in range(1000)]), make_folder(place, "clips/demo"))
        make_features(make_folder(place, "faces/demo"), [make_row("a", 1000)], num_shards=1)
        found = look(check_disk, place)
    assert {name: check.status for name, check in found.items()} == {"disk": "failed", "cache disk": "failed"}
    assert all("free; crop_faces@demo will take about" in check.found for check in found.values())


def test_locks_are_tried_on_each_disk_on_which_a_stage_takes_one(
    repository: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted(tmp_path / "data", "size=1m"):
        monkeypatch.setattr(cache, "NETWORK", {"tmpfs"})
        found = list(check_locks(repository()))
    assert [check.status for check in found][-1] == "warning"
    assert f"{tmp_path / 'data'} lies on tmpfs, where a stage's lock holds among the processes of one machine" in found[1].found


def make_folder(place: Place, name: str) -> Path:
    """A folder of data."""
    folder = place.root / "data" / name
    folder.mkdir(parents=True)
    return folder


def hub_row(params: dict[str, Any]) -> None:
    """Let an encoder come from the hub."""
    row = params["encoders"]["demo_text"]
    row.pop("package")
    row.update(source="hub", repo="team/bert", revision="0" * 40)


def test_weights_that_only_the_hub_has_need_it_unless_it_is_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as hub

    place = make_place(tmp_path, hub_row)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "ENDPOINT", f"http://127.0.0.1:{find_port()}")
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    assert look(check_weights, place)["weights"].status == "failed"
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    assert look(check_weights, place)["weights"].status == "warning"
    (make_folder(place, "encoders/demo_text") / "model.safetensors").write_bytes(b"")
    assert look(check_weights, place)["weights"].status == "ok"


def test_a_network_file_system_is_known_by_its_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/a / ext4 rw 0 0\nserver:/x /srv/my\\040team nfs4 rw 0 0\nme@b: /home/me/b fuse.sshfs rw 0 0\n")
    places = {"/srv/my team/project": "nfs4", "/srv/my": "ext4", "/home/me/b": "sshfs"}
    assert {place: read_file_system(Path(place), mounts) for place in places} == places


@pytest.fixture
def repository(place: Place) -> Iterator[Callable[..., Place]]:
    """Opens the project as a DVC repository with sections of its config."""
    from dvc.cachemgr import CacheManager
    from dvc.repo import Repo

    git(place.root, "init", "-q")
    with Repo.init(str(place.root)) as repo:

        def open_repository(**sections: dict[str, Any]) -> Place:
            for section, values in sections.items():
                repo.config[section].update(values)
            repo.cache = CacheManager(repo)
            return Place(place.root, place.params, repo)

        yield open_repository


def test_a_cache_of_ones_own_and_no_remote(repository: Callable[..., Place]) -> None:
    place = repository(cache={"type": ["reflink", "copy"]})
    found = {name: check for each in (check_links, check_group, check_locks, check_remote) for name, check in look(each, place).items()}
    assert {name: check.status for name, check in found.items()} == {
        "cache links": "ok",
        "cache group": "ok",
        "locks": "ok",
        "remote": "warning",
    }


def test_a_shared_cache_needs_setgid_and_links_that_nobody_can_write_through(repository: Callable[..., Place], tmp_path: Path) -> None:
    folder = tmp_path.parent / f"{tmp_path.name}-cache"
    (folder / "files" / "md5" / "00").mkdir(parents=True)
    place = repository(cache={"dir": str(folder), "shared": "group", "type": ["hardlink"]})
    assert look(check_links, place)["cache links"].status == "warning"
    found = look(check_group, place)["cache group"]
    assert (found.status, "lack setgid" in found.found) == ("failed", True)
    subprocess.run(["bash", "-c", found.remedy.strip("`")], check=True)
    place = repository(cache={"type": ["symlink"]})
    assert (look(check_links, place)["cache links"].status, look(check_group, place)["cache group"].status) == ("ok", "ok")


def test_a_remote_is_asked(repository: Callable[..., Place], tmp_path: Path) -> None:
    place = repository(core={"remote": "team"}, remote={"team": {"url": str(tmp_path / "remote")}})
    assert "holds nothing" in look(check_remote, place)["remote"].found
    (tmp_path / "remote" / "files" / "md5").mkdir(parents=True)
    assert look(check_remote, place)["remote"].status == "ok"
    place = repository(remote={"team": {"url": f"ssh://127.0.0.1:{find_port()}/remote"}})
    assert look(check_remote, place)["remote"].status == "failed"


def test_one_check_that_stumbles_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text("corpora: [")
    found = examine(tmp_path, tmp_path / "params.yaml")
    assert {"params", "map", "git", "disk"} <= {check.name for check in found if check.status == "failed"}
    assert all(check.remedy for check in found if check.status != "ok")
    assert summarise(found)["failed"] == sum(check.status == "failed" for check in found)
    assert make_table(found).row_count > len(found)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(typer.Exit) as ended:
        doctor.main(Path("params.yaml"), as_json=True)
    assert ended.value.exit_code == 1


def test_a_bare_gpu_image_is_told_what_it_does_without_and_fails_at_nothing(place: Place) -> None:
    git(place.root, "init", "-q")
    done = subprocess.run([sys.executable, "-c", BARE], cwd=place.root, capture_output=True, text=True, check=False)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["dvc"]["status"] == "warning"
    assert "av" in checks["params"]["found"]
    assert {name for name, check in checks.items() if check["status"] == "failed"} == set()
    assert done.returncode == 0
