"""The late fusion of recurrent nets, by hand."""

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.fusion.base import make_model
from tests.fusion.batches import make_batch, make_small, make_spec


def test_the_logits_are_the_weighted_sum_of_the_modalities_that_are_there() -> None:
    model, batch = make_small("lf_lstm").eval(), make_batch()
    with torch.no_grad():
        model.fusion.weight.copy_(torch.tensor([0.5, 0.2, 0.3]))
    votes = {m: model.heads[m](model.recurrent[m](x, batch.padding_mask[m])[1]) for m, x in batch.features.items()}
    torch.testing.assert_close(model(batch).logits, 0.5 * votes["text"] + 0.2 * votes["audio"] + 0.3 * votes["video"])
    torch.testing.assert_close(model(batch.without("text")).logits, 0.2 * votes["audio"] + 0.3 * votes["video"])


def test_the_papers_setting_has_two_directions_and_a_head_of_two_layers() -> None:
    model = make_model("lf_lstm", {"dim": 300}, make_spec(dims={"text": 300, "audio": 144}))
    assert model.recurrent["text"].ahead.weight_hh_l0.shape == (1200, 300)
    assert [tuple(model.heads["text"][i].weight.shape) for i in (1, 3)] == [(300, 600), (3, 300)]
    assert model.fusion.weight.tolist() == [0.5, 0.5]


def test_one_modality_has_nothing_to_fuse() -> None:
    with pytest.raises(ModelError, match="LFLSTM needs 2 of text, audio, video"):
        make_model("lf_lstm", {}, make_spec(dims={"text": 6}))
