"""From what probes found and formulas prove to the verdict of certificates.

PROVED needs both: formulas that hold for all states and times, and probes that find them kept by the operators of the
grid. FAIL needs a step that does what it must not. What is only known at some states is INCONCLUSIVE.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from fieldsolver.results import Verdict

from .curvature import EXACT, Shape
from .density import Energy
from .formula_proof import Proof
from .quadratic import quadratic_residual
from .witness import CLEAR, change_by_one_step


@dataclass(frozen=True)
class Case:
    """What is judged: an energy near a state under a method, what probes found, and what formulas prove."""

    energy: Energy
    t: Tensor
    y: Tensor
    method: str
    dt: float | None
    shape: Shape
    proof: Proof
    longest: float

    @property
    def is_bounded(self) -> bool:
        """Whether the longest step holds at all states."""
        return self.shape.degree <= 2 and self.proof.gradient_flow


def judged(case: Case) -> tuple[Verdict, str]:
    """The verdict and one sentence of reason."""
    shape = case.shape
    if shape.conserved <= EXACT:
        return _judged_conserved(case)
    if shape.gradient_flow <= EXACT:
        return _judged_downhill(case)
    return (
        Verdict.NOT_APPLICABLE,
        f"the equation neither conserves this energy (by {shape.conserved:.2g}) nor is its gradient flow "
        f"(by {shape.gradient_flow:.2g}); invariants() looks for one that it respects",
    )


def _judged_conserved(case: Case) -> tuple[Verdict, str]:
    method, degree = case.method, case.shape.degree
    if not case.proof.conserved:
        return Verdict.INCONCLUSIVE, (
            f"the energy is conserved to round-off at {case.shape.where}, but {case.proof.obstacle}; "
            "energy() measures what happens along a solution"
        )
    if degree <= 1:
        return Verdict.PROVED, f"the energy is linear and conserved: {method} keeps it to round-off"
    if degree > 2:
        return (
            Verdict.INCONCLUSIVE,
            "the energy is conserved but not quadratic: no certificate; energy() measures what the steps do to it",
        )
    residual = quadratic_residual(method)
    if residual is None:
        return Verdict.INCONCLUSIVE, f"the energy is quadratic and conserved, and {method} has no tableau"
    if residual == 0:
        return Verdict.PROVED, f"the energy is quadratic and conserved: {method} keeps it to round-off"
    text = f"the energy is quadratic and conserved, but {method} does not keep quadratic invariants"
    length, change = change_by_one_step(case.energy, case.t, case.y, method, case.dt)
    if abs(change) > CLEAR:
        return Verdict.FAIL, f"{text}: one step of {length:.3g} from here changes it by {change:.2g} of its size"
    return Verdict.INCONCLUSIVE, f"{text} in general, though one step from here shows no change; energy() measures it"


def _judged_downhill(case: Case) -> tuple[Verdict, str]:
    method, dt, shape = case.method, case.dt, case.shape
    if math.isnan(case.longest):
        return Verdict.INCONCLUSIVE, f"a gradient flow, but no bound is known for {method}; energy() measures it"
    limit = f"{method} loses energy at every step of dt < {case.longest:.6g}"
    if dt is not None and dt > case.longest:
        return _judged_longer(case, dt, limit)
    if case.is_bounded:
        return Verdict.PROVED, limit
    why = case.proof.obstacle if not case.proof.gradient_flow else "the curvature differs from state to state"
    return Verdict.INCONCLUSIVE, f"{limit} as far as {shape.where} tell, but {why}"


def _judged_longer(case: Case, dt: float, limit: str) -> tuple[Verdict, str]:
    """Beyond a sufficient bound only a step that gains energy is a disproof."""
    states = [("here", case.y)]
    if case.shape.steepest is not None:
        size = float(case.y.norm()) or 1.0
        states.append(("the steepest direction", size * case.shape.steepest / case.shape.steepest.norm()))
    for name, state in states:
        _, change = change_by_one_step(case.energy, case.t, state, case.method, dt)
        if change > CLEAR:
            return (
                Verdict.FAIL,
                f"dt = {dt:g} is too long: one step from {name} gains {change:.2g} of the energy; {limit}",
            )
    return Verdict.INCONCLUSIVE, (
        f"{limit}; dt = {dt:g} is longer, which that bound does not forbid, and no step that gains energy was found; "
        "energy() measures it"
    )
