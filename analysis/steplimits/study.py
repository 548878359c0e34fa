"""One study of step limits: the modes, the limits of all methods by all routes, their costs, and what binds them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..schemes.scheme import Complex, Floats, Scheme
from .costs import Cost, cost
from .experiment import can_run, empirical_limit, guess_of
from .growing_modes import mean_square_rate
from .limits import SAMPLE, Limit, elasticities, endless_limit, engine_limits, growth_per_time, limit
from .mode_shapes import strongest_wave
from .modes import Modes
from .numerical_waves import damping_and_frequency, exact_frequencies, points_per_wavelength, shown_modes
from .parts import Splitter
from .rates import Rates
from .routes import ROUTES, Found, range_limit
from .spectrum import apply

DECIDING = {
    "range": "the numerical range lies in the region of the method, which suffices up to a constant of 1 + sqrt(2)",
    "empirical": "runs of the method with ever larger steps",
}
"""Routes that have no modes, and what their limits rest on."""
TRIED = 2
"""Methods that are run by the experiment when nobody asked for it."""


@dataclass(frozen=True)
class Binding:
    """The mode that sets a limit.

    Attributes:
        position: among the modes, -1 for none.
        theta: its angles ``k h``, ``(d,)``; of a mode that is no wave, of its strongest wave.
        eigenvalue: NaN for none.
        shares: what every term adds to it, ``(terms,)``.
        effects: by how much a stronger term shortens the step, ``(terms,)``.
        term: label of the term with the largest effect, empty for none.
    """

    position: int
    theta: Floats
    eigenvalue: complex
    shares: Complex
    effects: Floats
    term: str


@dataclass(frozen=True)
class Row:
    """What is known of one method.

    Attributes:
        limit: its step limit.
        cost: its price.
        binding: what sets the limit.
        by_route: the limit by every route, in the order of `ROUTES`.
        beyond: a step just beyond the limit; where no step is stable the one asked about, else a small one.
        growth: log of the growth per unit of time at that step.
        engine: what the quick check of the solver says, NaN where it says nothing.
        dt: the step at which damping and phase are told.
        amplification, frequency: of the shown modes, by steps of dt.
        points: per wavelength for one percent of phase error.
    """

    limit: Limit
    cost: Cost
    binding: Binding
    by_route: Floats
    beyond: float
    growth: float
    engine: float
    dt: float
    amplification: Floats
    frequency: Floats
    points: float


class Study:
    """Everything that is asked of a right-hand side and some methods.

    Args:
        rates: the right-hand side at a state.
        found: its modes by all routes.
        schemes: the methods.
        dt: a step to be judged, or None.
        split: terms of the implicit part, see `Splitter`.
        solve_cost: evaluations that a linear solve costs.
        route: what was asked for. ``"range"`` and ``"empirical"`` decide the limits themselves; ``"empirical"`` and
            ``"all"`` run the methods, None does only where derivatives fail.
        endless: the grid is taken to have no end.
    """

    def __init__(
        self,
        rates: Rates,
        found: Found,
        schemes: Sequence[Scheme],
        *,
        dt: float | None,
        split: Sequence[int | str] | None,
        solve_cost: float,
        route: str | None,
        endless: bool,
    ) -> None:
        self.rates, self.found, self.dt = rates, found, dt
        modes = found.first
        if modes is None:
            raise ValueError("a study needs the modes of at least one route")
        self.modes: Modes = modes
        self.shown = shown_modes(modes)
        self.exact_frequency = exact_frequencies(rates.equation, modes, self.shown)
        self.solve_cost = solve_cost
        self._limit = endless_limit if endless else limit
        self._splitters = {name: Splitter(rates, modes, split) for name, modes in found.modes.items()}
        self._engine = engine_limits(rates)
        self._bindings: dict[int, Binding] = {}
        self.decided = route if route in DECIDING else None
        every = route in ("empirical", "all")
        self._tried = len(schemes) if every else TRIED * (route is None and self._is_empirical)
        self.steps = 0
        self.rows = [self._row(scheme) for scheme in schemes]

    @property
    def split(self) -> str:
        """The terms of the implicit part."""
        return next(iter(self._splitters.values())).labels

    @property
    def _is_empirical(self) -> bool:
        return self.modes.certificate == "empirical"

    def _row(self, scheme: Scheme) -> Row:
        limits = {name: self._one(scheme, name) for name in self.found.modes}
        main = next(iter(limits.values()))
        by_route = dict.fromkeys(ROUTES, math.nan) | {name: found.dt for name, found in limits.items()}
        if self.found.range is not None:
            by_route["range"] = range_limit(scheme, self.found.range)
        if can_run(scheme.name) and self._tried > 0:
            self._tried -= 1
            by_route["empirical"] = self._experiment(scheme, main.dt)
        if self.decided is not None:
            main = self._as_decided(main, by_route[self.decided])
        price = cost(main, self.modes, self.solve_cost)
        dt = self.dt if self.dt is not None else price.recommended
        size, frequency = damping_and_frequency(main, dt, self.shown)
        return Row(
            limit=main,
            cost=price,
            binding=self._binding(main),
            by_route=np.array([by_route[name] for name in ROUTES]),
            beyond=self._beyond(main),
            growth=self._growth(main),
            engine=self._engine.get(scheme.name, math.nan),
            dt=dt,
            amplification=size,
            frequency=frequency,
            points=points_per_wavelength(main, self.rates.equation, dt),
        )

    def _as_decided(self, found: Limit, dt: float) -> Limit:
        """The limit of a route that has no modes."""
        route = str(self.decided)
        note = DECIDING[route] if not math.isnan(dt) else f"the {route} route does not take this method"
        certificate = "none" if math.isnan(dt) else "empirical"
        return replace(found, dt=dt, lo=dt, binding=-1, certificate=certificate, route=route, note=note)

    def _one(self, scheme: Scheme, route: str) -> Limit:
        modes = self.found.modes[route]
        if scheme.family == "symplectic" and (modes.eigenvalues.real != 0).any():
            note = "it steps oscillations without damping, and this equation has others"
            return Limit(scheme, math.nan, math.nan, -1, "none", modes.route, note)
        return self._limit(scheme, modes, self._splitters[route])

    def _experiment(self, scheme: Scheme, dt: float) -> float:
        guess = dt if 0 < dt < math.inf else guess_of(self.rates)
        value, steps = empirical_limit(self.rates, scheme.name, guess)
        self.steps += steps
        return value

    def growing(self, found: Limit) -> tuple[int, float]:
        """How many modes grow in the equation itself, and the fastest rate; with noise, in the mean square."""
        if found.grows is None or found.parts is None or "noise" not in found.scheme.parts:
            grows, rates = self.modes.growing, self.modes.eigenvalues.real
        else:
            grows, rates = found.grows, mean_square_rate(found.scheme, found.parts.eigenvalues)
        return int(grows.sum()), float(rates[grows].max(initial=0.0))

    def _beyond(self, found: Limit) -> float:
        if not math.isfinite(found.dt) or self.modes.rate == 0:
            return math.nan
        if found.dt > 0:
            return 1.05 * found.dt
        return self.dt if self.dt is not None else SAMPLE / self.modes.rate

    def _growth(self, found: Limit) -> float:
        dt = self._beyond(found)
        return math.nan if math.isnan(dt) else growth_per_time(found, dt)

    def _binding(self, found: Limit) -> Binding:
        labels = self.rates.labels
        if found.binding < 0:
            nothing = np.full(len(labels), math.nan)
            return Binding(-1, np.full(self._axes, math.nan), complex(math.nan), nothing + 0j, nothing, "")
        if found.binding not in self._bindings:
            self._bindings[found.binding] = self._mode(found.binding)
        mode = self._bindings[found.binding]
        effects = elasticities(found, mode.shares, self._splitters[next(iter(self.found.modes))].first)
        ranked = (effects if np.isfinite(effects).any() else np.abs(mode.shares)).copy()
        ranked[list(self.rates.defining)] = math.nan
        term = labels[int(np.nanargmax(ranked))] if np.isfinite(ranked).any() else ""
        return Binding(mode.position, mode.theta, mode.eigenvalue, mode.shares, effects, term)

    @property
    def _axes(self) -> int:
        return int(self.modes.theta.shape[1])

    def _mode(self, position: int) -> Binding:
        terms, pair = len(self.rates.labels), self.modes.vectors(position)
        shares = np.full(terms, math.nan + 0j)
        theta = self.modes.theta[position]
        if pair is not None:
            right, left = pair
            parts = [self.rates.term(i) for i in range(terms)] if terms > 1 else []
            shares = np.array([np.sum(left.conj() * apply(self.rates, part, right)) for part in parts])
            shares = shares if terms > 1 else self.modes.eigenvalues[position : position + 1]
            theta = theta if np.isfinite(theta).all() else strongest_wave(right, self._axes)
        elif self.modes.projected is not None and self.modes.route == "symbol":
            shares = np.array([self.modes.projected(self.rates.term(i))[0][position] for i in range(terms)])
        value = complex(self.modes.eigenvalues[position])
        return Binding(position, theta, value, shares, np.full(terms, math.nan), "")
