"""Uniform steady states: where the rates vanish when nothing varies in space."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from fieldsolver.errors import EquationError, FieldSolverWarning
from fieldsolver.space.boundary import Neumann, Periodic

from ..graph import Depends, Number, SignalSymbol, walk
from .conserved import refuse_per_sample
from .vertices import current_graph, keeps_uniform

if TYPE_CHECKING:
    from ..field_equation import FieldEquation

RESIDUAL = 1e-10
SAME = 1e-7


def steady_states(
    equation: FieldEquation,
    *,
    bounds: tuple[float, float] = (-3.0, 3.0),
    starts: int = 64,
    seed: int = 0,
) -> np.ndarray:
    """Uniform states with vanishing rates, ``(n, C)``, sorted; found by Newton's method from random starts.

    The list holds what was found: a search cannot prove that nothing is missing. Every entry has a residual below 1e-10
    of its size.

    Args:
        equation: an equation whose uniform states stay uniform.
        bounds: the starts are drawn from this interval.
        starts: their number.
        seed: of the generator.

    Raises:
        EquationError: time or space enter explicitly, or a wall forces states that are not uniform.
    """
    from scipy.optimize import root

    _refuse_nonuniform(equation)
    rates = _UniformRates(equation)
    generator = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    for start in generator.uniform(*bounds, size=(starts, equation.components)):
        result = root(rates.value, start, jac=rates.jacobian, method="hybr", options={"xtol": 1e-14})
        scale = 1.0 + np.abs(result.x).max()
        settled = np.isfinite(result.x).all() and np.abs(rates.value(result.x)).max() <= RESIDUAL * scale
        if settled and all(np.abs(result.x - other).max() > SAME * scale for other in found):
            found.append(result.x)
    if len(found) > max(starts // 2, 16):
        warnings.warn(
            f"{len(found)} of {starts} starts ended in different steady states: they seem to form a continuum, and the "
            "list holds points of it",
            FieldSolverWarning,
            stacklevel=3,
        )
    ordered = sorted(found, key=lambda state: np.round(state, 6).tolist())
    return np.array(ordered).reshape(-1, equation.components)


class _UniformRates:
    """Rates of a uniform state, evaluated at one point of the grid."""

    def __init__(self, equation: FieldEquation) -> None:
        self._equation = equation
        self._grids = [equation.space.shape_of(name) for name in equation.fields]
        mask = equation.layout.mask
        self._point = 0 if mask is None else int(mask.inside.flatten().nonzero()[0])

    def _rates(self, state: torch.Tensor) -> torch.Tensor:
        space = self._equation.space
        parts = [state.narrow(0, *space.fields[name]) for name in space.fields]
        spread = [
            part.reshape(-1, *[1] * len(grid)).expand(-1, *grid) for part, grid in zip(parts, self._grids, strict=True)
        ]
        rates = space.unpack(self._equation(0.0, space.join(spread)))
        pairs = zip(rates.values(), parts, strict=True)
        return torch.cat([rate.reshape(len(part), -1)[:, self._point] for rate, part in pairs])

    def value(self, state: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self._rates(torch.as_tensor(state)).numpy()

    def jacobian(self, state: np.ndarray) -> np.ndarray:
        return torch.func.jacfwd(self._rates)(torch.as_tensor(state)).detach().numpy()


def _refuse_nonuniform(equation: FieldEquation) -> None:
    refuse_per_sample(equation, "steady states are")
    if equation.is_complex:
        raise EquationError("uniform states are searched for real systems; write real and imaginary part as two fields")
    for node in walk(*equation.right_sides.values()):
        if isinstance(node, SignalSymbol) or (not node.operands and node.depends & Depends.TIME):
            raise EquationError(f"{node} changes with time, so the equation has no steady states")
        if not node.operands and node.depends & Depends.SPACE and not node.depends & Depends.STATE:
            raise EquationError(f"{node} varies in space, so the equation has no uniform states")
    for name, condition in equation.layout.mask_conditions.items():
        if not isinstance(condition, Neumann):
            raise EquationError(f"the mask holds {name!r}, so uniform states do not stay uniform")
    graph = current_graph(equation)
    if graph is not None and not keeps_uniform(graph):
        raise EquationError(
            f"the {graph.kind} Laplacian does not vanish on uniform states, so they do not stay uniform; "
            "with laplacian='random-walk' or 'combinatorial' they do"
        )
    for name, sides in equation.layout.conditions.items():
        for side, condition in sides.items():
            if isinstance(condition, Periodic):
                continue
            value = equation.layout.wall_values[name].get(side)
            if not (isinstance(condition, Neumann) and isinstance(value, Number) and value.value == 0):
                raise EquationError(f"the wall of {name!r} is not no-flux, so uniform states do not stay uniform")
