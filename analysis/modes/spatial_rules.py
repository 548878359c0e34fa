"""Rules for what acts on more than a point: differential operators, convolutions, averages, modules."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fieldsolver.equations.calculus.expansion import expand
from fieldsolver.equations.graph import Convolution, MatrixSymbol, Node, Reduction, SpatialOperator, Transfer, walk
from fieldsolver.equations.vocabulary import OPERATORS

from .derivatives import is_kinked
from .factors import Factor
from .refusals import NoPlaneWaves
from .response import Response, sized
from .values import Pair, Values

Rule = Callable[[Node, list[Pair], Values], Pair]


def operator_rule(node: SpatialOperator, operands: list[Pair]) -> Pair:
    """Zero on uniform states; a coefficient inside it counts with its uniform value."""
    name, (value, response) = node.name, operands[-1]
    zero = torch.zeros(1, node.components, dtype=value.dtype)
    match name:
        case "laplacian":
            return zero, response.under(Factor("laplacian"))
        case "diffusion" if isinstance(node.operands[0], MatrixSymbol):
            return zero, _anisotropic(operands[0][0], response)
        case "diffusion":
            spread = sized(response, node.components)
            return zero, spread.under(Factor("diffusion")).scaled(operands[0][0])
        case "gradient_squared":
            return zero, Response.zero()
        case "fractional_laplacian":
            power = operands[0][0]
            if power.numel() > 1:
                raise NoPlaneWaves(f"the power of {node} differs between states", node)
            return zero, response.under(Factor("fractional", power=float(power.real)))
    word = OPERATORS[name]
    if word.axis is None:
        raise NoPlaneWaves(f"{node} has no rule here", node)
    return zero, response.under(Factor("derivative", word.axis, word.derivative_order))


def composed(node: SpatialOperator, operands: list[Pair], at: Values, rule: Rule) -> Pair:
    """An operator in terms of others, each by its own rule."""
    expanded = expand(node, at.dimension)
    known = dict(zip(node.operands, operands, strict=True))
    for part in walk(expanded):
        if part not in known:
            known[part] = rule(part, [known[operand] for operand in part.operands], at)
    return known[expanded]


def _anisotropic(D: Tensor, response: Response) -> Response:
    """``div(D grad u)`` with a constant matrix D."""
    total = Response.zero()
    for i in range(len(D)):
        total = total + response.under(Factor("diffusion", i)).scaled(D[i, i].reshape(1, 1))
        for j in range(len(D)):
            if i != j:
                total = total + response.under(Factor("mixed", i, j)).scaled(D[i, j].reshape(1, 1))
    return total


def nonlocal_rule(node: Node, operands: list[Pair], at: Values) -> Pair:
    """Averages, convolutions, transfers between grids, and modules."""
    value, response = operands[0]
    match node:
        case Transfer():
            return value, response
        case Reduction():
            volume = at.volume if node.content[0] == "integral" else 1.0
            scale = torch.full((1, 1), volume, dtype=torch.float64)
            return value * volume, response.under(Factor("mean")).scaled(scale)
        case Convolution():
            name = node.content[0]
            return value * at.integrals[name], response.under(Factor("kernel", name=name))
    return _module(node, operands, at)


def _module(node: Node, operands: list[Pair], at: Values) -> Pair:
    """A pointwise module, by automatic differentiation, in float64; refused at a kink."""
    name, states = node.content[0], len(at.states)
    if name in at.nonlocal_modules:
        raise NoPlaneWaves(f"{node} is a nonlocal module, whose action on plane waves is not known", node)
    module = at.modules[name]
    sizes = [operand.components for operand in node.operands]
    inputs = torch.cat([value.expand(states, size) for (value, _), size in zip(operands, sizes, strict=True)], dim=1)
    value = module(inputs).to(at.states.dtype)
    response = at.join([(sized(part, size), size) for (_, part), size in zip(operands, sizes, strict=True)])
    if not response:
        return value, Response.zero()
    with torch.enable_grad():
        if at.strict and is_kinked(module, inputs):
            raise NoPlaneWaves(f"{node} has no derivative at this state: its slope jumps there", node)
        slopes = torch.func.vmap(torch.func.jacrev(module))(inputs).detach().to(at.states.dtype)  # (S, outputs, inputs)
    return value, response.mapped(lambda A: slopes @ A)
