"""The rules that turn a fitted order into a verdict, in the order in which they are asked.

1. A level without a finite error, or fewer than three usable ones: INCONCLUSIVE.
2. Errors that stop decreasing: ROUNDOFF_LIMITED if they do so at round-off or far below the coarsest error;
   otherwise the method does not converge, FAIL.
3. Local slopes that still drift at the finest levels: PRE_ASYMPTOTIC, whatever the fit says.
4. The whole confidence interval below the claim: FAIL.
5. The finest level on a floor that was not declared: ROUNDOFF_LIMITED, with the order above the floor.
6. Half-width of the interval of 0.15 or more: INCONCLUSIVE.
7. |p - expected| < 0.15: PASS; lower: FAIL; higher: INCONCLUSIVE, the problem does not exercise the claim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fieldsolver.results import Verdict

from .error_models import Floats, ModelFit

TOLERANCE = 0.15
"""How far an observed order may lie from the claimed one (DESIGN section 7, rule 2)."""

ROUNDOFF = 1e-12
"""Errors this small are round-off for double precision and quantities of order one."""

FAR_BELOW = 1e-3
"""A floor is a floor, and not a failure to converge, when it lies this far below the coarsest error."""

FEW_SLOPES = 4
"""Too few local orders for a t test to notice a drift."""


@dataclass(frozen=True)
class Evidence:
    """Everything the rules look at; see `OrderFit` for the common fields.

    Attributes:
        first_stagnant: first level of the tail that no longer converges; the number of levels if there is none.
        met: error level of that tail, or 0.
        declared: the floor the user gave, or None.
    """

    h: Floats
    errors: Floats
    used: np.ndarray
    first_stagnant: int
    met: float
    declared: float | None
    fit: ModelFit | None
    lo: float
    hi: float
    expected: float | None
    confidence: float

    @property
    def half_width(self) -> float:
        """Of the confidence interval."""
        return (self.hi - self.lo) / 2

    def next_levels(self) -> str:
        """What to run next, continuing the last ratio."""
        ratio = self.h[-1] / self.h[-2] if len(self.h) > 1 else 0.5
        return f"h = {self.h[-1] * ratio:.3g}, {self.h[-1] * ratio**2:.3g}"


def judge(evidence: Evidence) -> tuple[Verdict, str]:
    """The verdict and one sentence of reason."""
    for rule in (_unusable, _stagnant, _too_few, _drifting, _clearly_lower, _on_floor, _too_wide):
        found = rule(evidence)
        if found is not None:
            return found
    return _compared(evidence)


def _unusable(evidence: Evidence) -> tuple[Verdict, str] | None:
    bad = np.flatnonzero(~np.isfinite(evidence.errors))
    if not bad.size:
        return None
    h = ", ".join(f"{evidence.h[i]:.3g}" for i in bad)
    return Verdict.INCONCLUSIVE, f"no finite error at h = {h}: the run failed; start below it or mend the run"


def _stagnant(evidence: Evidence) -> tuple[Verdict, str] | None:
    if evidence.first_stagnant == len(evidence.h):
        return None
    if evidence.declared is not None and evidence.met <= 10 * evidence.declared:
        return None  # declared to be a floor, which is permission to ignore it
    start, level = evidence.h[evidence.first_stagnant], evidence.met
    if level <= ROUNDOFF and not evidence.used.any():
        return (
            Verdict.ROUNDOFF_LIMITED,
            f"no error is larger than {evidence.errors.max():.2g}, which is round-off: take larger h, or a "
            "problem that the scheme does not solve exactly",
        )
    if level > max(ROUNDOFF, FAR_BELOW * evidence.errors[0]):
        verdict = Verdict.FAIL if evidence.expected is not None else Verdict.INCONCLUSIVE
        return verdict, f"the errors stop decreasing at h = {start:.3g}, e = {level:.2g}: inconsistent, or unresolved"
    return None


def _too_few(evidence: Evidence) -> tuple[Verdict, str] | None:
    if evidence.fit is not None:
        return None
    count = int(evidence.used.sum())
    if count < len(evidence.h):
        return (
            Verdict.ROUNDOFF_LIMITED,
            f"only {count} of {len(evidence.h)} levels lie above the floor of "
            f"{max(evidence.met, evidence.declared or 0.0):.2g}, and an order needs 3: "
            f"add levels above h = {evidence.h[0]:.3g}",
        )
    return (
        Verdict.INCONCLUSIVE,
        f"{count} level(s) cannot show an order: 3 are needed, 5 to see a next-order term or a floor; "
        f"run {evidence.next_levels()} next",
    )


def _drifting(evidence: Evidence) -> tuple[Verdict, str] | None:
    """The finest slope is off, and that is a trend: a next-order term was needed, or the slopes show one."""
    fit = evidence.fit
    slopes = _slopes_above_floor(evidence)
    if fit is None or not slopes.size:
        return None
    claimed = evidence.expected if evidence.expected is not None else fit.order
    target = claimed if abs(fit.order - claimed) < TOLERANCE else fit.order
    if abs(slopes[-1] - target) <= TOLERANCE:
        return None
    if fit.model.next_order is None and not _has_trend(slopes, evidence.confidence):
        return None
    return (
        Verdict.PRE_ASYMPTOTIC,
        f"the local order drifts from {slopes[0]:.2f} to {slopes[-1]:.2f} (extrapolated: {fit.order:.2f}); "
        f"run {evidence.next_levels()} next",
    )


def _clearly_lower(evidence: Evidence) -> tuple[Verdict, str] | None:
    if evidence.expected is None or evidence.hi >= evidence.expected - TOLERANCE:
        return None
    return Verdict.FAIL, f"{_measured(evidence)}, clearly lower than {evidence.expected:g}"


def _on_floor(evidence: Evidence) -> tuple[Verdict, str] | None:
    if evidence.used[-1]:
        fitted = evidence.fit.floor if evidence.fit is not None else 0.0
        level = fitted if fitted > 0.5 * evidence.errors[-1] else None
    else:
        level = evidence.met
    if level is None or (evidence.declared is not None and level <= 10 * evidence.declared):
        return None
    remedy = "drop that level" + (f" or pass floor={level:.1g}" if level > 0 else "")
    return (
        Verdict.ROUNDOFF_LIMITED,
        f"the finest level lies on a floor of {level:.2g} (round-off, a tolerance, or the reference); "
        f"above it {_measured(evidence)}; {remedy}",
    )


def _too_wide(evidence: Evidence) -> tuple[Verdict, str] | None:
    if evidence.half_width < TOLERANCE:
        return None
    return (
        Verdict.INCONCLUSIVE,
        f"{_measured(evidence)}, an interval too wide to decide (half-width must be below {TOLERANCE}); "
        f"run {evidence.next_levels()} next",
    )


def _compared(evidence: Evidence) -> tuple[Verdict, str]:
    fit, expected = evidence.fit, evidence.expected
    if fit is None or expected is None:
        return Verdict.PASS, _measured(evidence)
    if abs(fit.order - expected) < TOLERANCE:
        return Verdict.PASS, f"{_measured(evidence)}; expected {expected:g}"
    if fit.order < expected:
        return Verdict.FAIL, f"{_measured(evidence)}, lower than {expected:g}"
    return (
        Verdict.INCONCLUSIVE,
        f"{_measured(evidence)}, higher than {expected:g}: the leading error vanishes on this problem, choose another",
    )


def _measured(evidence: Evidence) -> str:
    if evidence.fit is None:
        return "no order was measured"
    name, percent = evidence.fit.model.name, 100 * evidence.confidence
    return (
        f"order {evidence.fit.order:.3f} with {percent:g} % interval [{evidence.lo:.3f}, {evidence.hi:.3f}] "
        f"from {int(evidence.used.sum())} levels ({name})"
    )


def _slopes_above_floor(evidence: Evidence) -> Floats:
    """Local slopes of the levels in the fit, with the fitted floor taken off."""
    if evidence.fit is None:
        return np.empty(0)
    h, errors = evidence.h[evidence.used], evidence.errors[evidence.used] - evidence.fit.floor
    clear = errors > 0.5 * evidence.errors[evidence.used]
    h, errors = h[clear], errors[clear]
    return np.asarray(np.diff(np.log(errors)) / np.diff(np.log(h)))


def _has_trend(slopes: Floats, confidence: float) -> bool:
    """Student's t test of a line through the local orders; up to four of them only have to be monotone."""
    n = len(slopes)
    if n <= FEW_SLOPES:
        steps = np.diff(slopes)
        return bool((steps > 0).all() or (steps < 0).all())
    from scipy.special import stdtrit

    index = np.arange(n) - (n - 1) / 2
    slope = float(index @ slopes / (index @ index))
    rest = slopes - slopes.mean() - slope * index
    error = float(np.sqrt(rest @ rest / (n - 2) / (index @ index)))
    return abs(slope) > float(stdtrit(n - 2, 0.5 + confidence / 2)) * error
