"""ALMT's hyper-modality against torch's attention, and its sizes."""

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.fusion.almt import HyperLayer
from pipeline.fusion.base import make_model
from tests.fusion.batches import make_batch, make_small, make_spec
from tests.fusion.test_cross_attention import torch_attention


def test_the_hyper_modality_grows_by_what_the_text_finds_in_sound_and_picture() -> None:
    torch.manual_seed(0)
    layer, text = HyperLayer(["audio", "video"], 8, 2), torch.randn(2, 3, 8)
    tokens, real = {m: torch.randn(2, 3, 8) for m in ("audio", "video")}, torch.zeros(2, 3, dtype=torch.bool)
    expected = torch.zeros(2, 3, 8)
    for m, x in tokens.items():
        keys = layer.norms[m](x)
        expected = expected + torch_attention(layer.attention[m], 2)(layer.norm_text(text), keys, keys, need_weights=False)[0]
    torch.testing.assert_close(layer(text, tokens, dict.fromkeys(tokens, real)), expected, atol=1e-5, rtol=1e-5)
    silent = layer(text, tokens, {"audio": ~real, "video": ~real})
    assert not silent.any()


def test_the_text_asks_the_hyper_modality_that_every_scale_has_added_to() -> None:
    model, batch = make_small("almt").eval(), make_batch()
    tokens = {m: model.nets[m](x, batch.padding_mask[m]) for m, x in batch.features.items()}
    text, real = tokens.pop("text"), torch.zeros(6, 4, dtype=torch.bool)
    scales = [text, model.scales[0](text, text, real[:, 1:])]
    scales.append(model.scales[1](scales[1], scales[1], real[:, 1:]))
    found = [layer(x, tokens, dict.fromkeys(tokens, real[:, 1:])) for layer, x in zip(model.hyper_layers, scales, strict=True)]
    cls = model.cls.expand(6, 1, -1)
    source = torch.cat([cls, model.hyper + torch.stack(found).sum(0)], dim=1) + model.hyper_positions
    x = torch.cat([cls, scales[-1]], dim=1) + model.text_positions
    for layer in model.fusion:
        x = layer(x, source, real)
    torch.testing.assert_close(model(batch).logits, model.head(x[:, 0]), atol=1e-5, rtol=1e-5)


def test_sound_and_picture_are_asked_by_the_same_query() -> None:
    layer = make_small("almt").hyper_layers[0]
    assert layer.attention["audio"].query is layer.attention["video"].query
    assert layer.attention["audio"].out is layer.attention["video"].out
    assert layer.attention["audio"].key_value is not layer.attention["video"].key_value


def test_the_papers_setting_for_ch_sims() -> None:
    model = make_model("almt", {"num_fusion_layers": 4}, make_spec("regression", dims={"text": 768, "audio": 33, "video": 709}, maps={}))
    assert model.hyper.shape == (8, 128)
    assert all(net.tokens.shape == (8, 128) for net in model.nets.values())
    assert [len(part) for part in (model.scales, model.hyper_layers, model.fusion)] == [2, 3, 4]
    assert model.fusion[0].feed_forward[0].weight.shape == (128, 128)
    assert model.head.weight.shape == (1, 128)


def test_text_with_sound_alone_is_served_and_without_text_it_is_refused() -> None:
    model = make_small("almt", spec={"dims": {"text": 6, "audio": 5}}).eval()
    assert torch.isfinite(model(make_batch()).logits).all()
    with pytest.raises(ModelError, match="ALMT needs text"):
        make_model("almt", {}, make_spec(dims={"audio": 5, "video": 7}))
