"""Δ and ΔΔ of a log-mel, made when an encoder asks for them."""

import numpy as np

WIDTH = 9
"""Frames of the sliding window, librosa's default."""


def delta(values: np.ndarray, order: int) -> np.ndarray:
    """Return the derivative of `order` (1 or 2) along time, (time, bands) float32, of at least 9 frames.

    A polynomial of degree `order` is fitted to each 9 frames by least squares (Savitzky and Golay, 1964). Its derivative is the same all
    over the window, so the first and last four frames take those of the first and last window: what librosa.feature.delta does.
    """
    places = np.arange(WIDTH) - WIDTH // 2
    weights = np.linalg.pinv(np.vander(places, order + 1, increasing=True).astype(np.float64))[order] * order
    inner = np.lib.stride_tricks.sliding_window_view(values, WIDTH, axis=0) @ weights
    return np.pad(inner, ((WIDTH // 2, WIDTH // 2), (0, 0)), mode="edge").astype(np.float32)
