"""What a list of methods shows of each."""

from __future__ import annotations

from dataclasses import dataclass

from .monotonicity import ssp_radius
from .tableau import ButcherTableau


@dataclass(frozen=True, slots=True)
class MethodSummary:
    """The facts of one method.

    Attributes:
        name: the literature's name.
        order: order of the solution.
        embedded_order: order of the method behind the error estimate; None: fixed steps only.
        dense_order: order of the dense output; None without.
        stages: stages of a step; for FSAL methods the last is the slope at the end of the step.
        evaluations: evaluations of f that a step costs, the slope shared with the next step counted once.
        extra_stages: further evaluations in a step inside which the solution is asked for.
        fsal: the last stage of a step is the first of the next one.
        real_interval: largest x with |R(z)| <= 1 on [-x, 0].
        imaginary_interval: largest y with |R(iz)| <= 1 on [-y, y].
        ssp_radius: Euler step limits within which monotonicity is preserved; None if none is.
        source: paper, with the equation or table.
        lowest_order: of methods that vary their order up to `order`, and with it the other two; else None.
    """

    name: str
    order: int
    embedded_order: int | None
    dense_order: int | None
    stages: int
    evaluations: int
    extra_stages: int
    fsal: bool
    real_interval: float
    imaginary_interval: float
    ssp_radius: float | None
    source: str
    lowest_order: int | None = None


def summary(tableau: ButcherTableau) -> MethodSummary:
    """The facts of the method with this tableau; the intervals and the radius are computed (up to a second)."""
    return MethodSummary(
        name=tableau.name,
        order=tableau.order,
        embedded_order=tableau.embedded_order,
        dense_order=tableau.interpolant_order,
        stages=tableau.stages,
        evaluations=tableau.stages - tableau.fsal,
        extra_stages=len(tableau.extra_a),
        fsal=tableau.fsal,
        real_interval=tableau.real_interval,
        imaginary_interval=tableau.imaginary_interval,
        ssp_radius=ssp_radius(tableau) or None,
        source=tableau.source,
    )
