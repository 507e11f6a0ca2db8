"""Windows of equal length of a log-mel, so that no clip's embedding depends on what it is batched with."""

import numpy as np

from pipeline.errors import CheckpointError
from pipeline.shards.extractor import Row, Skip


def cut_windows(logmel: np.ndarray, window: int, min_filled: float, fill: float | None = None) -> list[np.ndarray] | Skip:
    """Return consecutive windows from the start, (window, bands) float32 each.

    Args:
        logmel: (frames, bands).
        window: frames.
        min_filled: the last window is dropped when a smaller share of it is filled, unless it is the only one.
        fill: what stands where the clip has ended; None: the clip's smallest value.
    """
    values = np.asarray(logmel, np.float32)
    if not values.size:
        return Skip("too_short")
    rest = len(values) % window
    count = max(1, len(values) // window + (rest > min_filled * window))
    padded = np.full((count * window, values.shape[1]), values.min() if fill is None else fill, np.float32)
    padded[: min(len(values), len(padded))] = values[: len(padded)]
    return list(padded.reshape(count, window, -1))


def check_bands(row: Row, n_mels: int, remedy: str) -> None:
    """Check that a log-mel has the bands that a network was made for.

    Raises:
        CheckpointError: it has others.
    """
    bands = row["logmel"].shape[1]
    if bands != n_mels:
        raise CheckpointError(f"the log-mels have {bands} bands and the encoder reads {n_mels}; compute them with {remedy}")
