"""The transient, and the largest fixed step that is accurate on the attractor it leads to."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import Method
from fieldsolver.solve import solve

from .tangents import Tangents

PLACES = 9
"""Saved states in the second half of the transient, where the step is judged besides the end."""
HALVINGS = 40


def settled(function: Tangents, y: Tensor, transient: float, method: Method, rtol: float) -> Tensor:
    """States of an adaptive run: (PLACES, B, n) over the second half of the transient, the end last.

    Raises:
        SolveFailed: a member of the ensemble ended early.
    """
    if transient == 0:
        return y.unsqueeze(0)
    times = torch.linspace(transient / 2, transient, PLACES, dtype=torch.float64)
    scale = float(y.abs().max()) or 1.0
    return solve(
        lambda t, states: function(t.reshape(-1), states), y, t_span=(0.0, transient), save_at=times, batch_dims=1,
        method=method.name, rtol=max(rtol, 1e-10), atol=max(rtol, 1e-10) * scale, gradient="none", progress=False,
        max_steps=10_000_000,
    ).y  # fmt: skip


def accurate_step(
    function: Tangents, places: Tensor, frame: Tensor, t: float, longest: float, method: Method, rtol: float
) -> float:
    """The largest ``longest / m``, m = 1, 2, 3, 4, 6, 8, 12, .., that is accurate at all these places.

    The error of a step is its difference from two halves of it.

    Args:
        function: f with its tangents.
        places: (P, B, n), on the attractor.
        frame: (B, k, n) tangents of length 1.
        t: time at which f is looked at.
        longest: first candidate.
        method: the scheme.
        rtol: of states relative to the largest entry among the places, of tangents relative to their growth.

    Raises:
        OptionError: no step is short enough.
    """
    scale = float(places.abs().max()) or 1.0
    starts = [torch.cat([y, frame.flatten(1)], 1) for y in places]
    for parts in (1, *(m << j for j in range(HALVINGS) for m in (2, 3))):
        dt = longest / parts
        if all(_defect(function, z, places.shape[2], t, dt, method, scale) <= rtol for z in starts):
            return dt
    raise OptionError(f"no step of {method.name!r} keeps rtol = {rtol:g} at the end of the transient; pass dt=")


def _defect(function: Tangents, z: Tensor, size: int, t: float, dt: float, method: Method, scale: float) -> float:
    """The larger of the two relative errors; infinite where the step overflows."""
    whole = _step(function, z, t, dt, method)
    halves = _step(function, _step(function, z, t, dt / 2, method), t + dt / 2, dt / 2, method)
    wrong = (whole - halves).abs()
    grown = float(halves[:, size:].abs().max())
    worst = max(float(wrong[:, :size].max()) / scale, float(wrong[:, size:].max()) / max(1.0, grown))
    return worst if math.isfinite(worst) else math.inf


def _step(function: Tangents, z: Tensor, t: float, dt: float, method: Method) -> Tensor:
    times = torch.full((z.shape[0],), t, dtype=torch.float64)
    memory = method.start(function, times, z, function(times, z))
    return method.step(function, times, torch.full_like(times, dt), z, memory, estimate=False).y_new
