"""Every stage with something small to work on, and the command that runs it."""

import fnmatch
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.shards.previous import partial_of
from tests.clips.features.files import make_mmsa
from tests.conftest import ROOT
from tests.faults.forks import Forks
from tests.report.worlds import make_world
from tests.training.corpus import make_corpus
from tests.training.encoder_project import Project

PATIENCE = 300.0
"""Seconds that a run may take."""

OTHER: dict[str, Callable[[dict[str, Any]], object]] = {
    "index_clips": lambda params: params["corpora"]["demo"].update(adapter="sims", partial=True),
    "tokenize_text": lambda params: params["tokens"]["demo"].update(max_length=5),
    "import_features": lambda params: params["feature_sets"]["mine"].update(modalities=["text", "audio"], group=r"^(\w+?)_"),
    "prepare_encoder": lambda params: params["encoders"]["audio"]["fit"].update(epochs=2),
    "train": lambda params: params["train"].update(max_epochs=1),
    "evaluate": lambda params: params["evaluate"].update(seed=1),
    "report": lambda params: params["report"].update(title="Another title"),
}
"""What changes a stage's params so that it writes other bytes."""


@dataclass(frozen=True)
class Stage:
    """A stage's command.

    Args:
        name: of the stage.
        arguments: all of them.
        out: the folder that it writes, or that holds the folders that it writes.
    """

    name: str
    arguments: tuple[object, ...]
    out: Path

    def at(self, out: Path) -> "Stage":
        """The same stage with another output."""
        return Stage(self.name, tuple(_moved(argument, self.out, out) for argument in self.arguments), out)

    @property
    def held(self) -> Path:
        """The folder whose lock it takes before it writes."""
        if self.name in ("evaluate", "report"):
            return self.out
        return partial_of(self.out / "clips" if self.name == "import_features" else self.out)

    def with_other_params(self, path: Path) -> "Stage":
        """The same stage with a params.yaml, written to a path, with which it writes other bytes."""
        place = self.arguments.index("--params") + 1
        params = yaml.safe_load(Path(str(self.arguments[place])).read_text())
        OTHER[self.name](params)
        path.write_text(yaml.safe_dump(params, sort_keys=False))
        return Stage(self.name, (*self.arguments[:place], path, *self.arguments[place + 1 :]), self.out)

    def run(self, forks: Forks, log: Path, **options: Any) -> dict[str, Any]:
        """Run it to its end; returns its summary."""
        code, told = forks.run(self.name, *self.arguments, log=log, below=str(self.out), **options)
        assert code == 0, told
        return dict(json.loads(told.splitlines()[-1]))

    def kill(self, forks: Forks, log: Path, after: float = PATIENCE, change: int = 0) -> bool:
        """Kill it after so many seconds or at the change of that number, whichever comes first; returns whether it was at work."""
        return forks.kill(self.name, *self.arguments, log=log, after=after, below=str(self.out), change=change)


def _moved(argument: object, folder: Path, to: Path) -> object:
    """An argument, in another folder where it is in this one."""
    return to / argument.relative_to(folder) if isinstance(argument, Path) and argument.is_relative_to(folder) else argument


def make_stages(root: Path) -> dict[str, Stage]:
    """Write what the stages read, and return them in an order in which each finds what those before it made."""
    encoder, corpus = Project(root / "encoder", num_clips=24), make_corpus(root / "train")
    corpus.write_params({"constant": {}, "linear": {}, "concat": {}}, seeds=[0, 1], max_epochs=2)
    (root / "world").mkdir()
    make_world(root / "world", {"constant": 0.0, "linear": 0.9}, ("emotion",), num_clips=48, draws=20)
    artifact, world = encoder.root / "encoders/audio", root / "world/data"
    trained, described = ("--params", corpus.params), ("--params", root / "world/params.yaml")
    pictures = (root / "faces", root / "logmel")
    folders = [world / name for name in ("scores", "clips", "faces", "logmel", "tokens")]
    commands: dict[str, tuple[object, ...]] = {
        "prepare_encoder": ("audio", encoder.clips, encoder.logmels, artifact, "--params", encoder.params),
        "embed": ("audio", encoder.logmels, artifact, encoder.root / "embeddings/audio", "--params", encoder.params),
        "train": ("emotions", corpus.clips, corpus.embeddings, corpus.encoders, *pictures, corpus.out, *trained, "--workers", 2),
        "evaluate": ("emotion", world / "clips/demo", world / "runs/emotion", world / "scores/emotion", *described),
        "report": (*folders, world / "report", *described),
    }
    places = {"prepare_encoder": 3, "embed": 3, "train": 6, "evaluate": 3, "report": 5}
    rest = {name: Stage(name, arguments, Path(str(arguments[places[name]]))) for name, arguments in commands.items()}
    return make_media(root / "media") | {"import_features": _make_features(root / "features")} | rest


def make_media(root: Path) -> dict[str, Stage]:
    """The stages from raw media on, on the built-in corpus with four small clips."""
    params, raw, clips = root / "params.yaml", root / "raw", root / "clips"
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())
    shipped["demo"] |= {"num_clips": 4, "width": 160, "height": 120, "max_duration": 1.6}
    shipped["shards"] |= {"num_shards": 2, "max_skipped": 1.0}
    shipped["faces"]["demo"]["fps"] = 1
    root.mkdir(parents=True)
    params.write_text(yaml.safe_dump(shipped, sort_keys=False))
    outs = {name: root / name for name in ("crop_faces", "compute_logmel", "tokenize_text")} | {"make_demo": raw, "index_clips": clips}
    commands: dict[str, tuple[object, ...]] = {
        "make_demo": (raw,),
        "index_clips": ("demo", raw / "label.csv", raw, clips),
        "crop_faces": ("demo", clips, raw, outs["crop_faces"]),
        "compute_logmel": ("demo", clips, raw, outs["compute_logmel"]),
        "tokenize_text": ("demo", clips, outs["tokenize_text"]),
    }
    return {name: Stage(name, (*arguments, "--params", params), outs[name]) for name, arguments in commands.items()}


def _make_features(root: Path) -> Stage:
    """The stage that imports features, with a file of ten clips."""
    root.mkdir()
    make_mmsa(root / "mine.pkl")
    sections = {"feature_sets": {"mine": {"format": "mmsa", "features": "raw/mine.pkl"}}, "shards": {"num_shards": 2, "max_skipped": 0.5}}
    (root / "params.yaml").write_text(yaml.safe_dump(sections))
    outs = [root / "imported" / name for name in ("clips", "embeddings", "encoders")]
    return Stage("import_features", ("mine", root / "mine.pkl", *outs, "--params", root / "params.yaml"), root / "imported")


def tree(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder; logs, which stand beside outputs, are no part of them."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not fnmatch.fnmatch(path.name, "*.log.*"))
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def clear(out: Path) -> None:
    """Remove an output and all that its stage leaves beside it."""
    for path in (out, *out.parent.glob(f"{out.name}.*")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
