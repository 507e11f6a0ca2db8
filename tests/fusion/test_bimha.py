"""BIMHA's pairs, by hand."""

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.fusion.base import make_model
from tests.fusion.batches import make_batch, make_small, make_spec
from tests.fusion.test_cross_attention import torch_attention


def test_a_pair_is_a_linear_map_of_the_outer_product() -> None:
    model, batch = make_small("bimha").eval(), make_batch()
    heard: list[torch.Tensor] = []
    model.bimodal["text_audio"].register_forward_hook(lambda module, args, result: heard.append(args[0]))
    model(batch)
    text, audio = model.summarise("text", batch), model.summarise("audio", batch)
    for clip in range(len(batch)):
        expected = torch.stack([text[clip, i] * audio[clip, j] for i in range(8) for j in range(8)])
        torch.testing.assert_close(heard[0][clip], expected)


def test_the_pairs_attend_to_each_other_beside_themselves() -> None:
    model, batch = make_small("bimha", dropout=0.0).eval(), make_batch()
    vectors = {m: model.summarise(m, batch) for m in model.modalities}
    pairs = [("text", "audio"), ("text", "video"), ("audio", "video")]
    x = torch.stack([model.bimodal[f"{m}_{n}"](torch.einsum("bi,bj->bij", vectors[m], vectors[n]).flatten(1)) for m, n in pairs], dim=1)
    x = x + torch_attention(model.attention, 2)(x, x, x, need_weights=False)[0]
    torch.testing.assert_close(model(batch).logits, model.head(x.flatten(1)), atol=1e-5, rtol=1e-5)


def test_a_clip_without_sound_is_read_from_text_and_video_alone() -> None:
    model, batch = make_small("bimha").eval(), make_batch().without("audio")
    before = model(batch).logits
    with torch.no_grad():
        for pair in ("text_audio", "audio_video"):
            model.bimodal[pair].bias.fill_(7.0)
    torch.testing.assert_close(model(batch).logits, before)


def test_two_modalities_are_one_pair_and_refused() -> None:
    with pytest.raises(ModelError, match="BIMHA needs 3 of text, audio, video"):
        make_model("bimha", {}, make_spec(dims={"text": 6, "audio": 5}))
