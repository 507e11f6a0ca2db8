"""Decision thresholds, and the one number by which an epoch or a candidate is selected on the valid part.

Apart from metrics.py, which only the evaluation reads: a trained run depends on this file, and a new metric must not retrain it.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.confusion import count, f1

THRESHOLDS = np.arange(1, 20) / 20
"""0.05, 0.10, …, 0.95: the grid of the first source document's code."""


def search_thresholds(probability: NDArray[np.float64], target: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return for each label the first threshold of the grid with the largest F1, where a prediction is `probability > threshold`.

    Args:
        probability: (clips, labels).
        target: (clips, labels).

    Returns:
        (labels,)
    """
    preds = probability > THRESHOLDS[:, None, None]
    best: NDArray[np.float64] = THRESHOLDS[f1(count(preds, target)).argmax(axis=0)]
    return best


def recall_mean(preds: NDArray[np.int64], target: NDArray[np.int64]) -> float:
    """Unweighted mean of the recalls of the classes that truth has: unweighted average (UA)."""
    return float(np.mean([(preds[target == c] == c).mean() for c in np.unique(target)]))
