"""Events that only watch: they end no step, so a step may hold any number of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Watched:
    """W events inside the steps of n samples; those of a sample in the order in which they happen.

    Attributes:
        places: (W,) of the samples.
        theta: (W,) where in the step.
        event: (W,) which.
        direction: (W,) sign of the condition afterwards.
    """

    places: np.ndarray
    theta: np.ndarray
    event: np.ndarray
    direction: np.ndarray

    @classmethod
    def none(cls) -> Watched:
        """Nothing."""
        integers = np.empty(0, dtype=np.int64)
        return cls(integers, np.empty(0), integers, np.empty(0, dtype=np.int8))

    @classmethod
    def together(cls, parts: Sequence[Watched]) -> Watched:
        """One after the other."""
        pieces = zip(*((part.places, part.theta, part.event, part.direction) for part in parts), strict=True)
        return cls(*(np.concatenate(arrays) for arrays in pieces))

    def select(self, which: np.ndarray) -> Watched:
        """Some of them."""
        return Watched(self.places[which], self.theta[which], self.event[which], self.direction[which])

    def at(self, places: np.ndarray) -> Watched:
        """The same events under other places (W,) of their samples."""
        return Watched(places, self.theta, self.event, self.direction)
