"""Self-MM's label generator on worked examples, and what of it is kept where."""

from dataclasses import replace

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.fusion.base import Batch, FusionModel, Output, make_model
from pipeline.fusion.self_mm import Memory, generate
from tests.fusion.batches import make_batch, make_criteria, make_spec, remove
from tests.fusion.sims import SPEC, count_parameters, linear, lstm, make_sims_batch

SMALL = {"audio_lstm": 8, "video_lstm": 8, "audio_out": 8, "video_out": 8, "fusion_dim": 8, "text_dim": 8, "audio_dim": 8, "video_dim": 8}


def make_memory(labels: list[float], features: list[list[float]]) -> Memory:
    memory = Memory()
    memory.store(torch.arange(len(labels)), torch.tensor(labels).unsqueeze(-1), torch.tensor(features))
    return memory


def step(model: FusionModel, batch: Batch, features: dict[str, list[list[float]]]) -> None:
    """Let the model see representations, as after a step of training."""
    extras = {name: torch.tensor(x) for name, x in features.items()}
    model.after_step(Output(torch.zeros(len(batch), 1), extras=extras), batch)


def worked_example() -> tuple[FusionModel, Batch]:
    """Two clips, M = 1 and −1, text alone with audio; epoch 1 is over."""
    model = make_model("self_mm", SMALL, make_spec("regression", dims={"text": 6, "audio": 5}))
    batch = make_batch("regression", size=2)
    batch = replace(batch, targets={"M": torch.tensor([[1.0], [-1.0]])})
    step(model, batch, {"fusion": [[0.0, 0.0], [4.0, 0.0]], "text": [[0.0], [8.0]], "audio": [[0.0], [8.0]]})
    return model, batch


def test_its_size_on_sims_is_the_papers() -> None:
    nets = lstm(33, 16) + linear(16, 16) + lstm(709, 64) + linear(64, 32)
    heads = linear(768, 64, 64, 1) + linear(16, 16, 16, 1) + linear(32, 32, 32, 1)
    assert count_parameters("self_mm") == nets + heads + linear(768 + 16 + 32, 128, 128, 1)
    assert make_model("self_mm", {}, SPEC).eval()(make_sims_batch()).logits.shape == (2, 1)


def test_the_relative_distance_by_hand() -> None:
    memory = make_memory([1.0, 0.5, -0.2, 0.0], [[0.0, 0.0], [0.0, 2.0], [3.0, 1.0], [99.0, 99.0]])
    # centres: positive (0, 1), negative (3, 1); the clip with label 0 is in neither
    found = memory.relative_distance(torch.tensor([[1.0, 1.0], [0.0, 5.0]]))
    expected = torch.tensor([[(2.0 - 1.0) / 1.0], [(5.0 - 4.0) / 4.0]])
    torch.testing.assert_close(found, expected)


def test_a_label_is_generated_by_both_rules_and_clamped() -> None:
    truth, unimodal, multimodal = torch.tensor([0.4, 0.4]), torch.tensor([1.0, 9.0]), torch.tensor([2.0, 2.0])
    # ½ · (1 / 2) · 0.4 + ½ (0.4 + 1 − 2) = 0.1 − 0.3; the second is beyond the limit
    torch.testing.assert_close(generate(truth, unimodal, multimodal, torch.tensor(1.0)), torch.tensor([-0.2, 1.0]))


def test_labels_start_from_m_and_move_from_epoch_two_on() -> None:
    model, batch = worked_example()
    assert torch.equal(model.memories["text"].recall(batch.index, torch.zeros(2, 1)), batch.targets["M"])
    seen = {"fusion": [[1.0, 0.0], [4.0, 0.0]], "text": [[2.0], [8.0]], "audio": [[1.0], [8.0]]}
    step(model, replace(batch, epoch=2), seen)
    # clip 0: δ_m = (3 − 1) / 1 = 2; δ_t = (6 − 2) / 2 = 2, so ŷ = ½ · 1 · 1 + ½ (1 + 2 − 2) = 1
    labels = model.memories["text"].recall(batch.index, torch.zeros(2, 1))
    torch.testing.assert_close(labels[0], torch.tensor([1.0]))
    # epoch 3, where the text of clip 0 looks like the negative class: centres are now text 2 and 8, fusion (1, 0) and (4, 0)
    step(model, replace(batch, epoch=3), {"fusion": [[2.0, 0.0], [4.0, 0.0]], "text": [[6.0], [8.0]], "audio": [[1.0], [8.0]]})
    # δ_m = (2 − 1) / 1 = 1, δ_t = (2 − 4) / 4 = −½: ŷ = ½ · (−½) · 1 + ½ (1 − ½ − 1) = −½; y = (2 · 1 + 2 · (−½)) / 4 = ¼
    labels = model.memories["text"].recall(batch.index, torch.zeros(2, 1))
    torch.testing.assert_close(labels[0], torch.tensor([0.25]))


def test_centres_are_those_of_the_representations_before_the_step() -> None:
    model, batch = worked_example()
    assert torch.equal(model.memories["text"].features, torch.tensor([[0.0], [8.0]]))
    step(model, replace(batch, epoch=2), {"fusion": [[1.0, 0.0], [4.0, 0.0]], "text": [[2.0], [8.0]], "audio": [[1.0], [8.0]]})
    assert torch.equal(model.memories["text"].features, torch.tensor([[2.0], [8.0]]))


def test_the_loss_is_the_papers() -> None:
    model, batch = worked_example()
    model.memories["text"].labels[:] = torch.tensor([[0.25], [-1.0]])
    logits, heads = torch.tensor([[0.5], [0.5]]), {"text": torch.tensor([[0.0], [0.3]]), "audio": torch.tensor([[5.0], [7.0]])}
    loss = model.loss(Output(logits, heads), batch, make_criteria("regression"))
    weight = torch.tanh(torch.tensor(0.75))  # only where a label differs from M
    torch.testing.assert_close(loss, (0.5 + 1.5) / 2 + weight * 0.25 / 2)


def test_labels_live_in_the_run_and_not_in_the_state_dict() -> None:
    model, _ = worked_example()
    fresh = make_model("self_mm", SMALL, model.spec)
    assert set(model.state_dict()) == set(fresh.state_dict())
    assert not any("memor" in name for name in model.state_dict())
    assert len(fresh.memories["text"].known) == 0


@pytest.mark.parametrize("kind", ["multi_label", "regression"])
def test_from_epoch_two_on_every_parameter_gets_a_gradient(kind: str) -> None:
    torch.manual_seed(0)
    batch = replace(make_batch(kind, size=7), epoch=2)
    model, criteria = make_model("self_mm", SMALL, make_spec(kind)), make_criteria(kind)
    for epoch in (1, 2):
        output = model(batch)
        model.after_step(output, replace(batch, epoch=epoch))
    model.loss(model(batch), batch, criteria).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_each_label_of_a_multi_label_task_has_its_own_generator() -> None:
    torch.manual_seed(0)
    model, batch = make_model("self_mm", SMALL, make_spec("multi_label")), make_batch("multi_label")
    for epoch in (1, 2, 3):
        model.after_step(model(batch), replace(batch, epoch=epoch))
    labels = model.memories["video"].recall(batch.index, torch.zeros(6, 3))
    assert labels.shape == (6, 3)
    assert labels.abs().max() <= 1
    alone = make_memory(model.memories["video"].labels[:, 1].tolist(), model.memories["video"].features.tolist())
    features = torch.randn(6, 8)
    torch.testing.assert_close(model.memories["video"].relative_distance(features)[:, 1:2], alone.relative_distance(features))
    assert torch.isfinite(model.loss(model(batch), batch, make_criteria("multi_label")))


def test_a_clip_without_a_modality_has_no_label_and_no_part_in_its_centres() -> None:
    model, batch = make_model("self_mm", SMALL, make_spec("regression")), remove(make_batch("regression"), "audio", [1, 5])
    for epoch in (1, 2):
        model.after_step(model(batch), replace(batch, epoch=epoch))
    assert model.memories["audio"].known.tolist() == [True, False, True, True, True]  # and no room for clip 5
    assert model.memories["text"].known.all()
    output = model(batch)
    expected = model.loss(output, batch, make_criteria("regression"))
    output.heads["audio"] = torch.where(batch.present["audio"].unsqueeze(-1), output.heads["audio"], 99.0)
    torch.testing.assert_close(model.loss(output, batch, make_criteria("regression")), expected)


def test_a_modality_that_is_first_met_in_a_later_epoch_starts_from_m() -> None:
    model, batch = make_model("self_mm", SMALL, make_spec("regression")), make_batch("regression")
    for epoch, seen in ((1, batch.without("audio")), (2, batch)):
        model.after_step(model(seen), replace(seen, epoch=epoch))
    assert torch.equal(model.memories["audio"].recall(batch.index, torch.zeros(6, 1)), batch.targets["M"])


def test_where_a_class_is_empty_the_labels_stay() -> None:
    model, batch = make_model("self_mm", SMALL, make_spec("regression")), make_batch("regression")
    batch.targets["M"].abs_()
    for epoch in (1, 2, 3):
        model.after_step(model(batch), replace(batch, epoch=epoch))
    assert torch.equal(model.memories["text"].recall(batch.index, torch.zeros(6, 1)), batch.targets["M"])


def test_classes_have_no_sign() -> None:
    with pytest.raises(ModelError, match="not multi_class"):
        make_model("self_mm", {}, make_spec("multi_class"))


def test_the_lstms_learn_faster() -> None:
    others, encoders = make_model("self_mm", {}, make_spec("regression")).param_groups(1e-3, 0.0)
    assert (others["lr"], encoders["lr"]) == (1e-3, 5e-3)
    assert len(encoders["params"]) == 2 * 6
