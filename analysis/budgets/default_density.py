"""Which energy to look at when none was named."""

from __future__ import annotations

from dataclasses import dataclass

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import FieldSolverError

from .density import half_squares


@dataclass(frozen=True)
class Chosen:
    """An energy density.

    Attributes:
        text: in the equation language.
        origin: where it comes from, in words to be put behind it.
        kind: ``"conserved"``, ``"decreasing"``, or ``""`` where the structure of the equation promises nothing.
    """

    text: str
    origin: str
    kind: str


AUTO = "auto"
STRUCTURAL = ("Hamiltonian", "gradient flow")
"""Routes of the search that end at an energy; any conserved quantity, such as a mass, would not do."""


def chosen_density(equation: FieldEquation, density: str | None, seed: int) -> Chosen:
    """The density that was named; for ``"auto"`` the one that the structure of the equation offers.

    Half the sum of squares where none was named, or none was found.

    Args:
        equation: a declared equation.
        density: what the user wrote.
        seed: of the states at which the structure is probed.
    """
    if density is None:
        return Chosen(half_squares(equation), " (default: no density was given)", "")
    return _found(equation, seed) if density == AUTO else Chosen(density, "", "")


def _found(equation: FieldEquation, seed: int) -> Chosen:
    from ..structure.density_choice import choose_density  # a search: slow to import, and rarely asked for

    try:
        found = choose_density(equation, seed=seed)
    except FieldSolverError as error:
        return Chosen(half_squares(equation), f" (default: the search for an energy ended with: {error})", "")
    if found is None or not any(route in found.route for route in STRUCTURAL):
        return Chosen(half_squares(equation), " (default: the equation has the structure of no energy)", "")
    return Chosen(found.expression, f" (found: {found.kind}, {found.certificate}, {found.route})", found.kind)


def has_velocities(equation: FieldEquation) -> bool:
    """Whether the equation is one of positions and velocities, of which one is simply the rate of the other."""
    states = [equation.state_symbol(name) for name in equation.fields]
    return any(node is state for node in equation.right_sides.values() for state in states)
