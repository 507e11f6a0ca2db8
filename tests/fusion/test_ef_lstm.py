"""EF-LSTM's alignment and normalisation."""

import torch
from torch import nn
from torch.nn import functional

from pipeline.fusion.base import make_model
from tests.fusion.batches import DIMS, make_batch, make_spec, remove
from tests.fusion.sims import SPEC, count_parameters, linear, lstm, make_sims_batch


def test_its_size_on_sims_is_the_papers() -> None:
    layers = lstm(768 + 33 + 709, 32) + 2 * lstm(32, 32)
    assert count_parameters("ef_lstm") == 2 * 20 + layers + linear(32, 32, 1)


def test_every_modality_is_brought_to_twenty_steps_and_normalised_step_by_step() -> None:
    model, batch = make_model("ef_lstm", {}, SPEC), make_sims_batch()
    pooled = [functional.adaptive_avg_pool1d(batch.features[m].transpose(1, 2), 20) for m in ("text", "audio", "video")]
    expected = nn.BatchNorm1d(20)(torch.cat(pooled, dim=1).transpose(1, 2))
    torch.testing.assert_close(model.align(batch), expected, atol=1e-5, rtol=1e-4)


def test_short_clips_are_aligned_each_by_its_own_length() -> None:
    model, batch = make_model("ef_lstm", {"num_steps": 4}, make_spec()).eval(), make_batch()
    for i, length in enumerate((~batch.padding_mask["audio"]).sum(1).tolist()):
        expected = functional.adaptive_avg_pool1d(batch.features["audio"][i, :length].T, 4).T
        aligned = model.align(batch)[i, :, DIMS["text"] : DIMS["text"] + DIMS["audio"]]
        torch.testing.assert_close(aligned, expected / (1 + 1e-5) ** 0.5)


def test_a_missing_modality_adds_nothing_and_moves_no_statistic() -> None:
    model, batch = make_model("ef_lstm", {"num_steps": 4}, make_spec()), remove(make_batch(), "audio", [0, 2])
    aligned = model.align(batch)
    assert not aligned[[0, 2], :, 6:11].any()
    real = torch.cat([aligned[:, :, :6].flatten(2), aligned[:, :, 11:]], dim=-1).transpose(0, 1).flatten(1)
    real = torch.cat([real, aligned[[1, 3, 4, 5], :, 6:11].transpose(0, 1).flatten(1)], dim=1)
    torch.testing.assert_close(real.mean(1), torch.zeros(4), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(real.var(1, correction=0), torch.ones(4), atol=1e-3, rtol=0.0)
