"""Accuracy and the macro means of precision, recall and F1, from counts of what was taken for what."""

from __future__ import annotations

import torch
from torch import Tensor


def confusion(answers: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Counts (K, K), float64: row the true class, column the answer."""
    counts = torch.bincount(labels * classes + answers, minlength=classes**2)
    return counts.reshape(classes, classes).double()


def scores(counts: Tensor) -> dict[str, float]:
    """Accuracy, and precision, recall and F1 as means over the classes; a class that never occurs counts as 0."""
    right, given, true = counts.diagonal(), counts.sum(0), counts.sum(1)
    return {
        "accuracy": float(right.sum() / counts.sum().clamp(min=1)),
        "precision": float((right / given.clamp(min=1)).mean()),
        "recall": float((right / true.clamp(min=1)).mean()),
        "f1": float((2 * right / (given + true).clamp(min=1)).mean()),
    }
