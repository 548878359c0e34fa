"""The observed order of a sequence of errors: which levels count, which law they follow, and what that proves."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict

from .evidence import ROUNDOFF, Evidence, Stiffness
from .model_fit import RELATIVE_NOISE, ModelFit, fit_model
from .models import MODELS, Floats
from .profile_interval import profile_interval
from .verdict import TOLERANCE, judge

STAGNATION_ORDER = 0.3
"""Levels after which the finer ones do not gain even this order have stopped converging."""

STUCK_SHARE = 2 / 3

ABOVE_FLOOR = 10.0
"""Levels with an error below this many floors are left out of the fit."""


@dataclass(frozen=True)
class OrderFit:
    """What a ladder of errors tells about the order.

    Attributes:
        h, errors: as given, coarse to fine.
        used: levels that entered the fit.
        local_order: slope between a level and the one before it; NaN for the first and where an error is 0 or NaN.
        fit: the chosen law, or None when fewer than three levels were usable.
        aicc: by name, of the candidates that the number of levels allows, up to one that fits exactly.
        order_lo, order_hi: confidence interval of the order, averaged over the candidates; see `profile_interval`.
        linear_lo, linear_hi: the interval of the chosen law alone, linearised (Student's t): what the other would be if
            the law were known.
        floor: declared, met by the finest levels, or fitted; 0 when there is none.
        expected, confidence: as asked.
        status, reason: the verdict.
    """

    h: Floats
    errors: Floats
    used: np.ndarray
    local_order: Floats
    fit: ModelFit | None
    aicc: dict[str, float]
    order_lo: float
    order_hi: float
    linear_lo: float
    linear_hi: float
    floor: float
    expected: float | None
    confidence: float
    status: Verdict
    reason: str

    @property
    def order(self) -> float:
        """p of the chosen law; NaN without one."""
        return self.fit.order if self.fit is not None else math.nan


def fit_order(
    h: Sequence[float] | Floats,
    errors: Sequence[float] | Floats,
    *,
    expected: float | None = None,
    floor: float | None = None,
    confidence: float = 0.95,
    stage_order: float | None = None,
    stiffness: float | None = None,
    order_noise: float = 0.0,
) -> OrderFit:
    """Fit ``e = C h^p (1 + a h^q) + floor`` to a ladder of errors and judge the order p.

    Args:
        h: step or mesh sizes, strictly decreasing.
        errors: one per level, not negative; NaN or infinite for a run that failed.
        expected: the order that is claimed, or None to measure it.
        floor: a known floor; levels within ten times of it are left out. None looks for one.
        confidence: of the interval of p.
        stage_order: of a method whose order may be reduced by stiffness to something between it and `expected`; needs
            `stiffness`.
        stiffness: the largest rate of the problem, in units of 1/h; it is stiff where ``h * stiffness`` exceeds 1.
        order_noise: standard error that the errors bring along, such as that of a Monte Carlo estimate; widens the
            interval in quadrature.

    Raises:
        OptionError: lengths differ, h does not decrease, an error is negative, or an option is out of range.
    """
    check_options(expected, floor, confidence)
    stiff = _checked_stiffness(expected, stage_order, stiffness)
    levels = usable_levels(h, errors, floor)
    steps, values, used = levels.h, levels.errors, levels.used
    known = max(floor or 0.0, levels.met)
    fits = _candidates(steps[used], values[used])
    best = min(fits, key=lambda fit: (fit.aicc, fit.model.parameters)) if fits else None
    linear = _linear_interval(best, confidence)
    lo, hi = math.nan, math.nan
    if best is not None:
        lo, hi = _widened(best, profile_interval(fits, steps[used], values[used], confidence), order_noise, confidence)
    if floor is None and values.max() <= ROUNDOFF and not (hi - lo) / 2 < TOLERANCE:
        best, lo, hi, linear = None, math.nan, math.nan, (math.nan, math.nan)  # a line through round-off is no order
    evidence = Evidence(
        steps, values, used, levels.first_stagnant, levels.met, floor, best, lo, hi, expected, confidence, stiff
    )
    status, reason = judge(evidence)
    return OrderFit(
        h=steps,
        errors=values,
        used=used,
        local_order=local_orders(steps, values),
        fit=best,
        aicc={fit.model.name: fit.aicc for fit in fits},
        order_lo=lo,
        order_hi=hi,
        linear_lo=linear[0],
        linear_hi=linear[1],
        floor=known or (best.floor if best is not None else 0.0),
        expected=expected,
        confidence=confidence,
        status=status,
        reason=reason,
    )


@dataclass(frozen=True)
class Levels:
    """A checked ladder, and which of its levels count.

    Attributes:
        h, errors: coarse to fine.
        used: finite, positive, above the floor, before the tail that no longer converges.
        first_stagnant: first level of that tail; the number of levels if there is none.
        met: error level of that tail, or 0.
    """

    h: Floats
    errors: Floats
    used: np.ndarray
    first_stagnant: int
    met: float


def usable_levels(h: Sequence[float] | Floats, errors: Sequence[float] | Floats, floor: float | None) -> Levels:
    """Check a ladder and leave out what lies on a floor, declared or met.

    Raises:
        OptionError: lengths differ, h does not decrease, or an error is negative.
    """
    steps, values = _checked(h, errors)
    first_stagnant = _stagnation(steps, values)
    met = _floor_met(values, first_stagnant)
    used = np.isfinite(values) & (values > ABOVE_FLOOR * max(floor or 0.0, met)) & (values > 0)
    used[first_stagnant:] = False
    return Levels(steps, values, used, first_stagnant, met)


def local_orders(h: Floats, errors: Floats) -> Floats:
    """ln(e_{i-1}/e_i) / ln(h_{i-1}/h_i), NaN at the first level and where an error is 0 or not finite."""
    slopes = np.full(len(h), np.nan)
    positive = np.where(np.isfinite(errors) & (errors > 0), errors, np.nan)
    slopes[1:] = np.diff(np.log(positive)) / np.diff(np.log(h))
    return slopes


def _candidates(h: Floats, errors: Floats) -> list[ModelFit]:
    fits: list[ModelFit] = []
    for model in MODELS:
        if model.allows(len(h)):
            fits.append(fit_model(model, h, errors))
            if fits[-1].residual <= RELATIVE_NOISE:
                break  # no law with more terms can do better
    return fits


def _widened(fit: ModelFit, ends: tuple[float, float], order_noise: float, confidence: float) -> tuple[float, float]:
    """The ends after a normal error of the order itself."""
    from scipy.special import ndtri

    more = float(ndtri(0.5 + confidence / 2)) * order_noise
    lo, hi = ends
    return fit.order - math.hypot(fit.order - lo, more), fit.order + math.hypot(hi - fit.order, more)


def _linear_interval(fit: ModelFit | None, confidence: float) -> tuple[float, float]:
    """p -+ t s_p with Student's t of n - k degrees of freedom."""
    if fit is None:
        return math.nan, math.nan
    from scipy.special import stdtrit

    half = float(stdtrit(fit.degrees, 0.5 + confidence / 2)) * fit.standard_error
    return fit.order - half, fit.order + half


def _stagnation(h: Floats, errors: Floats) -> int:
    """The first level that most finer ones improve by less than h^0.3; the number of levels if there is none.

    Most, not all: among scattered round-off one small error happens by chance.
    """
    for k in range(len(h) - 1):
        if not np.isfinite(errors[k:]).all():
            continue
        stuck = errors[k + 1 :] >= errors[k] * (h[k + 1 :] / h[k]) ** STAGNATION_ORDER
        if stuck.mean() >= STUCK_SHARE:
            return k
    return len(h)


def _floor_met(errors: Floats, first_stagnant: int) -> float:
    tail = errors[first_stagnant:]
    return float(np.median(tail)) if tail.size else 0.0


def _checked(h: Sequence[float] | Floats, errors: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    try:
        steps, values = np.array(h, dtype=np.float64), np.array(errors, dtype=np.float64)
    except (TypeError, ValueError):
        raise OptionError(f"h and errors must be sequences of numbers, got {h!r} and {errors!r}") from None
    if steps.ndim != 1 or steps.shape != values.shape or not steps.size:
        raise OptionError(f"h and errors need one number per level each, got shapes {steps.shape} and {values.shape}")
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise OptionError(f"h must be positive and finite, got {steps.tolist()}")
    if not (np.diff(steps) < 0).all():
        raise OptionError(f"h must decrease from level to level (coarse to fine, no repeats), got {steps.tolist()}")
    if (values < 0).any():
        raise OptionError(f"errors are magnitudes and cannot be negative, got {values.min():g}; pass abs(error)")
    return steps, values


def check_options(expected: float | None, floor: float | None, confidence: float) -> None:
    """Raise `OptionError` for options of `fit_order` that are no numbers or out of range."""
    if expected is not None and not (_is_number(expected) and math.isfinite(expected) and expected > 0):
        raise OptionError(f"expected is the claimed order, such as 2; got {expected!r}")
    if floor is not None and not (_is_number(floor) and math.isfinite(floor) and floor >= 0):
        raise OptionError(f"floor is an error level that is not negative, such as 1e-14, or None; got {floor!r}")
    if not (_is_number(confidence) and 0 < confidence < 1):
        raise OptionError(f"confidence lies between 0 and 1, such as 0.95; got {confidence!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _checked_stiffness(expected: float | None, stage_order: float | None, stiffness: float | None) -> Stiffness | None:
    if stage_order is None and stiffness is None:
        return None
    if expected is None or stage_order is None or stiffness is None:
        raise OptionError(
            "order reduction is judged by expected=, stage_order= and stiffness= (the largest rate of the problem) "
            f"together; got {expected!r}, {stage_order!r} and {stiffness!r}"
        )
    if not (0 < stage_order <= expected and math.isfinite(stiffness) and stiffness >= 0):
        raise OptionError(
            f"stage_order lies above 0 and not above the expected {expected:g}, stiffness is a rate that is not "
            f"negative; got {stage_order!r} and {stiffness!r}"
        )
    return Stiffness(float(stage_order), float(stiffness))
