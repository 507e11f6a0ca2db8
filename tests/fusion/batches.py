"""Tiny batches of every kind of task for the contract tests."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.fusion.base import Batch, Criterion, FusionModel, ModelSpec, find_model, make_model

DIMS = {"text": 6, "audio": 5, "video": 7}
MAP = (4, 7)
SHAPES = {"audio": (1, 5, 1), "video": (1, 7, 1)}  # of DIMS, for models that read pictures
LABEL_DIM = 8
KINDS = ("multi_label", "multi_class", "regression")
OUTPUTS = {"multi_label": 3, "multi_class": 4, "regression": 1}
SUBNETS = {"text_dim": 8, "text_out": 8, "audio_dim": 8, "video_dim": 8}
HEADS = {"text_head": 8, "audio_head": 8, "video_head": 8}
SELF_MM = {f"{m}_{part}": 8 for m in ("audio", "video") for part in ("lstm", "out", "dim")} | {"text_dim": 8, "fusion_dim": 8}
# Small enough for a test of every row; a row that is not named is small by its defaults.
SMALL: dict[str, dict[str, Any]] = {
    "linear": {"penalties": (1.0, 100.0)},
    "text_only": {"dim": 8, "num_layers": 1, "num_heads": 2},
    "audio_only": {"dim": 8, "num_layers": 1, "num_heads": 2},
    "video_only": {"dim": 8, "num_layers": 1, "num_heads": 2},
    "late_average": {"dim": 8, "num_layers": 1, "num_heads": 2},
    "multitask_mbt": {"dim": 8, "num_layers": 1, "num_heads": 2},
    "lf_lstm": {"dim": 8},
    "lf_transformer": {"dim": 8, "num_layers": 1, "num_heads": 2},
    "transformer": {"dim": 8, "num_layers": 1, "num_heads": 2},
    "mult": {"dim": 8, "num_layers": 1, "num_heads": 2},
    "bimha": {"dim": 8, "num_heads": 2},
    "cmha": {"dim": 8, "num_heads": 2, "reconstruction_epochs": 0},  # the batches say epoch 1
    "mese": {"dim": 8, "num_layers": 1, "num_heads": 2, "attention_dim": 8},
    "fe2e": {"dim": 8, "num_layers": 1, "num_heads": 2, "picture_dim": 4, "hidden_dim": 8},
    "emo_embs": {"audio_dim": 8, "video_dim": 8},
    "label_transformer": {"dim": 8, "num_layers": 2, "num_heads": 2},
    "misa": {"dim": 16, "recurrent_dim": 4, "dropout": 0.0, "transformer_dropout": 0.0},
    "almt": {"dim": 8, "num_tokens": 3, "num_heads": 2},
    "ef_lstm": {"dim": 8, "dropout": 0.1, "num_steps": 5},
    "mfn": {
        **{f"{part}_dim": 8 for part in ("text", "audio", "video", "memory", "attention", "proposal", "gate", "out")},
        "dropout": 0.1,
        "out_dropout": 0.1,
        "num_steps": 5,
    },
    "lf_dnn": {**SUBNETS, "fusion_dim": 8},
    "mlf_dnn": {**SUBNETS, **HEADS, "fusion_dim": 8},
    "lmf": SUBNETS,
    "mlmf": {**SUBNETS, **HEADS},
    "tfn": {**SUBNETS, "fusion_dim": 8},
    "mtfn": {**SUBNETS, **HEADS, "fusion_dim": 8},
    "self_mm": SELF_MM,
    "human_mm": SELF_MM,
    "mmim": {"audio_dim": 8, "video_dim": 8, "fusion_dim": 8},
    "matchmap_sisa": {"dim": 8},
    "matchmap_misa": {"dim": 8},
    "matchmap_sima": {"dim": 8},
}
# What the contract is held against besides every model's defaults: name → model, hyperparameters, changes to the spec.
VARIANTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "matchmap_sima_segments": ("matchmap_sima", {"segment_steps": 2, "num_steps": 3}, {}),
    "multitask_mbt_learned_cls": ("multitask_mbt", {}, {"leads_with_cls": ()}),
}


def make_spec(kind: str = "multi_label", **changes: Any) -> ModelSpec:
    """Text that leads with a CLS, audio and video, with maps and shapes, label vectors, and own annotations where the kind has them."""
    annotations = ("M", "T", "A", "V") if kind == "regression" else ("M",)
    target_sd = 0.5 if kind == "regression" else 1.0
    spec = ModelSpec(kind, OUTPUTS[kind], dict(DIMS), {"video": MAP}, annotations, target_sd, ("text",), dict(SHAPES), LABEL_DIM)
    return replace(spec, **changes)


def make_target(kind: str, size: int, generator: torch.Generator) -> Tensor:
    """A target of which no two neighbours agree."""
    classes = torch.arange(size) % OUTPUTS[kind]
    if kind == "multi_class":
        return classes
    if kind == "multi_label":
        return functional.one_hot(classes, OUTPUTS[kind]).float()
    return torch.linspace(-1, 1, size).unsqueeze(-1) + 0.01 * torch.rand(size, 1, generator=generator)


def make_batch(kind: str = "multi_label", size: int = 6, seed: int = 0, extra: int = 0) -> Batch:
    """Clips of different lengths, real steps first; `extra` steps of padding besides, whose values are of no matter."""
    generator = torch.Generator().manual_seed(seed)
    features, padding_mask, present = {}, {}, {}
    for m, dim in DIMS.items():
        lengths = torch.randint(2, 6, (size,), generator=generator)
        padding_mask[m] = torch.arange(5 + extra) >= lengths.unsqueeze(-1)
        values = torch.cat([torch.randn(size, 5, dim, generator=generator), torch.zeros(size, extra, dim)], dim=1)
        features[m] = values.masked_fill(padding_mask[m].unsqueeze(-1), 0.0)
        present[m] = torch.ones(size, dtype=torch.bool)
    maps = {"video": torch.randn(size, *MAP, generator=generator)}
    targets = {a: make_target(kind, size, generator) for a in make_spec(kind).annotations}
    return Batch(torch.arange(size), features, padding_mask, present, maps, targets, epoch=1)


def take(batch: Batch, index: list[int]) -> Batch:
    """Some clips of a batch."""
    parts = {n: {k: v[index] for k, v in getattr(batch, n).items()} for n in ("features", "padding_mask", "present", "maps", "targets")}
    return replace(batch, index=batch.index[index], **parts)


def remove(batch: Batch, modality: str, clips: list[int]) -> Batch:
    """The batch, some of whose clips lack a modality."""
    gone = batch.without(modality)
    chosen = torch.zeros(len(batch), dtype=torch.bool)
    chosen[clips] = True

    def mix(name: str) -> dict[str, Tensor]:
        old, new = getattr(batch, name), getattr(gone, name)
        return {m: torch.where(chosen.view(-1, *[1] * (old[m].ndim - 1)), new[m], old[m]) for m in old}

    return replace(batch, **{name: mix(name) for name in ("features", "padding_mask", "present", "maps")})


def restrict(batch: Batch, have: Collection[str]) -> Batch:
    """The batch of a task that has these modalities alone."""
    names = ("features", "padding_mask", "present", "maps")
    return replace(batch, **{name: {m: x for m, x in getattr(batch, name).items() if m in have} for name in names})


def one_step(batch: Batch) -> Batch:
    """The batch cut to each clip's first step."""
    return replace(batch, **{name: {m: x[:, :1] for m, x in getattr(batch, name).items()} for name in ("features", "padding_mask")})


def make_criteria(kind: str) -> dict[str, Criterion]:
    """The tasks' losses, without class weights."""
    losses = {
        "multi_label": functional.binary_cross_entropy_with_logits,
        "multi_class": functional.cross_entropy,
        "regression": functional.l1_loss,
    }
    return {a: (lambda logits, target: losses[kind](logits, target)) for a in ("M", "T", "A", "V")}


def class_of(name: str) -> type[FusionModel]:
    """The class of a model or variant."""
    return find_model(VARIANTS.get(name, (name,))[0])


def kinds_of(name: str) -> tuple[str, ...]:
    """The kinds of task that a model or variant serves."""
    return class_of(name).kinds


def make_small(
    name: str, kind: str = "multi_label", seed: int = 0, spec: Mapping[str, Any] = MappingProxyType({}), **hyperparams: Any
) -> FusionModel:
    """A small model or variant, the same for the same seed; `spec` changes what the task gives it."""
    torch.manual_seed(seed)
    model, changed, own = VARIANTS.get(name, (name, {}, {}))
    made = make_model(model, {**SMALL.get(model, {}), **changed, **hyperparams}, make_spec(kind, **{**own, **spec}))
    if made.reads_label_vectors:
        made.set_label_vectors(torch.randn(max(2, made.spec.num_outputs), made.spec.label_dim, generator=torch.Generator().manual_seed(0)))
    return made


def train(model: FusionModel, batch: Batch, steps: int, learning_rate: float = 0.01) -> float:
    """Some steps of AdamW as the trainer takes them; the last loss."""
    criteria, optimizer = make_criteria(model.spec.kind), torch.optim.AdamW(model.param_groups(learning_rate, 0.0), fused=True)
    loss = torch.zeros(())
    for _ in range(steps):
        output = model.train()(batch)
        loss = model.loss(output, batch, criteria)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.after_step(output, batch)
    return float(loss.detach())
