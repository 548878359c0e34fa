"""`stability`: the largest stable step of every method for an equation, what sets it, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.methods import METHODS, Method
from fieldsolver.results import AnalysisResult, register_plot

from .plots.stability import draw_stability
from .problem import Problem
from .provenance import Provenance
from .schemes import SCHEMES, get_scheme
from .schemes.scheme import Scheme
from .spectra import Linearisation
from .spectra.linearisation import declared_in
from .steplimits.costs import ACCURACY, SOLVE_COST
from .steplimits.labels import dataset
from .steplimits.rates import Rates, checked_state
from .steplimits.routes import checked_route, find_modes
from .steplimits.study import Study
from .steplimits.verdict import headline, judge

SCHEMA = "stability/1"
GRIDS = ("own", "infinite")
STOCHASTIC = ("euler_maruyama", "milstein", "theta_maruyama")

register_plot(SCHEMA)(draw_stability)

Methods = str | Method | Scheme | Sequence[str | Method | Scheme] | None


def stability(
    f: FieldEquation | Callable[..., Tensor],
    state: Mapping[str, Any] | Tensor | Sequence[float] | None = None,
    *,
    method: Methods = None,
    dt: float | None = None,
    t: float = 0.0,
    route: str | None = None,
    split: Sequence[int | str] | None = None,
    grid: str = "own",
    solve_cost: float = SOLVE_COST,
) -> AnalysisResult:
    """The largest stable step, the mode and the term that set it, a recommended step, and the cost of every method.

    The right-hand side is linearised at a state. A step is stable when no mode grows that does not grow in the equation
    itself, and those that do grow at no more than twice their own rate; for stochastic methods, in the mean square. The
    most rigorous route that applies decides: the symbol of the discrete operator (exact: uniform state on periodic or
    reflecting axes), eigenvalues of the Jacobian with residual discs (all up to 600 unknowns, else the outermost of one
    Krylov space), frozen coefficients, the numerical range (a sufficient step for operators that are not normal), and
    runs of the method, where there are no derivatives. The stability sets of the methods come from exact arithmetic.

    Args:
        f: a declared equation, a layer that holds one, or a function or module ``f(t, y)`` of one system.
        state: where it is linearised: fields, a tensor ``(C, *grid)``, or a row ``(C,)`` of `steady_states`. A linear
            equation needs none.
        method: a name, a method, a scheme, or several; None for all methods of the solver (for equations with noise,
            the stochastic ones of the literature), ``"all"`` for those of the literature too.
        dt: a step to be judged; None asks for the limits.
        t: the time at which coefficients are taken.
        route: None takes the most rigorous one, ``"all"`` all; or ``"symbol"``, ``"spectrum"``, ``"frozen"``,
            ``"range"``, ``"empirical"``.
        split: the terms that implicit-explicit, exponential and splitting methods treat in their implicit, exponential
            or first part: labels as the result's ``term`` has them, or positions. None takes terms in
            ``implicit(...)``; without any, those that are linear in the state.
        grid: ``"own"``, or ``"infinite"``: the same stencils on a grid without end (periodic axes).
        solve_cost: evaluations of `f` that one linear solve is taken to cost.

    Returns:
        Schema ``stability/1``, dimensions ``integrator``, ``term``, ``route``, ``axis``, ``mode``, ``eig``: `dt_max`
        with `_lo` and `_hi`, `dt_recommended` (nine tenths of the limit, or less where the resolved modes need it),
        `binding_mode`, `binding_theta`, `binding_eigenvalue`, `binding_term`, `term_effect`, `certificate`,
        `dt_route`, `cost_per_time`, `growth_beyond`, `dt_engine`, `engine_ratio`, `amplification`, `phase_error`,
        `points_per_wavelength`, `growth_max`, `n_growing`, `eig`. Without `dt`: PROVED for a linear equation with
        exact limits, PASS for limits that are exact for the linearised equation or to rounding, INCONCLUSIVE for
        estimates. With `dt`: PASS, FAIL, or INCONCLUSIVE where the limit is an estimate.

    Raises:
        OptionError: an option does not fit, `dt` is not positive, a nonlinear equation comes without a state, or the
            one route that was asked for does not apply.
        StateError: the state does not fit.
        EquationError: a parameter or mask differs between samples.
    """
    _check(dt, t, grid, solve_cost)
    route = checked_route(route)
    f = declared_in(f)
    y = checked_state(f, state, t)
    schemes = chosen_schemes(method, f)
    about = Provenance(f, y, dt=dt, t=t, route=route, grid=grid, solve_cost=solve_cost, split=split)
    lin = Linearisation(f, y, t)
    rates = Rates(f, y, t, differentiable=lin.differentiable or route == "symbol")
    endless = grid == "infinite"
    found = find_modes(rates, lin, route, endless=endless)
    if found.first is None:
        raise OptionError("; ".join(f"no {name}: {why}" for name, why in found.skipped.items()))
    study = Study(
        rates,
        found,
        schemes,
        dt=dt,
        split=split,
        solve_cost=solve_cost,
        route=route,
        endless=endless,
    )
    named = method is not None and method != "all"
    status, reason = judge(study, named=named, dt=dt)
    details = {
        "headline": headline(study),
        "route": study.decided or study.modes.route,
        "accuracy": ACCURACY,
        "implicit_part": study.split,
        **{f"skipped_{name}": why for name, why in found.skipped.items()},
        **about.attributes(nfev=lin.nfev, njvp=lin.njvp + rates.products, nvjp=lin.nvjp, steps_run=study.steps),
    }
    return AnalysisResult(dataset(study), status, reason, SCHEMA, details)


def study(problem: Problem) -> AnalysisResult:
    """The limits at the start of a problem, of its method, or of all methods of the solver."""
    start = problem.start
    extra = start.dim() - len(problem.equation.state_shape)
    state = start[(0,) * extra] if extra else start
    method = None if problem.method == "auto" else problem.method
    return stability(problem.equation, state, method=method, dt=problem.dt, t=float(problem.t_span[0]))


def chosen_schemes(method: Methods, f: object) -> list[Scheme]:
    """The schemes that a user's words mean.

    Raises:
        OptionError: there is no such method, or none was named.
    """
    if method is None and isinstance(f, FieldEquation) and f.noises:
        return [get_scheme(name) for name in STOCHASTIC]
    if method is None:
        return [SCHEMES[name] for name in METHODS if name in SCHEMES]
    if method == "all":
        return list(SCHEMES.values())
    if isinstance(method, Sequence) and not isinstance(method, str):
        if not method:
            raise OptionError("method is an empty list; name a method, or leave it out for all of the solver's")
        return [get_scheme(one) for one in method]
    return [get_scheme(method)]


def _check(dt: float | None, t: float, grid: str, solve_cost: float) -> None:
    if dt is not None and not (isinstance(dt, (int, float)) and math.isfinite(dt) and dt > 0):
        raise OptionError(f"dt is a positive finite step, such as 0.01, or None to ask for the limit; got {dt!r}")
    if not math.isfinite(t):
        raise OptionError(f"t is a finite time, got {t!r}")
    if grid not in GRIDS:
        raise OptionError(f"grid is 'own' or 'infinite', got {grid!r}")
    if not (math.isfinite(solve_cost) and solve_cost >= 0):
        raise OptionError(f"solve_cost is a number of evaluations, 0 or more; got {solve_cost!r}")
