"""The last resort: run the method with ever larger steps and see when two neighbouring runs part."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverError, FieldSolverWarning
from fieldsolver.methods import METHODS
from fieldsolver.solve import solve

from .rates import Rates

STEPS = 200
APART = 1e3
"""Growth of a small perturbation, beyond that of far smaller steps, that counts as instability."""
HALVINGS = 12
FINER = 4


def empirical_limit(rates: Rates, method: str, guess: float) -> tuple[float, int]:
    """The largest step that did not blow up a random perturbation, to a few percent, and the steps that were run.

    Args:
        rates: the right-hand side at a state.
        method: of the solver.
        guess: a step to begin with.

    Returns:
        The step, NaN when none between ``guess/1e6`` and ``guess*1e6`` was either; and the number of steps.
    """
    trial = _Trial(rates, method)
    low, high = guess, guess
    for _ in range(20):
        if trial.is_stable(low):
            break
        high, low = low, low / 2
    else:
        return math.nan, trial.steps
    for _ in range(20):
        if high > low and not trial.is_stable(high):
            break
        low, high = max(low, high if trial.is_stable(high) else low), high * 2
    else:
        return math.nan, trial.steps
    for _ in range(HALVINGS):
        if high / low < 1.02:
            break
        middle = math.sqrt(low * high)
        low, high = (middle, high) if trial.is_stable(middle) else (low, middle)
    return low, trial.steps


class _Trial:
    """Runs pairs of neighbouring states."""

    def __init__(self, rates: Rates, method: str) -> None:
        self._f, self._y, self._t, self._method = rates.f, rates.state, float(rates.t), method
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(self._y.shape, dtype=self._y.dtype, generator=generator)
        self._push = noise * (1e-7 * max(1.0, float(self._y.abs().max())) / float(noise.norm()))
        self.steps = 0
        self._seen: dict[float, bool] = {}

    def is_stable(self, dt: float) -> bool:
        """Whether a perturbation grows no faster than with steps four times as small."""
        if dt not in self._seen:
            coarse = self._growth(dt, STEPS)
            self._seen[dt] = coarse <= APART or coarse <= APART * self._growth(dt / FINER, STEPS * FINER)
        return self._seen[dt]

    def _growth(self, dt: float, steps: int) -> float:
        first, second = (self._end(self._y + shift, dt, steps) for shift in (0 * self._push, self._push))
        self.steps += 2 * steps
        if first is None or second is None:
            return math.inf
        growth = float((second - first).norm() / self._push.norm())
        return growth if math.isfinite(growth) else math.inf

    def _end(self, y: Tensor, dt: float, steps: int) -> Tensor | None:
        """The state after some steps; None if it is not finite or the run failed."""
        span = (self._t, self._t + dt * steps)
        try:
            with warnings.catch_warnings():  # a run that ends early is the answer, not news
                warnings.simplefilter("ignore", FieldSolverWarning)
                run = solve(
                    self._f, y, t_span=span, dt=dt, method=self._method, check="off", on_failure="keep", progress=False
                )
        except FieldSolverError:
            return None
        end: Tensor = run.y[-1]
        return end.detach() if bool(torch.isfinite(end).all()) else None


def guess_of(rates: Rates) -> float:
    """A step to begin with: that on which the rates double by a random push."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(rates.state.shape, dtype=rates.state.dtype, generator=generator)
    size = 1e-6 * max(1.0, float(rates.state.abs().max())) / max(float(noise.abs().max()), 1e-300)
    with torch.no_grad():
        change = rates.f(rates.t, rates.state + size * noise) - rates.f(rates.t, rates.state)
    rate = float(change.norm() / (size * noise).norm())
    return 1.0 / rate if rate > 0 and math.isfinite(rate) else 1.0


def can_run(method: str) -> bool:
    """Whether the solver has a method."""
    return method in METHODS
