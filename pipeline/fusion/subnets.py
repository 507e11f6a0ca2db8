"""Unimodal nets that several rows share: the mean over time through a DNN, a sequence through an LSTM, and three-layer classifiers.

The nets of Zadeh et al., "Tensor fusion network for multimodal sentiment analysis", EMNLP 2017, as the CH-SIMS baselines have them.

Notable decisions:
- A modality that a clip lacks has a code of zeros after the net: it adds nothing to a sum, a product or an LSTM that reads the code.
- Batch normalisation takes its statistics from the clips that have the modality, and in evaluation from training.
- An LSTM reads padded sequences whole, and its state is taken at each clip's last real step: clips are padded at the end, so what it reads
  later changes nothing, and one call of oneDNN's or cuDNN's serves the batch, many times faster on a CPU than packed sequences.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.fusion.layers import masked_adaptive_mean, masked_mean
from pipeline.fusion.recurrent import last_step

BATCH_NORM_MOMENTUM, BATCH_NORM_EPS = 0.1, 1e-5  # torch's own


class MaskedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe, Szegedy, ICML 2015) of the last axis over what is real; torch's own where all of it is."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("running_var", torch.ones(dim))

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """Normalise x (…, dim) where `real` (…,) is true; zero elsewhere. Fewer than two real rows are normalised as in evaluation."""
        x, weight = x.float(), real.unsqueeze(-1).float()
        mean, var = self.get_buffer("running_mean"), self.get_buffer("running_var")
        if self.training:
            mean, var = self.observe(x, weight)
        scaled = (x - mean) * torch.rsqrt(var + BATCH_NORM_EPS)
        return (scaled * self.weight + self.bias) * weight

    def observe(self, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance of the batch, (dim,) each; moves the running ones by the mean and the unbiased variance."""
        axes, count = tuple(range(x.ndim - 1)), weight.sum().clamp(min=1)
        mean = (x * weight).sum(axes) / count
        var = ((x - mean) ** 2 * weight).sum(axes) / count
        running_mean, running_var, enough = self.get_buffer("running_mean"), self.get_buffer("running_var"), count > 1
        used = torch.where(enough, mean, running_mean), torch.where(enough, var, running_var)
        with torch.no_grad():
            step = BATCH_NORM_MOMENTUM * enough
            running_mean += step * (mean - running_mean)
            running_var += step * (var * count / (count - 1).clamp(min=1) - running_var)
        return used


def run_lstm(lstm: nn.LSTM, x: Tensor) -> Tensor:
    """An LSTM's states, (batch, time, in) → (batch, time, hidden), in float32 under autocast too: few CPUs have one in bfloat16."""
    with torch.autocast(x.device.type, enabled=False):
        states: Tensor = lstm(x.float())[0]
    return states


def last_hidden(lstm: nn.LSTM, x: Tensor, padding_mask: Tensor) -> Tensor:
    """State of an LSTM's last layer at each clip's last real step, (batch, time, in) → (batch, hidden); zero for a clip without any."""
    return last_step(run_lstm(lstm, x), padding_mask)


def summary(x: Tensor, padding_mask: Tensor, leads_with_cls: bool) -> Tensor:
    """A sequence's own [CLS] where it leads with one, else the mean of its real steps: (batch, time, dim) → (batch, dim)."""
    return x[:, 0] if leads_with_cls else masked_mean(x, padding_mask)


class Summary(nn.Module):
    """`summary` as a net that learns nothing: (batch, time, dim) → (batch, dim)."""

    def __init__(self, leads_with_cls: bool) -> None:
        super().__init__()
        self.leads_with_cls = leads_with_cls

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        """The summary."""
        return summary(x, padding_mask, self.leads_with_cls)


class AverageNet(nn.Module):
    """Mean over the real steps, batch normalisation, dropout, three times Linear and ReLU: (batch, time, in) → (batch, dim)."""

    def __init__(self, in_dim: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.out_dim, self.norm = dim, MaskedBatchNorm(in_dim)
        widths = [(in_dim, dim), (dim, dim), (dim, dim)]
        self.layers = nn.Sequential(nn.Dropout(dropout), *(layer for w in widths for layer in (nn.Linear(*w), nn.ReLU())))

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        """The code; zero for a clip without a real step."""
        present = ~padding_mask.all(1)
        return self.layers(self.norm(masked_adaptive_mean(x, padding_mask, 1)[:, 0], present)) * present.unsqueeze(-1)  # type: ignore[no-any-return]


class LastStepNet(nn.Module):
    """An LSTM's last state, dropout, Linear: (batch, time, in) → (batch, out_dim)."""

    def __init__(self, in_dim: int, dim: int, out_dim: int, dropout: float) -> None:
        super().__init__()
        self.out_dim, self.lstm = out_dim, nn.LSTM(in_dim, dim, batch_first=True)
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(dim, out_dim))

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        """The code; zero for a clip without a real step."""
        present = (~padding_mask.all(1)).unsqueeze(-1)
        return self.project(last_hidden(self.lstm, x, padding_mask)) * present  # type: ignore[no-any-return]


class Classifier(nn.Module):
    """Dropout, Linear, ReLU (`embed`), then Linear, ReLU, Linear (`read`): (batch, in) → (batch, outputs)."""

    def __init__(self, in_dim: int, dim: int, num_outputs: int, dropout: float) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Dropout(dropout), nn.Linear(in_dim, dim), nn.ReLU())
        self.read = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, num_outputs))

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        return self.read(self.embed(x))  # type: ignore[no-any-return]


def with_one(x: Tensor) -> Tensor:
    """[x; 1]: (batch, dim) → (batch, dim + 1), so that a product of such vectors holds the products of fewer of them too."""
    return functional.pad(x, (0, 1), value=1.0)
