"""`CellResult`: what a run measured; plain data, and one row of numbers per text of the test split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class CellResult:
    """The result of one cell.

    Attributes:
        metrics: of the split that was evaluated last (test; validation while tuning): accuracy, f1, loss, ...
        seconds: of training or fitting, evaluation not counted.
        tokens: real tokens that were trained on; 0 of a classifier.
        parameters: numbers that were trained: embedding, rest, total.
        costs: of final runs of networks: macs_per_token (multiply-accumulates of products of matrices and convolutions
            in a forward pass), held_bytes (kept for the gradient of one batch), state_bytes (weights, gradients, the
            optimiser's two averages), peak_memory_mb (of the process, which may have run other cells before); and the
            model's own `readings`.
        rows: training texts.
        note: of the data, to stand beside the numbers.
        machine: processor, threads, versions.
        failed: why there are no metrics; empty otherwise. Seconds and tokens are those of the training if it ended.
        missing: which costs could not be measured, and why; empty otherwise.
        samples: per test text: ``answer``, ``correct``, ``margin`` (of the right class over the best other one),
            ``tokens``, ``evaluations`` (of the right-hand side); empty while tuning.
    """

    metrics: Mapping[str, float]
    seconds: float
    tokens: int
    parameters: Mapping[str, int]
    costs: Mapping[str, float]
    rows: int
    note: str
    machine: Mapping[str, Any]
    failed: str = ""
    missing: str = ""
    samples: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """Share of right answers; NaN of a failed run."""
        return float(self.metrics.get("accuracy", float("nan")))
