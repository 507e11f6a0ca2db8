"""What a fusion model is: a Batch goes in, an Output comes out, and the file's name is the model's name.

Notable decisions:
- A model sees masks, never zero pictures: `padding_mask` says which steps are real, `present` which clips have the modality at all.
- Sequences reach `forward` standardised by the train part's mean and sd, kept as buffers, so a saved model takes raw embeddings.
- A model may override `loss`, `param_groups`, `after_step` and `after_epoch`, never the training loop.
- Adding pipeline/fusion/<name>.py, which ends `Model = <Class>`, registers it.
"""

from __future__ import annotations

import difflib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pipeline.errors import ModelError, ParamsError
from pipeline.fusion.spec import ModelSpec as ModelSpec
from pipeline.params import build
from pipeline.tasks.config import FEATURES, MODALITIES

OWN_ANNOTATION = {"text": "T", "audio": "A", "video": "V"}

Criterion = Callable[[Tensor, Tensor], Tensor]  # (logits, target) → mean loss
Select = Callable[[Tensor, Tensor], float]  # (logits, target) of the valid part → the task's selection score, larger is better


@dataclass(frozen=True)
class Batch:
    """Some clips, padded at the end to the longest of them.

    Attributes:
        index: (batch,) position of each clip in the fold's list of clips, stable over epochs.
        features: modality → (batch, time, dim) float32, zero at padding.
        padding_mask: modality → (batch, time) bool, True = padding; a clip without the modality is all padding.
        present: modality → (batch,) bool, False = the clip lacks the modality.
        maps: modality → (batch, positions, dim) float32, un-pooled, zero where the modality is not present.
        targets: annotation (M, T, A, V) → (batch, outputs) float32, or (batch,) int64 for multi-class.
        epoch: counts from 1 in training; 0 elsewhere.
    """

    index: Tensor
    features: dict[str, Tensor]
    padding_mask: dict[str, Tensor]
    present: dict[str, Tensor]
    maps: dict[str, Tensor] = field(default_factory=dict)
    targets: dict[str, Tensor] = field(default_factory=dict)
    epoch: int = 0

    def __len__(self) -> int:
        return len(self.index)

    def without(self, modality: str) -> Batch:
        """The same clips, as if none of them had `modality`."""
        gone = {modality: torch.zeros_like(self.features[modality])}
        maps = {m: torch.zeros_like(x) if m == modality else x for m, x in self.maps.items()}
        padding_mask = self.padding_mask | {modality: torch.ones_like(self.padding_mask[modality])}
        present = self.present | {modality: torch.zeros_like(self.present[modality])}
        return replace(self, features=self.features | gone, padding_mask=padding_mask, present=present, maps=maps)


@dataclass
class Output:
    """What a model says about a batch.

    Attributes:
        logits: (batch, outputs) the fused output, which is scored; regression: the value itself.
        heads: modality → (batch, outputs), where the model has a head per modality.
        extras: whatever the model's own `loss` needs besides.
    """

    logits: Tensor
    heads: dict[str, Tensor] = field(default_factory=dict)
    extras: dict[str, Tensor] = field(default_factory=dict)

    def float(self) -> Output:
        """The same in float32, so that losses are never taken in bfloat16."""
        heads = {m: x.float() for m, x in self.heads.items()}
        return Output(self.logits.float(), heads, {k: x.float() if x.is_floating_point() else x for k, x in self.extras.items()})


class Standardise(nn.Module):
    """Subtract the train part's mean and divide by its standard deviation, per modality and dimension; (batch, time, dim) each."""

    def __init__(self, dims: Mapping[str, int]) -> None:
        super().__init__()
        for m, dim in dims.items():
            self.register_buffer(f"{m}_mean", torch.zeros(dim))
            self.register_buffer(f"{m}_sd", torch.ones(dim))

    def set(self, modality: str, mean: Tensor, sd: Tensor) -> None:
        """Take the statistics of the train part's real steps, (dim,) each; a dimension that never varies is only centred."""
        self.get_buffer(f"{modality}_mean").copy_(mean)
        self.get_buffer(f"{modality}_sd").copy_(torch.where(sd > 1e-6, sd, torch.ones_like(sd)))

    def forward(self, batch: Batch) -> Batch:
        """The batch with its sequences standardised, padding zero."""
        features = dict(batch.features)
        for m in [m for m in features if hasattr(self, f"{m}_mean")]:
            scaled = (features[m] - self.get_buffer(f"{m}_mean")).div_(self.get_buffer(f"{m}_sd"))
            features[m] = scaled.mul_((~batch.padding_mask[m]).unsqueeze(-1))
        return replace(batch, features=features)


class FusionModel(nn.Module, ABC):
    """Base of every row of the zoo: `forward(Batch) → Output`, and four methods a model may override.

    Class attributes:
        Hyperparams: the frozen dataclass that a zoo row fills.
        kinds: the kinds of task it can serve.
        uses: the modalities its idea has a place for; it uses those of them that the task has (`self.modalities`).
        requires: modalities it cannot do without.
        min_modalities: how many it needs at least.
        map_modalities: modalities whose un-pooled map it reads where one is cached.
        requires_maps: whether it cannot do without them.
        feature_modalities: modalities of which it reads the features themselves, before any network: faces, log-mels.
        summarised: modalities that it reads through `subnets.summary` alone: where they lead with a [CLS], batches hold no other step.
        reads_label_vectors: whether it compares with vectors that stand for the outputs.
        without_gradient: names of parameters that receive none, with the reason in the model's header.

    Raises:
        ModelError: the task cannot serve this model.
    """

    Hyperparams: ClassVar[type]
    kinds: ClassVar[tuple[str, ...]] = ("multi_label", "multi_class", "regression")
    uses: ClassVar[tuple[str, ...]] = MODALITIES
    requires: ClassVar[tuple[str, ...]] = ()
    min_modalities: ClassVar[int] = 1
    map_modalities: ClassVar[tuple[str, ...]] = ()
    requires_maps: ClassVar[bool] = False
    feature_modalities: ClassVar[tuple[str, ...]] = ()
    summarised: ClassVar[tuple[str, ...]] = ()
    reads_label_vectors: ClassVar[bool] = False
    without_gradient: ClassVar[tuple[str, ...]] = ()

    def __init__(self, hyperparams: Any, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.check(spec)
        self.modalities = tuple(m for m in self.uses if m in spec.dims)
        self.inputs = Standardise({m: spec.dims[m] for m in self.modalities})
        self.register_forward_pre_hook(lambda module, args: (module.inputs(args[0]), *args[1:]))

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Refuse a task that cannot serve this model; raises ModelError."""
        name, have = cls.__name__, f"{', '.join(spec.dims) or 'none'} (the task's key `zoo` lists the rows that it trains)"
        if spec.kind not in cls.kinds:
            raise ModelError(f"{name} serves {', '.join(cls.kinds)} tasks, not {spec.kind}; take its row out of the zoo")
        if missing := [m for m in cls.requires if m not in spec.dims]:
            raise ModelError(f"{name} needs {', '.join(missing)}; the task's encoders have: {have}")
        if sum(m in spec.dims for m in cls.uses) < cls.min_modalities:
            raise ModelError(f"{name} needs {cls.min_modalities} of {', '.join(cls.uses)}; the task's encoders have: {have}")
        if cls.requires_maps and (unmapped := [m for m in cls.map_modalities if m not in spec.maps]):
            raise ModelError(f"{name} reads the un-pooled map of {', '.join(unmapped)}; set `map: true` in that row of `encoders`")
        if unread := [m for m in cls.feature_modalities if m in spec.dims and m not in spec.shapes]:
            keys = ", ".join(f"{m}: {FEATURES[m]}/<row>" for m in unread)
            raise ModelError(f"{name} reads the {' and '.join(unread)} before any encoder; add `features: {{{keys}}}` to the task")
        if cls.reads_label_vectors and not spec.label_dim:
            raise ModelError(
                f"{name} compares with vectors of the labels' words, and the task has no text encoder that can be run on words here "
                f"(imported features have none); leave its row out, or give `glove`, a file of word vectors"
            )

    def set_label_vectors(self, vectors: Tensor) -> None:
        """Take the vectors that stand for the outputs, (words, label_dim) float32; called where the model `reads_label_vectors`."""

    @property
    def unscored_epochs(self) -> int:
        """Epochs at the start in which the model does not learn the task yet: none of them is the best, none counts for patience."""
        return 0

    @property
    def annotations(self) -> tuple[str, ...]:
        """The annotations it trains on, e.g. ("M",) or ("M", "T", "A", "V")."""
        return ("M",)

    @abstractmethod
    def forward(self, batch: Batch) -> Output:
        """Logits (batch, outputs); features arrive standardised."""

    def loss(self, output: Output, batch: Batch, criteria: Mapping[str, Criterion]) -> Tensor:
        """What one training step minimises, a scalar; `criteria` has the task's mean loss per annotation."""
        return criteria["M"](output.logits, batch.targets["M"])

    def head_losses(self, output: Output, batch: Batch, criteria: Mapping[str, Criterion]) -> dict[str, Tensor]:
        """Each head's loss over the clips that have its modality, on its own annotation where the model trains on it, else on M."""
        losses = {}
        for m, logits in output.heads.items():
            annotation = OWN_ANNOTATION[m] if OWN_ANNOTATION[m] in self.annotations else "M"
            keep = batch.present[m]
            losses[m] = criteria[annotation](logits[keep], batch.targets[annotation][keep]) if bool(keep.any()) else logits.sum() * 0.0
        return losses

    def param_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """AdamW's parameter groups."""
        return [{"params": list(self.parameters()), "lr": learning_rate, "weight_decay": weight_decay}]

    def after_step(self, output: Output, batch: Batch) -> None:
        """Called after each optimizer step."""

    def after_epoch(self, epoch: int) -> None:
        """Called after each epoch of training, before validation."""


class ClosedFormModel(FusionModel):
    """A model without epochs: fitted once; what it learns are buffers, so it is saved and loaded like any other."""

    @abstractmethod
    def fit(self, train: Iterable[Batch], valid: Iterable[Batch], select: Select) -> None:
        """Fit on the train part, choosing on the valid part by `select`; batches arrive standardised."""


@cache
def model_names() -> tuple[str, ...]:
    """The models there are: the files of this folder that end `Model = <Class>`; the others hold what models share."""
    return tuple(sorted(f.stem for f in Path(__file__).parent.glob("*.py") if "\nModel = " in f.read_text(encoding="utf-8")))


def find_model(name: str) -> type[FusionModel]:
    """The class in pipeline/fusion/<name>.py; raises ModelError, with the nearest names, where there is no such file."""
    if name not in model_names():
        near = difflib.get_close_matches(name, model_names(), n=3, cutoff=0.4) or model_names()
        raise ModelError(f"there is no model {name!r} in pipeline/fusion; did you mean {', '.join(near)}?")
    model: type[FusionModel] = importlib.import_module(f"pipeline.fusion.{name}").Model
    return model


def make_model(name: str, hyperparams: Mapping[str, Any], spec: ModelSpec) -> FusionModel:
    """A fresh model, initialised from torch's global generator.

    Raises:
        ModelError: unknown model, unknown or ill-typed hyperparameter, or a task that cannot serve it.
    """
    cls = find_model(name)
    try:
        return cls(build(cls.Hyperparams, hyperparams, f"hyperparams of {name}"), spec)
    except ParamsError as error:
        raise ModelError(f"model {name}: {error}") from error
