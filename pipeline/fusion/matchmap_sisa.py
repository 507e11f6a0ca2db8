"""Matchmap fusion with the margin loss on SISA.

Pizarro, Bekios-Calfa, "Emotion recognition using multimodal matchmap fusion and multi-task learning", ICPRS 2021,
doi 10.1049/icp.2021.1454; similarity from Harwath et al., "Jointly discovering visual objects and spoken words from raw sensory input",
ECCV 2018. M = ⟨W_v v, W_a a⟩ / √C, logits = W vec(M) + b, L = criterion + λ · margin loss on
SISA(M) = mean over positions and steps of M.
Differs from the paper: encoders are frozen, so learned 1×1 projections to C take the margin loss's gradient; there M is not divided by √C;
the whole utterance is mask-pooled to 10 steps, unless `segment_steps` cuts it into the paper's segments (matchmap.py); the margin loss is a
single mean over the samples that have an impostor; impostors are drawn uniformly from those allowed.
"""

from __future__ import annotations

from typing import ClassVar

from pipeline.fusion.matchmap import Matchmap


class MatchmapSISA(Matchmap):
    """Sum over the image, sum over the audio."""

    similarity: ClassVar[str] = "sisa"


Model = MatchmapSISA
