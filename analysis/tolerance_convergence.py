"""`tolerance_convergence`: does the error follow the tolerance that was asked for?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.methods import Method, get_method
from fieldsolver.results import AnalysisResult
from fieldsolver.solve import solve

from .orders.dataset import convergence_result, levels
from .orders.error_size import error_size
from .orders.fit_order import check_options, fit_order
from .orders.ladder import checked_ladder, run_ladder
from .orders.rounding import rounding_floor, told_of_rounding
from .orders.solver_options import checked_exact, checked_options
from .provenance import Provenance

REFERENCE_SHARE_OF_TOLERANCE = 1e-3
"""A computed reference is asked for this share of the tightest tolerance, its check for ten times that."""

TIGHTEST = 1e-13
"""Tolerances below this ask for more than double precision holds."""


def tolerance_convergence(
    f: FieldEquation | Callable[..., Tensor],
    y0: Mapping[str, Any] | Tensor,
    *,
    t_span: Sequence[float],
    method: str,
    rtols: Sequence[float],
    atol_ratio: float,
    exact: Callable[[float], Any] | None = None,
    reference_method: str | None = None,
    expected: float | None = None,
    floor: float | None = None,
    confidence: float = 0.95,
    norm: str = "max",
    progress: bool | None = None,
    **options: Any,
) -> AnalysisResult:
    """Solve with adaptive steps at several tolerances and measure the slope of the error against the tolerance.

    A controller that holds the error estimate of a step, of order q + 1, at the tolerance takes steps proportional to
    ``tol^(1/(q + 1))``, and the error of a solution of order p is then proportional to ``tol^(p/(q + 1))``: tolerance
    proportionality where the advanced solution is the better one of the pair, p = q + 1 (Hairer, Norsett and Wanner I,
    section II.4; Stetter 1978).

    Args:
        f, y0, t_span, method: as in `fieldsolver.solve`; use float64.
        rtols: relative tolerances from loose to tight; a decade holds two or three.
        atol_ratio: ``atol / rtol``, the size below which the error is absolute.
        exact: ``exact(t)``, the state at the end; None computes a reference at a thousandth of the tightest tolerance.
        reference_method: another method for this reference.
        expected: the claimed slope; None takes ``p/(q + 1)``, and only measures methods such as ``"abm"``, whose order
            changes with the tolerance, so that the errors need not follow a power of it.
        floor, confidence, norm, progress: see `time_convergence`.
        **options: for `fieldsolver.solve`.

    Returns:
        Schema ``convergence/1`` with the tolerance in place of `h`, and `ratio(level)`, the error over the tolerance.
        Steps are whole and few at loose tolerances, so these errors scatter; tighter ladders narrow the interval.

    Raises:
        OptionError: the method cannot choose its steps, the tolerances do not decrease, or an option is out of range.
    """
    tolerances = checked_ladder(rtols, "rtols")
    scheme = get_method(method)
    slope = _claimed(scheme)
    claimed = slope if expected is None else expected
    checked_options(options, "rtols", ("rtol", "atol", "dt"))
    check_options(claimed, floor, confidence)
    _check(atol_ratio, exact, reference_method)
    t0, t1 = (float(end) for end in t_span)
    evaluations = 0

    def final(rtol: float, name: str) -> Tensor:
        nonlocal evaluations
        settings = {**options, "progress": False, "rtol": rtol, "atol": rtol * atol_ratio}
        with torch.no_grad():
            run = solve(f, y0, t_span=(t0, t1), method=name, **settings)
        evaluations += int(torch.as_tensor(run.stats.nfev).sum())
        return run.y[-1]

    def state(given: Any) -> Tensor:
        return f.pack(given) if isinstance(f, FieldEquation) else torch.as_tensor(given)

    origin = Provenance(f, state(y0), method=method, norm=norm, t_span=(t0, t1), atol_ratio=atol_ratio)
    error, kind = 0.0, "exact solution"
    if exact is not None:
        reference = checked_exact(state(exact(t1)))
    else:
        tight, other = max(REFERENCE_SHARE_OF_TOLERANCE * tolerances[-1], TIGHTEST), reference_method or method
        reference = final(tight, other)
        error = error_size(final(10 * tight, other), reference, norm)
        kind = f"reference by {other} at rtol {tight:.1g}"
    errors = run_ladder(
        "tolerance convergence",
        tolerances,
        lambda rtol: error_size(final(rtol, method), reference, norm),
        progress,
        power=1 / (1 + (scheme.error_order or 0)),
    )
    rounding = rounding_floor(reference, 1.0) if floor is None else None
    known = rounding if floor is None else floor
    fit = fit_order(tolerances, errors, expected=claimed, floor=known, confidence=confidence)
    result = convergence_result(
        fit, "rtol", reference_error=error, reference=kind, provenance=origin.attributes(nfev=evaluations)
    )
    result.dataset["ratio"] = levels(fit.errors / fit.h, "error over the relative tolerance")
    return told_of_rounding(result, reference, rounding)


def _claimed(scheme: Method) -> float | None:
    """p/(q + 1); None where both change along the way with the step."""
    if scheme.error_order is None:
        raise OptionError(f"method {scheme.name!r} has no error estimate and cannot follow a tolerance; take 'tsit5'")
    if not scheme.fixed_steps:
        return None
    return scheme.order / (scheme.error_order + 1)


def _check(atol_ratio: float, exact: Any, reference_method: str | None) -> None:
    if not atol_ratio > 0:
        raise OptionError(f"atol_ratio is atol/rtol, a positive size such as 1e-3; got {atol_ratio!r}")
    if exact is not None and reference_method is not None:
        raise OptionError("exact= and reference_method= are two references; give one of them")
