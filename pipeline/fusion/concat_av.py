"""Concatenation of audio and video: the matchmap paper's own baseline.

Pizarro, Bekios-Calfa, "Emotion recognition using multimodal matchmap fusion and multi-task learning", ICPRS 2021,
doi 10.1049/icp.2021.1454.
logits = W [max_t audio; max_p video] + b
Differs from the paper: frozen encoders; the video's map is an average over time where its encoder works per frame.
"""

from __future__ import annotations

from typing import ClassVar

from pipeline.fusion.layers import Concatenation


class ConcatAV(Concatenation):
    """Audio and video, without text."""

    uses: ClassVar[tuple[str, ...]] = ("audio", "video")


Model = ConcatAV
