"""Values of explicit expressions at random points: is it zero on a wall, is it periodic."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fieldsolver.space.boundary import Side
from fieldsolver.space.grid import Grid

from ..calculus.evaluate import evaluate
from ..calculus.normal_form import ZERO
from ..field_equation import FieldEquation
from ..graph import Node
from ..signals import sample

_POINTS = 24
_ROUND_OFF = 1e-13


def parameter_points(equation: FieldEquation, t: Tensor | float = 0.0, *, perturbed: bool = False) -> dict[str, Any]:
    """The parameters as `evaluate` takes them: the first sample, signals at time `t` (a scalar).

    `perturbed` ones differ from their values by up to a fifth.
    """
    generator = torch.Generator().manual_seed(11)
    given: dict[str, Any] = {}
    for name, value in equation.parameter_values().items():
        value, place = value.detach(), equation.declared[name].place
        if perturbed:
            value = value * (1 + 0.4 * (torch.rand(value.shape, generator=generator, dtype=torch.float64) - 0.5))
        if place == "per sample":
            value = value[0]
        elif place == "signal":
            moment = torch.as_tensor(t, dtype=torch.float64).reshape(1, 1)
            value = sample(value, equation.layout.signals[name], moment, 0)[0]
        elif place == "spatial":
            continue
        given[name] = value if value.dim() == 0 else [list(row) if row.dim() else row for row in value]
    return given


def random_places(grid: Grid, t0: float = 0.0, *, side: Side | None = None) -> dict[str, Any]:
    """Random points of the domain and times in ``[t0, t0 + 1]``; all of them on one wall if `side` is given."""
    generator = torch.Generator().manual_seed(7)
    places: dict[str, Any] = {"t": t0 + torch.rand(_POINTS, generator=generator, dtype=torch.float64)}
    for axis, name in enumerate(grid.axes):
        low, high = grid.bounds[axis]
        places[name] = low + (high - low) * torch.rand(_POINTS, generator=generator, dtype=torch.float64)
        if side is not None and side[0] == axis:
            places[name] = torch.full_like(places[name], high if side[1] else low)
    return places


def vanishes_on_wall(equation: FieldEquation, node: Node, side: Side) -> bool:
    """Whether an explicit scalar is zero all over a wall, at all times and whatever its parameters are."""
    if node is ZERO:
        return True
    grid = equation.layout.required_grid()
    parameters = parameter_points(equation, perturbed=True)
    on_wall = evaluate(node, parameters | random_places(grid, side=side))[0].abs().max()
    inside = evaluate(node, parameters | random_places(grid))[0].abs().max()
    return bool(on_wall <= _ROUND_OFF * inside)


def jump(equation: FieldEquation, node: Node, axis: int, t0: float, least: float = 0.0) -> float:
    """The largest difference between the two ends of an axis, relative to the size of the expression or to `least`."""
    grid, parameters = equation.layout.required_grid(), parameter_points(equation)
    low, high = (evaluate(node, parameters | random_places(grid, t0, side=(axis, end)))[0] for end in (0, 1))
    scale = max(size(equation, node, t0), least, torch.finfo(torch.float64).tiny)
    return float((low - high).abs().max()) / scale


def size(equation: FieldEquation, node: Node, t0: float) -> float:
    """The largest modulus at random points of the domain."""
    places = random_places(equation.layout.required_grid(), t0)
    return float(evaluate(node, parameter_points(equation) | places)[0].abs().max())
