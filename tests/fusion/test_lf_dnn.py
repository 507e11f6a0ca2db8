"""LF-DNN as the paper has it."""

import torch

from pipeline.fusion.base import make_model
from tests.fusion.batches import make_batch, make_spec, remove
from tests.fusion.sims import SPEC, average_net, count_parameters, linear, lstm, make_sims_batch

SMALL = {"text_dim": 8, "text_out": 8, "audio_dim": 8, "video_dim": 8, "fusion_dim": 8}


def test_its_size_on_sims_is_the_papers() -> None:
    text, audio, video = lstm(768, 128) + linear(128, 256), average_net(33, 32), average_net(709, 128)
    assert count_parameters("lf_dnn") == text + audio + video + linear(256 + 32 + 128, 32, 32, 1) == 635_821


def test_it_is_the_three_nets_and_a_classifier_written_out() -> None:
    torch.manual_seed(0)
    model, batch = make_model("lf_dnn", {}, SPEC).eval(), make_sims_batch()
    text = model.subnets["text"].project[1](model.subnets["text"].lstm(batch.features["text"])[0][:, -1])
    codes = [text]
    for m in ("audio", "video"):
        net, x = model.subnets[m], batch.features[m].mean(1)
        x = (x - net.norm.running_mean) / (net.norm.running_var + 1e-5).sqrt()
        for layer in net.layers[1::2]:
            x = layer(x).relu()
        codes.append(x)
    x = torch.cat(codes, dim=-1)
    layers = [model.fusion.classifier.embed[1], model.fusion.classifier.read[0], model.fusion.classifier.read[2]]
    expected = layers[2](layers[1](layers[0](x).relu()).relu())
    torch.testing.assert_close(model(batch).logits, expected, atol=1e-5, rtol=1e-4)


def test_a_missing_modality_adds_nothing_to_the_fused_layer() -> None:
    model, batch = make_model("lf_dnn", SMALL, make_spec()).eval(), make_batch()
    codes = model.encode(model.inputs(remove(batch, "video", [1])))
    assert not codes["video"][1].any()
    assert codes["video"][0].any()
