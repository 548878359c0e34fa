"""`time_convergence`: the order of a method in its step size, on one problem."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, SolveFailed
from fieldsolver.methods import get_method
from fieldsolver.results import AnalysisResult
from fieldsolver.solve import solve
from fieldsolver.solve.progress import ProgressBar

from .convergence import REFERENCE_SHARE, checked_ladder, convergence_result
from .orders.error_size import error_size
from .orders.fit_order import fit_order

FINER = 16
"""A computed reference takes steps at least this many times finer than the finest level."""


def time_convergence(
    f: FieldEquation | Callable[..., Tensor],
    y0: Mapping[str, Any] | Tensor,
    *,
    t_span: Sequence[float],
    method: str,
    dts: Sequence[float],
    exact: Callable[[float], Any] | None = None,
    expected: float | None = None,
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
            the method is compared with itself at steps at least 16 times finer. That shows that the answers converge,
            at which order, but not that they converge to the right one.
        expected: the claimed order; None takes the order of the method.
        floor: a known error floor; None looks for one.
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
    steps = checked_ladder(dts)
    t0, t1 = (float(end) for end in t_span)
    _check_divides(steps, t0, t1)
    claimed = float(get_method(method).order) if expected is None else expected

    def final_state(dt: float) -> Tensor:
        settings = {"max_steps": round((t1 - t0) / dt) + 1, **options, "progress": False}
        with torch.no_grad():
            return solve(f, y0, t_span=(t0, t1), dt=dt, method=method, **settings).y[-1]

    reference_error, kind = 0.0, "exact solution"
    if exact is not None:
        reference = _as_state(f, exact(t1))
    else:
        ratio = reference_ratio(claimed)
        reference = final_state(steps[-1] / ratio)
        # e(2 dt) - e(dt) = (2^p - 1) e(dt) >= e(dt) for p >= 1: a safe estimate that does not rely on the claim
        reference_error = error_size(final_state(2 * steps[-1] / ratio), reference, norm)
        kind = f"reference by the same method, {ratio} times finer,"
    errors = []
    with ProgressBar("time convergence", progress) as bar:
        for position, dt in enumerate(steps):
            errors.append(_level(final_state, reference, dt, norm))
            bar(sum(1 / dt for dt in steps[: position + 1]) / sum(1 / dt for dt in steps))
    fit = fit_order(steps, errors, expected=claimed, floor=floor, confidence=confidence)
    result = convergence_result(fit, "dt", reference_error=reference_error, reference=kind)
    result.dataset.attrs.update(method=method, norm=norm)
    return result


def reference_ratio(order: float) -> int:
    """How many times finer a reference must be for its error estimate to stay below 1 % of the finest error.

    The estimate is ``(2^p - 1) r^-p`` of the finest error at ratio r; a power of two, at least 16.
    """
    needed = (2 * (2**order - 1) / REFERENCE_SHARE) ** (1 / order)
    return max(FINER, 2 ** math.ceil(math.log2(needed)))


def _level(final_state: Callable[[float], Tensor], reference: Tensor, dt: float, norm: str) -> float:
    try:
        return error_size(final_state(dt), reference, norm)
    except SolveFailed:
        return math.nan  # a step too coarse to survive is a level without an error


def _as_state(f: Any, given: Any) -> Tensor:
    if isinstance(f, FieldEquation):
        return f.pack(given)
    return torch.as_tensor(given)


def _check_divides(steps: Sequence[float], t0: float, t1: float) -> None:
    for dt in steps:
        count = (t1 - t0) / dt
        if not (count > 0.5 and abs(count - round(count)) <= 1e-9 * count):
            raise OptionError(
                f"dt = {dt:g} does not divide the span of {t1 - t0:g}, so its last step would be shorter; "
                f"take for example {(t1 - t0) / max(1, round(count)):.10g}"
            )
