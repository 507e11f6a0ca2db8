"""Modality dropout: clips of the train part lose modalities at random, so that a model learns to do without them.

Neverova et al., "ModDrop: adaptive multi-modal gesture recognition", TPAMI 2016; here a clip always keeps one that it has, and what it
loses is masked, never shown as zeros.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from pipeline.fusion.base import Batch


def drop_modalities(batch: Batch, rate: float) -> Batch:
    """Take each modality from each clip with probability `rate`, drawn from torch's global generator.

    Args:
        batch: of the train part.
        rate: probability; a clip that would lose all its modalities keeps them all.
    """
    if rate == 0 or len(batch.present) < 2:
        return batch
    names = list(batch.present)
    present = torch.stack([batch.present[m] for m in names])  # (modalities, batch)
    kept = present & (torch.rand(present.shape, device=present.device) >= rate)
    kept = torch.where(kept.any(0), kept, present)
    keep = dict(zip(names, kept, strict=True))
    return replace(
        batch,
        features={m: x * keep[m][:, None, None] for m, x in batch.features.items()},
        padding_mask={m: mask | ~keep[m][:, None] for m, mask in batch.padding_mask.items()},
        present=keep,
        maps={m: x * keep[m][:, None, None] for m, x in batch.maps.items()},
    )
