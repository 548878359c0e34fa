"""`convergence`: run a ladder of refinements, fit the order of the errors, and judge it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fieldsolver.errors import OptionError, SolveFailed
from fieldsolver.results import AnalysisResult, Verdict, register_plot
from fieldsolver.solve.progress import ProgressBar

from .orders.fit_order import OrderFit, fit_order
from .orders.models import Floats
from .plots.convergence import draw_convergence

if TYPE_CHECKING:
    import xarray

SCHEMA = "convergence/1"
REFERENCE_SHARE = 0.01
"""A reference whose own error exceeds this share of the finest error cannot judge it."""

register_plot(SCHEMA)(draw_convergence)


def convergence(
    problem: Callable[[float], float],
    ladder: Sequence[float],
    *,
    expected: float | None = None,
    floor: float | None = None,
    confidence: float = 0.95,
    label: str = "h",
    progress: bool | None = None,
) -> AnalysisResult:
    """Measure the order at which ``problem(h)`` tends to zero.

    Args:
        problem: returns the error of the run with step or mesh size `h`, a magnitude. A run that raises `SolveFailed`
            counts as a level without an error.
        ladder: the values of `h`, from coarse to fine; 5 levels or more show next-order terms and floors.
        expected: the order that is claimed, or None to measure it.
        floor: a known error floor; levels within ten times of it are left out. None looks for one.
        confidence: of the interval of the order.
        label: what `h` is called in the picture.
        progress: show a bar: True, False, or None for only on a terminal.

    Returns:
        Schema ``convergence/1``, dimension ``level``: `h`, `error`, `local_order`, `used`, and the scalars `order` with
        `order_lo` and `order_hi`, `coefficient`, `next_coefficient`, `next_order`, `floor`, `model`, `expected`.
        PASS: the local orders have settled, the interval is narrower than 0.3, and the order is within 0.15 of
        `expected` (`order_verdict` lists all rules).

    Raises:
        OptionError: the ladder does not decrease, an error is negative, or an option is out of range.
    """
    steps = checked_ladder(ladder)
    errors = []
    with ProgressBar("convergence", progress) as bar:
        for position, h in enumerate(steps):
            errors.append(_error(problem, h))
            # the finest level costs most: equal shares would stand still at the end
            bar(sum(1 / h for h in steps[: position + 1]) / sum(1 / h for h in steps))
    return convergence_result(fit_order(steps, errors, expected=expected, floor=floor, confidence=confidence), label)


def convergence_result(
    fit: OrderFit, label: str, *, reference_error: float = 0.0, reference: str = "exact solution"
) -> AnalysisResult:
    """Label a fit. A `reference_error` beyond 1 % of the finest error makes the verdict INCONCLUSIVE."""
    status, reason = fit.status, fit.reason
    finest = _finest(fit.errors)
    if not reference_error <= REFERENCE_SHARE * finest:
        size = f"{reference_error:.2g}" if math.isfinite(reference_error) else "unknown size"
        status = Verdict.INCONCLUSIVE
        reason = (
            f"the {reference} has an error of {size}, not known to be below 1 % of the finest error {finest:.2g}; "
            f"without that: {fit.reason}"
        )
    elif reference_error:
        reason += f" (measured against a {reference} accurate to {reference_error:.2g})"
    dataset = _dataset(fit, label).assign(
        reference_error=_scalar(reference_error, f"estimated error of the {reference}")
    )
    return AnalysisResult(dataset, status, reason, SCHEMA, {"label": label, "reference": reference})


def _dataset(fit: OrderFit, label: str) -> xarray.Dataset:
    import xarray

    law = fit.fit
    interval = {"confidence": fit.confidence}
    return xarray.Dataset(
        {
            "error": _levels(fit.errors, "error"),
            "local_order": _levels(fit.local_order, "slope between this level and the coarser one"),
            "used": _levels(fit.used.astype(np.int8), "1 where the level entered the fit"),
            "order": _scalar(fit.order, "observed order p", interval),
            "order_lo": _scalar(fit.order_lo, "lower end of the confidence interval of p", interval),
            "order_hi": _scalar(fit.order_hi, "upper end of the confidence interval of p", interval),
            "coefficient": _scalar(law.coefficient if law else math.nan, "C in e = C h^p (1 + a h^q) + floor"),
            "next_coefficient": _scalar(law.next_coefficient if law else math.nan, "a, 0 without a next-order term"),
            "next_order": _scalar((law.model.next_order or 0) if law else 0, "q, 0 without a next-order term"),
            "floor": _scalar(fit.floor, "error floor, 0 when there is none"),
            "model": _scalar(law.model.name if law else "none", "law chosen by AICc"),
            "expected": _scalar(
                math.nan if fit.expected is None else float(fit.expected), "claimed order, NaN for none"
            ),
            "aicc": (("candidate",), list(fit.aicc.values()), {"units": "1", "long_name": "AICc, smaller is better"}),
        },
        coords={
            "h": _levels(fit.h, label),
            "candidate": ("candidate", list(fit.aicc), {"units": "1", "long_name": "candidate law"}),
        },
    )


def _levels(values: Floats | np.ndarray, name: str) -> tuple[str, np.ndarray, dict[str, str]]:
    return "level", values, {"units": "1", "long_name": name}


def _scalar(value: float | str, name: str, more: dict[str, float] | None = None) -> tuple[tuple[()], object, dict]:
    return (), value, {"units": "1", "long_name": name, **(more or {})}


def _finest(errors: Floats) -> float:
    finite = errors[np.isfinite(errors)]
    return float(finite[-1]) if finite.size else math.nan


def _error(problem: Callable[[float], float], h: float) -> float:
    try:
        value = problem(h)
    except SolveFailed:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise OptionError(f"problem({h:g}) must return one number, the error; got {value!r}") from None


def checked_ladder(ladder: Sequence[float]) -> list[float]:
    """The sizes as floats, or an `OptionError` before anything is run."""
    try:
        steps = [float(h) for h in ladder]
    except (TypeError, ValueError):
        raise OptionError(f"ladder is a list of sizes such as [0.1, 0.05, 0.025], got {ladder!r}") from None
    if not steps or not all(math.isfinite(h) and h > 0 for h in steps):
        raise OptionError(f"ladder needs positive finite sizes, got {steps}")
    if any(fine >= coarse for coarse, fine in itertools.pairwise(steps)):
        raise OptionError(f"ladder must run from coarse to fine without repeats, got {steps}")
    return steps
