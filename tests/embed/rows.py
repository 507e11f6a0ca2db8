"""Upstream rows that tests make for themselves: faces, log-mels, tokens."""

import cv2
import numpy as np

from pipeline.shards.extractor import Row


def make_picture(seed: int, size: int = 260, brightness: float = 1.0) -> np.ndarray:
    """A smooth random picture, (size, size, 3) uint8."""
    noise = np.random.default_rng(seed).integers(0, 256, (size // 20, size // 20, 3), dtype=np.uint8)
    return cv2.convertScaleAbs(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), alpha=brightness)


def make_faces(num_found: int, num_missing: int = 0, seed: int = 0, size: int = 260, brightness: float = 1.0) -> Row:
    """A row of faces; the missing ones come first."""
    pictures = [make_picture(seed * 1000 + i, size, brightness) for i in range(num_found)]
    codes = [cv2.imencode(".jpg", picture)[1].ravel() for picture in pictures]
    return {
        "jpeg": np.concatenate([np.empty(0, np.uint8), *codes]),
        "jpeg_size": np.array([0] * num_missing + [len(code) for code in codes], np.uint32),
        "time": np.arange(num_missing + num_found, dtype=np.float32) / 3,
    }


def make_logmel(num_frames: int, n_mels: int = 40, seed: int = 0, shift: float = 0.0) -> Row:
    """A row of log-mels in dB."""
    values = np.random.default_rng(seed).normal(-40 + shift, 10, (num_frames, n_mels))
    return {"logmel": values.astype(np.float32)}


def make_tokens(num_tokens: int, seed: int = 0, vocabulary: int = 60) -> Row:
    """A row of tokens."""
    ids = np.random.default_rng(seed).integers(1, vocabulary, num_tokens)
    return {"input_ids": ids.astype(np.int32), "truncated": np.array([False])}
