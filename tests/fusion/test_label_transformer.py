"""The decoder of label queries against torch's own."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pipeline.errors import ModelError
from pipeline.fusion.base import make_model
from pipeline.fusion.label_transformer import DecoderLayer
from tests.fusion.batches import make_batch, make_small, make_spec
from tests.fusion.test_cross_attention import torch_attention


def test_a_decoder_layer_equals_torchs_own() -> None:
    torch.manual_seed(0)
    ours, theirs = DecoderLayer(8, 2, 0.0, 3).eval(), nn.TransformerDecoderLayer(8, 2, 32, 0.0, batch_first=True).eval()
    theirs.self_attn, theirs.multihead_attn = torch_attention(ours.attend_self, 2), torch_attention(ours.attend_memory, 2)
    theirs.linear1, theirs.linear2 = ours.feed_forward[0], ours.feed_forward[3]
    theirs.norm1, theirs.norm2, theirs.norm3 = ours.norms
    x, memory, mask = torch.randn(2, 3, 8), torch.randn(2, 5, 8), torch.tensor([[False] * 5, [False, False, True, True, True]])
    expected = theirs(x, memory, memory_key_padding_mask=mask)
    torch.testing.assert_close(ours(x, memory, mask), expected, atol=1e-5, rtol=1e-5)


def test_a_label_is_its_query_and_its_unit_whatever_its_place() -> None:
    model, batch, order = make_small("label_transformer").eval(), make_batch(), torch.tensor([2, 0, 1])
    logits = model(batch).logits
    with torch.no_grad():
        for parameter in (model.queries, model.weight, model.bias):
            parameter.copy_(parameter[order].clone())
    torch.testing.assert_close(model(batch).logits, logits[:, order], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("leads", "read"), [(("text",), False), ((), True)])
def test_the_texts_own_cls_is_not_read(leads: tuple[str, ...], read: bool) -> None:
    model, batch = make_small("label_transformer", spec={"leads_with_cls": leads}).eval(), make_batch()
    changed = batch.features["text"].clone()
    changed[:, 0] += 1.0
    other = model(replace(batch, features=batch.features | {"text": changed})).logits
    assert torch.allclose(other, model(batch).logits) is not read


def test_the_papers_setting_has_two_layers_in_each_part() -> None:
    model = make_model("label_transformer", {"dim": 256}, make_spec())
    assert [len(part) for part in (model.encoders["audio"].layers, model.fusion, model.decoder)] == [2, 2, 2]
    assert model.queries.shape == (3, 256)
    assert model.decoder[0].feed_forward[0].weight.shape == (1024, 256)


def test_layers_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ModelError, match="must be even, not 3"):
        make_model("label_transformer", {"num_layers": 3}, make_spec())
