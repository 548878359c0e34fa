"""A quantity that was found, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

CONSERVED, DECREASING = "conserved", "decreasing"
EXACT, BOUNDED, STATISTICAL = "exact", "bounded", "statistical"
CERTIFICATES = (EXACT, BOUNDED, STATISTICAL)
"""From strong to weak: an identity of formulas; a numerical proof with a margin; random states."""


@dataclass(frozen=True)
class Found:
    """A conserved or a decreasing quantity.

    Attributes:
        expression: in the equation language; a density on a grid. Empty where it has no formula.
        kind: ``"conserved"`` or ``"decreasing"``.
        certificate: ``"exact"``, ``"bounded"`` or ``"statistical"``.
        route: how it was found.
        defect: largest rate at fresh random states over its size without cancellation (for decreasing quantities the
            largest growth), of the discrete right-hand side; on a grid at smooth states.
        discrete: whether the discrete right-hand side keeps it to round-off, at rough states too.
        values: the expression with numbers for parameters, where there are some.
        domain: where it holds, if not everywhere.
    """

    expression: str
    kind: str
    certificate: str
    route: str
    defect: float
    discrete: bool
    values: str = ""
    domain: str = ""

    @property
    def order(self) -> tuple[int, int, bool]:
        """Sorts the most trusted first."""
        return CERTIFICATES.index(self.certificate), int(self.kind != CONSERVED), not self.discrete
