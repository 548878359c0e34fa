"""`grid_convergence`: the order of a declared equation in its mesh size, against an exact solution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, SolveFailed
from fieldsolver.results import AnalysisResult
from fieldsolver.solve import solve
from fieldsolver.solve.progress import ProgressBar

from .convergence import checked_ladder, convergence_result
from .orders.error_size import error_size
from .orders.fit_order import fit_order

Shape = int | Sequence[int]
TIGHTER = 0.01
"""Factor on the tolerances of the second run that estimates the error of the time integration."""


def grid_convergence(
    make_equation: Callable[[Any], FieldEquation],
    exact: Callable[..., Any],
    shapes: Sequence[Shape],
    *,
    t_span: Sequence[float],
    expected: float | None = None,
    floor: float | None = None,
    confidence: float = 0.95,
    norm: str = "max",
    progress: bool | None = None,
    **options: Any,
) -> AnalysisResult:
    """Solve the same problem on several grids and measure the order in space at the end of `t_span`.

    Args:
        make_equation: returns the equation for one entry of `shapes`.
        exact: ``exact(t, x, y, ...)``, the solution at coordinates of shape ``(*grid)``: a dict of fields, or one
            packed tensor. It also gives the initial state.
        shapes: grids from coarse to fine. The size of a level is the largest spacing of its grid.
        t_span: start and end.
        expected: the claimed order; None takes `space_order` of the equation.
        floor: a known error floor; None looks for one.
        confidence: of the interval of the order.
        norm: ``"max"`` or ``"rms"``, over all entries of the state.
        progress: show a bar: True, False, or None for only on a terminal.
        **options: for `fieldsolver.solve`; by default ``rtol=1e-9, atol=1e-12``.

    Returns:
        Schema ``convergence/1``; see `convergence`. The finest grid is solved a second time with tolerances 100 times
        tighter, or half the `dt`; a difference beyond 1 % of the finest error makes the result INCONCLUSIVE, because
        the ladder would then measure the time integration.

    Raises:
        OptionError: the grids do not become finer, or an option is out of range.
    """
    equations = [_equation(make_equation, shape) for shape in shapes]
    if not equations:
        raise OptionError("shapes is empty; give grids from coarse to fine, such as [16, 32, 64, 128]")
    claimed = float(equations[-1].layout.space_order) if expected is None else expected
    if math.isinf(claimed):
        raise OptionError("a spectral scheme has no order to confirm; pass expected=, the order that you want to see")
    grids = [equation.layout.required_grid() for equation in equations]
    sizes = checked_ladder([max(grid.spacing) for grid in grids])
    ends = (float(t_span[0]), float(t_span[-1]))
    settings = {"rtol": 1e-9, "atol": 1e-12, **options, "progress": False}
    errors: list[float] = []
    state: Tensor | None = None
    with ProgressBar("grid convergence", progress) as bar:
        work = [grid.size ** (1 + 1 / grid.dimension) for grid in grids]
        for position, equation in enumerate(equations):
            state = _final(equation, exact, ends, settings)
            errors.append(_distance(state, _state(equation, exact, ends[1]), norm))
            bar(sum(work[: position + 1]) / (3 * sum(work)))
        second = _final(equations[-1], exact, ends, _tighter(settings))
        time_error = _distance(state, second, norm)
    fit = fit_order(sizes, errors, expected=claimed, floor=floor, confidence=confidence)
    result = convergence_result(fit, "h", reference_error=time_error, reference="time integration")
    result.dataset.attrs.update(norm=norm)
    return result


def _final(
    equation: FieldEquation, exact: Callable[..., Any], ends: tuple[float, float], settings: dict[str, Any]
) -> Tensor | None:
    """The state at the end; None where the solve fails."""
    start = _state(equation, exact, ends[0])
    try:
        with torch.no_grad():
            return solve(equation, start, t_span=ends, **settings).y[-1]
    except SolveFailed:
        return None


def _distance(computed: Tensor | None, wanted: Tensor | None, norm: str) -> float:
    return math.nan if computed is None or wanted is None else error_size(computed, wanted, norm)


def _state(equation: FieldEquation, exact: Callable[..., Any], t: float) -> Tensor:
    return equation.pack(exact(t, *equation.layout.required_grid().coordinates()))


def _tighter(settings: dict[str, Any]) -> dict[str, Any]:
    if settings.get("dt") is not None:
        return {**settings, "dt": settings["dt"] / 2}
    return {**settings, "rtol": TIGHTER * settings["rtol"], "atol": TIGHTER * settings["atol"]}


def _equation(make_equation: Callable[[Any], FieldEquation], shape: Shape) -> FieldEquation:
    equation = make_equation(shape)
    if isinstance(equation, FieldEquation) and equation.layout.domains:
        raise OptionError("grid convergence is measured on one grid, but the fields lie on grids of their own")
    if not isinstance(equation, FieldEquation) or equation.layout.grid is None:
        raise OptionError(f"make_equation({shape!r}) must return a FieldEquation with a grid, got {equation!r}")
    return equation
