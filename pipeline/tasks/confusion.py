"""Counts of right and wrong decisions, and what is computed from them; vectorised over any leading axes."""

import numpy as np
from numpy.typing import NDArray


def count(preds: NDArray[np.bool_], target: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Count true positives, false positives, false negatives and true negatives over clips.

    Args:
        preds: (…, clips, labels).
        target: (clips, labels).

    Returns:
        (…, labels, 4) in the order TP, FP, FN, TN.
    """
    cells = (preds & target, preds & ~target, ~preds & target, ~preds & ~target)
    counts: NDArray[np.float64] = np.stack([cell.sum(axis=-2) for cell in cells], axis=-1).astype(np.float64)
    return counts


def divide(numerator: NDArray[np.float64], denominator: NDArray[np.float64], otherwise: float = 0.0) -> NDArray[np.float64]:
    """Divide element by element; where the denominator is 0 the ratio is `otherwise`."""
    filled = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), otherwise)
    np.divide(numerator, denominator, out=filled, where=denominator != 0)
    return filled


def f1(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of the positive class, 2·TP / (2·TP + FP + FN); 0 where nothing is positive in truth or prediction.

    Args:
        counts: (…, 4) as `count` gives them.
    """
    tp, fp, fn, _ = np.moveaxis(counts, -1, 0)
    return divide(2 * tp, 2 * tp + fp + fn)


def accuracy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of right decisions, (TP + TN) / all; `counts` (…, 4)."""
    tp, fp, fn, tn = np.moveaxis(counts, -1, 0)
    return divide(tp + tn, tp + fp + fn + tn)


def balanced_accuracy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the recalls of both classes, ½(TPR + TNR); of the only one where truth has one class. `counts` (…, 4).

    This is the "weighted accuracy" (Wa) of the MOSEI tables: (TP·N/P + TN) / 2N.
    """
    tp, fp, fn, tn = np.moveaxis(counts, -1, 0)
    present = (tp + fn > 0).astype(np.float64) + (tn + fp > 0)
    return divide(divide(tp, tp + fn) + divide(tn, tn + fp), present)


def class_f1(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of each class, (…, classes), from a confusion matrix (…, truth, prediction)."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return divide(2 * hits, confusion.sum(axis=-1) + confusion.sum(axis=-2))


def weighted_f1(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 weighted by the number of clips in truth, (…,), from a confusion matrix (…, truth, prediction)."""
    support = confusion.sum(axis=-1)
    return divide((support * class_f1(confusion)).sum(axis=-1), support.sum(axis=-1))
