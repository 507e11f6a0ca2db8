"""A valid configuration of the built-in corpus, small and quick to render."""

from typing import Any

from pipeline.demo.config import DemoConfig


def make_config(**changes: Any) -> DemoConfig:
    """Three clips of 160×120 px; keywords change its fields."""
    fields: dict[str, Any] = {
        "seed": 1,
        "num_clips": 3,
        "speakers": {"train": 7, "valid": 2, "test": 3},
        "shares": {"train": 0.62, "valid": 0.18, "test": 0.20},
        "recordings": 3,
        "width": 160,
        "height": 120,
        "fps": 25,
        "sampling_rate": 16000,
        "min_duration": 1.5,
        "max_duration": 3.0,
        "no_emotion": 0.2,
        "two_emotions": 0.15,
        "hide": {"text": 0.3, "audio": 0.25, "video": 0.25},
        "contradict": {"text": 0.15, "audio": 0.1, "video": 0.1},
    }
    return DemoConfig(**{**fields, **changes})
