"""The energy of an equation for which nobody has named one."""

from __future__ import annotations

import torch

from fieldsolver.equations import FieldEquation

from ..budgets.density import Energy
from .field_search import search_fields
from .forms import Form
from .formulas import Formulas
from .found import CONSERVED, Found
from .kind import examine
from .ode_search import search_unknowns
from .samples import generator_of, positive_states, smooth_states
from .system import system_of


def choose_density(equation: FieldEquation, seed: int = 0) -> Found | None:
    """A quantity that the equation conserves or lowers, as text for ``energy(density=...)``; None if none is known.

    The Hamiltonian or the potential of a gradient flow comes first, then another conserved quantity, nonlinear ones
    before linear ones. Nothing is solved; some right-hand sides and Jacobian products are evaluated at random states.
    """
    if equation.noises and any(equation.noises.values()):
        return None
    if equation.layout.domains or equation.layout.graph is not None:
        return None
    with torch.no_grad():
        return _chosen(equation, seed)


def _chosen(equation: FieldEquation, seed: int) -> Found | None:
    system = system_of(equation)
    if system.depends_on_time(smooth_states(system, 1, generator_of(seed))):
        return None
    forms: list[Form] = examine(system, seed).forms
    found = (
        search_fields(system, forms, seed).found
        if system.grid
        else search_unknowns(system, Formulas(system), forms, seed).found
    )
    usable = [one for one in found if one.expression]
    return min(usable, key=lambda one: _rank(equation, one), default=None)


def _rank(equation: FieldEquation, one: Found) -> tuple[bool, bool, bool]:
    structural = "Hamiltonian" in one.route or "gradient flow" in one.route
    return not structural, one.kind != CONSERVED, _is_linear(equation, one.expression)


def _is_linear(equation: FieldEquation, text: str) -> bool:
    """Whether the gradient is the same at two states."""
    energy, zero = Energy(equation, text), torch.zeros(1, dtype=torch.float64)
    system = system_of(equation)
    one, other = (energy.gradient(zero, system.native(y)) for y in positive_states(system, 2, generator_of(0)).split(1))
    return bool(torch.allclose(one, other, rtol=1e-9, atol=1e-12))
