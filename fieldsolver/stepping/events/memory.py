"""What is remembered of the conditions of every sample from step to step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True, slots=True)
class Rest:
    """Conditions that are at zero where a step begins; arrays are (n, E).

    Attributes:
        level: their values there; NaN for conditions that have a side.
        left: first sampled position in the step where they have left it; inf where there is none.
    """

    level: np.ndarray
    left: np.ndarray

    @classmethod
    def of(cls, level: np.ndarray, theta: np.ndarray, values: np.ndarray, round_off: np.ndarray) -> Rest:
        """From values (M, n, E) at theta (M,), known to round_off (n, E)."""
        with np.errstate(invalid="ignore"):
            away = np.abs(values - level) > round_off
        return cls(level, np.where(away.any(axis=0), theta[away.argmax(axis=0)], np.inf))

    def until(self, theta: np.ndarray) -> np.ndarray:
        """(n, E) the levels of those that have not been seen away from it before theta (n,); NaN for the others."""
        return np.where(theta[:, None] <= self.left, self.level, np.nan)


@dataclass(slots=True)
class EventMemory:
    """Books of B samples and E events; every array is (B, E) on the host unless it says otherwise.

    Attributes:
        value: the conditions where the samples are.
        side: their signs, the last ones that were not zero; 0 before there was any.
        at_zero: samples that are on the zero of the condition, to the accuracy of its location; they get a side by
            leaving it.
        fresh: (B,) samples that have not made a step: what counts as zero is known only after it.
        fired: how often events with a reset have fired.
        last: when they last did; NaN before.
    """

    CHANGING: ClassVar = ("value", "side", "at_zero", "fresh", "fired", "last")

    value: np.ndarray
    side: np.ndarray
    at_zero: np.ndarray
    fresh: np.ndarray
    fired: np.ndarray
    last: np.ndarray

    @classmethod
    def open(cls, samples: int, events: int) -> EventMemory:
        """Empty books."""
        shape = (samples, events)
        return cls(
            value=np.zeros(shape),
            side=np.zeros(shape),
            at_zero=np.zeros(shape, dtype=bool),
            fresh=np.ones(samples, dtype=bool),
            fired=np.zeros(shape, dtype=np.int64),
            last=np.full(shape, np.nan),
        )

    def place(self, rows: np.ndarray, value: np.ndarray, at_zero: np.ndarray) -> None:
        """Samples `rows` (m,) are where the conditions have the values (m, E)."""
        self.value[rows] = value
        self.at_zero[rows] = at_zero
        self.side[rows] = np.where(at_zero, 0.0, np.sign(np.nan_to_num(value, nan=0.0)))

    def settle_fresh(self, rows: np.ndarray, accuracy: float, scale: np.ndarray) -> None:
        """Decide about the first steps: zero is what is small beside the conditions (m, E) along the step."""
        new = rows[self.fresh[rows]]
        if new.size:
            value = self.value[new]
            self.place(new, value, np.abs(value) <= accuracy * scale[self.fresh[rows]])
            self.fresh[new] = False

    def fire(self, rows: np.ndarray, fired: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Count events with a reset, fired (m, E) at t (m,); returns the times since they last did, inf before."""
        pause = np.where(fired, np.abs(t[:, None] - self.last[rows]), np.inf)
        self.fired[rows] += fired
        self.last[rows] = np.where(fired, t[:, None], self.last[rows])
        return np.where(np.isnan(pause), np.inf, pause)
