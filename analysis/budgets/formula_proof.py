"""What formulas prove about an energy: that it is conserved, that the equation is its gradient flow, its degree.

Probes at a few states and one time cannot see a term that switches on elsewhere or later, nor a very small one. So here
the formulas are compared: for ordinary differential equations those of the system itself, on a grid those of the
continuous equation (P. J. Olver, *Applications of Lie Groups to Differential Equations* (1993), section 4.1), while the
probes tell whether the operators of the grid keep what the formulas say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from fieldsolver.equations.graph import Depends
from fieldsolver.errors import FieldSolverError
from fieldsolver.space.boundary import Condition, Dirichlet, Neumann, is_closed

from .density import Energy


@dataclass(frozen=True)
class Proof:
    """What holds identically, for all states and times.

    Attributes:
        conserved: the energy is.
        gradient_flow: the rate is minus the gradient of the energy.
        degree: of the energy as a polynomial; infinite where it is none, NaN where no formula tells.
        obstacle: why there is no proof, in words that follow "but"; what is not proved may hold all the same.
    """

    conserved: bool
    gradient_flow: bool
    degree: float
    obstacle: str


def depends_on_time(energy: Energy) -> bool:
    """Whether the right-hand side, a wall or the density contains the time."""
    rates = energy.equation.right_sides.values()
    return energy.moves_by_itself or any(node.depends & Depends.TIME for node in rates)


def proof_of(energy: Energy) -> Proof:
    """Compare the formulas of an energy and of its equation."""
    none = Proof(conserved=False, gradient_flow=False, degree=math.nan, obstacle="")
    equation = energy.equation
    if depends_on_time(energy):
        return replace(none, obstacle="the equation or the energy depends on time, and only some times were looked at")
    if equation.noises:
        return replace(none, obstacle="the equation has noise, which changes every energy")
    if equation.events:
        return replace(none, obstacle="the equation has events, which may reset the state")
    sides = [condition for sides in equation.layout.conditions.values() for condition in sides.values()]
    if not all(_is_plain(condition) for condition in (*sides, *equation.layout.mask_conditions.values())):
        return replace(none, obstacle="its walls are not Neumann(0), Dirichlet(0) or periodic ones")
    try:
        found = _of_fields(energy) if equation.state_shape[1:] else _of_unknowns(energy)
    except FieldSolverError as error:
        return replace(none, obstacle=f"it has no formula to prove it by ({error})")
    return found or replace(
        none, obstacle="the equation has no formula to prove it by (a module, a place, curved axes)"
    )


def _of_unknowns(energy: Energy) -> Proof | None:
    """Without a grid: identities in the unknowns."""
    from ..structure.formulas import Formulas  # with SymPy: slow to import, and rarely asked for
    from ..structure.proof import vanishes
    from ..structure.system import system_of

    formulas = Formulas(system_of(energy.equation))
    if formulas.rates is None:
        return None
    density = formulas.parse(str(energy.density)).subs(formulas.numbers)
    rates = [rate.subs(formulas.numbers) for rate in formulas.rates]
    slopes = [density.diff(symbol) for symbol in formulas.unknowns]
    return _compared(
        conserved=vanishes(sum((slope * rate for slope, rate in zip(slopes, rates, strict=True)), start=0 * density)),
        downhill=not energy.equation.is_complex
        and all(vanishes(slope + rate) for slope, rate in zip(slopes, rates, strict=True)),
        degree=_degree(density, list(formulas.unknowns)),
    )


def _of_fields(energy: Energy) -> Proof | None:
    """On a grid: the calculus of variations, up to what passes through walls."""
    from ..structure.field_formulas import FieldFormulas  # with SymPy: slow to import, and rarely asked for
    from ..structure.functionals import is_conserved
    from ..structure.proof import vanishes
    from ..structure.system import system_of

    formulas = FieldFormulas(system_of(energy.equation))
    if formulas.rates is None:
        return None
    jets = formulas.jets
    density = formulas.in_jets(energy.density, "")[0]
    if not density.free_symbols <= {*jets.inside(density), *formulas.numbers}:
        return None
    slopes = jets.gradient(density)
    downhill = not energy.equation.is_complex and all(
        vanishes((slope + rate).subs(formulas.numbers)) for slope, rate in zip(slopes, formulas.rates, strict=True)
    )
    degree = _degree(density.subs(formulas.numbers), jets.inside(density))
    return _compared(conserved=is_conserved(formulas, density), downhill=downhill, degree=degree)


def _compared(*, conserved: bool, downhill: bool, degree: float) -> Proof:
    return Proof(conserved, downhill, degree, "" if conserved or downhill else "its formulas do not prove that")


def _degree(density: Any, symbols: list[Any]) -> float:
    import sympy

    if not density.is_polynomial(*symbols):
        return math.inf
    return float(sympy.Poly(density, *symbols).total_degree()) if symbols else 0.0


def _is_plain(condition: Condition) -> bool:
    """Closed, or held at zero: what walls with other values bring is not in the formulas."""
    if is_closed(condition):
        return True
    return isinstance(condition, Neumann | Dirichlet) and _is_zero(condition.value)


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float) and value == 0
