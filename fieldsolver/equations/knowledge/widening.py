"""What linear terms without a transform add to a bound: convolutions, integrals, and advection against the wind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
    walk,
)
from ..lowering import Layout
from .affine import split
from .domains import weights as domain_weights
from .line_matrix import line_size
from .spectra import Bound

if TYPE_CHECKING:
    from ..field_equation import FieldEquation
    from .coefficient_values import CoefficientValues

Values = Callable[[Node], np.ndarray]


def widened(equation: FieldEquation, bound: Bound, values: CoefficientValues) -> Bound:
    """Widen a bound by what is known of the linear terms that are not in it; nonlinear ones depend on the state."""
    counted, found = True, False
    for row, node in equation.right_sides.items():
        for rest in split(row, node, equation.layout)[1]:
            if rest.reason.startswith(("nonlocal", "advection")):
                box = _box(equation, row, rest.node, values)
                found, counted = True, counted and box is not None
                low, high, imaginary = box or (0.0, 0.0, 0.0)
                bound = replace(
                    bound,
                    lowest=bound.lowest + low,
                    highest=bound.highest + high,
                    imaginary=bound.imaginary + imaginary,
                )
    if not found:
        return bound
    known = "nonlocal terms and upwinded advection count with their norms"
    reason = bound.reason or (known if counted else "not every nonlocal or upwinded term is counted")
    return replace(bound, kind="upper", reason=reason)


def _box(equation: FieldEquation, row: str, node: Node, values: CoefficientValues) -> tuple[float, float, float] | None:
    """Lowest and highest real part and largest imaginary part of one term; None if it is not known."""
    layout, of_row = equation.layout.of(row), values.of(row)
    radius = term_radius(equation, node, of_row, layout)
    if radius is None:
        return None
    sign = _definite(row, node, of_row)
    if sign == 0:
        return -radius, radius, radius
    return (0.0, radius, 0.0) if sign > 0 else (-radius, 0.0, 0.0)


def _definite(row: str, node: Node, values: Values) -> int:
    """The sign of a term that is symmetric and definite on its own field: a mean, an integral, a fractional power."""
    match node:
        case Negative(operands=(operand,)):
            return -_definite(row, operand, values)
        case Product():
            active = [factor for factor in node.operands if factor.depends & Depends.STATE]
            if len(active) != 1:
                return 0
            sign = _definite(row, active[0], values)
            for factor in (factor for factor in node.operands if factor is not active[0]):
                value = values(factor)
                sign *= 0 if value.size != 1 or np.iscomplexobj(value) else int(np.sign(value.item()))
            return sign
        case Reduction(operands=(FieldSymbol(name=name),)):
            return int(name == row)
        case SpatialOperator(name="fractional_laplacian", operands=(_, FieldSymbol(name=name))):
            return -int(name == row)
    return 0


def term_radius(equation: FieldEquation, node: Node, values: Values, layout: Layout) -> float | None:
    """A bound on the norm of ``c * convolve(w, u)``, ``c * integral(u)`` and the like; None for other terms."""

    def norm_of(operand: Node) -> float | None:
        return term_radius(equation, operand, values, layout)

    match node:
        case FieldSymbol():
            return 1.0
        case Negative():
            return term_radius(equation, node.operands[0], values, layout)
        case Product():
            active = [factor for factor in node.operands if factor.depends & Depends.STATE]
            inner = term_radius(equation, active[0], values, layout) if len(active) == 1 else None
            if inner is None:
                return None
            rest = [np.abs(values(factor)).max() for factor in node.operands if factor is not active[0]]
            return inner * float(np.prod(rest))
        case Convolution(operands=(operand,)):
            grid = layout.required_grid()
            samples = equation.kernel_values()[node.content[0]].detach()
            return _times(float(samples.abs().sum()) * float(np.prod(grid.spacing)), norm_of(operand))
        case SpatialOperator(name="fractional_laplacian", operands=(power, operand)):
            spacing = layout.required_grid().spacing
            return _times(float(np.max(sum((np.pi / h) ** 2 for h in spacing) ** values(power))), norm_of(operand))
        case SpatialOperator(name="advection", operands=(velocity, operand)) if not velocity.depends & Depends.STATE:
            fields = {part.name for part in walk(operand) if isinstance(part, FieldSymbol)}
            radii = [_advection_radius(layout, field, velocity, values) for field in fields]
            known = [radius for radius in radii if radius is not None]
            return _times(max(known), norm_of(operand)) if len(known) == len(radii) else None
        case Reduction(operands=(operand,)):
            volumes = domain_weights(equation, layout).flatten(-layout.dimension).sum(-1)  # of every mask in a batch
            return _times(1.0 if node.content[0] == "mean" else float(volumes.max()), norm_of(operand))
        case Transfer(operands=(FieldSymbol(),)):
            return _transfer_radius(node.content[0], layout)
    return None


def _times(norm: float, inner: float | None) -> float | None:
    return None if inner is None else norm * inner


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
