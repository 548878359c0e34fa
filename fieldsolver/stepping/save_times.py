"""Which save points fall into which step: pure bookkeeping on the host."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods.host_runge_kutta import as_array


class SaveTimes:
    """Times in the order of integration.

    Args:
        times: (T,) float64, ordered from t0 towards t1, repetitions allowed.
        t0: start of the integration.
        t1: end of the integration.

    Attributes:
        first: how many of the times equal t0.
    """

    def __init__(self, times: np.ndarray, t0: float, t1: float) -> None:
        self.times = times
        self.direction = 1.0 if t1 >= t0 else -1.0
        self._ahead = self.direction * times  # increasing
        self._wall = np.append(times, self.direction * np.inf)
        self.first = int(np.searchsorted(self._ahead, self.direction * t0, side="right"))

    @classmethod
    def checked(cls, save_at: Tensor | None, t0: float, t1: float) -> SaveTimes:
        """From the user's option; None means no times.

        Raises:
            OptionError: not one-dimensional, not ordered, or outside the span.
        """
        times = np.empty(0) if save_at is None else _to_host(save_at)
        if times.ndim != 1:
            raise OptionError(f"save_at has shape {times.shape}, expected (T,); pass torch.tensor([...])")
        low, high = min(t0, t1), max(t0, t1)
        if not ((times >= low) & (times <= high)).all():
            raise OptionError(f"save_at leaves the time span [{low}, {high}]; drop those times or widen the span")
        if (np.diff(times if t1 >= t0 else -times) < 0).any():
            raise OptionError("save_at is not ordered from t0 towards t1; sort it (descending when t1 < t0)")
        return cls(times, t0, t1)

    def start(self, samples: int) -> np.ndarray:
        """(B,) integers: the next save point of each sample, after those at t0."""
        return np.full(samples, self.first)

    def walls(self, following: np.ndarray) -> np.ndarray:
        """(n,) the times of these next save points; infinity behind the last one."""
        return self._wall[following]

    def any_due(self, walls: np.ndarray, t_new: np.ndarray) -> bool:
        """Whether a step to `t_new` (n,) could pass one of the `walls` (n,); quick, asked at every step."""
        return bool((t_new >= walls if self.direction > 0 else t_new <= walls).any())

    def due(
        self, following: np.ndarray, t_new: np.ndarray, accepted: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Save points passed by n samples, as P pairs (index of the time, place of the sample); None if there is none.

        Args:
            following: (n,) the next save point of each sample.
            t_new: (n,) where the samples arrived.
            accepted: (n,) booleans, whether they did.
        """
        reached = np.searchsorted(self._ahead, self.direction * t_new, side="right")
        counts = np.where(accepted, reached - following, 0)
        total = int(counts.sum())
        if total == 0:
            return None
        sample = np.repeat(np.arange(counts.size), counts)
        within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        return following[sample] + within, sample


def _to_host(save_at: Tensor) -> np.ndarray:
    return as_array(torch.as_tensor(save_at, dtype=torch.float64).detach().cpu())
