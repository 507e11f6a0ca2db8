"""The task's criterion for each annotation that a fold has, weighted by its train part."""

from __future__ import annotations

from pipeline.fusion.base import Criterion
from pipeline.tasks.task import Task
from pipeline.training.dataset import FoldData


def make_criteria(task: Task, data: FoldData) -> dict[str, Criterion]:
    """Annotation → mean loss of (logits, target); class weights come from the annotation's own train targets."""
    train = data.parts["train"]
    return {annotation: task.criterion(target[train].cpu().numpy()) for annotation, target in data.targets.items()}
