"""The value of a parameter at which a uniform state begins to lose its stability."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fieldsolver.equations import FieldEquation

from .bands import Relation, oscillates, relation
from .growth import branch_jet, noise
from .linearise import Linearised, require_scalar
from .steady import refined
from .symbol import symbol_of

FACTOR, OUTWARD, INWARD = 1.25, 26, 21
"""How far from its present value a parameter is tried: 1.25^26 = 330 times, and down to a hundredth, on either sign."""
SHARE = 0.25
"""Of the usual number of samples, because maxima are refined anyway."""


@dataclass(frozen=True)
class Onset:
    """Where the largest growth rate passes zero.

    Attributes:
        value: of the parameter.
        k: wave number that begins to grow.
        omega: its frequency.
        slope: d Re(sigma)/d(parameter) there.
        kind: as `bands.KINDS`.
        state: the steady state there ``(C,)``.
    """

    value: float
    k: float
    omega: float
    slope: float
    kind: str
    state: Tensor


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
        linearised = self._make(value)
        found = refined(linearised, self.state.reshape(1, -1))
        if not len(found):
            return None
        self.state = found.states[0]
        curve = self._relation(linearised, self.state)
        return max(_candidates(curve), key=lambda one: one[0])


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
) -> Onset | None:
    """The value nearest to the present one at which stability changes, or None.

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
    bracket = _bracket(margin, present, state)
    if bracket is None:
        return None
    low, high, margin.state = bracket

    def growth(value: float) -> float:
        found = margin.at(value)
        return found[0] if found is not None else np.nan

    size = max(abs(low), abs(high))
    value = float(brentq(growth, low, high, xtol=1e-15 * size, rtol=4 * np.finfo(float).eps))
    found = margin.at(value)
    if found is None:
        return None
    step = 1e-6 * size
    slope = (growth(value + step) - growth(value - step)) / (2 * step)
    return Onset(value, found[1], abs(found[2].imag), slope, found[3], margin.state)


def _bracket(margin: Margin, present: float, state: Tensor) -> tuple[float, float, Tensor] | None:
    """Values on both sides of the nearest change of sign, and a steady state between them."""
    first = margin.at(present)
    if first is None:
        return None
    walkers = [_Walker(margin, present, first[0], side, margin.state) for side in _sides(present)]
    for _ in range(2 * (OUTWARD + INWARD)):
        for walker in walkers:
            found = walker.step()
            if found is not None:
                return found
    return None


class _Walker:
    """Goes along one side of values and remembers the last one."""

    def __init__(self, margin: Margin, value: float, rate: float, values: Iterator[float], state: Tensor) -> None:
        self._margin, self._value, self._rate, self._values, self._state = margin, value, rate, values, state

    def step(self) -> tuple[float, float, Tensor] | None:
        value = next(self._values, None)
        if value is None:
            return None
        self._margin.state = self._state
        found = self._margin.at(value)
        if found is None:
            self._values = iter(())  # the steady state has gone
            return None
        if (found[0] > 0) != (self._rate > 0):
            return self._value, value, self._margin.state
        self._value, self._rate, self._state = value, found[0], self._margin.state
        return None


def _sides(present: float) -> list[Iterator[float]]:
    if present == 0:
        steps = [10.0 ** (n / 4) for n in range(-12, 13)]
        return [iter(steps), iter([-step for step in steps])]
    away = (present * FACTOR**n for n in range(1, OUTWARD + 1))
    towards = (present * FACTOR**-n for n in range(1, INWARD + 1))
    beyond = (-present * FACTOR**n for n in range(-INWARD, OUTWARD + 1))
    return [away, itertools.chain(towards, beyond)]
