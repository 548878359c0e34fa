"""The rules that turn an energy record into a verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fieldsolver.results import Verdict

from .drift import Drift
from .record import EnergyRecord

EXPECTATIONS = ("conserved", "decreasing", None)


def judge(record: EnergyRecord, labels: Sequence[str], expect: str | None, rtol: float) -> tuple[Verdict, str]:
    """The verdict and one sentence of reason."""
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
    if expect is None:
        return Verdict.PASS, f"the budget of {len(labels)} terms closes to {open_by:.2g} of their size"
    if len(record.t) < 2:
        return Verdict.INCONCLUSIVE, "one save point shows no change; pass save_at= with several times"
    return _conserved(record, rtol) if expect == "conserved" else _decreasing(record, labels, rtol)


def _conserved(record: EnergyRecord, rtol: float) -> tuple[Verdict, str]:
    if not np.abs(record.energy).max() > 0:
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
        f"the energy changes by up to {change[worst]:.2g} of its start, {relation} rtol={rtol:.2g}; "
        f"{_character(record.drifts[worst], record.confidence)}"
    )


def _character(drift: Drift, confidence: float) -> str:
    if np.isnan(drift.lo):
        return f"drift {drift.slope:.2g} per unit time (too few save points for an interval)"
    interval = f"{drift.slope:.2g} per unit time, {100 * confidence:g} % interval [{drift.lo:.2g}, {drift.hi:.2g}]"
    return f"secular drift {interval}" if drift.is_secular else f"no secular drift ({interval})"


def _decreasing(record: EnergyRecord, labels: Sequence[str], rtol: float) -> tuple[Verdict, str]:
    """The solution must not gain energy, and neither may the right-hand side add any at its states."""
    size = np.abs(record.energy).max(axis=0)
    rises = record.rise / np.where(size > 0, size, 1.0)
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
