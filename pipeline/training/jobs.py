"""The runs that a task's zoo asks for, each with the fingerprint of everything that can change it."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import pipeline
from pipeline.fusion.base import FusionModel, ModelSpec, find_model, make_model
from pipeline.shards.fingerprint import digest_file, fingerprint
from pipeline.tasks.task import Task
from pipeline.training.dataset import FoldData
from pipeline.training.embeddings import Source
from pipeline.training.features import PictureRow
from pipeline.training.run import run_folder
from pipeline.training.zoo import ZooRow

# The source that a run depends on, beside its model's own file and what that imports; not what judges finished runs or fits encoders.
SOURCES = ("fusion/base.py", "fusion/layers.py", "tasks/*.py", "training/*.py")
NOT_SOURCES = ("tasks/metrics.py", "tasks/sentiment.py", "training/encoder", "training/exported")
PICTURE_SOURCES = ("embed/pictures.py",)  # of what a model of `feature_modalities` reads
WORD_SOURCES = ("embed/text.py", "embed/transformer.py", "extract/tokens.py")  # of one that `reads_label_vectors`
# Of a task's row: how numbers are shown, and what the fold's parts and the embeddings' fingerprints say more precisely.
NOT_LEARNED = ("claims", "published", "scale", "disjoint", "split", "encoders", "zoo", "subsets", "copies", "features")


@dataclass(frozen=True)
class Job:
    """A run to be trained or found: a row of the zoo on a fold with a seed."""

    row: ZooRow
    fold: int
    seed: int
    fingerprint: str

    @property
    def name(self) -> str:
        """For messages and logs."""
        return f"{self.row.name}/fold-{self.fold}/seed-{self.seed}"

    def folder(self, root: Path) -> Path:
        """Where it stands below a task's folder."""
        return run_folder(root, self.row.name, self.fold, self.seed)


def source_digests(model: str) -> dict[str, str]:
    """File → digest of the source that a run of `model` depends on."""
    root, cls = Path(pipeline.__file__).parent, find_model(model)
    patterns = (*SOURCES, *(PICTURE_SOURCES if cls.feature_modalities else ()), *(WORD_SOURCES if cls.reads_label_vectors else ()))
    files = {file for pattern in patterns for file in root.glob(pattern)} | find_imported(root / "fusion" / f"{model}.py")
    names = {file.relative_to(root).as_posix(): file for file in sorted(files)}
    return {name: digest_file(file) for name, file in names.items() if not name.startswith(NOT_SOURCES)}


def find_imported(file: Path) -> set[Path]:
    """A file of fusion/, and those of the same folder that it imports, by themselves or through each other."""
    names = re.findall(r"^from pipeline\.fusion\.(\w+) import", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {file}.union(*(find_imported(file.with_name(f"{name}.py")) for name in names))


def learned_config(task: Task) -> dict[str, Any]:
    """What of a task's row changes a run."""
    return {name: value for name, value in dataclasses.asdict(task.config).items() if name not in NOT_LEARNED}


def make_outline(name: str, hyperparams: Mapping[str, Any], spec: ModelSpec) -> FusionModel:
    """A model without its numbers, on torch's device meta: what `make_model` would refuse, it refuses now; raises as that does."""
    with torch.device("meta"):
        return make_model(name, hyperparams, spec)


def identify(sources: Mapping[str, Source] | Mapping[str, PictureRow], ids: Sequence[str]) -> dict[str, tuple[dict[str, Any], str]]:
    """Modality → what of a fold's input can change a run: what it is, and its rows' fingerprint."""
    return {m: (source.identity(), source.fingerprint(ids)) for m, source in sources.items()}


def make_jobs(
    task: Task, rows: Sequence[ZooRow], folds: Sequence[tuple[FoldData, Mapping[str, Source]]], pictures: Mapping[str, PictureRow]
) -> list[Job]:
    """Every row × fold × seed.

    Raises:
        ModelError: the task cannot serve a row; told before anything is trained.
    """
    config, jobs = learned_config(task), []
    parts = [{part: [data.ids[i] for i in index.tolist()] for part, index in data.parts.items()} for data, _ in folds]
    targets = [
        {a: hashlib.blake2b(target.numpy().tobytes(), digest_size=20).hexdigest() for a, target in data.targets.items()}
        for data, _ in folds
    ]
    embedded = [identify(sources, data.ids) for data, sources in folds]
    pictured = [identify(pictures, data.ids) for data, _ in folds]
    for row in rows:
        model, outlined = find_model(row.model), None
        code = source_digests(row.model)
        training = {name: value for name, value in dataclasses.asdict(row.train).items() if name != "seeds"}
        for number, (data, _) in enumerate(folds):
            read = data.read_by(row)
            if (spec := read.spec(task.config.kind, task.num_outputs)) != outlined:
                make_outline(row.model, row.hyperparams, spec)
                outlined = spec
            inputs = embedded[number] | {m: found for m, found in pictured[number].items() if m in model.feature_modalities}
            used = {m: found for m, found in inputs.items() if m in model.uses}
            words = [vectors.identity for vectors in read.label_vectors.values()]
            of_fold = (parts[number], targets[number], used, words)
            described = (row.name, row.model, row.hyperparams, training, number, task.name, config, *of_fold, code)
            jobs += [Job(row, number, seed, fingerprint("run", seed, fingerprint(*described))) for seed in row.train.seeds]
    return jobs
