"""One step that shows what a method does to an energy: a disproof where a sufficient condition fails."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fieldsolver.errors import OptionError

from .density import Energy
from .one_step import IMPLICIT, step_map

CLEAR = 1e-11
"""Relative changes beyond this are no round-off of one step."""

STEP = 0.3
"""Where no step size was given: this share of the time in which the state changes by its own size."""

LARGEST = 200
"""Entries of a state up to which an implicit step, by Newton's method with a dense matrix, is taken."""


def change_by_one_step(energy: Energy, t: Tensor, y: Tensor, method: str, dt: float | None) -> tuple[float, float]:
    """Step size and relative change of the energy by one step from the state ``(C, *grid)``.

    NaN where no step can be taken: of methods with a past, or of large states with implicit ones.

    Args:
        energy: of a declared equation.
        t: scalar float64.
        y: the state.
        method: as `step_map` knows it.
        dt: step size; None takes one that is neither short nor long for this state.
    """
    equation = energy.equation

    def rate(time: Tensor, flat: Tensor) -> Tensor:
        return equation(time, flat.reshape(equation.state_shape)).reshape(-1)

    if method in IMPLICIT and y.numel() > LARGEST:
        return math.nan, math.nan
    try:
        step = step_map(rate, method)
    except OptionError:
        return math.nan, math.nan  # a method with a past has no single step
    start = y.reshape(-1)
    length = STEP * float(start.norm() / rate(t, start).norm().clamp_min(1e-300)) if dt is None else dt
    if not math.isfinite(length) or length > 1e100:
        return math.nan, math.nan
    end = step(t, start, torch.tensor(length, dtype=torch.float64)).detach().reshape(y.shape)
    before, after = float(energy(t, y)), float(energy(t, equation.project(t, end)))
    return length, (after - before) / (max(abs(before), abs(after)) or 1.0)
