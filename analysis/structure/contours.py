"""The plane of two unknowns under a quantity, for the picture."""

from __future__ import annotations

import torch

from .formulas import Formulas
from .report import Contours
from .samples import generator_of, positive_states
from .system import System

POINTS = 81


def contours(system: System, formulas: Formulas, expression: object, seed: int) -> Contours:
    """Values over ``[-3, 3]`` squared, or over (0, 6) squared where the quantity needs positive unknowns."""
    import sympy

    needs_positive = any(isinstance(part, sympy.log) for part in sympy.preorder_traversal(expression))
    low, high = (0.05, 6.0) if needs_positive else (-3.0, 3.0)
    if needs_positive:
        rest = _where_it_rests(formulas, expression, system, seed)
        high = max(high, 3.0 * rest)
        low = high / POINTS / 2
    axis = torch.linspace(low, high, POINTS, dtype=torch.float64)
    y = torch.cartesian_prod(axis, axis)
    values = formulas.values([expression], y)[:, 0]
    rates = system(y)
    shape = (POINTS, POINTS)
    return Contours(
        names=(system.names[0], system.names[1]),
        first=axis.numpy(),
        second=axis.numpy(),
        values=torch.where(torch.isfinite(values), values, torch.nan).reshape(shape).numpy(),
        rates=torch.nan_to_num(rates).T.reshape(2, *shape).numpy(),
    )


def _where_it_rests(formulas: Formulas, expression: object, system: System, seed: int) -> float:
    """The largest coordinate of the state where the gradient vanishes, by Newton's method; 1 if it is not found."""
    y = positive_states(system, 1, generator_of(seed)).flatten(1)
    for _ in range(100):
        slope = formulas.slopes([expression], y)[0, 0]
        bend = torch.stack([formulas.slopes([_derivative(formulas, expression, k)], y)[0, 0] for k in range(2)])
        step = torch.linalg.lstsq(bend, slope.unsqueeze(-1)).solution[:, 0]
        y = torch.where(y - step > 0, y - step, y / 2)
        if not bool(torch.isfinite(y).all()):
            return 1.0
        if float(step.abs().max()) < 1e-9:
            return float(y.max())
    return 1.0


def _derivative(formulas: Formulas, expression: object, index: int) -> object:
    return expression.diff(formulas.unknowns[index])  # type: ignore[attr-defined]  # a SymPy expression, which has no types
