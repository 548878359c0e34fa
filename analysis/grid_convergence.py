"""`grid_convergence`: the order of a declared equation in its mesh size, against an exact solution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.manufactured import Manufactured
from fieldsolver.errors import OptionError, SolveFailed
from fieldsolver.results import AnalysisResult, Verdict
from fieldsolver.solve import solve
from fieldsolver.solve.progress import ProgressBar

from .orders.dataset import REFERENCE_SHARE, convergence_result, scalar
from .orders.error_size import error_size
from .orders.fit_order import fit_order
from .orders.ladder import checked_ladder
from .provenance import Provenance
from .spectral_convergence import checked_sizes, spectral_result

Shape = int | Sequence[int]
Exact = Callable[..., Any]
TIGHTER = 0.01
"""Factor on the tolerances of the second run that estimates the error of the time integration."""


def grid_convergence(
    make_equation: Callable[[Any], FieldEquation | Manufactured],
    shapes: Sequence[Shape],
    *,
    t_span: Sequence[float],
    exact: Exact | None = None,
    expected: float | None = None,
    floor: float | None = None,
    confidence: float = 0.95,
    norm: str = "max",
    progress: bool | None = None,
    **options: Any,
) -> AnalysisResult:
    """Solve the same problem on several grids and measure the order in space at the end of `t_span`.

    Args:
        make_equation: returns the problem for one entry of `shapes`: what ``equation.manufactured({...})`` returns,
            which knows its solution, or an equation, and then `exact` says what the solution is.
        shapes: grids from coarse to fine. The size of a level is the largest spacing of its grid; of spectral schemes
            the largest number of points along an axis.
        t_span: start and end.
        exact: ``exact(t, x, y, ...)``, the solution at coordinates of shape ``(*grid)``: a dict of fields, or one
            packed tensor. It also gives the initial state. None for manufactured problems.
        expected: the claimed order; None takes `space_order` of the equation.
        floor: a known error floor; None looks for one.
        confidence: of the interval of the order.
        norm: ``"max"`` or ``"rms"``, over all entries of the state.
        progress: show a bar: True, False, or None for only on a terminal.
        **options: for `fieldsolver.solve`; by default ``rtol=1e-9, atol=1e-12``.

    Returns:
        Schema ``convergence/1``, see `convergence`; for a spectral scheme, which has no order, without `expected`:
        schema ``spectral_convergence/1``, see `spectral_convergence`. The finest grid is solved a second time with
        tolerances 100 times tighter, or half the `dt`; a difference beyond 1 % of the finest error makes the result
        INCONCLUSIVE, because the ladder would then measure the time integration. Levels of a spectral ladder that
        lie on that error are its floor.

    Raises:
        OptionError: the grids do not become finer, there is no exact solution or two, or an option is out of range.
    """
    cases = [_case(make_equation, shape, exact) for shape in shapes]
    if not cases:
        raise OptionError("shapes is empty; give grids from coarse to fine, such as [16, 32, 64, 128]")
    claimed = float(cases[-1].equation.layout.space_order) if expected is None else expected
    spectral = math.isinf(claimed)
    grids = [case.equation.layout.required_grid() for case in cases]
    points = checked_sizes([max(grid.shape) for grid in grids]) if spectral else []
    sizes = [] if spectral else checked_ladder([max(grid.spacing) for grid in grids], "the spacing of the grids")
    settings = {"rtol": 1e-9, "atol": 1e-12, **options, "progress": False}
    runs = _Runs((float(t_span[0]), float(t_span[-1])), settings, norm)
    finest = cases[-1]
    origin = Provenance(finest.equation, finest.state(runs.ends[0]), norm=norm, t_span=runs.ends)
    errors: list[float] = []
    state: Tensor | None = None
    with ProgressBar("grid convergence", progress) as bar:
        work = [grid.size ** (1 + 1 / grid.dimension) for grid in grids]
        for position, case in enumerate(cases):
            state = runs.final(case)
            errors.append(runs.distance(state, case.state(runs.ends[1])))
            bar(sum(work[: position + 1]) / (3 * sum(work)))
        time_error = runs.distance(state, runs.final(finest, tighter=True))
    details = origin.attributes(nfev=runs.nfev)
    if spectral:
        found = spectral_result(
            points, errors, floor=_larger(floor, time_error), confidence=confidence, provenance=details
        )
        return _with_time_error(found, time_error)
    fit = fit_order(sizes, errors, expected=claimed, floor=floor, confidence=confidence)
    return convergence_result(fit, "h", reference_error=time_error, reference="time integration", provenance=details)


@dataclass(frozen=True)
class _Case:
    """An equation on one grid, and its solution."""

    equation: FieldEquation
    exact: Callable[[float], Any]

    def state(self, t: float) -> Tensor:
        return self.equation.pack(self.exact(t))


@dataclass
class _Runs:
    """Solves of the cases; counts evaluations."""

    ends: tuple[float, float]
    settings: dict[str, Any]
    norm: str
    nfev: int = 0

    def final(self, case: _Case, *, tighter: bool = False) -> Tensor | None:
        """The state at the end; None where the solve fails."""
        settings = _tighter(self.settings) if tighter else self.settings
        try:
            with torch.no_grad():
                run = solve(case.equation, case.state(self.ends[0]), t_span=self.ends, **settings)
        except SolveFailed:
            return None
        self.nfev += int(torch.as_tensor(run.stats.nfev).sum())
        return run.y[-1]

    def distance(self, computed: Tensor | None, wanted: Tensor | None) -> float:
        return math.nan if computed is None or wanted is None else error_size(computed, wanted, self.norm)


def _case(make_equation: Callable[[Any], Any], shape: Shape, exact: Exact | None) -> _Case:
    made = make_equation(shape)
    if isinstance(made, Manufactured):
        if exact is not None:
            raise OptionError("a manufactured problem knows its solution; leave exact= out")
        return _Case(_checked(made.equation, shape), made.exact)
    equation = _checked(made, shape)
    if exact is None:
        raise OptionError(
            "an equation alone has no exact solution: pass exact=, or return equation.manufactured({...}), or compare "
            "values of three grids by grid_convergence_index"
        )
    coordinates = equation.layout.required_grid().coordinates()
    return _Case(equation, lambda t: exact(t, *coordinates))


def _checked(equation: Any, shape: Shape) -> FieldEquation:
    if isinstance(equation, FieldEquation) and equation.layout.domains:
        raise OptionError("grid convergence is measured on one grid, but the fields lie on grids of their own")
    if not isinstance(equation, FieldEquation) or equation.layout.grid is None:
        raise OptionError(
            f"make_equation({shape!r}) must return a FieldEquation with a grid, or a manufactured one, got {equation!r}"
        )
    return equation


def _tighter(settings: dict[str, Any]) -> dict[str, Any]:
    if settings.get("dt") is not None:
        return {**settings, "dt": settings["dt"] / 2}
    return {**settings, "rtol": TIGHTER * settings["rtol"], "atol": TIGHTER * settings["atol"]}


def _larger(floor: float | None, time_error: float) -> float:
    """The declared floor, or that of the time integration, which a spectral error soon meets."""
    return max(floor or 0.0, time_error if math.isfinite(time_error) else 0.0)


def _with_time_error(found: AnalysisResult, time_error: float) -> AnalysisResult:
    dataset = found.dataset.assign(reference_error=scalar(time_error, "estimated error of the time integration"))
    status, reason = found.status, found.reason
    coarsest = float(dataset["error"][0])
    if not time_error <= REFERENCE_SHARE * coarsest:
        status = Verdict.INCONCLUSIVE
        reason = (
            f"the time integration has an error of {time_error:.2g}: pass smaller rtol, atol; without that: {reason}"
        )
    return AnalysisResult(dataset, status, reason, found.schema)
