"""Audio alone: a CLS-transformer and a linear head, the encoder that the multi-task network has for each modality.

Rows "Audio", "Visual", "Text" of source 1: khanhnd185, "Multimodal learning inspired by multitask learning in video emotion
recognition", 2023 (blog and EmoMBT code). logits = W cls(audio) + b.
Differs from the paper: the embeddings are frozen and cached, their projection's hidden layer is as wide as the transformer, and every
modality gets a learned CLS.
"""

from __future__ import annotations

from typing import ClassVar

from pipeline.fusion.layers import Unimodal


class AudioOnly(Unimodal):
    """The audio's own prediction."""

    uses: ClassVar[tuple[str, ...]] = ("audio",)
    requires: ClassVar[tuple[str, ...]] = ("audio",)


Model = AudioOnly
