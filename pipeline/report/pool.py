"""The test parts of a task's folds, pooled: which clips are scored, what is true of them, and which of them err together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import Fold
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class Part:
    """A part of one fold: its clips, by id, and their targets (annotation → (clips, …))."""

    ids: tuple[str, ...]
    targets: Mapping[str, NDArray[Any]]

    @classmethod
    def read(cls, task: Task, manifest: Manifest, ids: Sequence[str]) -> "Part":
        """Look up the clips of a part.

        Raises:
            TaskError: a clip lacks a label of the task.
        """
        return cls(tuple(ids), task.targets([manifest[i] for i in ids]))

    def take(self, kept: NDArray[np.bool_]) -> "Part":
        """Return some of the clips, (clips,) bool."""
        ids = tuple(i for i, keep in zip(self.ids, kept, strict=True) if keep)
        return Part(ids, {annotation: target[kept] for annotation, target in self.targets.items()})


@dataclass(frozen=True)
class Pool:
    """All test clips, the folds one behind the other.

    Args:
        valid: the valid part of each fold.
        test: the test part of each fold.
        fold: number of the fold of each pooled test clip, (clips,).
        groups: number of the group of each, (clips,): what the bootstrap draws.
        num_groups: how many groups.
        grouped_by: `speaker`, `group` (recording) or `clip`: the first that is known of every test clip.
    """

    valid: tuple[Part, ...]
    test: tuple[Part, ...]
    fold: NDArray[np.int64]
    groups: NDArray[np.int64]
    num_groups: int
    grouped_by: str

    @classmethod
    def read(cls, task: Task, manifest: Manifest, folds: Sequence[Fold]) -> "Pool":
        """Pool the test parts of the folds.

        Raises:
            TaskError: a clip lacks a label of the task.
        """
        test = tuple(Part.read(task, manifest, fold.test) for fold in folds)
        valid = tuple(Part.read(task, manifest, fold.valid) for fold in folds)
        clips = [manifest[i] for part in test for i in part.ids]
        grouped_by, names = _group(clips)
        numbers = {name: number for number, name in enumerate(sorted(set(names)))}
        fold = np.repeat(np.arange(len(test)), [len(part.ids) for part in test])
        return cls(valid, test, fold, np.array([numbers[name] for name in names]), len(numbers), grouped_by)

    def take(self, kept: NDArray[np.bool_]) -> "Pool":
        """Return the pool of some of its test clips, (clips,) bool, and of the groups that these come from."""
        ends = np.cumsum([len(part.ids) for part in self.test])[:-1]
        test = tuple(part.take(some) for part, some in zip(self.test, np.split(kept, ends), strict=True))
        names, groups = np.unique(self.groups[kept], return_inverse=True)
        return Pool(self.valid, test, self.fold[kept], groups, len(names), self.grouped_by)

    def targets(self, annotation: str) -> NDArray[Any]:
        """The pooled targets of an annotation, (clips, …)."""
        return np.concatenate([part.targets[annotation] for part in self.test])


def _group(clips: Sequence[Clip]) -> tuple[str, list[str]]:
    """Return what the clips are grouped by, and each clip's group."""
    for key in ("speaker", "group"):
        names = [getattr(clip, key) for clip in clips]
        if all(name is not None for name in names):
            return key, names
    return "clip", [clip.id for clip in clips]
