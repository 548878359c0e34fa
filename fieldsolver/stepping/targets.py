"""The times that steps must not jump over: the end, and those the user names.

Where f is discontinuous at t*, a step ends one unit in the last place before t* and the next one starts one unit after
it, so that no evaluation of either has to know on which side of the jump t* itself belongs.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods.host_runge_kutta import as_array

from .arithmetic import Arithmetic, Array, pick


class End:
    """The end alone, as a number or tensor: what a single step needs to know.

    Args:
        t1: the time that steps must not pass.
        direction: +1 or -1, the sign of the steps.
    """

    next = None

    def __init__(self, t1: Array, direction: float) -> None:
        self.t0, self.t1, self.direction = t1, t1, direction

    def start(self, t: Array, xp: Arithmetic) -> None:
        """Nothing to choose."""

    def arrived(self, t_new: Array, accepted: Array, xp: Arithmetic) -> None:
        """Nothing follows."""

    def compact(self, places: np.ndarray) -> None:
        """It is the same for all samples."""

    def target(self) -> Array:
        """t1."""
        return self.t1


class Targets:
    """Times (L,) on which steps end exactly, the last one being t1; each sample has its own next one.

    Args:
        t0: start.
        t1: end.
        land_at: further times, in any order; those outside the span are ignored.
        restart_at: likewise, where f is discontinuous.
    """

    CHANGING = ("next",)

    def __init__(self, t0: float, t1: float, land_at: np.ndarray | None = None, restart_at: np.ndarray | None = None):
        self.t0, self.t1 = t0, t1
        self.direction = 1.0 if t1 >= t0 else -1.0
        jumps = self._inside(restart_at)
        self.before = np.nextafter(jumps, -self.direction * np.inf)
        self.after = np.nextafter(jumps, self.direction * np.inf)
        times = np.unique(np.concatenate([self._inside(land_at), self.before, [t1]]))
        self.times: Array = times if self.direction > 0 else times[::-1].copy()
        self.next: Array | None = None
        self._last = self.times.size - 1

    def _inside(self, times: np.ndarray | None) -> np.ndarray:
        if times is None:
            return np.empty(0)
        low, high = min(self.t0, self.t1), max(self.t0, self.t1)
        return times[(times > low) & (times < high)]

    def start(self, t: Array, xp: Arithmetic) -> None:
        """All samples head for the first target."""
        if self._last == 0:
            return
        self.next = xp.zeros_like(t, dtype=int)
        if isinstance(t, Tensor):
            self.times = torch.from_numpy(self.times).to(t.device)

    def target(self) -> Array:
        """Where each sample must end a step next: t1 itself if there is nothing else, else (n,)."""
        return self.t1 if self.next is None else self.times[self.next]

    def arrived(self, t_new: Array, accepted: Array, xp: Arithmetic) -> None:
        """Head for the next one where a step has ended on its target."""
        if self.next is not None:
            there = (t_new == self.target()) & accepted
            self.next = xp.minimum(self.next + there, self._last)

    def jumped(self, t_new: np.ndarray, accepted: np.ndarray) -> np.ndarray | None:
        """(n,) index of the jump that a sample has just reached, -1 elsewhere; None without any (host arrays)."""
        if self.before.size == 0:
            return None
        order = np.argsort(self.before)
        place = np.searchsorted(self.before, t_new, sorter=order).clip(max=self.before.size - 1)
        index = np.where(accepted & (self.before[order[place]] == t_new), order[place], -1)
        return index if (index >= 0).any() else None

    def compact(self, places: np.ndarray) -> None:
        """Keep only these samples."""
        if self.next is not None:
            self.next = pick(self.next, places)


def checked_times(name: str, times: Tensor | None) -> np.ndarray | None:
    """(L,) float64 on the host, from the user's option.

    Raises:
        OptionError: no numbers, not one-dimensional, or not finite.
    """
    if times is None:
        return None
    try:
        values = as_array(torch.as_tensor(times, dtype=torch.float64).detach().cpu())
    except (TypeError, ValueError, RuntimeError):
        raise OptionError(f"{name} is a list of finite times, got {times!r}; pass torch.tensor([...])") from None
    if values.ndim != 1 or not np.isfinite(values).all():
        raise OptionError(f"{name} is a list of finite times, got shape {values.shape}; pass torch.tensor([...])")
    return values
