"""The six emotions, how pleasant each is, and which of them go together."""

from collections.abc import Mapping

Shown = Mapping[str, float]
"""Emotions that a modality shows, with their intensities in (0, 1]; empty: neutral."""

VALENCE = {"anger": -0.9, "disgust": -0.8, "fear": -0.7, "happiness": 1.0, "sadness": -0.8, "surprise": 0.3}
EMOTIONS = tuple(VALENCE)

PAIRS = (
    ("happiness", "surprise"),
    ("fear", "surprise"),
    ("anger", "disgust"),
    ("anger", "sadness"),
    ("fear", "sadness"),
    ("happiness", "sadness"),
)
"""Emotions that are felt together, in the clips that have two."""

OPPOSITES = {
    "anger": ("happiness",),
    "disgust": ("happiness",),
    "fear": ("happiness",),
    "happiness": ("anger", "disgust", "sadness"),
    "sadness": ("happiness",),
    "surprise": ("sadness",),
}
"""What a modality shows that contradicts the emotion (sarcasm, a brave face)."""


def valence(shown: Shown) -> float:
    """Sentiment of what is shown, in [-1, 1]: the mean of the emotions' valences, weighted by intensity, at the strongest's intensity."""
    total = sum(shown.values())
    return max(shown.values()) * sum(VALENCE[name] * share for name, share in shown.items()) / total if total else 0.0
