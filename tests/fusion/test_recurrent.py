"""Recurrent layers against torch's own packed sequences."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from pipeline.fusion.recurrent import BiLSTM, last_step, reverse_steps


def test_the_bilstm_equals_torchs_own_on_packed_sequences() -> None:
    torch.manual_seed(0)
    x, lengths = torch.randn(4, 5, 3), torch.tensor([5, 1, 3, 2])
    ours, theirs = BiLSTM(3, 4), nn.LSTM(3, 4, batch_first=True, bidirectional=True)
    theirs.load_state_dict({**ours.ahead.state_dict(), **{f"{name}_reverse": w for name, w in ours.back.state_dict().items()}})
    packed, (final, _) = theirs(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
    states, last = ours(x, torch.arange(5) >= lengths.unsqueeze(-1))
    torch.testing.assert_close(states, pad_packed_sequence(packed, batch_first=True)[0])
    torch.testing.assert_close(last, torch.cat([final[0], final[1]], dim=-1))


def test_a_clip_without_a_step_has_a_state_of_zeros() -> None:
    states, last = BiLSTM(3, 4)(torch.zeros(2, 5, 3), torch.tensor([[True] * 5, [False] * 5]))
    assert not states[0].any()
    assert not last[0].any()
    assert last[1].all()


def test_last_and_reversed_steps_are_those_of_each_clip_alone() -> None:
    x, lengths = torch.randn(3, 4, 2), [4, 2, 0]
    mask = torch.arange(4) >= torch.tensor(lengths).unsqueeze(-1)
    for i, length in enumerate(lengths):
        torch.testing.assert_close(last_step(x, mask)[i], x[i, length - 1] if length else torch.zeros(2))
        torch.testing.assert_close(reverse_steps(x, mask)[i, :length], x[i, :length].flip(0))
