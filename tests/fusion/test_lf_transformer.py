"""The late fusion of transformers, by hand."""

import torch

from pipeline.fusion.base import make_model
from tests.fusion.batches import make_batch, make_small, make_spec


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


def test_the_papers_setting_has_two_layers_and_a_head_of_half_the_width() -> None:
    model = make_model("lf_transformer", {"dim": 300}, make_spec(dims={"text": 300, "audio": 144, "video": 35}, maps={}))
    assert [len(encoder.layers) for encoder in model.encoders.values()] == [2, 2, 2]
    assert [tuple(model.heads["text"][i].weight.shape) for i in (0, 2)] == [(150, 300), (3, 150)]
    assert model.encoders["text"].layers[0].num_heads == 4
