"""The cache, shown by real `dvc repro` on a tiny corpus: what a change costs, and that nothing else is paid."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cache.project import ENVIRONMENT, Project, read_summaries
from tests.conftest import wait_for

FEATURES = {"compute_logmel@mine", "tokenize_text@mine", "embed@mine_audio"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which everything has been run once and committed; tests work on copies."""
    project = Project.make(tmp_path_factory.mktemp("finished") / "project")
    summaries = project.repro("embed", "tokenize_text")
    assert {name: summaries[name]["computed"] for name in FEATURES} == dict.fromkeys(FEATURES, 6)
    project.commit("computed")
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project."""
    subprocess.run(["cp", "-a", str(finished.folder), str(tmp_path / "project")], check=True)
    return Project(tmp_path / "project")


def computed(summaries: dict) -> dict[str, int]:
    return {name: summary["computed"] for name, summary in summaries.items() if "computed" in summary and name in FEATURES}


def test_nothing_changed_nothing_runs(project: Project) -> None:
    assert project.repro("embed", "tokenize_text") == {}


def test_one_clip_more_costs_one_row_and_one_shard_in_each_stage(project: Project) -> None:
    before = {folder: project.digests(folder) for folder in ("logmel/mine", "tokens/mine", "embeddings/mine/mine_audio")}
    project.add("another", 99)
    summaries = project.repro("embed", "tokenize_text")
    assert computed(summaries) == dict.fromkeys(FEATURES, 1)
    assert all(summaries[name]["reused"] == 6 for name in FEATURES)
    for folder, files in before.items():
        after = project.digests(folder)
        assert len([name for name in after if after[name] != files.get(name)]) == 1, folder


def test_an_edited_clip_and_a_removed_one_cost_what_they_should(project: Project) -> None:
    project.record("clip0", 1234)
    assert computed(project.repro("embed", "tokenize_text")) == {"compute_logmel@mine": 1, "tokenize_text@mine": 0, "embed@mine_audio": 1}
    project.label({f"clip{i}": {"text": f"this is text {i}", "split": "train"} for i in range(1, 6)})
    assert set(computed(project.repro("embed", "tokenize_text")).values()) == {0}


def test_a_corrected_transcript_costs_a_text_row_only(project: Project) -> None:
    rows = {f"clip{i}": {"text": f"this is text {i}", "split": "train"} for i in range(6)}
    project.label({**rows, "clip3": {"text": "a corrected text", "split": "train"}})
    assert computed(project.repro("embed", "tokenize_text")) | {"embed@mine_audio": 0} == {
        "compute_logmel@mine": 0,
        "tokenize_text@mine": 1,
        "embed@mine_audio": 0,
    }


def test_a_parameter_changed_and_changed_back_is_restored(project: Project) -> None:
    project.params(lambda params: params["logmels"]["mine"].update(n_mels=32))
    assert computed(project.repro("embed")) == {"compute_logmel@mine": 6, "embed@mine_audio": 6}
    project.params(lambda params: params["logmels"]["mine"].pop("n_mels"))
    assert computed(project.repro("embed")) == {}


def test_a_clip_added_between_two_changes_of_a_parameter_costs_one_row(project: Project) -> None:
    project.params(lambda params: params["logmels"]["mine"].update(n_mels=32))
    project.repro("embed")
    project.add("another", 99)
    project.repro("embed")
    project.params(lambda params: params["logmels"]["mine"].pop("n_mels"))
    assert computed(project.repro("embed")) == {"compute_logmel@mine": 1, "embed@mine_audio": 1}


def test_a_torn_shard_is_restored_or_computed_never_believed(project: Project) -> None:
    before = project.digests("logmel/mine")
    victim = next((project.folder / "data" / "logmel" / "mine").glob("shard-*.h5"))
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes()[:-50])
    project.repro("compute_logmel")
    assert project.digests("logmel/mine") == before


def test_two_folders_with_the_same_inputs_hold_the_same_bytes(project: Project, tmp_path: Path) -> None:
    other = Project.make(tmp_path / "elsewhere" / "other")
    other.repro("embed", "tokenize_text")
    for folder in ("clips/mine", "logmel/mine", "tokens/mine", "embeddings/mine/mine_audio"):
        assert other.digests(folder) == project.digests(folder)


def test_a_colleague_pulls_everything_and_pays_for_their_own_clip(project: Project, tmp_path: Path) -> None:
    project.run("dvc", "remote", "add", "-d", "team", str(tmp_path / "remote"))
    project.commit("a remote")
    project.run("dvc", "push", "-q")
    other = project.clone(tmp_path / "clone")
    other.run("dvc", "pull", "-q", "--allow-missing")
    assert other.repro("--allow-missing", "embed", "tokenize_text") == {}
    other.add("another", 99)
    summaries = other.repro("embed", "tokenize_text")
    assert computed(summaries) == dict.fromkeys(FEATURES, 1)
    assert summaries["index_clips@mine"]["media"] == {"hashed": 1, "known": 0, "absent": 6}


def test_an_unreachable_remote_is_an_error_not_a_silent_recomputation(project: Project, tmp_path: Path) -> None:
    project.run("dvc", "remote", "add", "-d", "team", str(tmp_path / "remote"))
    project.commit("a remote that nothing was pushed to")
    other = project.clone(tmp_path / "clone")
    subprocess.run(["cp", "-a", str(project.folder / "data" / "raw"), str(other.folder / "data")], check=True)
    other.add("another", 99)
    done = other.run("dvc", "repro", "compute_logmel", check=False)
    assert done.returncode != 0
    assert "recorded in dvc.lock but cannot be read" in done.stderr


@pytest.mark.parametrize("victims", ["stage", "dvc", "both"])
def test_a_killed_run_keeps_its_finished_rows(project: Project, victims: str) -> None:
    hold = hold_after(project, 4)
    process = start(project, "compute_logmel")
    partial = project.folder / "data" / "logmel" / "mine.partial"
    wait_for(lambda: len(list(partial.glob("shard-*.h5"))) >= 2)
    [stage] = find_stages(project.folder)
    for victim in {"stage": [stage], "dvc": [process.pid], "both": [process.pid, stage]}[victims]:
        os.kill(victim, signal.SIGKILL)
    process.wait()
    again = start(project, "compute_logmel")
    if victims == "dvc":  # the stage outlives it, and the next one waits for what it finishes
        wait_for(lambda: len(find_stages(project.folder)) == 2)
    hold.unlink()
    done, told = again.communicate()
    assert again.returncode == 0, told
    assert read_summaries(done)["compute_logmel@mine"]["reused"] >= 2
    assert not partial.exists()


def tokenize(project: Project, out: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a stage by hand."""
    return project.run("python", "-m", "stages.tokenize_text", "mine", "data/clips/mine", out, *options, check=False)


def test_a_limit_is_for_a_folder_of_ones_own(project: Project) -> None:
    refused = tokenize(project, "data/tokens/mine", "--limit", "2")
    assert refused.returncode == 1
    assert "is an output of dvc.yaml" in refused.stderr
    assert read_summaries(tokenize(project, "scratch", "--limit", "2").stdout)["tokenize_text@mine"]["computed"] == 2


def test_a_plan_counts_without_writing(project: Project) -> None:
    project.add("another", 99)
    project.repro("index_clips")
    before = project.digests("tokens/mine")
    plan = read_summaries(tokenize(project, "data/tokens/mine", "--plan").stdout)["tokenize_text@mine"]
    assert (plan["to_compute"], plan["reused"]) == (1, 6)
    assert plan["estimated_seconds"] is not None
    assert project.digests("tokens/mine") == before


def test_a_run_by_hand_is_recorded_as_it_says(project: Project) -> None:
    project.add("another", 99)
    project.repro("index_clips")
    told = tokenize(project, "data/tokens/mine").stderr
    assert "dvc commit -f tokenize_text@mine" in told
    project.run("dvc", "commit", "-f", "tokenize_text@mine")
    assert project.repro("tokenize_text") == {}


def start(project: Project, target: str) -> "subprocess.Popen[str]":
    """Start `dvc repro`."""
    command = ["dvc", "repro", target]
    return subprocess.Popen(command, cwd=project.folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def hold_after(project: Project, clips: int) -> Path:
    """Make all log-mels new, and each process stop after so many of them while the file that is returned is there."""
    path = project.folder / "pipeline" / "extract" / "logmel.py"
    text = path.read_text()
    marker = "    def extract(self, source: Clip) -> Row | Skip:\n"
    assert marker in text
    hold = project.folder / "hold"
    hold.touch()
    waits = f"""        import os, time
        from pipeline.shards import pulse
        self.__dict__["seen"] = self.__dict__.get("seen", 0) + 1
        while self.__dict__["seen"] > {clips} and os.path.exists("hold"):
            pulse.step()
            time.sleep(0.05)
"""
    path.write_text(text.replace(marker, marker + waits))
    project.params(lambda params: params["logmels"]["mine"].update(n_mels=24))
    return hold


def find_stages(folder: Path) -> list[int]:
    """Return the processes of the stage that run in a folder."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command, place = (entry / "cmdline").read_bytes(), os.readlink(entry / "cwd")
            except OSError:
                continue
            if b"stages.compute_logmel" in command and b"python" in command.split(b"\0")[0] and place == str(folder):
                found.append(int(entry.name))
    return found
