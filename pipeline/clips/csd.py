"""Computational sequences of the CMU multimodal SDK (`.csd`). The second door to h5py: the shards' own is closed to foreign layouts.

    <root>/data/<video>/features    (n, dim) numbers
    <root>/data/<video>/intervals   (n, 2) start and end, seconds
    <root>/metadata/…               not read

The root bears the sequence's name (`All Labels`, `glove_vectors`). Rows are not sorted by time.
"""

from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import ManifestError

Sequences = dict[str, tuple[np.ndarray, np.ndarray]]


def read_csd(path: Path) -> Sequences:
    """Read a computational sequence: video to its features (n, dim), numbers or words, and intervals (n, 2), in the file's order.

    Raises:
        ManifestError: the file is absent, torn or of another layout; the message names the video.
    """
    if not path.is_file():
        raise ManifestError(f"{path} does not exist; put the computational sequence there")
    try:
        with h5py.File(path, "r", locking=False) as file:
            return {video: _read_video(group, path, video) for video, group in _data(file, path).items()}
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError, MemoryError) as error:
        raise ManifestError(f"{path} is not a readable computational sequence ({error}); copy it again") from error


def _data(file: h5py.File, path: Path) -> h5py.Group:
    """Return the group of the videos, below the file's one root."""
    roots = [name for name, group in file.items() if isinstance(group, h5py.Group) and isinstance(group.get("data"), h5py.Group)]
    if len(roots) != 1:
        raise ManifestError(f"{path} must hold one group with `data` in it, and has {roots or 'none'}; its groups: {list(file)[:10]}")
    return file[roots[0]]["data"]


def _read_video(group: h5py.Group, path: Path, video: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a video's features and intervals."""
    features, intervals = (group.get(name) if isinstance(group, h5py.Group) else None for name in ("features", "intervals"))
    if not isinstance(features, h5py.Dataset) or not isinstance(intervals, h5py.Dataset):
        raise ManifestError(f"{path}: {video} lacks `features` or `intervals`")
    if features.ndim != 2 or intervals.ndim != 2 or intervals.shape[1] != 2 or len(features) != len(intervals):
        raise ManifestError(f"{path}: {video} has features {features.shape} and intervals {intervals.shape}, not (n, dim) and (n, 2)")
    text = h5py.check_string_dtype(features.dtype) is not None
    if (features.dtype.kind not in "fiub" and not text) or intervals.dtype.kind not in "fiu":
        raise ManifestError(f"{path}: {video} has features of {features.dtype} and intervals of {intervals.dtype}, not numbers (or words)")
    held = sum(dataset.id.get_storage_size() for dataset in (features, intervals))
    claimed = features.nbytes + intervals.nbytes
    if claimed > 1100 * held + 4096:  # deflate makes nothing more than 1032 times smaller
        raise ManifestError(f"{path}: {video} claims {claimed} bytes and holds {held}; it is torn: copy it again")
    return features[()], intervals[()]
