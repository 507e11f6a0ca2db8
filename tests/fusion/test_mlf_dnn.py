"""The multi-task rows of the CH-SIMS baselines: their annotations and their loss, on MLF-DNN."""

import pytest
import torch

from pipeline.fusion.base import make_model
from tests.fusion.batches import make_batch, make_criteria, make_spec
from tests.fusion.sims import average_net, count_parameters, linear, lstm

SMALL = {"text_dim": 8, "text_out": 8, "audio_dim": 8, "video_dim": 8}


def test_its_size_on_sims_is_the_papers() -> None:
    nets = lstm(768, 64) + linear(64, 32) + average_net(33, 32) + average_net(709, 64)
    heads = linear(32, 16, 16, 1) + linear(32, 4, 4, 1) + linear(64, 32, 32, 1)
    assert count_parameters("mlf_dnn") == nets + heads + linear(32 + 32 + 64, 32, 32, 1)


@pytest.mark.parametrize("name", ["mlf_dnn", "mtfn", "mlmf"])
def test_it_trains_on_own_annotations_and_says_m_four_times_where_there_are_none(name: str) -> None:
    assert make_model(name, SMALL, make_spec("regression")).annotations == ("M", "T", "A", "V")
    assert make_model(name, SMALL, make_spec("multi_label")).annotations == ("M",) * 4
    assert make_model(name, SMALL, make_spec("regression", annotations=("M", "T"))).annotations == ("M", "T", "M", "M")
    two = make_spec("multi_class", dims={"audio": 5, "video": 7})
    assert make_model(name, SMALL, two).annotations == ("M",) * 3


@pytest.mark.parametrize(("kind", "own"), [("regression", "TAV"), ("multi_label", "MMM")])
def test_its_loss_is_the_papers_weighted_sum(kind: str, own: str) -> None:
    model, batch, criteria = make_model("mlf_dnn", SMALL, make_spec(kind)).eval(), make_batch(kind), make_criteria(kind)
    output = model(batch)
    expected = 0.6 * criteria["M"](output.logits, batch.targets["M"])
    for m, weight, annotation in zip(("text", "audio", "video"), (0.2, 0.8, 0.8), own, strict=True):
        expected = expected + weight * criteria["M"](output.heads[m], batch.targets[annotation])
    torch.testing.assert_close(model.loss(output, batch, criteria), expected)
