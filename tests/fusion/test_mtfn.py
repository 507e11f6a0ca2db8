"""MTFN's size, and its head of weight 0."""

import torch

from pipeline.fusion.base import make_model
from pipeline.fusion.mtfn import MTFNHyperparams
from tests.fusion.batches import make_batch, make_criteria, make_spec
from tests.fusion.sims import average_net, count_parameters, linear, lstm

SMALL = {"text_dim": 8, "text_out": 8, "audio_dim": 8, "video_dim": 8, "fusion_dim": 8}


def test_its_size_on_sims_is_the_papers() -> None:
    nets = lstm(768, 256) + linear(256, 256) + average_net(33, 32) + average_net(709, 256)
    heads = linear(256, 64, 64, 1) + linear(32, 4, 4, 1) + linear(256, 8, 8, 1)
    assert MTFNHyperparams().fusion_dim == 64  # 558 MB of weights, too many for a test: one unit has the 64th part
    assert count_parameters("mtfn", fusion_dim=1) == nets + heads + linear(257 * 257 * 33, 1, 1, 1)


def test_a_head_of_weight_zero_learns_and_shapes_nothing() -> None:
    model, batch, criteria = (
        make_model("mtfn", SMALL, make_spec("regression")).eval(),
        make_batch("regression"),
        make_criteria("regression"),
    )
    output = model(batch)
    criteria["A"](output.heads["audio"], batch.targets["A"]).backward()
    assert all(p.grad is not None for p in model.heads["audio"].parameters())
    assert all(p.grad is None for p in model.subnets.parameters())
    output = model(batch)
    total = model.loss(output, batch, criteria).detach()
    parts = {m: criteria["M"](output.heads[m], batch.targets[a]) for m, a in (("text", "T"), ("audio", "A"), ("video", "V"))}
    fused = criteria["M"](output.logits, batch.targets["M"])
    torch.testing.assert_close(total, (0.6 * fused + 0.4 * parts["text"] + parts["audio"] + parts["video"]).detach())
