"""Fixed steps and their save points as plain numbers, worked out before the run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .fixed import count_steps, slack
from .save_times import SaveTimes

AT_END = None
"""The place of a save point at which a step ends."""

Place = float | None
"""Where in a step a save point lies: in (0, 1), as a fraction, or `AT_END`."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """The steps of a run that nothing can change, and where the save points lie in them.

    Attributes:
        starts: N times at which steps start.
        sizes: N signed sizes.
        at_start: number of save points at the start of the run.
        places: for each step the save points inside it, in their order.
    """

    starts: tuple[float, ...]
    sizes: tuple[float, ...]
    at_start: int
    places: tuple[tuple[Place, ...], ...]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def saves_at_ends_only(self) -> bool:
        """Whether every save point is at the start or the end of the run."""
        return not any(self.places[:-1]) and all(place is AT_END for places in self.places[-1:] for place in places)

    @classmethod
    def of(cls, t0: float, t1: float, dt: float, save_at: Tensor | None = None) -> Timetable:
        """The steps and save points of ``integrate(..., t0, t1, dt=dt, save_at=save_at)``, to the last bit.

        Args:
            t0: start.
            t1: end; no steps if it is t0.
            dt: positive size of the steps.
            save_at: (T,) ordered from t0 towards t1; None saves nothing.

        Raises:
            OptionError: save points that are not ordered or not inside the span.
        """
        signed_dt, saves = dt if t1 >= t0 else -dt, SaveTimes.checked(save_at, t0, t1)
        ends = t0 + np.arange(1 + (count_steps(t0, t1, dt) if t0 != t1 else 0)) * signed_dt
        ends[-1] = t1
        remaining = np.diff(ends)
        sizes = np.where(np.abs(remaining - signed_dt) <= slack(t0, t1), signed_dt, remaining)
        return cls(tuple(ends[:-1].tolist()), tuple(sizes.tolist()), saves.first, _places(saves, ends, sizes))


def _places(saves: SaveTimes, ends: np.ndarray, sizes: np.ndarray) -> tuple[tuple[Place, ...], ...]:
    behind = np.searchsorted(saves.direction * saves.times, saves.direction * ends, side="right")
    rows = []
    for n, size in enumerate(sizes):
        inside = saves.times[behind[n] : behind[n + 1]]
        rows.append(tuple(AT_END if t == ends[n + 1] else float((t - ends[n]) / size) for t in inside))
    return tuple(rows)
