"""Recurrent layers over padded sequences: only real steps are read, in both directions."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def last_step(x: Tensor, padding_mask: Tensor) -> Tensor:
    """The last real step, (batch, time, dim) → (batch, dim); zero for a clip without any."""
    length = (~padding_mask).sum(1)
    index = (length - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, x.shape[-1])
    return x.gather(1, index).squeeze(1).masked_fill((length == 0).unsqueeze(-1), 0.0)


def reverse_steps(x: Tensor, padding_mask: Tensor) -> Tensor:
    """Real steps in the opposite order, padding where it was; (batch, time, dim)."""
    length, position = (~padding_mask).sum(1, keepdim=True), torch.arange(x.shape[1], device=x.device)
    index = torch.where(position < length, length - 1 - position, position)
    return x.gather(1, index.unsqueeze(-1).expand_as(x))


class BiLSTM(nn.Module):
    """One layer of LSTM in either direction (Hochreiter, Schmidhuber, 1997), without torch's packing, which costs a copy to the host."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.ahead, self.back = nn.LSTM(in_dim, dim, batch_first=True), nn.LSTM(in_dim, dim, batch_first=True)

    def forward(self, x: Tensor, padding_mask: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, time, in_dim) → both directions' states (batch, time, 2·dim), zero at padding, and their final ones (batch, 2·dim)."""
        with torch.autocast(x.device.type, enabled=False):  # oneDNN has no LSTM of bfloat16 states from float32 weights
            x = x.float()
            ahead, back = self.ahead(x)[0], self.back(reverse_steps(x, padding_mask))[0]
        final = last_step(torch.cat([ahead, back], dim=-1), padding_mask)
        states = torch.cat([ahead, reverse_steps(back, padding_mask)], dim=-1)
        return states.masked_fill(padding_mask.unsqueeze(-1), 0.0), final
