"""One sequence of all tokens against torch's own encoder layer."""

import torch
from torch import nn

from pipeline.fusion.cross_attention import sinusoidal_positions
from tests.fusion.batches import make_batch, make_small, take
from tests.fusion.test_multitask_mbt import torch_layer


def test_it_is_torchs_encoder_over_the_real_tokens_of_all_modalities() -> None:
    model, batch = make_small("transformer", dropout=0.0).eval(), take(make_batch(), [1])
    tokens: list[torch.Tensor] = [model.cls]
    for i, m in enumerate(model.modalities):
        x = batch.features[m][0][~batch.padding_mask[m][0]]
        tokens.append(model.projections[m](x) + model.modality[i] + sinusoidal_positions(len(x), 8, x.device))
    layer: nn.Module = torch_layer(model.layers[0])
    expected = model.head(layer(torch.cat(tokens)[None])[:, 0])
    torch.testing.assert_close(model(batch).logits, expected, atol=1e-5, rtol=1e-5)
