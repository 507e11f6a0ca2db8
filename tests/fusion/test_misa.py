"""MISA's losses by hand, and its sizes."""

import pytest
import torch

from pipeline.fusion.base import make_model
from pipeline.fusion.misa import central_moment_discrepancy, difference
from tests.fusion.batches import make_batch, make_criteria, make_small, make_spec, remove, take
from tests.fusion.test_multitask_mbt import torch_layer


def test_cmd_by_hand() -> None:
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5], [0.5]])
    # Means agree; central moments of x are 1/4, 0, 1/16, 0, those of y are 0.
    assert float(central_moment_discrepancy(x, y, 5)) == pytest.approx(1 / 4 + 1 / 16)
    assert float(central_moment_discrepancy(x, y + 0.25, 3)) == pytest.approx(1 / 4 + 1 / 4)


def test_cmd_of_a_sample_with_itself_is_zero_with_a_finite_gradient() -> None:
    x = torch.rand(4, 3, requires_grad=True)
    loss = central_moment_discrepancy(x, x, 5)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.isfinite(x.grad).all()


def test_the_difference_is_zero_where_the_spaces_are_orthogonal_and_otherwise_by_a_loop() -> None:
    x = torch.tensor([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]]).T  # columns are centred and orthogonal
    assert float(difference(x[:, :1], x[:, 1:])) == pytest.approx(0.0)
    a, b = torch.rand(5, 3), torch.rand(5, 2)
    rows = [(z - z.mean(0)) / (z - z.mean(0)).norm(dim=1, keepdim=True) for z in (a, b)]
    squares = [float(sum(rows[0][k, i] * rows[1][k, j] for k in range(5))) ** 2 for i in range(3) for j in range(2)]
    assert float(difference(a, b)) == pytest.approx(sum(squares) / 6, rel=1e-4)


def test_the_six_vectors_meet_in_torchs_transformer() -> None:
    model, batch = make_small("misa").eval(), make_batch()
    u = {m: model.projections[m](model.summarise(m, batch)) for m in model.modalities}
    private, shared = ({m: net(m)(x).sigmoid() for m, x in u.items()} for net in (lambda m: model.private[m], lambda m: model.shared))
    fused = torch_layer(model.transformer, 16)(torch.stack([*private.values(), *shared.values()], dim=1)).flatten(1)
    output = model(batch)
    torch.testing.assert_close(output.logits, model.head(fused), atol=1e-5, rtol=1e-5)
    for m, x in u.items():
        torch.testing.assert_close(output.extras[f"rebuilt_{m}"], model.decoders[m](private[m] + shared[m]))
        torch.testing.assert_close(output.extras[f"utterance_{m}"], x)


def test_the_loss_is_the_tasks_and_the_weighted_losses_of_the_spaces() -> None:
    model, batch = make_small("misa", similarity_weight=2.0, difference_weight=3.0, reconstruction_weight=5.0).eval(), make_batch()
    output = model(batch)
    task = make_criteria("multi_label")["M"](output.logits, batch.targets["M"])
    similarity, differences, reconstruction = model.space_losses(output.extras, batch)
    expected = task + 2 * similarity + 3 * differences + 5 * reconstruction
    torch.testing.assert_close(model.loss(output, batch, make_criteria("multi_label")), expected)


def test_a_clip_without_sound_takes_no_part_in_the_sounds_losses() -> None:
    model = make_small("misa").eval()
    batch = remove(make_batch(), "audio", [4, 5])
    _, _, errors = model.space_losses(model(batch).extras, batch)
    extras = model(batch).extras
    kept = {"text": 6, "audio": 4, "video": 6}
    expected = [(extras[f"rebuilt_{m}"][:n] - extras[f"utterance_{m}"][:n]).square().mean() for m, n in kept.items()]
    torch.testing.assert_close(errors, torch.stack(expected).mean())
    nobody = take(batch, [4]).without("text").without("video")
    assert [x.item() for x in model.space_losses(model(nobody).extras, nobody)] == [0.0, 0.0, 0.0]


def test_the_papers_setting_fuses_six_vectors_of_128() -> None:
    model = make_model("misa", {}, make_spec("regression", dims={"text": 768, "audio": 74, "video": 47}))
    assert [tuple(model.head[i].weight.shape) for i in (0, 3)] == [(384, 768), (1, 384)]
    assert sorted(model.recurrent) == ["audio", "video"]
    assert model.projections["text"][0].weight.shape == (128, 768)
    assert sorted(make_model("misa", {}, make_spec(leads_with_cls=())).recurrent) == ["audio", "text", "video"]
