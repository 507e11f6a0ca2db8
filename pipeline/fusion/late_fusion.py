"""The learned late fusion of E2E's family of rows: a weighted sum of the modalities' logits."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightedVotes(nn.Module):
    """Σ_m w_m · logits_m over the modalities that a clip has; w starts at 1/modalities."""

    def __init__(self, num_modalities: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((num_modalities,), 1.0 / num_modalities))

    def forward(self, logits: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Modality → (batch, outputs), and modality → (batch,) bool; the sum (batch, outputs)."""
        votes = torch.stack(list(logits.values()), dim=1)  # (batch, modalities, outputs)
        heard = torch.stack([present[m] for m in logits], dim=1)
        return (votes * (self.weight * heard).unsqueeze(-1)).sum(1)
