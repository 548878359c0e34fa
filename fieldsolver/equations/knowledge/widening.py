"""What linear terms without a transform add to a bound: convolutions, integrals, and advection against the wind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fieldsolver.space.advection_schemes import WENO5
from fieldsolver.space.schemes import FiniteDifference

from ..calculus.expansion import component_of
from ..graph import (
    Convolution,
    Depends,
    FieldSymbol,
    Negative,
    Node,
    Product,
    Reduction,
    SpatialOperator,
    Transfer,
)
from ..lowering import Layout
from .affine import split
from .domains import weights as domain_weights
from .line_matrix import line_size
from .spectra import Bound

if TYPE_CHECKING:
    from ..field_equation import FieldEquation
    from .linear_part import CoefficientValues

Values = Callable[[Node], np.ndarray]


def widened(equation: FieldEquation, bound: Bound, values: CoefficientValues) -> Bound:
    """Widen a bound by what is known of the linear terms that are not in it; nonlinear ones depend on the state."""
    radius, counted, found = 0.0, True, False
    for row, node in equation.right_sides.items():
        for rest in split(row, node, equation.layout)[1]:
            if rest.reason.startswith(("nonlocal", "advection")):
                own = term_radius(equation, rest.node, values.of(row), equation.layout.of(row))
                found, counted = True, counted and own is not None
                radius += own or 0.0
    if not found:
        return bound
    known = "nonlocal terms and upwinded advection count with their norms"
    reason = bound.reason or (known if counted else "not every nonlocal or upwinded term is counted")
    imaginary = bound.imaginary + radius
    return Bound("upper", bound.lowest - radius, bound.highest + radius, imaginary, reason)


def term_radius(equation: FieldEquation, node: Node, values: Values, layout: Layout) -> float | None:
    """A bound on the norm of ``c * convolve(w, u)``, ``c * integral(u)`` and the like; None for other terms."""
    match node:
        case Negative():
            return term_radius(equation, node.operands[0], values, layout)
        case Product():
            active = [factor for factor in node.operands if factor.depends & Depends.STATE]
            inner = term_radius(equation, active[0], values, layout) if len(active) == 1 else None
            if inner is None:
                return None
            rest = [np.abs(values(factor)).max() for factor in node.operands if factor is not active[0]]
            return inner * float(np.prod(rest))
        case Convolution(operands=(FieldSymbol(),)):
            grid = layout.required_grid()
            samples = equation.kernel_values()[node.content[0]].detach()
            return float(samples.abs().sum()) * float(np.prod(grid.spacing))
        case SpatialOperator(name="fractional_laplacian", operands=(power, FieldSymbol())):
            spacing = layout.required_grid().spacing
            return float(np.max(sum((np.pi / h) ** 2 for h in spacing) ** values(power)))
        case SpatialOperator(name="advection", operands=(velocity, FieldSymbol(name=field))):
            return None if velocity.depends & Depends.STATE else _advection_radius(layout, field, velocity, values)
        case Reduction(operands=(FieldSymbol(),)):
            volumes = domain_weights(equation, layout).flatten(-layout.dimension).sum(-1)  # of every mask in a batch
            return 1.0 if node.content[0] == "mean" else float(volumes.max())
        case Transfer(operands=(FieldSymbol(),)):
            return _transfer_radius(node.content[0], layout)
    return None


def _transfer_radius(name: str, layout: Layout) -> float:
    """The norm of a transfer in the quadrature norms of both grids: a mean or an interpolation, which is at most 1.

    Slopes inside cells add the square of at most twice the largest value, over 12, along every axis.
    """
    cells = layout.required_grid().centring == "cell"
    return float((4 / 3) ** (layout.dimension / 2)) if name == "prolong" and cells else 1.0


def _advection_radius(layout: Layout, field: str, velocity: Node, values: Values) -> float | None:
    """Largest speed times the norm of the differences, axis by axis; WENO5, which is not linear, has none."""
    total = 0.0
    for axis, scheme in enumerate(layout.schemes):
        if isinstance(scheme, FiniteDifference) and scheme.advection == WENO5.name:
            return None
        along, against = (line_size(layout, field, axis, kind) for kind in ("advection", "-advection"))
        speed = values(component_of(velocity, axis))
        # Both take part where the speed changes from place to place, and in the skew-symmetric form of penalties.
        total += float(np.abs(speed).max()) * (max(along, against) if speed.size == 1 else along + against)
    return total
