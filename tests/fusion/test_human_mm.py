"""Human-MM: Self-MM's network on human labels."""

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.fusion.base import make_model
from tests.fusion.batches import make_batch, make_criteria, make_spec
from tests.fusion.sims import SPEC, count_parameters, make_sims_batch

SMALL = {"audio_lstm": 8, "video_lstm": 8, "audio_out": 8, "video_out": 8, "fusion_dim": 8, "text_dim": 8, "audio_dim": 8, "video_dim": 8}


def test_it_has_self_mms_network() -> None:
    assert count_parameters("human_mm") == count_parameters("self_mm")
    assert make_model("human_mm", {}, SPEC).eval()(make_sims_batch()).logits.shape == (2, 1)


def test_each_modality_learns_its_own_annotation() -> None:
    model, batch = make_model("human_mm", SMALL, make_spec("regression")).eval(), make_batch("regression")
    assert model.annotations == ("M", "T", "A", "V")
    output, truth = model(batch), batch.targets["M"]
    expected = (output.logits - truth).abs().mean()
    for m, annotation in (("text", "T"), ("audio", "A"), ("video", "V")):
        label = batch.targets[annotation]
        expected = expected + (torch.tanh((label - truth).abs()) * (output.heads[m] - label).abs()).mean()
    torch.testing.assert_close(model.loss(output, batch, make_criteria("regression")), expected)


@pytest.mark.parametrize(("annotations", "lacks"), [(("M",), "T, A, V"), (("M", "T", "A"), "V")])
def test_a_task_without_labels_of_each_modality_is_refused(annotations: tuple[str, ...], lacks: str) -> None:
    with pytest.raises(ModelError, match=f"learns the annotations {lacks}, which the task has not"):
        make_model("human_mm", {}, make_spec("regression", annotations=annotations))


def test_labels_have_no_distance_from_each_other() -> None:
    with pytest.raises(ModelError, match="serves regression tasks, not multi_label"):
        make_model("human_mm", {}, make_spec("multi_label"))


def test_a_modality_that_the_task_lacks_needs_no_labels() -> None:
    spec = make_spec("regression", dims={"text": 6, "audio": 5}, annotations=("M", "T", "A"))
    assert make_model("human_mm", {}, spec).annotations == ("M", "T", "A")
