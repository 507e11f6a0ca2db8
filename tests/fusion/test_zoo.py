"""The contract, over every file of pipeline/fusion: a new model is tested by being there."""

from dataclasses import replace

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.fusion.base import Batch, ClosedFormModel, FusionModel, find_model, model_names
from tests.fusion.batches import OUTPUTS, VARIANTS, kinds_of, make_batch, make_criteria, make_small, remove, take, train

LEARNED = [*(name for name in model_names() if not issubclass(find_model(name), ClosedFormModel)), *VARIANTS]
every_model = pytest.mark.parametrize("name", [*model_names(), *VARIANTS])
every_learned = pytest.mark.parametrize("name", LEARNED)
TASKS = [(name, kind) for name in [*model_names(), *VARIANTS] for kind in kinds_of(name)]
every_task = pytest.mark.parametrize(("name", "kind"), TASKS)


def select(logits: torch.Tensor, target: torch.Tensor) -> float:
    """A score where nearer logits are better, for models that choose on valid."""
    return -float((logits - (target if target.ndim == 2 else torch.nn.functional.one_hot(target, logits.shape[1]))).abs().mean())


def fitted(name: str, kind: str, batch: Batch, steps: int = 1) -> FusionModel:
    """A model that has seen the batch: some steps, or its closed form."""
    model = make_small(name, kind)
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


@every_task
def test_padding_is_invisible(name: str, kind: str) -> None:
    model = fitted(name, kind, make_batch(kind))
    padded = make_batch(kind, seed=1, extra=4)
    dirty = {m: torch.where(padded.padding_mask[m].unsqueeze(-1), torch.full_like(x, 9.0), x) for m, x in padded.features.items()}
    expected = model(make_batch(kind, seed=1)).logits
    torch.testing.assert_close(model(padded).logits, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model(replace(padded, features=dirty)).logits, expected, atol=1e-5, rtol=1e-4)


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
        noisy = replace(batch, features={**batch.features, m: torch.randn_like(batch.features[m])})
        torch.testing.assert_close(model(noisy).logits, model(batch).logits)


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


def one_vector(batch: Batch, missing: str) -> Batch:
    """The batch as imported features have it: one step a clip, no map, a modality less."""
    kept = [m for m in batch.features if m != missing]
    first = {name: {m: getattr(batch, name)[m][:, :1] for m in kept} for name in ("features", "padding_mask")}
    return replace(batch, **first, present={m: batch.present[m] for m in kept}, maps={})


def refuses(model: type[FusionModel], have: list[str]) -> bool:
    """Whether a model says of itself that it cannot serve a task that has these modalities and no map."""
    used = sum(m in have for m in model.uses)
    return model.requires_maps or not set(model.requires) <= set(have) or used < model.min_modalities


@every_model
def test_every_row_that_can_serve_imported_features_trains_on_one_vector_a_clip(name: str) -> None:
    cls = find_model(VARIANTS.get(name, (name,))[0])
    kind = cls.kinds[-1]
    for missing in ("", "text", "audio", "video"):
        batch = one_vector(make_batch(kind), missing)
        changes = {"dims": {m: x.shape[-1] for m, x in batch.features.items()}, "maps": {}, "leads_with_cls": ()}
        if refuses(cls, list(batch.features)):
            with pytest.raises(ModelError):
                make_small(name, kind, spec=changes)
            continue
        model = make_small(name, kind, spec=changes)
        if isinstance(model, ClosedFormModel):
            model.fit([model.inputs(batch)], [model.inputs(batch)], select)
        else:
            train(model, batch, steps=1)
        for seen in (batch, batch.without(next(iter(batch.features)))):
            assert torch.isfinite(model.eval()(seen).logits).all()
