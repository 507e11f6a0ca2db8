"""MLMF's size and loss."""

import torch

from pipeline.fusion.base import make_model
from tests.fusion.batches import make_batch, make_criteria, make_spec
from tests.fusion.sims import average_net, count_parameters, linear, lstm

SMALL = {"text_dim": 8, "text_out": 8, "audio_dim": 8, "video_dim": 8}


def test_its_size_on_sims_is_the_papers() -> None:
    nets = lstm(768, 256) + linear(256, 128) + average_net(33, 32) + average_net(709, 256)
    heads = linear(128, 8, 8, 1) + linear(32, 4, 4, 1) + linear(256, 32, 32, 1)
    assert count_parameters("mlmf") == nets + heads + 3 * (129 + 33 + 257) + 3 + 1


def test_its_loss_is_the_papers_weighted_sum() -> None:
    model, batch, criteria = (
        make_model("mlmf", SMALL, make_spec("regression")).eval(),
        make_batch("regression"),
        make_criteria("regression"),
    )
    output = model(batch)
    expected = 0.2 * (output.logits - batch.targets["M"]).abs().mean()
    for m, weight, annotation in (("text", 1.0, "T"), ("audio", 0.4, "A"), ("video", 0.8, "V")):
        expected = expected + weight * (output.heads[m] - batch.targets[annotation]).abs().mean()
    torch.testing.assert_close(model.loss(output, batch, criteria), expected)
