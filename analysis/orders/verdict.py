"""The rules that turn a fitted order into a verdict, in the order in which they are asked.

1. A level without a finite error: INCONCLUSIVE.
2. Errors that stop decreasing before they are small (round-off, or a thousandth of the coarsest): FAIL, or
   INCONCLUSIVE without a claim; PRE_ASYMPTOTIC where the finest local orders have not settled, as behind a change of
   sign. No error above round-off, and no narrow interval: ROUNDOFF_LIMITED. Fewer than three levels above the floor:
   ROUNDOFF_LIMITED; fewer at all: INCONCLUSIVE.
3. Local slopes that still drift at the finest levels: PRE_ASYMPTOTIC, whatever the fit says.
4. The whole confidence interval below the claim, the order not below the stage order, and steps too long for the
   fastest mode: ORDER_REDUCTION (Hairer and Wanner II, section IV.15).
5. The whole confidence interval below the claim: FAIL, if the finest local orders have settled below it; else
   PRE_ASYMPTOTIC.
6. The finest level on a floor that was not declared: ROUNDOFF_LIMITED, with the order above the floor.
7. Half-width of the interval of 0.15 or more: INCONCLUSIVE.
8. |p - expected| < 0.15: PASS; lower: as 5; higher: INCONCLUSIVE, the problem does not exercise the claim.
"""

from __future__ import annotations

import numpy as np

from fieldsolver.results import Verdict

from .evidence import ROUNDOFF, Evidence, has_trend, settled_below

TOLERANCE = 0.15
"""How far an observed order may lie from the claimed one (DESIGN section 7, rule 2)."""

FAR_BELOW = 1e-3
"""A floor is a floor, and not a failure to converge, when it lies this far below the coarsest error."""


def judge(evidence: Evidence) -> tuple[Verdict, str]:
    """The verdict and one sentence of reason."""
    for rule in (
        _unusable,
        _stagnant,
        _only_roundoff,
        _too_few,
        _drifting,
        _reduced,
        _clearly_lower,
        _on_floor,
        _too_wide,
    ):
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
        slopes = evidence.raw_slopes()
        if evidence.expected is not None and not settled_below(slopes, evidence.expected, TOLERANCE):
            return Verdict.PRE_ASYMPTOTIC, (
                f"the error is not smaller below h = {start:.3g} than there, as where it changes its sign, and the "
                f"local orders have not settled ({_listed(slopes)}); leave out h >= {start:.3g} and "
                f"{evidence.next_levels()}"
            )
        verdict = Verdict.FAIL if evidence.expected is not None else Verdict.INCONCLUSIVE
        return verdict, f"the errors stop decreasing at h = {start:.3g}, e = {level:.2g}: inconsistent, or unresolved"
    return None


def _only_roundoff(evidence: Evidence) -> tuple[Verdict, str] | None:
    """Errors of quantities of order one; a declared floor says what round-off is for others."""
    scattered = evidence.fit is None or not evidence.half_width < TOLERANCE
    if evidence.declared is not None or evidence.errors.max() > ROUNDOFF or not scattered:
        return None
    return (
        Verdict.ROUNDOFF_LIMITED,
        f"no error is larger than {evidence.errors.max():.2g}, which is round-off for quantities of order one, and "
        f"they follow no law: add levels above h = {evidence.h[0]:.3g}",
    )


def _too_few(evidence: Evidence) -> tuple[Verdict, str] | None:
    if evidence.fit is not None:
        return None
    count = int(evidence.used.sum())
    if not count:
        return (
            Verdict.ROUNDOFF_LIMITED,
            f"no level lies above the floor of {max(evidence.met, evidence.declared or 0.0):.2g}: take larger h than "
            f"{evidence.h[0]:.3g}, or a problem that the scheme does not solve exactly",
        )
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
        f"{evidence.next_levels()}",
    )


def _drifting(evidence: Evidence) -> tuple[Verdict, str] | None:
    """The finest slope is off, and that is a trend: a next-order term was needed, or the slopes show one."""
    fit = evidence.fit
    slopes = evidence.slopes()
    if fit is None or not slopes.size:
        return None
    claimed = evidence.expected if evidence.expected is not None else fit.order
    target = claimed if abs(fit.order - claimed) < TOLERANCE else fit.order
    if abs(slopes[-1] - target) <= TOLERANCE:
        return None
    if fit.model.next_order is None and not has_trend(slopes, evidence.confidence):
        return None
    return (
        Verdict.PRE_ASYMPTOTIC,
        f"the local order drifts from {slopes[0]:.2f} to {slopes[-1]:.2f} (extrapolated: {fit.order:.2f}); "
        f"{evidence.next_levels()}",
    )


def _reduced(evidence: Evidence) -> tuple[Verdict, str] | None:
    fit, stiff = evidence.fit, evidence.stiff
    if fit is None or stiff is None or evidence.expected is None or evidence.hi >= evidence.expected - TOLERANCE:
        return None
    if fit.order <= stiff.stage_order - TOLERANCE:
        return None
    finest = float(evidence.h[evidence.used][-1])
    if finest * stiff.rate <= 1:
        return None
    return (
        Verdict.ORDER_REDUCTION,
        f"{evidence.measured()}, between the stage order {stiff.stage_order:g} and the order {evidence.expected:g}: "
        f"the problem is stiff at these steps (h times the fastest rate is {finest * stiff.rate:.2g} at the finest); "
        f"the full order needs h well below {1 / stiff.rate:.2g}, or a method of higher stage order",
    )


def _clearly_lower(evidence: Evidence) -> tuple[Verdict, str] | None:
    if evidence.expected is None or evidence.hi >= evidence.expected - TOLERANCE:
        return None
    return _lower(evidence, evidence.expected, "clearly lower")


def _lower(evidence: Evidence, expected: float, words: str) -> tuple[Verdict, str]:
    """A fitted order below the claim is a failure only if finer levels cannot mend it."""
    slopes = evidence.slopes()
    if settled_below(slopes, expected, TOLERANCE):
        return Verdict.FAIL, f"{evidence.measured()}, {words} than {expected:g}"
    return (
        Verdict.PRE_ASYMPTOTIC,
        f"{evidence.measured()}, {words} than {expected:g}, but the local orders have not settled ({_listed(slopes)}), "
        f"so finer levels may still show it; {evidence.next_levels()}",
    )


def _listed(slopes: np.ndarray) -> str:
    return ", ".join(f"{slope:.2f}" for slope in slopes[-4:])


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
        f"above it {evidence.measured()}; {remedy}",
    )


def _too_wide(evidence: Evidence) -> tuple[Verdict, str] | None:
    if evidence.half_width < TOLERANCE:
        return None
    return (
        Verdict.INCONCLUSIVE,
        f"{evidence.measured()}, an interval too wide to decide (half-width must be below {TOLERANCE}); "
        f"{evidence.next_levels()}",
    )


def _compared(evidence: Evidence) -> tuple[Verdict, str]:
    fit, expected = evidence.fit, evidence.expected
    if fit is None or expected is None:
        return Verdict.PASS, evidence.measured()
    if abs(fit.order - expected) < TOLERANCE:
        return Verdict.PASS, f"{evidence.measured()}; expected {expected:g}"
    if fit.order < expected:
        return _lower(evidence, expected, "lower")
    return (
        Verdict.INCONCLUSIVE,
        f"{evidence.measured()}, higher than {expected:g}: the leading error vanishes on this problem, choose another",
    )
