"""A fitted order as a labelled dataset, and the verdict once the reference is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.results import AnalysisResult, Verdict

from .fit_order import OrderFit
from .models import Floats

if TYPE_CHECKING:
    import xarray

SCHEMA = "convergence/1"

REFERENCE_SHARE = 0.01
"""A reference whose own error exceeds this share of the finest error cannot judge it."""


def convergence_result(
    fit: OrderFit,
    label: str,
    *,
    reference_error: float = 0.0,
    reference: str = "exact solution",
    provenance: Mapping[str, Any] | None = None,
) -> AnalysisResult:
    """Label a fit. A `reference_error` beyond 1 % of the finest error makes the verdict INCONCLUSIVE."""
    status, reason = fit.status, fit.reason
    finest = _finest(fit.errors)
    if status is Verdict.ROUNDOFF_LIMITED and fit.fit is None:
        pass  # nothing but round-off, which a better reference would not change
    elif not reference_error <= REFERENCE_SHARE * finest:
        size = f"{reference_error:.2g}" if math.isfinite(reference_error) else "unknown size"
        status = Verdict.INCONCLUSIVE
        reason = (
            f"the {reference} has an error of {size}, not known to be below 1 % of the finest error {finest:.2g}; "
            f"without that: {fit.reason}"
        )
    elif reference_error:
        reason += f" (measured against a {reference} accurate to {reference_error:.2g})"
    dataset = fit_dataset(fit, label).assign(
        reference_error=scalar(reference_error, f"estimated error of the {reference}")
    )
    details = {"label": label, "reference": reference, "certificate": "statistical", **(provenance or {})}
    return AnalysisResult(dataset, status, reason, SCHEMA, details)


def fit_dataset(fit: OrderFit, label: str) -> xarray.Dataset:
    """Levels, law, order and interval of a fit."""
    import xarray

    law = fit.fit
    interval = {"confidence": fit.confidence}
    return xarray.Dataset(
        {
            "error": levels(fit.errors, "error"),
            "local_order": levels(fit.local_order, "slope between this level and the coarser one"),
            "used": levels(fit.used.astype(np.int8), "1 where the level entered the fit"),
            "order": scalar(fit.order, "observed order p", interval),
            "order_lo": scalar(fit.order_lo, "lower end of the confidence interval of p", interval),
            "order_hi": scalar(fit.order_hi, "upper end of the confidence interval of p", interval),
            "order_linear_lo": scalar(fit.linear_lo, "lower end if the law were known (Student's t)", interval),
            "order_linear_hi": scalar(fit.linear_hi, "upper end if the law were known (Student's t)", interval),
            "coefficient": scalar(law.coefficient if law else math.nan, "C in e = C h^p (1 + a h^q) + floor"),
            "next_coefficient": scalar(law.next_coefficient if law else math.nan, "a, 0 without a next-order term"),
            "next_order": scalar((law.model.next_order or 0) if law else 0, "q, 0 without a next-order term"),
            "floor": scalar(fit.floor, "error floor, 0 when there is none"),
            "model": scalar(law.model.name if law else "none", "law chosen by AICc"),
            "expected": scalar(
                math.nan if fit.expected is None else float(fit.expected), "claimed order, NaN for none"
            ),
            "aicc": (("candidate",), list(fit.aicc.values()), {"units": "1", "long_name": "AICc, smaller is better"}),
        },
        coords={
            "h": levels(fit.h, label),
            "candidate": ("candidate", list(fit.aicc), {"units": "1", "long_name": "candidate law"}),
        },
    )


def levels(values: Floats | np.ndarray, name: str) -> tuple[str, np.ndarray, dict[str, str]]:
    """A variable over the levels."""
    return "level", values, {"units": "1", "long_name": name}


def scalar(value: float | str, name: str, more: Mapping[str, Any] | None = None) -> tuple[tuple[()], object, dict]:
    """A variable without dimensions."""
    return (), value, {"units": "1", "long_name": name, **(more or {})}


def _finest(errors: Floats) -> float:
    finite = errors[np.isfinite(errors)]
    return float(finite[-1]) if finite.size else math.nan


def nothing_measured(reason: str, label: str) -> AnalysisResult:
    """A result without levels: the study makes no sense for what was given."""
    empty = np.empty(0)
    fit = OrderFit(
        h=empty,
        errors=empty,
        used=empty.astype(bool),
        local_order=empty,
        fit=None,
        aicc={},
        order_lo=math.nan,
        order_hi=math.nan,
        linear_lo=math.nan,
        linear_hi=math.nan,
        floor=0.0,
        expected=None,
        confidence=math.nan,
        status=Verdict.NOT_APPLICABLE,
        reason=reason,
    )
    return AnalysisResult(fit_dataset(fit, label), fit.status, reason, SCHEMA, {"label": label})
