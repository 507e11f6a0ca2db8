"""What a model is told of the task that it is built for."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelSpec:
    """What a task and its embeddings fix about a model; saved with each run.

    Attributes:
        kind: multi_label, multi_class or regression.
        num_outputs: labels, classes or values.
        dims: modality → width of its sequence.
        maps: modality → (positions, width) of its un-pooled map, where cached.
        annotations: ("M",), or ("M", "T", "A", "V") where each modality has labels of its own.
        target_sd: standard deviation of the train part's M (regression); 1 elsewhere.
        leads_with_cls: modalities whose first step is their encoder's own [CLS], a summary of the others.
        shapes: modality → (channels, height, width) of a step, where a model reads pictures or pieces of a log-mel, flattened.
        label_dim: width of the vectors that stand for the outputs, where a model compares with such.
    """

    kind: str
    num_outputs: int
    dims: dict[str, int]
    maps: dict[str, tuple[int, int]] = field(default_factory=dict)
    annotations: tuple[str, ...] = ("M",)
    target_sd: float = 1.0
    leads_with_cls: tuple[str, ...] = ()
    shapes: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    label_dim: int = 0
