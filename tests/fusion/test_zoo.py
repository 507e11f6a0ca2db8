"""The contract, over every file of pipeline/fusion: a new model is tested by being there."""

import re
from dataclasses import replace
from itertools import combinations

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.fusion.base import Batch, ClosedFormModel, FusionModel, ModelSpec, find_model, model_names
from tests.fusion.batches import (
    DIMS,
    KINDS,
    OUTPUTS,
    VARIANTS,
    class_of,
    kinds_of,
    make_batch,
    make_criteria,
    make_small,
    make_spec,
    one_step,
    remove,
    restrict,
    take,
    train,
)

LEARNED = [*(name for name in model_names() if not issubclass(find_model(name), ClosedFormModel)), *VARIANTS]
every_model = pytest.mark.parametrize("name", [*model_names(), *VARIANTS])
every_learned = pytest.mark.parametrize("name", LEARNED)
SUBSETS = [have for count in (1, 2, 3) for have in combinations(DIMS, count)]
TASKS = [(name, kind) for name in [*model_names(), *VARIANTS] for kind in kinds_of(name)]
every_task = pytest.mark.parametrize(("name", "kind"), TASKS)


def select(logits: torch.Tensor, target: torch.Tensor) -> float:
    """A score where nearer logits are better, for models that choose on valid."""
    return -float((logits - (target if target.ndim == 2 else torch.nn.functional.one_hot(target, logits.shape[1]))).abs().mean())


def fitted(name: str, kind: str, batch: Batch, steps: int = 1) -> FusionModel:
    """A model that has seen the batch: some steps, or its closed form."""
    return fit(make_small(name, kind), batch, steps)


def fit(model: FusionModel, batch: Batch, steps: int = 1) -> FusionModel:
    """The model, once it has seen the batch."""
    if isinstance(model, ClosedFormModel):
        with torch.no_grad():
            model.fit([model.inputs(batch)], [model.inputs(batch)], select)
    else:
        train(model, batch, steps)
    return model.eval()


@every_task
def test_logits_have_the_tasks_shape_and_are_finite(name: str, kind: str) -> None:
    output = fitted(name, kind, make_batch(kind))(make_batch(kind, seed=1))
    for logits in (output.logits, *output.heads.values()):
        assert logits.shape == (6, OUTPUTS[kind])
        assert torch.isfinite(logits).all()


@pytest.mark.parametrize(("name", "kind"), [task for task in TASKS if task[0] in LEARNED])
def test_every_parameter_gets_a_gradient(name: str, kind: str) -> None:
    model, batch = make_small(name, kind), make_batch(kind, size=7)  # odd: the signs of an L1 loss cannot cancel
    torch.manual_seed(0)
    model.loss(model(batch), batch, make_criteria(kind)).backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert set(silent) == set(model.without_gradient)


@every_learned
def test_every_parameter_is_in_one_group_of_the_optimizer(name: str) -> None:
    kind = kinds_of(name)[0]
    model = make_small(name, kind)
    grouped = [id(p) for group in model.param_groups(0.1, 0.1) for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def score(model: FusionModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and loss, what is drawn at random for it being the same; as in epoch 2, when every loss has all its terms."""
    torch.manual_seed(0)
    output = model(batch)
    return output.logits, model.loss(output, replace(batch, epoch=2), make_criteria(model.spec.kind))


@every_task
def test_padding_is_invisible(name: str, kind: str) -> None:
    model = fitted(name, kind, make_batch(kind))
    padded = make_batch(kind, seed=1, extra=4)
    dirty = {m: torch.where(padded.padding_mask[m].unsqueeze(-1), torch.full_like(x, 9.0), x) for m, x in padded.features.items()}
    expected = score(model, make_batch(kind, seed=1))
    torch.testing.assert_close(score(model, padded), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(score(model, replace(padded, features=dirty)), expected, atol=1e-5, rtol=1e-4)


@every_model
def test_a_clip_does_not_see_its_neighbours(name: str) -> None:
    kind = kinds_of(name)[0]
    batch = make_batch(kind, seed=1)
    model = fitted(name, kind, make_batch(kind))
    together = model(batch).logits
    alone = torch.cat([model(take(batch, [i])).logits for i in range(len(batch))])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-4)


@every_model
def test_the_same_seed_gives_the_same_logits(name: str) -> None:
    kind = kinds_of(name)[0]
    first, second = (fitted(name, kind, make_batch(kind), steps=2)(make_batch(kind, seed=1)).logits for _ in range(2))
    assert torch.equal(first, second)


def memorised(logits: torch.Tensor, target: torch.Tensor, kind: str) -> bool:
    """Whether the logits say what the target says."""
    if kind == "multi_class":
        return torch.equal(logits.argmax(1), target)
    if kind == "multi_label":
        return torch.equal(logits > 0, target > 0)
    return bool(((logits - target).abs() < 0.35).all())


@pytest.mark.parametrize(("name", "kind"), [task for task in TASKS if task[0] != "constant"])  # which can say one thing only
def test_three_clips_can_be_memorised(name: str, kind: str) -> None:
    batch = make_batch(kind, size=3, seed=2)
    model = fitted(name, kind, batch)
    for _ in range(20):
        if name not in LEARNED or memorised(model.eval()(batch).logits, batch.targets["M"], kind):
            break
        train(model, batch, steps=10)
    assert memorised(model.eval()(batch).logits, batch.targets["M"], kind)


@every_task
def test_it_trains_with_a_modality_missing_for_some_clips(name: str, kind: str) -> None:
    for m in ("text", "audio", "video"):
        batch = remove(make_batch(kind), m, [0, 3])
        model = fitted(name, kind, batch, steps=2)
        assert all(torch.isfinite(p).all() for p in model.state_dict().values())
        assert torch.isfinite(model(batch).logits).all()


@every_model
def test_a_missing_modality_is_not_read(name: str) -> None:
    kind = kinds_of(name)[0]
    model = fitted(name, kind, make_batch(kind))
    for m in ("text", "audio", "video"):
        batch = make_batch(kind, seed=1).without(m)
        noisy = {m: torch.randn_like(batch.features[m])}, {n: torch.randn_like(x) if n == m else x for n, x in batch.maps.items()}
        noisy = replace(batch, features=batch.features | noisy[0], maps=noisy[1])
        torch.testing.assert_close(model(noisy).logits, model(batch).logits)


@every_model
def test_what_reads_a_texts_cls_alone_says_so(name: str) -> None:
    kind = kinds_of(name)[0]
    model, batch = fitted(name, kind, make_batch(kind)), make_batch(kind, seed=1)
    first = {"features": {**batch.features, "text": batch.features["text"][:, :1]}}
    first["padding_mask"] = {**batch.padding_mask, "text": batch.padding_mask["text"][:, :1]}
    read_alone = "text" in model.modalities and torch.allclose(model(batch).logits, model(replace(batch, **first)).logits)
    assert read_alone == ("text" in model.summarised)


@every_learned
def test_a_head_reads_its_own_modality_alone(name: str) -> None:
    kind = kinds_of(name)[-1]
    batch, once = make_batch(kind), {"num_bottleneck_layers": 1} if "mbt" in name else {}  # a second would let it see the others
    model = make_small(name, kind, **once).eval()
    heads = model(batch).heads
    for gone in DIMS if heads else ():
        after = model(batch.without(gone)).heads
        assert {m for m in DIMS if not torch.allclose(after[m], heads[m])} == {gone}


@every_model
def test_a_clip_with_no_modality_at_all_has_finite_logits(name: str) -> None:
    kind = kinds_of(name)[0]
    batch = make_batch(kind).without("text").without("audio").without("video")
    assert torch.isfinite(fitted(name, kind, make_batch(kind))(batch).logits).all()


@every_model
def test_a_state_dict_comes_back(name: str) -> None:
    kind = kinds_of(name)[0]
    model, fresh = fitted(name, kind, make_batch(kind), steps=2), make_small(name, kind, seed=9)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh.eval()(make_batch(kind, seed=1)).logits, model(make_batch(kind, seed=1)).logits)


@every_model
def test_bfloat16_agrees_in_sign(name: str) -> None:
    kind = kinds_of(name)[0]
    model = fitted(name, kind, make_batch(kind, size=12), steps=20)
    exact = model(make_batch(kind, size=12)).logits
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(make_batch(kind, size=12)).float().logits
    clear = exact.abs() > 0.1 * exact.abs().max()
    assert torch.equal((rough > 0)[clear], (exact > 0)[clear])


def refusal(model: type[FusionModel], spec: ModelSpec) -> str:
    """Why a model cannot serve a task; nothing where it can."""
    try:
        model.check(spec)
    except ModelError as error:
        return str(error)
    return ""


@every_model
def test_every_row_that_can_serve_imported_features_trains_on_one_vector_a_clip(name: str) -> None:
    cls, kind = class_of(name), kinds_of(name)[-1]
    for missing in ("", *DIMS):
        batch = replace(one_step(restrict(make_batch(kind), set(DIMS) - {missing})), maps={})
        dims = {m: x.shape[-1] for m, x in batch.features.items()}
        changes = {"dims": dims, "maps": {}, "leads_with_cls": (), "shapes": {}, "label_dim": 0}
        if refusal(cls, make_spec(kind, **changes)):
            with pytest.raises(ModelError):
                make_small(name, kind, spec=changes)
            continue
        model = fit(make_small(name, kind, spec=changes), batch)
        for seen in (batch, batch.without(next(iter(batch.features)))):
            assert torch.isfinite(model(seen).logits).all()


def spec_of(kind: str, have: tuple[str, ...]) -> ModelSpec:
    """A task with these modalities, the video's map, and four annotations where it is of classes."""
    own = ("M", "T", "A", "V") if kind == "multi_class" else ("M",)
    return make_spec(kind, dims={m: DIMS[m] for m in have}, maps=make_spec().maps if "video" in have else {}, annotations=own)


@every_model
def test_a_row_serves_any_kind_and_modalities_or_says_why_before_it_is_made(name: str) -> None:
    for i, have in enumerate(SUBSETS, 1):
        kind = KINDS[i % 3]
        spec = spec_of(kind, have)
        if why := refusal(class_of(name), spec):
            assert re.match(rf"{class_of(name).__name__} (needs|serves|reads|learns) .*(encoders|the zoo)", why)
            continue
        batch = restrict(make_batch(kind), have)
        batch = replace(batch, targets={a: batch.targets["M"].roll(j, 0) for j, a in enumerate(spec.annotations)})
        made = make_small(name, kind, spec={"dims": spec.dims, "maps": spec.maps, "annotations": spec.annotations})
        assert torch.isfinite(fit(made, batch)(batch).logits).all()


@every_learned
def test_batches_of_one_clip_or_without_a_modality_leave_no_weight_that_is_not_finite(name: str) -> None:
    kind = kinds_of(name)[-1]
    model, batch = make_small(name, kind), make_batch(kind)
    odd = [take(batch, [2]), *(batch.without(m) for m in DIMS), take(batch, [0]).without("text").without("video"), one_step(batch)]
    for epoch, seen in enumerate(odd, 1):
        assert torch.isfinite(torch.tensor(train(model, replace(seen, epoch=epoch), steps=1)))
    assert all(torch.isfinite(x).all() for x in model.state_dict().values())
