"""What exponents must satisfy whatever the system: each law a check of its own."""

from __future__ import annotations

import numpy as np

from fieldsolver.results import Verdict

from ..subverdicts import Subverdict
from .interval import Floats
from .resolution import Resolution
from .spectrum import RECURRED, Spectrum

STARTS = "starts agree"
STEP = "step size"
ROUNDING = 1e-9
"""Sums of exponents that differ by less, relative to the largest exponent, agree."""
TRANSPORT = 1e-3
"""Relative error up to which the tangents follow the flow."""
COARSE = 0.1
"""Change of an exponent by halving the step, relative to the largest of them, beyond which the step is too long."""
FLAT = 0.01
"""The same relative to the norm of J, for exponents that are all near zero."""
BEYOND = 3.0
"""So many half-widths away, a law is broken and a start leads elsewhere; between one and this nothing is decided."""


def sum_rule(found: Spectrum, *, discrete: bool, why_not: str) -> Subverdict:
    """The exponents add up to the mean rate of volume change: <tr J> (Liouville), or <log |det DF|>."""
    name, law = "sum rule", "<log |det DF|>" if discrete else "<tr J>"
    if found.volume is None:
        return Subverdict(name, Verdict.NOT_APPLICABLE, why_not)
    mean, defect = found.volume.value
    if np.isneginf(mean):
        verdict = Verdict.PASS if defect == 0 else Verdict.FAIL
        return Subverdict(name, verdict, f"{law} is minus infinity, as is the smallest exponent", float(defect), 0.0)
    limit = float(found.volume.half[1]) + ROUNDING * max(1.0, float(np.abs(found.exponents.value).max()))
    verdict = _verdict(abs(defect), limit)
    if verdict is Verdict.PASS:
        return Subverdict(
            name, verdict, f"the sum of the exponents is {law} = {mean:.8g} to {abs(defect):.1e}", defect, limit
        )
    return Subverdict(
        name, verdict, f"the exponents add up to {mean + defect:.6g}, but {law} = {mean:.6g}", defect, limit
    )


def zero_exponent(found: Spectrum, *, autonomous: bool, discrete: bool) -> Subverdict:
    """A bounded orbit of an autonomous flow that does not end at a fixed point has an exponent zero (H. Haken, Phys.
    Lett. A 94, 71 (1983))."""
    name = "zero exponent"
    if discrete or not autonomous:
        why = "maps need not have a zero exponent" if discrete else "f depends on time, so time cannot be shifted"
        return Subverdict(name, Verdict.NOT_APPLICABLE, why)
    if found.growing:
        return Subverdict(name, Verdict.NOT_APPLICABLE, "the orbit keeps growing, and the law is of bounded ones")
    if found.at_rest:
        return Subverdict(name, Verdict.NOT_APPLICABLE, "the orbit ends at a fixed point, which needs no zero exponent")
    value, half = found.exponents.value, found.exponents.half
    sizes = np.abs(value) / np.maximum(half, ROUNDING)
    if found.zero.any():
        sizes = np.where(found.zero, np.abs(value), np.inf)
    nearest = int(np.argmin(sizes))
    here, width = float(value[nearest]), float(half[nearest])
    if found.zero.any():
        return Subverdict(name, Verdict.PASS, f"exponent {nearest + 1} is {here:.2g} +- {width:.2g}", here, width)
    if value.size < found.size and (value > 0).all():
        return Subverdict(name, Verdict.NOT_APPLICABLE, "all exponents that were asked for are positive; raise count=")
    if abs(found.drift) > RECURRED * abs(here):  # f(y) is the tangent that the law is of
        why = f"|f| changes at the rate {found.drift:.2g} along the orbit, which has not recurred; raise duration"
        return Subverdict(name, Verdict.NOT_APPLICABLE, why)
    sentence = f"no interval contains zero; the nearest is {here:.3g} +- {width:.2g}"
    return Subverdict(name, _verdict(sizes[nearest], 1.0), sentence, here, width)


def transport(resolved: Resolution) -> Subverdict:
    """The tangent f(y), carried along by the tangent map, stays f(y)."""
    name, missed = "transport of f", resolved.transport
    if np.isnan(missed):
        return Subverdict(name, Verdict.NOT_APPLICABLE, "f does not carry itself along: a map, time in f, or a rest")
    verdict = Verdict.PASS if missed <= TRANSPORT else Verdict.FAIL
    return Subverdict(name, verdict, f"the tangent f(y), carried along, misses f by {missed:.1e}", missed, TRANSPORT)


def pairing(found: Spectrum, resolved: Resolution, *, hamiltonian: bool) -> Subverdict:
    """lambda_i + lambda_{n+1-i} = 0 for Hamiltonian systems, whose tangent map is symplectic."""
    name = "pairing"
    if not hamiltonian:
        return Subverdict(name, Verdict.NOT_APPLICABLE, "hamiltonian=True was not declared")
    if found.exponents.value.size < found.size:
        return Subverdict(name, Verdict.NOT_APPLICABLE, "pairs need all exponents; leave count= away")
    worst = int(np.argmax(np.abs(found.pairs.value) - found.pairs.half))
    limit = float(found.pairs.half[worst]) + 2 * float(resolved.error.max()) + ROUNDING
    value = float(found.pairs.value[worst])
    sentence = f"pairs add up to zero within {limit:.1e}: largest {value:.1e}"
    return Subverdict(name, _verdict(abs(value), limit), sentence, value, limit)


def eigenvalues(found: Spectrum, rightmost: Floats | None) -> Subverdict:
    """At a fixed point the exponents are the real parts of the eigenvalues of J.

    Args:
        found: the exponents.
        rightmost: (k,) the largest real parts, in descending order; None where they were not computed.
    """
    name = "eigenvalues"
    if not found.at_rest or rightmost is None:
        why = (
            "the orbit does not end at a fixed point"
            if rightmost is not None or not found.at_rest
            else "the Jacobian is too large, or f has no reverse derivatives"
        )
        return Subverdict(name, Verdict.NOT_APPLICABLE, why)
    if np.isneginf(found.exponents.value).any():
        return Subverdict(name, Verdict.NOT_APPLICABLE, "the steps take tangents to zero, as no flow does")
    distance = np.abs(np.sort(found.exponents.value)[::-1] - rightmost)
    limits = found.exponents.half + 1e-6 * np.maximum(1.0, np.abs(rightmost))
    worst = int(np.argmax(distance - limits))
    value, limit = float(distance[worst]), float(limits[worst])
    sentence = f"the real parts of the eigenvalues at the fixed point are met to {distance.max():.1e}"
    return Subverdict(name, _verdict(value, limit), sentence, value, limit)


def agreement(found: Spectrum) -> Subverdict:
    """All starts lead to the same exponents."""
    name = STARTS
    if len(found.samples) == 1:
        return Subverdict(name, Verdict.NOT_APPLICABLE, "one start")
    mean = found.samples.mean(0)
    distance = np.abs(np.subtract(found.samples, mean, out=np.zeros_like(found.samples), where=found.samples != mean))
    limits = BEYOND * found.samples_half + ROUNDING
    share = distance / limits
    start, which = np.unravel_index(int(np.argmax(share)), share.shape)
    value, limit = float(distance[start, which]), float(limits[start, which])
    if value <= limit:
        return Subverdict(name, Verdict.PASS, f"the {len(found.samples)} starts agree", value, limit)
    return Subverdict(
        name, Verdict.INCONCLUSIVE, f"start {start} has an exponent {found.samples[start, which]:.3g}, the mean is "
        f"{found.samples[:, which].mean():.3g}: analyse them one by one", value, limit,
    )  # fmt: skip


def step_size(found: Spectrum, resolved: Resolution, dt: float | None, steepness: float) -> Subverdict:
    """Steps of half the length give the same exponents, to a tenth; a rule of numerics, no law.

    Args:
        found: the exponents.
        resolved: what halving the step does to them.
        dt: the step; None for maps.
        steepness: norm of J, which no exponent exceeds.
    """
    if dt is None:
        return Subverdict(STEP, Verdict.NOT_APPLICABLE, "a map has no step")
    largest = float(np.abs(found.exponents.value).max())
    limit = max(COARSE * min(largest, steepness), FLAT * steepness) + ROUNDING
    worst = int(np.argmax(resolved.error))
    change = float(resolved.error[worst])
    sentence = f"dt = {dt:.3g} may move exponent {worst + 1} by {change:.2g}, as steps of half the length show"
    if change <= limit:
        return Subverdict(STEP, Verdict.PASS, sentence, change, limit)
    return Subverdict(STEP, Verdict.INCONCLUSIVE, f"{sentence}: take a smaller dt=, or none", change, limit)


def _verdict(distance: float, limit: float) -> Verdict:
    """Within the half-width, beyond any doubt, or between."""
    if distance <= limit:
        return Verdict.PASS
    return Verdict.FAIL if distance > BEYOND * limit else Verdict.INCONCLUSIVE
