"""Why an equation has no dispersion relation."""

from __future__ import annotations

from fieldsolver.equations.graph import Node
from fieldsolver.errors import EquationError


class NoPlaneWaves(EquationError):
    """Plane waves do not solve the linearised equation.

    Attributes:
        node: the part of the equation that is to blame, if one is.
    """

    def __init__(self, message: str, node: Node | None = None) -> None:
        self.node = node
        super().__init__(message)

    def within(self, term: Node, row: str) -> NoPlaneWaves:
        """The same, naming the term and the state in whose rate it stands."""
        return NoPlaneWaves(f"{self.message}; it stands in the term {term} of the rate of {row!r}")
