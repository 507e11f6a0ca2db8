"""CMHA's two phases and its reconstruction, by hand."""

from dataclasses import replace

import pytest
import torch

from pipeline.fusion.base import make_model
from tests.fusion.batches import make_batch, make_criteria, make_small, make_spec, remove
from tests.fusion.test_cross_attention import torch_attention


def test_the_first_epochs_train_the_autoencoders_alone() -> None:
    model, batch = make_small("cmha", reconstruction_epochs=2), make_batch()
    model.loss(model(batch), replace(batch, epoch=2), make_criteria("multi_label")).backward()
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert trained == {"encoders", "compress", "expand", "decoders"}


@pytest.mark.parametrize("epoch", [0, 3])
def test_later_epochs_and_evaluation_have_the_tasks_loss_and_a_share_of_the_reconstruction(epoch: int) -> None:
    model, batch = make_small("cmha", reconstruction_epochs=2, reconstruction_weight=0.5).eval(), replace(make_batch(), epoch=epoch)
    output = model(batch)
    task = make_criteria("multi_label")["M"](output.logits, batch.targets["M"])
    torch.testing.assert_close(model.loss(output, batch, make_criteria("multi_label")), task + 0.5 * output.extras["reconstruction"])


def test_the_reconstruction_counts_real_steps_only() -> None:
    model, batch = make_small("cmha").eval(), remove(make_batch(), "audio", [1])
    errors = []
    for m in model.modalities:
        steps = torch.cat([batch.features[m][i][~batch.padding_mask[m][i]] for i in range(len(batch))])
        code = model.compress(model.encoders[m](steps).relu())
        errors.append((model.decoders[m](model.expand(code).relu()) - steps).square().mean())
    torch.testing.assert_close(model(batch).extras["reconstruction"], torch.stack(errors).mean())


def test_the_cascade_is_torchs_attention_in_series() -> None:
    model, batch = make_small("cmha", dropout=0.0).eval(), make_batch()
    code = {m: model.compress(model.encoders[m](x).relu()) for m, x in batch.features.items()}
    for clip in range(2):
        real = {m: code[m][clip][~batch.padding_mask[m][clip]][None] for m in code}
        z = torch.cat([model.query[None], real["text"]], dim=1)
        for m in ("audio", "video"):
            z = model.norms[m](z + torch_attention(model.attention[m], 2)(z, real[m], real[m], need_weights=False)[0])
        torch.testing.assert_close(model(batch).logits[clip], model.head(z.mean(1))[0], atol=1e-5, rtol=1e-5)


def test_the_autoencoders_share_their_inner_weights() -> None:
    three, two = (make_model("cmha", {}, make_spec(dims=dims)) for dims in ({"text": 6, "audio": 5, "video": 7}, {"text": 6, "audio": 5}))
    for model in (three, two):
        assert sum(p.numel() for part in (model.compress, model.expand) for p in part.parameters()) == 2 * 128 * 64 + 128 + 64
