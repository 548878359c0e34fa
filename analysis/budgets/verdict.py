"""The rules that turn an energy study into a verdict.

INCONCLUSIVE when the energy is not finite everywhere, or one save point had to show a change. FAIL when the budget does
not close, when the energy that the steps add vanishes at a lower order in dt than the method has, or when the energy
does what it was not expected to do. DEGENERATE when it is zero throughout. PASS otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fieldsolver.methods import get_method
from fieldsolver.results import Verdict

from .closure_order import SLACK
from .drift import Drift
from .record import EnergyRecord
from .study import EnergyStudy

ROUND_OFF = 100.0
"""Units of the last place, per step, that count as none."""

WALK = 10.0
"""Units of the last place per step whose random walk is put down to round-off."""

EXPECTATIONS = ("conserved", "decreasing", None)


def judge(study: EnergyStudy, expect: str | None, rtol: float) -> tuple[Verdict, str]:
    """The verdict and one sentence of reason."""
    record, labels = study.record, study.labels
    bad = np.flatnonzero(~np.isfinite(record.energy).all(axis=1))
    if bad.size:
        when = record.t[bad[0]]
        return (
            Verdict.INCONCLUSIVE,
            f"the energy is not finite at {bad.size} of {len(record.t)} save points, first at t = {when:g}: "
            "the solve ended early, or the density is singular there",
        )
    open_by = float((np.abs(record.closure) / np.maximum(record.scale, np.finfo(float).tiny)).max())
    if not open_by <= record.closure_tolerance:
        return Verdict.FAIL, f"the budget does not close: its terms miss the rate by {open_by:.2g} of their size"
    if _order_is_low(study):
        return Verdict.FAIL, f"what the steps add to the energy vanishes too slowly: {order_text(study)}"
    if study.closure is not None and math.isnan(study.closure.order) and not _all_round_off(study):
        return Verdict.INCONCLUSIVE, f"the ladder shows no order of what the steps add: {study.closure.reason}"
    if expect is None:
        return Verdict.PASS, f"the budget of {len(labels)} terms closes to {open_by:.2g} of their size{_added(study)}"
    if len(record.t) < 2:
        return Verdict.INCONCLUSIVE, "one save point shows no change; pass save_at= with several times"
    if expect == "decreasing":
        return _decreasing(record, labels, rtol)
    return _conserved(study, rtol)


def order_text(study: EnergyStudy) -> str:
    """The observed order beside that of the method."""
    fit = study.closure
    if fit is None:
        return "no ladder was run"
    claimed = get_method(study.work.method).order
    if _all_round_off(study):
        return "it is round-off at every step size"
    interval = f"[{fit.order_lo:.2f}, {fit.order_hi:.2f}]"
    return f"observed order {fit.order:.2f} {interval}, {study.work.method} has order {claimed}"


def _order_is_low(study: EnergyStudy) -> bool:
    """Higher orders are usual where the energy is conserved; orders that still rise with finer steps prove nothing."""
    fit = study.closure
    if fit is None or _all_round_off(study) or math.isnan(fit.order):
        return False
    claimed, local = get_method(study.work.method).order, fit.local_order[np.isfinite(fit.local_order)]
    rises = len(local) > 1 and local[-1] > local[-2] + SLACK
    return max(fit.order, fit.order_hi) < claimed - SLACK and not rises


def _all_round_off(study: EnergyStudy) -> bool:
    fit, record = study.closure, study.record
    largest = max(float(np.abs(record.energy).max()), float(record.reference.max()))
    span = abs(float(record.t[-1] - record.t[0]))
    return fit is not None and bool((fit.errors <= ROUND_OFF * record.epsilon * largest * (span / fit.h)).all())


def _added(study: EnergyStudy) -> str:
    """What the steps added, where they were followed."""
    if study.work.reason or len(study.record.t) < 2:
        return ""
    text = f"; the time steps added up to {study.numerical_drift:.2g} of the energy"
    return text if study.closure is None else f"{text} ({order_text(study)})"


def _culprit(study: EnergyStudy) -> str:
    """Steps or equation: the larger share of a change."""
    if study.work.reason:
        return ""
    steps, terms = study.numerical_drift, study.physical_drift
    if steps >= terms:
        return f"; the time steps made {steps:.2g} of it, the equation {terms:.2g}"
    return f"; the equation made {terms:.2g} of it (most through {study.strongest_term!r}), the time steps {steps:.2g}"


def _conserved(study: EnergyStudy, rtol: float) -> tuple[Verdict, str]:
    record = study.record
    if record.is_zero:
        return Verdict.DEGENERATE, "the energy is zero throughout, so that it stays so says nothing"
    change = np.abs(record.drift_rel).max(axis=0)
    worst = int(np.argmax(change))
    # Save points may all lie at the same phase of an oscillation; the rate at them, per term, does not.
    rates = np.abs(record.rate) / np.where(record.scale > 0, record.scale, 1.0)
    time, sample = np.unravel_index(np.argmax(rates), rates.shape)
    if change[worst] <= rtol and rates[time, sample] > max(np.sqrt(rtol), record.closure_tolerance):
        return (
            Verdict.FAIL,
            f"the energy agrees at the save points, but dE/dt = {record.rate[time, sample]:.2g} at t = "
            f"{record.t[time]:g}: it changes between them",
        )
    verdict = Verdict.PASS if change[worst] <= rtol else Verdict.FAIL
    relation = "within" if verdict is Verdict.PASS else "beyond"
    return verdict, (
        f"the energy changes by up to {change[worst]:.2g} of its size, {relation} rtol={rtol:.2g}; "
        f"{_walk(study, change[worst]) or _character(record.drifts[worst], record.confidence)}"
        f"{_culprit(study) if verdict is Verdict.FAIL else ''}"
    )


def _walk(study: EnergyStudy, change: float) -> str:
    """Whether the change is one that round-off alone would make: it grows as the square root of the steps."""
    steps = float(np.nan_to_num(study.work.steps).max())
    allowed = WALK * study.record.epsilon * math.sqrt(max(steps, 1.0))
    if study.work.reason or not change <= allowed:
        return ""
    return f"no more than the random walk of round-off ({allowed:.2g} in {steps:.0f} steps)"


def _character(drift: Drift, confidence: float) -> str:
    if np.isnan(drift.lo):
        return f"drift {drift.slope:.2g} per unit time (too few save points for an interval)"
    interval = f"{drift.slope:.2g} per unit time, {100 * confidence:g} % interval [{drift.lo:.2g}, {drift.hi:.2g}]"
    text = f"secular drift {interval}" if drift.is_secular else f"no secular drift established ({interval})"
    if drift.amplitude:
        text += f", bounded oscillation of {drift.amplitude:.2g} with period {drift.period:.3g}"
    return text


def _decreasing(record: EnergyRecord, labels: Sequence[str], rtol: float) -> tuple[Verdict, str]:
    """The solution must not gain energy, and neither may the right-hand side add any at its states."""
    size = np.maximum(np.abs(record.energy).max(axis=0), record.reference)
    rises = record.rise / size
    time, sample = np.unravel_index(np.argmax(rises), rises.shape)
    if rises[time, sample] > rtol:
        return (
            Verdict.FAIL,
            f"the energy rises by {rises[time, sample]:.2g} of its size at t = {record.t[time]:g}, "
            f"beyond rtol={rtol:.2g}",
        )
    gains = record.rate / np.where(record.scale > 0, record.scale, 1.0)
    time, sample = np.unravel_index(np.argmax(gains), gains.shape)
    if gains[time, sample] > max(rtol, record.closure_tolerance):
        term = labels[int(np.argmax(record.budget[:, time, sample]))]
        return (
            Verdict.FAIL,
            f"the right-hand side adds energy at t = {record.t[time]:g}: dE/dt = {record.rate[time, sample]:.2g}, "
            f"most of it from {term!r}",
        )
    loss = float((record.energy[0] - record.energy[-1]).min())
    return (
        Verdict.PASS,
        f"the energy never rises by more than rtol={rtol:.2g} of its size, and falls by {loss:.3g} or more",
    )
