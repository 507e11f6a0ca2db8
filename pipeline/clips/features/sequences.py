"""Padded arrays of features become the sequences that they hold."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ManifestError

Sequences = list[NDArray[Any]]


def read_sequences(values: Any, lengths: Any, padding: Literal["start", "end"], ids: Sequence[str], where: str) -> Sequences:
    """Return each clip's sequence, (time, dim), without its padding.

    Args:
        values: (clips, time, dim) padded; (clips, dim), one vector a clip; or as many arrays (time, dim).
        lengths: (clips,) real steps; None: padding are the all-zero rows at the end (or start).
        padding: where it stands.
        ids: of the clips.
        where: heads the messages.

    Raises:
        ManifestError: the arrays are of another kind or number, or a length is beyond the array.
    """
    arrays = _split(values, where)
    if len(arrays) != len(ids):
        raise ManifestError(f"{where} holds {len(arrays)} arrays for {len(ids)} ids")
    if lengths is None:
        counts = [_count_real(array, padding) if array.shape[0] > 1 else array.shape[0] for array in arrays]
    else:
        counts = _check_lengths(lengths, arrays, ids, where)
    return [array[:n] if padding == "end" else array[array.shape[0] - n :] for array, n in zip(arrays, counts, strict=True)]


def _split(values: Any, where: str) -> Sequences:
    """Return an array (time, dim) for each clip."""
    whole = isinstance(values, np.ndarray) and values.dtype.kind != "O"
    if whole and values.ndim == 2:
        values = values[:, None]
    arrays = list(values) if isinstance(values, (list, tuple)) or (isinstance(values, np.ndarray) and values.ndim) else []
    arrays = [array[None] if isinstance(array, np.ndarray) and array.ndim == 1 else array for array in arrays]
    bad = [array for array in arrays if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiub"]
    if bad or not arrays:
        shape = f"{values.dtype}{values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise ManifestError(f"{where} is {shape}, not numbers (clips, time, dim) or (clips, dim), nor as many arrays (time, dim)")
    return arrays


def _count_real(array: NDArray[Any], padding: str) -> int:
    """Return how many steps are left without the all-zero ones at the end, or start."""
    real = np.flatnonzero((array != 0).any(axis=1))
    if not len(real):
        return 0
    return int(real[-1]) + 1 if padding == "end" else array.shape[0] - int(real[0])


def _check_lengths(lengths: Any, arrays: Sequences, ids: Sequence[str], where: str) -> list[int]:
    """Return lengths as integers that their arrays can hold."""
    try:
        numbers = np.asarray(lengths, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise ManifestError(f"{where}: its lengths are no numbers ({error})") from error
    if len(numbers) != len(ids):
        raise ManifestError(f"{where} has {len(numbers)} lengths for {len(ids)} ids")
    bad = [
        f"{i} ({n:g} of {len(array)})"
        for i, n, array in zip(ids, numbers, arrays, strict=True)
        if not (0 <= n <= len(array) and n == int(n))
    ]
    if bad:
        raise ManifestError(f"{where}: the lengths of {len(bad)} clips lie beyond their arrays: {', '.join(bad[:10])}; the file is torn")
    return [int(n) for n in numbers]
