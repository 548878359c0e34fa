"""Is a manufactured solution worth a study: finite, periodic where it must be, not computed exactly by the scheme."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fieldsolver.errors import EquationError

from .. import build
from ..calculus.explicit import Explicit
from ..calculus.partial_derivative import Partial
from ..graph import Depends, Node, SpatialOperator, walk
from ..lowering import Lowering
from ..vocabulary import OPERATORS
from .manufacture import Manufactured
from .points import jump, size

_EPSILON = torch.finfo(torch.float64).eps
_STENCIL_WIDTH = 3
_SMOOTHNESS = 4  # derivatives that must agree at the ends of a period
_PERIODIC = 1e-9
_TIMES = (0.29, 0.83)  # after t0, where sin(t) and the like vanish together with every error


def check_manufactured(made: Manufactured, explicit: Explicit) -> None:
    """Refuse solutions that would prove nothing.

    Raises:
        EquationError: one sentence that says what is wrong with the solution.
    """
    _check_finite(made)
    _check_periodic(made)
    _check_sources(made, explicit)
    _check_null_space(made, explicit)


def _check_finite(made: Manufactured) -> None:
    for name, values in made.equation.unpack(made.packed(made.t0)).items():
        if not torch.isfinite(values).all():
            raise EquationError(f"the exact solution of {name!r} is not finite on the grid at t = {made.t0:g}")


def _check_periodic(made: Manufactured) -> None:
    equation = made.equation
    for axis in range(equation.dimension):
        if equation.layout.is_periodic(axis):
            for name, values in made.solution.items():
                for node in values:
                    _check_one_period(made, name, node, axis)


def _check_one_period(made: Manufactured, name: str, node: Node, axis: int) -> None:
    """Equal values are not enough: a kink where the ends meet costs the scheme its order."""
    grid = made.equation.layout.required_grid()
    along, whole = Partial(build.coordinate(grid.axes[axis], axis)), size(made.equation, node, made.t0)
    for order in range(_SMOOTHNESS + 1):
        # The derivative may vanish, and its round-off is no jump.
        difference = jump(made.equation, node, axis, made.t0, least=whole / grid.lengths[axis] ** order)
        if not difference <= _PERIODIC:
            what = f"derivative of order {order}" if order else "value"
            raise EquationError(
                f"axis {grid.axes[axis]!r} is periodic, but the exact solution of {name!r} is not: its {what} differs "
                f"by {difference:.1e} (relative) between the ends; choose a period of the domain"
            )
        node = along(node)


def _check_sources(made: Manufactured, explicit: Explicit) -> None:
    """The residual without discretisation; it is zero in exact arithmetic, so what is left is round-off."""
    t = made.t0 + _TIMES[0]
    rate = Partial(build.time())
    for name, sources in made.forcing.items():
        right = explicit(made.original.statements[name])
        right = right * len(sources) if len(right) == 1 else right
        for u, f, s in zip(made.solution[name], right, sources, strict=True):
            terms = made.on_grid([rate(u, made.equation.orders[name]), f, s], t)
            residual, scale = (terms[0] - terms[1] - terms[2]).abs().max(), terms.abs().sum(0).max()
            if not residual <= 1e-12 * scale:
                raise EquationError(
                    f"the source of {name!r} loses too many digits on this grid (relative residual "
                    f"{float(residual / scale):.1e}); choose an exact solution of moderate size"
                )


def _check_null_space(made: Manufactured, explicit: Explicit) -> None:
    for node in walk(*made.original.statements.values()):
        if not isinstance(node, SpatialOperator) or not node.depends & Depends.STATE:
            continue
        errors = [_discretisation_error(made, explicit, node, made.t0 + after) for after in _TIMES]
        floor = max(_round_off(made, explicit, node, made.t0 + after) for after in _TIMES)
        if max(errors) <= floor:
            raise EquationError(
                f"the grid computes {node} of this exact solution to round-off (error {max(errors):.1e}), so a study "
                "would prove nothing about it; let the solution vary more in space (no constants, no polynomials of "
                "low degree), take a coarser grid, or pass check=False"
            )


def _discretisation_error(made: Manufactured, explicit: Explicit, node: SpatialOperator, t: float) -> float:
    """Largest difference between the discrete and the true operator, away from the walls."""
    equation = made.equation
    lowering = Lowering(equation.layout)
    tape = lowering.finish([lowering.compile(node)])
    with torch.no_grad():
        (discrete,) = equation.run_tape(tape, torch.tensor(t, dtype=torch.float64), made.batched(t))
    discrete = discrete[0] if discrete.dim() > 1 + equation.dimension else discrete  # the first sample stands for all
    return _largest(_interior(made, discrete - made.on_grid(explicit(node), t), _levels(node)))


def _interior(made: Manufactured, values: Tensor, levels: int) -> Tensor:
    equation = made.equation
    for axis, points in enumerate(equation.layout.required_grid().shape):
        margin = 0 if equation.layout.is_periodic(axis) else min(_STENCIL_WIDTH * levels, (points - 1) // 2)
        values = values.narrow(axis - equation.dimension, margin, points - 2 * margin)
    return values


def _levels(node: Node) -> int:
    """How many stencils are applied one after the other."""
    below = max((_levels(operand) for operand in node.operands), default=0)
    if not isinstance(node, SpatialOperator):
        return below
    return below + (2 if node.name == "biharmonic" else 1)


def _round_off(made: Manufactured, explicit: Explicit, node: Node, t: float) -> float:
    """What rounding alone contributes to the discrete operator."""
    if not isinstance(node, SpatialOperator):
        return max((_round_off(made, explicit, operand, t) for operand in node.operands), default=0.0)
    grid, word = made.equation.layout.required_grid(), OPERATORS[node.name]
    *coefficients, operand = node.operands
    size = _largest(made.on_grid(explicit(operand), t))
    factor = math.prod(max(1.0, _largest(made.on_grid(explicit(c), t))) for c in coefficients)
    if node.name == "gradient_squared":
        factor *= 2 * math.sqrt(_largest(made.on_grid(explicit(node), t)))
    own = 3 * _EPSILON * size + _round_off(made, explicit, operand, t)
    return 4 * grid.dimension * factor * own / min(grid.spacing) ** word.derivative_order


def _largest(values: Tensor) -> float:
    return float(values.abs().max())
