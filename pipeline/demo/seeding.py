"""Independent random streams, so that drawing more of one thing never shifts another."""

import zlib

import numpy as np


def generator(seed: int, *keys: str | int) -> np.random.Generator:
    """A random stream that depends on the seed and on what it is for, e.g. ``generator(seed, "clip", 7)``."""
    return np.random.default_rng([seed, *(zlib.crc32(key.encode()) if isinstance(key, str) else key for key in keys)])
