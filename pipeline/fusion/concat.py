"""Concatenation: the baseline that the matchmap is compared with.

Pizarro, Bekios-Calfa, "Emotion recognition using multimodal matchmap fusion and multi-task learning", ICPRS 2021,
doi 10.1049/icp.2021.1454.
logits = W [max_t text; max_t audio; max_p video] + b
Differs from the paper: text beside audio and video; frozen encoders; the video's map is an average over time where its encoder works
per frame.
"""

from __future__ import annotations

from pipeline.fusion.layers import Concatenation


class Concat(Concatenation):
    """All modalities of the task."""


Model = Concat
