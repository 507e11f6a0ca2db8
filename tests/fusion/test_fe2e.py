"""FE2E's nets in the paper's sizes, what of a picture reaches them, and what it needs of a task."""

from dataclasses import replace

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.fusion.fe2e import PictureEncoder, PictureNet
from tests.fusion.batches import make_batch, make_small, make_spec


def test_a_face_becomes_512_channels_of_3_by_3_and_a_piece_of_sound_of_8_by_2() -> None:
    with torch.inference_mode():
        assert PictureNet(3, 64).eval()(torch.zeros(1, 3, 48, 48)).shape == (1, 512, 3, 3)
        assert PictureNet(1, 64).eval()(torch.zeros(1, 1, 128, 32)).shape == (1, 512, 8, 2)


def test_the_net_is_one_convolution_of_five_and_ten_of_three() -> None:
    convolutions = [layer for layer in PictureNet(3, 64).modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.kernel_size[0] for layer in convolutions] == [5, *[3] * 10]
    assert [layer.out_channels for layer in convolutions] == [64] * 5 + [128] * 2 + [256] * 2 + [512] * 2


def test_a_picture_is_seen_as_it_was_flattened() -> None:
    encoder, x = PictureEncoder((3, 16, 16), 4, 8).eval(), torch.randn(2, 3, 3 * 16 * 16)
    mask = torch.tensor([[False, False, True], [False, True, True]])
    with torch.inference_mode():
        found = encoder(x, mask)
        for clip, step in ((0, 0), (0, 1), (1, 0)):
            expected = encoder.project(encoder.net(x[clip, step].view(1, 3, 16, 16)))[0]
            torch.testing.assert_close(found[clip, step], expected, atol=1e-5, rtol=1e-4)
    assert not found[mask].any()


def test_batch_normalisation_in_training_sees_no_padding() -> None:
    batch, padded = make_batch(seed=1), make_batch(seed=1, extra=4)
    dirty = {m: torch.where(padded.padding_mask[m].unsqueeze(-1), torch.full_like(x, 9.0), x) for m, x in padded.features.items()}
    first, second = make_small("fe2e", dropout=0.0), make_small("fe2e", dropout=0.0)
    torch.testing.assert_close(first(batch).logits, second(replace(padded, features=dirty)).logits, atol=1e-4, rtol=1e-3)
    for (name, x), y in zip(first.named_buffers(), second.buffers(), strict=True):
        torch.testing.assert_close(x, y, msg=name, atol=1e-5, rtol=1e-4)


def test_the_text_is_its_encoders_cls() -> None:
    model, batch = make_small("fe2e").eval(), make_batch()
    changed = batch.features["text"].clone()
    changed[:, 1:] = 5.0
    torch.testing.assert_close(model(replace(batch, features=batch.features | {"text": changed})).logits, model(batch).logits)


def test_a_task_without_features_is_told_which_key_to_add() -> None:
    with pytest.raises(ModelError, match=r"add `features: \{audio: logmel/<row>, video: faces/<row>\}` to the task"):
        make_small("fe2e", spec={"shapes": {}})
    with pytest.raises(ModelError, match=r"reads the video before any encoder; add `features: \{video: faces/<row>\}`"):
        make_small("fe2e", spec={"shapes": {"audio": make_spec().shapes["audio"]}})


def test_faces_and_text_alone_will_do() -> None:
    spec = make_spec()
    model = make_small("fe2e", spec={"dims": {m: spec.dims[m] for m in ("text", "video")}, "shapes": {"video": spec.shapes["video"]}})
    assert model.modalities == ("text", "video")
