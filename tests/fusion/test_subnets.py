"""Masked batch normalisation and the LSTM's last state, against torch's own."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from pipeline.fusion.subnets import AverageNet, MaskedBatchNorm, last_hidden, summary


@pytest.mark.parametrize("real", [[True] * 6, [True, False, True, True, False, True]])
def test_masked_batch_norm_is_torchs_on_the_rows_that_are_real(real: list[bool]) -> None:
    ours, theirs, mask = MaskedBatchNorm(3), nn.BatchNorm1d(3), torch.tensor(real)
    for seed in range(3):
        x = torch.randn(6, 3, generator=torch.Generator().manual_seed(seed)) * 2 + 1
        expected = theirs(x[mask])
        torch.testing.assert_close(ours(x, mask)[mask], expected)
        assert not ours.eval()(x, mask)[~mask].any()
        ours.train()
    torch.testing.assert_close(ours.get_buffer("running_mean"), theirs.running_mean)
    torch.testing.assert_close(ours.get_buffer("running_var"), theirs.running_var)
    torch.testing.assert_close(ours.eval()(x, mask)[mask], theirs.eval()(x[mask]))


def test_masked_batch_norm_of_a_single_row_is_that_of_evaluation() -> None:
    norm, x = MaskedBatchNorm(3), torch.randn(4, 3)
    norm(x, torch.ones(4, dtype=torch.bool))
    one = torch.tensor([True, False, False, False])
    before = norm.get_buffer("running_mean").clone()
    trained = norm(x, one)
    torch.testing.assert_close(trained, norm.eval()(x, one))
    assert torch.equal(before, norm.get_buffer("running_mean"))
    assert torch.isfinite(norm.train()(x, torch.zeros(4, dtype=torch.bool))).all()


def test_the_last_state_is_that_of_a_packed_sequence() -> None:
    lstm, x, lengths = nn.LSTM(3, 4, num_layers=2, batch_first=True), torch.randn(5, 7, 3), torch.tensor([7, 1, 4, 2, 6])
    mask = torch.arange(7) >= lengths.unsqueeze(-1)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    torch.testing.assert_close(last_hidden(lstm, x, mask), lstm(packed)[1][0][-1])
    assert not last_hidden(lstm, x, torch.ones_like(mask)).any()


def test_a_summary_is_the_cls_or_the_mean_of_the_real_steps() -> None:
    x, mask = torch.randn(2, 3, 4), torch.tensor([[False, False, True], [True, True, True]])
    assert torch.equal(summary(x, mask, True), x[:, 0])
    torch.testing.assert_close(summary(x, mask, False), torch.stack([x[0, :2].mean(0), torch.zeros(4)]))


def test_a_clip_without_the_modality_has_a_code_of_zeros() -> None:
    net = AverageNet(3, 4, 0.0)
    code = net(torch.randn(3, 2, 3), torch.tensor([[False, False], [True, True], [False, True]]))
    assert not code[1].any()
    assert code[[0, 2]].any()
