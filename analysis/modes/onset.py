"""The value of a parameter at which a uniform state begins to lose its stability."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fieldsolver.equations import FieldEquation

from .bands import Relation, oscillates, relation
from .growth import branch_jet, noise
from .linearise import Linearised, require_scalar
from .numbers import ROUND_OFF
from .steady import refined
from .symbol import symbol_of

FACTOR, OUTWARD, INWARD = 1.25, 26, 21
"""How far from its present value a parameter is tried: 1.25^26 = 330 times, and down to a hundredth, on either sign."""
HALVINGS = 24
"""Of the interval in which a steady state is lost."""
CLOSE, LEAPS, LEFT = 0.1, 12, 0.3
"""Movements of a state beyond that share of it are looked at: halved so often, a leap is still that share as long."""
NEAR = 1e-3
"""A fold is believed so near to where the state is lost, as a share of the step."""
JUMP = 1e-5
"""A margin that Brent's method leaves larger than this share of where it began has jumped to another state."""
SHARE = 0.25
"""Of the usual number of samples, because maxima are refined anyway."""


@dataclass(frozen=True)
class Onset:
    """Where the largest growth rate passes zero.

    Attributes:
        value: of the parameter.
        k: wave number that begins to grow.
        omega: its frequency.
        slope: d Re(sigma)/d(parameter) there; at a fold infinite, with the sign of the side on which there is a state.
        kind: as `bands.KINDS`, or ``"fold"``.
        state: the steady state there ``(C,)``.
    """

    value: float
    k: float
    omega: float
    slope: float
    kind: str
    state: Tensor


FoldSolver = Callable[[Tensor, float], tuple[Tensor, float] | None]
"""From a state and a parameter beside a fold: state and parameter at the fold, or None."""


class Margin:
    """The largest growth rate as a function of a parameter, following one steady state.

    A uniform mode that is neutral whatever the parameter (it is conserved) counts with the curvature of its branch,
    which says whether long waves grow.
    """

    def __init__(
        self,
        equation: FieldEquation,
        parameter: str,
        start: Tensor,
        build: Callable[[Linearised, Tensor], Relation],
        parameters: Mapping[str, float],
        t: float,
    ) -> None:
        self._make = lambda value: Linearised(equation, parameters={**parameters, parameter: value}, t=t)
        self._relation = build
        self.state = start

    def at(self, value: float) -> tuple[float, float, complex, str] | None:
        """Margin, wave number, growth rate and kind; None where the steady state is lost."""
        state = self.steady(value, self.state)
        if state is None:
            return None
        self.state = state
        linearised = self._make(value)
        curve = self._relation(linearised, self.state)
        return max(_candidates(curve), key=lambda one: one[0])

    def steady(self, value: float, near: Tensor) -> Tensor | None:
        """The steady state that Newton's method finds from another."""
        found = refined(self._make(value), near.reshape(1, -1))
        return found.states[0] if len(found) else None


def _candidates(curve: Relation) -> Iterator[tuple[float, float, complex, str]]:
    ray = curve.ray
    for growth in map(complex, curve.uniform):
        if abs(growth) > 1e3 * noise(ray, np.zeros(1))[0]:  # a conserved quantity is neutral whatever the parameter
            yield growth.real, 0.0, growth, "Hopf" if oscillates(ray, 0.0, growth) else "uniform"
    if np.abs(curve.rates[0]).min() <= 1e3 * noise(ray, np.zeros(1))[0]:
        yield _long_waves(curve)
    long = {band.k_max for band in curve.bands if band.kind == "long-wave"}
    for peak in curve.maxima:
        if peak.k > 0 and peak.k not in long:
            kind = "wave" if oscillates(ray, peak.k, peak.growth) else "Turing"
            yield peak.growth.real, peak.k, peak.growth, kind


def _long_waves(curve: Relation) -> tuple[float, float, complex, str]:
    """Half the curvature at k = 0 of the neutral branch."""
    neutral = np.abs(curve.rates[0]) <= 1e3 * noise(curve.ray, curve.k[:1])[0]
    if neutral.sum() == 1:
        curvature = branch_jet(curve.ray, 0.0, near=0j)[2].real / 2
    else:  # branches that meet at 0 have no derivatives of their own
        curvature = float(curve.rates[1, 0].real) / float(curve.k[1]) ** 2
    return curvature, 0.0, 0j, "long-wave"


def onset(
    equation: FieldEquation,
    parameter: str,
    state: Tensor,
    *,
    parameters: Mapping[str, float],
    t: float,
    fallback: float,
    direction: np.ndarray,
    fold: FoldSolver,
) -> Onset | None:
    """The value nearest to the present one at which stability changes, or the steady state ends in a fold, or None.

    The margin is the growth rate at its refined maximum over k, so that it is smooth in the parameter and its zero
    satisfies ``Re sigma = 0`` and ``d Re sigma / dk = 0`` at once; Brent's method finds it to round-off.

    Raises:
        ParameterError: `parameter` is not a scalar parameter of the equation.
    """
    from scipy.optimize import brentq

    present = parameters.get(parameter, require_scalar(equation, parameter))

    def curve(linearised: Linearised, at: Tensor) -> Relation:
        _, response = linearised.at(at.reshape(1, -1))
        return relation(symbol_of(linearised, response).along(direction), fallback=fallback, share=SHARE)

    margin = Margin(equation, parameter, state, curve, parameters, t)
    first = margin.at(present)
    if first is None:
        return None
    bracket = _bracket(margin, present, first[0], fold)
    if bracket is None or isinstance(bracket, Onset):
        return bracket
    here = first[0]
    low, high, margin.state = bracket

    def growth(value: float) -> float:
        found = margin.at(value)
        return found[0] if found is not None else np.nan

    size = max(abs(low), abs(high))
    value = float(brentq(growth, low, high, xtol=1e-15 * size, rtol=4 * np.finfo(float).eps))
    found = margin.at(value)
    if found is None or abs(found[0]) > JUMP * max(abs(here), 1e3 * size * np.finfo(float).eps):
        return None
    step = 1e-6 * size
    slope = (growth(value + step) - growth(value - step)) / (2 * step)
    value = 0.0 if abs(value) <= ROUND_OFF * abs(present) else value
    return Onset(value, found[1], abs(found[2].imag), slope, found[3], margin.state)


Bracket = tuple[float, float, Tensor]


def _bracket(margin: Margin, present: float, rate: float, fold: FoldSolver) -> Bracket | Onset | None:
    """Values on both sides of the nearest change of sign and a steady state between them, or the fold where it ends."""
    walkers = [_Walker(margin, present, rate, side, margin.state, fold) for side in _sides(present)]
    for _ in range(2 * (OUTWARD + INWARD)):
        for walker in walkers:
            found = walker.step()
            if found is not None:
                return found
    return None


class _Walker:
    """Goes along one side of values and remembers the last one."""

    def __init__(
        self, margin: Margin, value: float, rate: float, values: Iterator[float], state: Tensor, fold: FoldSolver
    ) -> None:
        self._margin, self._value, self._rate, self._values, self._state = margin, value, rate, values, state
        self._fold = fold

    def step(self) -> Bracket | Onset | None:
        value = next(self._values, None)
        if value is None:
            return None
        self._margin.state = self._state
        found = self._margin.at(value)
        leapt = found is not None and self._leaps(value, self._margin.state)
        if found is None or leapt or (found[0] > 0) != (self._rate > 0):
            self._values = iter(())
            return self._end(value)
        self._value, self._rate, self._state = value, found[0], self._margin.state
        return None

    def _leaps(self, beyond: float, far: Tensor) -> bool:
        """Whether Newton's method went to another branch: the largest movement does not shrink with the interval."""
        low, near, high = self._value, self._state, beyond
        whole = float((far - near).abs().max())
        if whole <= CLOSE * float(near.abs().max()):
            return False
        for _ in range(LEAPS):
            middle = 0.5 * (low + high)
            state = self._margin.steady(middle, near)
            if state is None:
                return True
            if float((state - near).abs().max()) > float((far - state).abs().max()):
                high, far = middle, state
            else:
                low, near = middle, state
        return float((far - near).abs().max()) > LEFT * whole

    def _end(self, beyond: float) -> Bracket | Onset | None:
        """Halve the interval in which the margin changes its sign, or the steady state is lost.

        Beyond a fold Newton's method finds another state or none: both are told from an onset by solving the fold.
        """
        start, other = self._value, beyond
        changed: Bracket | None = None
        kind = "uniform"
        for _ in range(HALVINGS + 1):
            self._margin.state = self._state
            found = self._margin.at(other)
            state = self._margin.state
            if found is None or self._leaps(other, state):
                changed, kind, beyond = None, "uniform", other
            elif (found[0] > 0) == (self._rate > 0):
                self._value, self._state = other, state
            else:
                changed, kind, beyond = (self._value, other, self._state), found[3], other
            other = 0.5 * (self._value + beyond)
        solved = self._fold(self._state, self._value) if kind == "uniform" else None
        margin = NEAR * abs(beyond - start)
        low, high = sorted((self._value, beyond))
        if solved is not None and low - margin <= solved[1] <= high + margin:
            return Onset(solved[1], 0.0, 0.0, math.copysign(math.inf, start - solved[1]), "fold", solved[0])
        return changed if changed is None else (self._value, changed[1], self._state)


def _sides(present: float) -> list[Iterator[float]]:
    if present == 0:
        steps = [10.0 ** (n / 4) for n in range(-12, 13)]
        return [iter(steps), iter([-step for step in steps])]
    away = (present * FACTOR**n for n in range(1, OUTWARD + 1))
    towards = (present * FACTOR**-n for n in range(1, INWARD + 1))
    beyond = (-present * FACTOR**n for n in range(-INWARD, OUTWARD + 1))
    return [away, itertools.chain(towards, beyond)]
