"""Scores on the test clips of each value of a label column apart: IEMOCAP's improvised and scripted turns, say.

The predictions, the thresholds and the bootstrap are those of the whole test part; nothing is chosen anew. Where a text stands in train and
test, a model that reads texts can know it by heart, however disjoint the speakers are: so the texts that recur are counted for each value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import Fold
from pipeline.report.bootstrap import Draws
from pipeline.report.pool import Pool
from pipeline.report.summary import summarise
from pipeline.report.system import System
from pipeline.tasks import metrics
from pipeline.tasks.task import NO_SUBSET, Task


@dataclass(frozen=True)
class Subset:
    """The test clips of one value.

    Args:
        value: of the column, `none` for the clips that have none.
        kept: which of the pooled test clips, (clips,) bool.
        pool: of these clips alone, with only the groups that they come from.
        draws: of these groups: where the subset has all groups, the draws of the whole test part.
        recurring_texts: clips whose text stands in their fold's train part too; None where no test clip has a text.
    """

    value: str
    kept: NDArray[np.bool_]
    pool: Pool
    draws: Draws
    recurring_texts: int | None

    def describe(self) -> dict[str, Any]:
        """Return what scores.json keeps of the subset itself."""
        return {"clips": int(self.kept.sum()), "groups": self.pool.num_groups, "recurring_texts": self.recurring_texts}

    def score(self, task: Task, system: System, level: float) -> dict[str, Any]:
        """Return every metric of the whole task that has additive statistics, on this subset."""
        own = system.take(self.kept)
        values = {key: v for key, v in metrics.formula(task, own.statistics.sum(axis=1)).items() if "/" not in key}
        samples = own.resample(task, self.pool, self.draws, values) if self.pool.num_groups > 1 and len(self.draws.groups) else {}
        return {key: summarise(key, of_seeds, samples, level) for key, of_seeds in values.items()}


def make_subsets(task: Task, pool: Pool, manifest: Manifest, folds: Sequence[Fold], draws: Draws) -> tuple[Subset, ...]:
    """Cut the pooled test clips by the task's column `subsets`; nothing where it names none.

    Raises:
        TaskError: no test clip has the column, or it has too many values.
    """
    if task.config.subsets is None:
        return ()
    clips = [manifest[i] for part in pool.test for i in part.ids]
    values = np.array(task.subsets(clips))
    names = sorted(set(values.tolist()), key=lambda name: (name == NO_SUBSET, name))
    recurs = _find_recurring(clips, pool, manifest, folds)
    return tuple(_make_subset(name, values == name, pool, draws, recurs) for name in names)


def _make_subset(value: str, kept: NDArray[np.bool_], pool: Pool, draws: Draws, recurs: NDArray[np.bool_] | None) -> Subset:
    """Return one value's subset."""
    own = pool.take(kept)
    groups = np.unique(pool.groups[kept])
    count = None if recurs is None else int(recurs[kept].sum())
    return Subset(value, kept, own, draws.take(groups), count)


def _find_recurring(clips: Sequence[Clip], pool: Pool, manifest: Manifest, folds: Sequence[Fold]) -> NDArray[np.bool_] | None:
    """Return whether each pooled test clip's text stands in its fold's train part, (clips,); None where none has a text."""
    texts = [_normalise(clip.text or "") for clip in clips]
    if not any(texts):
        return None
    known = [{_normalise(manifest[i].text or "") for i in fold.train} - {""} for fold in folds]
    return np.array([text in known[fold] for text, fold in zip(texts, pool.fold, strict=True)])


def _normalise(text: str) -> str:
    """A text without what two transcribers write differently: case, spaces, punctuation."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def describe_subsets(task: Task, subsets: Sequence[Subset]) -> Mapping[str, Any] | None:
    """Return what scores.json keeps of the subsets, None where the task has none."""
    if not subsets:
        return None
    return {"column": task.config.subsets, "values": {subset.value: subset.describe() for subset in subsets}}
