"""`time_convergence`: the order of a method in its step size, on one problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.methods import get_method
from fieldsolver.results import AnalysisResult

from .orders.dataset import convergence_result
from .orders.error_size import error_size
from .orders.fit_order import check_options, fit_order
from .orders.fixed_steps import FixedSteps, Reference, finer_reference
from .orders.ladder import checked_divisors, run_ladder
from .orders.rounding import rounding_floor, told_of_rounding
from .orders.solver_options import checked_exact, checked_options
from .provenance import Provenance


def time_convergence(
    f: FieldEquation | Callable[..., Tensor],
    y0: Mapping[str, Any] | Tensor,
    *,
    t_span: Sequence[float],
    method: str,
    dts: Sequence[float],
    exact: Callable[[float], Any] | None = None,
    reference_method: str | None = None,
    expected: float | None = None,
    stage_order: float | None = None,
    stiffness: float | None = None,
    floor: float | None = None,
    confidence: float = 0.95,
    norm: str = "max",
    progress: bool | None = None,
    **options: Any,
) -> AnalysisResult:
    """Solve with fixed steps of several sizes and measure the order at the end of `t_span`.

    Args:
        f, y0, t_span, method: as in `fieldsolver.solve`; use float64.
        dts: step sizes from coarse to fine, each dividing the span.
        exact: ``exact(t)``, the state at the end (a tensor, or a dict of fields for an equation). For an equation on a
            grid it must be exact in time of the *discretised* equation, or the spatial error will be its floor. None:
            the answers are compared with those of steps at least 8 times finer. With the same method that shows that
            they converge, at which order, but not that they converge to the right one.
        reference_method: another method for these finer steps, so that an error of the one is not shared by both.
        expected: the claimed order; None takes the order of the method.
        stage_order, stiffness: see `convergence`.
        floor: a known error floor; None looks for one, and takes the round-off of states of float32 or shorter.
        confidence: of the interval of the order.
        norm: ``"max"`` or ``"rms"``, over all entries of the state.
        progress: show a bar: True, False, or None for only on a terminal.
        **options: for `fieldsolver.solve`.

    Returns:
        Schema ``convergence/1``; see `convergence`. A computed reference whose own error, estimated by a second one of
        twice its step, exceeds 1 % of the finest error makes the result INCONCLUSIVE.

    Raises:
        OptionError: a step does not divide the span, or an option is out of range.
    """
    t0, t1 = (float(end) for end in t_span)
    steps = checked_divisors(dts, t0, t1)
    checked_options(options, "dts", ("dt",))
    claimed = float(get_method(method).order) if expected is None else expected
    check_options(claimed, floor, confidence)
    if exact is not None and reference_method is not None:
        raise OptionError("exact= and reference_method= are two references; give one of them")
    runs = FixedSteps(f, y0, (t0, t1), options)
    start = runs.state(y0)
    origin = Provenance(f, start, method=method, norm=norm, t_span=(t0, t1), reference_method=reference_method)
    if exact is not None:
        reference = Reference(checked_exact(runs.state(exact(t1))), 0.0, "exact solution")
    else:
        other = reference_method or method
        order = min(claimed, float(get_method(other).order)) if other == method else float(get_method(other).order)
        reference = finer_reference(lambda dt: runs.final(other, dt), steps[-1], order, norm, reference_method)
    errors = run_ladder(
        "time convergence", steps, lambda dt: error_size(runs.final(method, dt), reference.value, norm), progress
    )
    rounding = rounding_floor(start, (t1 - t0) / steps[-1]) if floor is None else None
    fit = fit_order(
        steps,
        errors,
        expected=claimed,
        floor=rounding if floor is None else floor,
        confidence=confidence,
        stage_order=stage_order,
        stiffness=stiffness,
    )
    result = convergence_result(
        fit,
        "dt",
        reference_error=reference.error,
        reference=reference.kind,
        provenance=origin.attributes(nfev=runs.nfev),
    )
    return told_of_rounding(result, start, rounding)
