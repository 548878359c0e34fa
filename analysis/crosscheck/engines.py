"""The engines of a cross-check: the same problem through solvers that share no code."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import OptionError, SolveFailed, listing, nearest
from fieldsolver.methods import adaptive_methods, get_method
from fieldsolver.solve import solve

from .problem import BudgetSpent, CheckedProblem, CountedFunction

UserEngine = Callable[[CountedFunction, Tensor, float, float, float, float], Tensor]
"""engine(f, y0, t0, t1, rtol, atol) -> y(t1), with f(t, y) in torch."""

DENSE_JACOBIAN = 2000
"""Unknowns up to which SciPy's implicit solvers, which keep a full Jacobian, are asked."""


@dataclass(frozen=True)
class EngineRun:
    """One run: the end state, None where the engine did not arrive, with the reason in `note`."""

    end: Tensor | None
    nfev: int
    note: str = ""


@dataclass(frozen=True)
class Engine:
    """A solver by name.

    Attributes:
        name: such as ``"scipy DOP853"``.
        family: engines of one family share code, and do not confirm each other.
        run: ``run(problem, rtol, atol, budget)``.
        refusal: one sentence why it cannot take a problem, or None.
    """

    name: str
    family: str
    run: Callable[[CheckedProblem, float, float, int], EngineRun]
    refusal: Callable[[CheckedProblem], str | None] = lambda problem: None


def chosen_engines(
    methods: Sequence[str], engines: Sequence[str] | Mapping[str, str | UserEngine] | None
) -> list[Engine]:
    """Our methods first, then the others; raises `OptionError` for names that no engine has."""
    if isinstance(methods, str) or not all(isinstance(name, str) for name in methods):
        raise OptionError(f"methods is a list of names such as ('tsit5', 'vern9'), got {methods!r}")
    if isinstance(engines, str):
        raise OptionError(f"engines is a list of names such as ({engines!r},), got {engines!r}")
    chosen = [_fieldsolver(name) for name in methods]
    others = DEFAULT if engines is None else engines
    given = others.items() if isinstance(others, Mapping) else ((name, name) for name in others)
    for name, what in given:
        if callable(what):
            chosen.append(Engine(name, name, _user(what)))
        elif what in OTHERS:
            chosen.append(OTHERS[what])
        else:
            raise OptionError(f"unknown engine {what!r}; known: {listing(OTHERS)}{nearest(str(what), OTHERS)}")
    if len({engine.name for engine in chosen}) < len(chosen):
        raise OptionError(f"an engine is named twice: {', '.join(engine.name for engine in chosen)}")
    return chosen


def _fieldsolver(name: str) -> Engine:
    if get_method(name).error_order is None:
        raise OptionError(
            f"method {name!r} has no error estimate and follows no tolerance; use one of: {listing(adaptive_methods())}"
        )

    def run(problem: CheckedProblem, rtol: float, atol: float, budget: int) -> EngineRun:
        span, attempts = (problem.t0, problem.t1), max(1, budget // get_method(name).stages)
        options: dict[str, Any] = {"rtol": rtol, "atol": atol, "gradient": "none", "progress": False}
        if callable(problem.original) and problem.args:
            options["args"] = problem.args
        try:
            solution = solve(problem.original, problem.y0, t_span=span, method=name, max_steps=attempts, **options)
        except SolveFailed as failure:
            return EngineRun(None, int(failure.solution.stats.nfev.sum()), failure.solution.outcomes[0])
        return EngineRun(solution.y[-1], int(solution.stats.nfev.max()))

    return Engine(f"fieldsolver {name}", "fieldsolver", run)


def _scipy(method: str, family: str, *, implicit: bool) -> Engine:
    def run(problem: CheckedProblem, rtol: float, atol: float, budget: int) -> EngineRun:
        from scipy.integrate import solve_ivp

        f, shape = problem.counted(budget), problem.y0.shape

        def flat(t: float, y: Any) -> Any:
            return f(t, torch.from_numpy(y.copy()).reshape(shape)).reshape(-1).numpy()

        options = {"rtol": rtol, "atol": atol, "max_step": problem.longest_step}
        y0 = problem.y0.reshape(-1).numpy()
        try:
            result = solve_ivp(flat, (problem.t0, problem.t1), y0, method=method, **options)
        except BudgetSpent:
            return EngineRun(None, budget, f"more than {budget} evaluations")
        if not result.success:
            return EngineRun(None, f.count, str(result.message))
        return EngineRun(problem.finished(torch.from_numpy(result.y[:, -1].copy()).reshape(shape)), f.count)

    def refusal(problem: CheckedProblem) -> str | None:
        if method == "LSODA" and problem.y0.is_complex():
            return "LSODA takes no complex states"
        if implicit and problem.y0.numel() > DENSE_JACOBIAN:
            return f"a full Jacobian of {problem.y0.numel()} unknowns, more than {DENSE_JACOBIAN}"
        return None

    return Engine(f"scipy {method}", family, run, refusal)


def _torchdiffeq(method: str) -> Engine:
    def run(problem: CheckedProblem, rtol: float, atol: float, budget: int) -> EngineRun:
        import torchdiffeq

        f, times = problem.counted(budget), torch.tensor([problem.t0, problem.t1], dtype=torch.float64)
        # Without a step that ends there it would interpolate the end, with an error of its own.
        options = {"step_t": times[1:], "max_step": problem.longest_step}
        try:
            with torch.no_grad():
                y = torchdiffeq.odeint(f, problem.y0, times, rtol=rtol, atol=atol, method=method, options=options)
        except BudgetSpent:
            return EngineRun(None, budget, f"more than {budget} evaluations")
        except AssertionError as failure:  # its way to say that it cannot go on
            return EngineRun(None, f.count, f"torchdiffeq gave up: {failure}")
        return EngineRun(problem.finished(y[-1]), f.count)

    def refusal(problem: CheckedProblem) -> str | None:
        if importlib.util.find_spec("torchdiffeq") is None:
            return "torchdiffeq is not installed"
        return None

    return Engine(f"torchdiffeq {method}", "torchdiffeq", run, refusal)


def _user(engine: UserEngine) -> Callable[[CheckedProblem, float, float, int], EngineRun]:
    def run(problem: CheckedProblem, rtol: float, atol: float, budget: int) -> EngineRun:
        f = problem.counted(budget)
        try:
            end = engine(f, problem.y0.clone(), problem.t0, problem.t1, rtol, atol)
        except BudgetSpent:
            return EngineRun(None, budget, f"more than {budget} evaluations")
        end = torch.as_tensor(end)
        if end.shape != problem.y0.shape:
            raise OptionError(
                f"an engine returned shape {tuple(end.shape)}, expected that of y0, {tuple(problem.y0.shape)}"
            )
        return EngineRun(problem.finished(end.to(problem.y0.dtype)), f.count)

    return run


OTHERS: Mapping[str, Engine] = {
    engine.name: engine
    for engine in (
        _scipy("DOP853", "scipy", implicit=False),
        _scipy("RK45", "scipy", implicit=False),
        _scipy("Radau", "scipy", implicit=True),
        _scipy("LSODA", "ODEPACK", implicit=True),
        _torchdiffeq("dopri5"),
        _torchdiffeq("dopri8"),
    )
}
DEFAULT = ("scipy DOP853", "scipy LSODA", "torchdiffeq dopri5")
"""A Runge-Kutta method of order 8, multistep methods that turn implicit where a problem is stiff, and torch's."""
