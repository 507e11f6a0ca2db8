"""The late fusion of transformers, by hand."""

import torch

from tests.fusion.batches import make_batch, make_small


def test_the_logits_are_the_weighted_sum_of_what_the_heads_read_of_each_cls() -> None:
    model, batch = make_small("lf_transformer").eval(), make_batch()
    cls = {m: model.encoders[m](x, batch.padding_mask[m])[0][:, 0] for m, x in batch.features.items()}
    votes = {m: model.heads[m](cls[m]) for m in cls}
    torch.testing.assert_close(model(batch).logits, sum(votes.values()) / 3)
    torch.testing.assert_close(model(batch.without("video")).logits, (votes["text"] + votes["audio"]) / 3)


def test_the_loss_is_that_of_the_sum_alone() -> None:
    model, batch = make_small("lf_transformer").eval(), make_batch()
    assert model.annotations == ("M",)
    assert not model(batch).heads
