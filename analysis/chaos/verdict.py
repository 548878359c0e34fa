"""What the exponents say of the motion, and whether they may be believed."""

from __future__ import annotations

import numpy as np

from fieldsolver.results import Verdict

from ..subverdicts import Subverdict, first_at, worst
from .checks import STARTS, STEP
from .spectrum import Spectrum

RESOLVED = 0.01
"""Intervals around zero that are wider than this share of the norm of J cannot tell slow chaos from a torus."""


def kind_of_motion(found: Spectrum, *, discrete: bool) -> str:
    """``"chaotic"``, ``"periodic"``, ...: what the signs of the exponents mean."""
    lows = found.exponents.value - found.exponents.half
    positive, zeros = int((lows > 0).sum()), int(_near_zero(found).sum())
    if found.growing:
        return "the orbit keeps growing"
    if 0 < found.vanished[0] < 1:
        return "undecided"
    if found.vanished[0] == 1:
        return "superstable (f maps neighbours to one point)"
    if found.at_rest:
        return "at a fixed point" + (", which is unstable" if positive else "")
    if positive:
        return "chaotic" if positive == 1 else f"chaotic in {positive} directions"
    if discrete:
        return "quasi-periodic or undecided" if zeros else "periodic"
    if zeros == 1:
        return "periodic"
    return f"without a positive exponent ({zeros} exponents cannot be told from zero)"


def judge(
    found: Spectrum, checks: list[Subverdict], *, discrete: bool, hamiltonian: bool, steepness: float
) -> tuple[Verdict, str]:
    """The verdict and its sentence.

    Args:
        found: exponents and what follows.
        checks: of the laws; at least one must apply for a PASS.
        discrete: a map.
        hamiltonian: the flow was declared to be Hamiltonian: exponents that are zero come in pairs.
        steepness: norm of J.
    """
    for check in checks:
        if check.name == STARTS and check.verdict is Verdict.INCONCLUSIVE:  # then the common numbers mean nothing
            return check.verdict, check.sentence
        if check.name == STEP and check.verdict is Verdict.INCONCLUSIVE:  # then the laws of the flow need not hold
            return check.verdict, f"the step is too long: {check.sentence}; largest exponent {_largest(found)}"
    checks = [check for check in checks if check.name != STEP]
    text = f"{kind_of_motion(found, discrete=discrete)}: {_numbers(found)}"
    overall = worst(checks)
    if overall in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        culprit = first_at(checks, overall)
        return overall, f"{culprit.name} does not hold: {culprit.sentence}; {text}" if culprit else text
    if found.growing:
        return Verdict.INCONCLUSIVE, (
            f"{text}; the numbers are of this stretch of an orbit that is not known to be bounded: if it settles "
            "later, raise transient; if it never does, it has no attractor"
        )
    if ((found.vanished > 0) & (found.vanished < 1)).any():
        share = float(found.vanished[(found.vanished > 0) & (found.vanished < 1)][0])
        return Verdict.INCONCLUSIVE, (
            f"{text}; tangents vanish in {100 * share:.0f} % of the members only: take members=1, which is y0 itself"
        )
    if overall is Verdict.NOT_APPLICABLE:
        return Verdict.INCONCLUSIVE, f"{text}; but no law applies that could test it: ask for all exponents"
    near = _near_zero(found)
    widest = float(found.exponents.half[near].max()) if near.any() else 0.0
    undecided = near.sum() > 1 or (discrete and near.any())
    if undecided and not hamiltonian and widest > RESOLVED * steepness:
        return Verdict.INCONCLUSIVE, f"{text}; intervals of +-{widest:.2g} decide nothing: raise duration"
    passed = [check for check in checks if check.verdict is Verdict.PASS]
    return Verdict.PASS, f"{text}; {passed[0].sentence}"


def _near_zero(found: Spectrum) -> np.ndarray:
    near: np.ndarray = (np.abs(found.exponents.value) <= found.exponents.half) & (not found.at_rest)
    return near


def _largest(found: Spectrum) -> str:
    value, half = float(found.exponents.value[0]), float(found.exponents.half[0])
    return f"{value:.5g} +- {half:.2g}" if np.isfinite(value) else f"{value:g}"


def _numbers(found: Spectrum) -> str:
    text = f"largest exponent {_largest(found)}"
    dimension = float(found.dimension.value[0])
    if np.isfinite(dimension) and not found.at_rest:
        text += f", Kaplan-Yorke dimension {dimension:.4g} +- {float(found.dimension.half[0]):.2g}"
    return text
