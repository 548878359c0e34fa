"""What a run of the experiment found, and the statistics that compare it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .data import Part
from .model import DigitField
from .settings import Settings

REFINEMENT = 8


@dataclass(frozen=True)
class Trained:
    """One trained network.

    Attributes:
        model: in evaluation mode.
        history: one row per epoch.
        predictions: class of every test image, int64, shape ``(N,)``.
        accuracy: on the test split.
    """

    model: DigitField
    history: list[dict[str, float]]
    predictions: Tensor
    accuracy: float


@dataclass(frozen=True)
class Outcome:
    """Everything the report needs.

    Attributes:
        settings: of the field; the ablation has the same with ``duration=0``.
        quick: whether this was the short form.
        field, ablation: one trained network per seed, with and without dynamics.
        unjittered: without dynamics, trained on the images as they are, which suits a linear classifier better.
        refined: accuracy of the field per seed, its trained equation solved with steps `REFINEMENT` times smaller.
        yardsticks: test accuracy by name.
        test: the test split.
    """

    settings: Settings
    quick: bool
    field: list[Trained]
    ablation: list[Trained]
    unjittered: list[Trained]
    refined: list[float]
    yardsticks: dict[str, float]
    test: Part

    def accuracies(self) -> dict[str, np.ndarray]:
        """Test accuracy per seed of the field and of both ablations."""
        return {name: np.array([trained.accuracy for trained in runs]) for name, runs in self.networks().items()}

    def networks(self) -> dict[str, list[Trained]]:
        """The trained networks by name."""
        return {"field": self.field, "ablation": self.ablation, "unjittered": self.unjittered}

    def gains(self) -> dict[str, Difference]:
        """Accuracy of the field less that of each ablation, paired over seeds."""
        measured = self.accuracies()
        return {name: paired_difference(measured["field"], measured[name]) for name in ("ablation", "unjittered")}


@dataclass(frozen=True)
class Difference:
    """A mean difference over pairs, with its 95 % interval (Student's t; infinite for a single pair)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"{self.mean:+.4f} (one seed: no interval)"
        return f"{self.mean:+.4f} (95 % interval {self.low:+.4f} to {self.high:+.4f})"


def paired_difference(first: np.ndarray, second: np.ndarray) -> Difference:
    """Mean of ``first - second`` over pairs of seeds."""
    from scipy import stats

    pairs = np.asarray(first) - np.asarray(second)
    mean, number = float(pairs.mean()), len(pairs)
    if number < 2:
        return Difference(mean, -math.inf, math.inf)
    half = float(stats.t.ppf(0.975, number - 1) * pairs.std(ddof=1) / math.sqrt(number))
    return Difference(mean, mean - half, mean + half)
