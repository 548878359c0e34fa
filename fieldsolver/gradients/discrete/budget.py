"""How many states may be kept: as many as the user says, or as many as a documented number of bytes holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isqrt
from typing import Any

from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.stepping.fixed import count_steps

from .binomial import beta
from .placement import KnownPlacement, OnlinePlacement, Placement

DEFAULT_BYTES = 64 * 2**20
"""Without a budget every state is kept up to this size of all of them together."""
SMALLEST_DEFAULT = 8
"""States kept without a budget, however large they are."""


def states_kept(steps: int, size: int) -> int:
    """States of `size` bytes that are kept of so many steps when nobody says how many."""
    return max(DEFAULT_BYTES // max(1, size), SMALLEST_DEFAULT, 2 * isqrt(steps))


def fewest_states(steps: int, times: int) -> int:
    """States that suffice for making no step more often than that, the time that it is differentiated included."""
    slots = 1
    while beta(slots, times - 1) < steps:
        slots += 1
    return slots


@dataclass(frozen=True, slots=True)
class Budget:
    """What is allowed, in states (B, *state).

    Args:
        states: their largest number, that of the start included; None: all of them while they stay below
            `DEFAULT_BYTES`, then as many as suffice for making no step more than three times, 2 sqrt(steps).
        steps: number of steps, if it is known.

    Raises:
        OptionError: a number of states below one.
    """

    states: int | None
    steps: int | None

    def __post_init__(self) -> None:
        whole = isinstance(self.states, int) and not isinstance(self.states, bool)
        if self.states is not None and not (whole and self.states >= 1):
            raise OptionError(
                f"Checkpointed(states={self.states!r}): expected a number, at least 1, or None for the default"
            )

    def placement(self, y: Tensor, each: int) -> Placement:
        """Where to keep states like y, with all that the method carries as large as `each` states."""
        if self.states is None:
            size = each * y.numel() * y.element_size()
            return OnlinePlacement(lambda steps: states_kept(steps, size))
        slots = 1 + (self.states - 1) // each  # at the start nothing is carried
        if self.steps is not None:
            return KnownPlacement(self.steps, slots)
        return OnlinePlacement(lambda steps: slots)


def known_steps(t0: float, t1: float, options: Mapping[str, Any]) -> int | None:
    """Number of steps that the options of `integrate` fix; None where the run finds it out, or refuses them."""
    if options.get("events") or options.get("until") is not None:
        return None
    if options.get("replay") is not None:
        return len(options["replay"])
    if options.get("step_times") is not None:
        return int(options["step_times"].numel()) - 1
    dt = options.get("dt")
    return count_steps(t0, t1, dt) if dt is not None and dt > 0.0 and isfinite(t0 + t1 + dt) else None
