"""Errors of a stochastic scheme over coupled Brownian paths, with their Monte Carlo intervals.

Every level steps the same paths: increments are drawn at the finest step and summed for the coarser ones. The exact
solution on the same path is a control variate: of the weak error ``E[g(Y)] - E[g(X)]`` only the variance of
``g(Y) - g(X)`` remains.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError, StateError

from .models import Floats

Step = Callable[[float, Tensor, float, Tensor], Tensor]
"""``step(t, y, dt, dW)``: y (M, *state), dW (M, *noise), both float64 -> (M, *state)."""


@dataclass(frozen=True)
class StochasticProblem:
    """What is stepped and what it is compared with.

    Attributes:
        step: the scheme.
        y0: (*state), the start of every path.
        ends: start and end.
        steps: step sizes, coarse to fine, each a multiple of the finest.
        noise_shape: of the Brownian motion of one path.
        score: ``score(y, W)``: (M, *state) and W(t1) - W(t0), (M, *noise) -> (M,), whose mean is the error.
    """

    step: Step
    y0: Tensor
    ends: tuple[float, float]
    steps: Sequence[float]
    noise_shape: tuple[int, ...]
    score: Callable[[Tensor, Tensor], Tensor]

    def sample(self, paths: int, generator: torch.Generator) -> Floats:
        """The mean score of every level over new paths, (L,)."""
        t0, t1 = self.ends
        finest = self.steps[-1]
        count = round((t1 - t0) / finest)
        noise = torch.randn(count, paths, *self.noise_shape, generator=generator, dtype=torch.float64)
        increments = noise * math.sqrt(finest)
        total = increments.sum(0)
        means = []
        for dt in self.steps:
            merged = increments.unflatten(0, (-1, round(dt / finest))).sum(1)
            y = self.y0.to(torch.float64).expand(paths, *self.y0.shape)
            for index, dW in enumerate(merged):
                y = self.step(t0 + index * dt, y, dt, dW)
            if y.shape != (paths, *self.y0.shape):
                raise StateError(f"step returned shape {tuple(y.shape)}, expected {(paths, *self.y0.shape)}")
            scores = self.score(y, total)
            if scores.shape != (paths,):
                raise OptionError(f"the error needs one number per path, shape ({paths},), got {tuple(scores.shape)}")
            means.append(float(scores.mean()))
        return np.array(means)


@dataclass
class MonteCarlo:
    """Batch means of the levels, (batches, L), and what they say."""

    means: Floats
    paths_per_batch: int
    confidence: float

    @property
    def paths(self) -> int:
        """Paths so far."""
        return len(self.means) * self.paths_per_batch

    @property
    def signed(self) -> Floats:
        """The mean error of each level."""
        return np.asarray(self.means.mean(axis=0))

    @property
    def half_width(self) -> Floats:
        """Of the confidence intervals of the mean errors, Student's t over the batches."""
        from scipy.special import stdtrit

        count = len(self.means)
        quantile = float(stdtrit(count - 1, 0.5 + self.confidence / 2))
        return np.asarray(quantile * self.means.std(axis=0, ddof=1) / math.sqrt(count))

    def needed(self, share: float) -> int:
        """Paths for which every half-width would be `share` of its error; as many as fit an integer where it is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = (self.half_width / (share * np.abs(self.signed))) ** 2
        worst = float(np.nan_to_num(factors, nan=0.0, posinf=1e12).max())
        return math.ceil(self.paths * worst)

    def order_noise(self, steps: Floats, used: np.ndarray) -> float:
        """Standard error of the slope of ln e over ln dt that the scatter of the levels, correlated as it is, makes."""
        if used.sum() < 2:
            return 0.0
        x = np.log(steps[used])
        weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2) / self.signed[used]
        slopes = self.means[:, used] @ weights
        return float(slopes.std(ddof=1) / math.sqrt(len(slopes)))
