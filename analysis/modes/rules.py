"""One rule per kind of node: its value at a uniform state, and its first-order response to plane waves."""

from __future__ import annotations

import operator
from functools import reduce

import torch
from torch import Tensor

from fieldsolver.equations.calculus.expansion import is_composed
from fieldsolver.equations.graph import (
    Comparison,
    Component,
    Constant,
    Convolution,
    CoordinateSymbol,
    DefinedSymbol,
    Depends,
    Dot,
    FieldSymbol,
    Function,
    MatrixProduct,
    MatrixSymbol,
    ModuleCall,
    Negative,
    Node,
    Number,
    ParameterSymbol,
    Power,
    Product,
    Quotient,
    Reduction,
    SignalSymbol,
    SpatialOperator,
    Stack,
    Sum,
    TimeSymbol,
    Transfer,
    Treatment,
    walk,
)
from fieldsolver.equations.vocabulary import CONSTANTS

from .derivatives import is_at_kink, slope_of, value_of
from .refusals import NoPlaneWaves
from .response import Response, sized
from .spatial_rules import composed, nonlocal_rule, operator_rule
from .values import Pair, Values

_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_NONE = Response.zero()


def evaluate(root: Node, at: Values) -> Pair:
    """Value ``(S | 1, c)`` and response of an expression."""
    known: dict[Node, Pair] = {}
    nodes = list(walk(root))
    smooth = {id(node.operands[0]) for node in nodes if _modulus(node) is not None} - {
        id(operand) for node in nodes if _modulus(node) is None for operand in node.operands
    }
    for node in nodes:
        if id(node) in smooth:
            continue  # only its even power is used
        even = _modulus(node)
        if even is not None:
            known[node] = _even_power(*known[even[0]], even[1] // 2, at)
        else:
            known[node] = _rule(node, [known[operand] for operand in node.operands], at)
    return known[root]


def _modulus(node: Node) -> tuple[Node, int] | None:
    """The z and the n of ``abs(z)**2``, ``abs(z)**4`` ..., which are smooth at 0 where ``abs(z)`` is not."""
    match node:
        case Power(operands=(Function(name="abs", operands=(z,)), Number(value=int(n)))) if n % 2 == 0:
            return z, n
    return None


def _even_power(z: Tensor, response: Response, m: int, at: Values) -> Pair:
    """``(z z*)^m`` and its change ``m (z z*)^(m-1) (z* dz + z dz*)``."""
    conjugate = z.conj().resolve_conj() if z.is_complex() else z
    square = z.real**2 + z.imag**2 if z.is_complex() else z * z
    slope = m * square ** (m - 1) if m else torch.zeros_like(square)
    if not z.is_complex():
        return square**m, response.scaled(2 * slope * z)
    return square**m, response.scaled(slope * conjugate) + response.conjugate(at.mirror).scaled(slope * z)


def _rule(node: Node, operands: list[Pair], at: Values) -> Pair:
    if not node.operands or isinstance(node, DefinedSymbol):
        return operands[0] if operands else _leaf(node, at)
    if isinstance(node, SpatialOperator):
        return composed(node, operands, at, _rule) if is_composed(node) else operator_rule(node, operands)
    if isinstance(node, (Convolution, Reduction, Transfer, ModuleCall)):
        return nonlocal_rule(node, operands, at)
    if isinstance(node, Function):
        return _function(node, operands, at)
    if isinstance(node, (Component, Stack, Dot, MatrixProduct)):
        return _components(node, operands, at)
    return _arithmetic(node, operands, at)


def _leaf(node: Node, at: Values) -> Pair:
    match node:
        case Number():
            return torch.tensor([[node.value]], dtype=_dtype(node)), _NONE
        case Constant():
            return torch.tensor([[CONSTANTS[node.content[0]]]], dtype=torch.float64), _NONE
        case TimeSymbol():
            return torch.tensor([[at.time]], dtype=torch.float64), _NONE
        case FieldSymbol():
            first, size = at.offsets[node.name]
            return at.states[:, first : first + size], at.wave(node.name)
        case SignalSymbol():
            raise NoPlaneWaves(f"{node} is a sampled signal, which changes with time", node)
        case CoordinateSymbol():
            raise NoPlaneWaves(f"{node} varies in space, so plane waves are no solutions", node)
        case ParameterSymbol():
            if node.depends & Depends.SPACE:
                raise NoPlaneWaves(f"{node} varies in space, so plane waves are no solutions", node)
            value = at.parameters[node.name]
            return value if isinstance(node, MatrixSymbol) else value.reshape(1, -1), _NONE
    raise NoPlaneWaves(f"{node} has no rule here", node)


def _dtype(node: Number) -> torch.dtype:
    return torch.complex128 if isinstance(node.value, complex) else torch.float64


def _arithmetic(node: Node, operands: list[Pair], at: Values) -> Pair:
    values = [value for value, _ in operands]
    match node:
        case Sum():
            response = _NONE
            for _, part in operands:
                response = response + sized(part, node.components)
            return reduce(operator.add, values), response
        case Negative():
            return -values[0], operands[0][1].mapped(operator.neg)
        case Product():
            return reduce(operator.mul, values), _product(operands, node.components)
        case Quotient():
            (a, da), (b, db) = operands
            response = sized(da, node.components).scaled(1 / b) if da else _NONE
            return a / b, response + (sized(db, node.components).scaled(-a / b**2) if db else _NONE)
        case Power():
            return _power(node, operands, at)
        case Comparison():
            _refuse_ties(node, operands, at)
            return _COMPARE[node.content[0]](*values), _NONE
        case Treatment():
            return operands[0]
    raise NoPlaneWaves(f"{node} has no rule here", node)


def _product(operands: list[Pair], components: int) -> Response:
    total = _NONE
    for position, (_, response) in enumerate(operands):
        if response:
            others = [value for other, (value, _) in enumerate(operands) if other != position]
            total = total + sized(response, components).scaled(reduce(operator.mul, others))
    return total


def _refuse_ties(node: Node, operands: list[Pair], at: Values) -> None:
    """Where two values are equal, a switch or an extremum may have a kink."""
    (a, da), (b, db) = operands
    if at.strict and (da or db) and bool((a == b).any()):
        raise NoPlaneWaves(
            f"{node} is undecided at this state, where its sides are equal: a derivative may not exist", node
        )


def _finite(slope: Tensor, node: Node, at: Values) -> Tensor:
    if at.strict and not bool(torch.isfinite(slope.abs()).all()):
        raise NoPlaneWaves(f"{node} has no finite derivative at this state", node)
    return slope


def _power(node: Node, operands: list[Pair], at: Values) -> Pair:
    (a, da), (b, db) = operands
    exponent = node.operands[1]
    literal = exponent.value if isinstance(exponent, Number) else None
    value = a**literal if isinstance(literal, int) else a**b  # integers have powers of negative numbers
    response = _NONE
    if da:
        slope = literal * a ** (literal - 1) if isinstance(literal, int) and literal else b * a ** (b - 1)
        response = sized(da, node.components).scaled(_finite(slope, node, at))
    if db:
        response = response + sized(db, node.components).scaled(_finite(value * torch.log(a), node, at))
    return value, response


def _function(node: Function, operands: list[Pair], at: Values) -> Pair:
    values = [value for value, _ in operands]
    responses = [sized(response, node.components) for _, response in operands]
    name = node.name
    if name == "where":
        condition, a, b = values
        return torch.where(condition, a, b), responses[1].chosen(condition, responses[2])
    if name in ("min", "max"):
        _refuse_ties(node, operands, at)
        a, b = torch.broadcast_tensors(*values)
        first = a < b if name == "min" else a > b
        return torch.where(first, a, b), responses[0].chosen(first, responses[1])
    (value,), (response,) = values, responses
    if name in ("conj", "real", "imag", "abs") and value.is_complex():
        if at.strict and response and is_at_kink(name, value):
            raise NoPlaneWaves(f"{node} has no derivative at this state", node)
        return _not_holomorphic(name, value, response, at)
    if not response:
        return value_of(name, value), _NONE
    if at.strict and is_at_kink(name, value):
        raise NoPlaneWaves(f"{node} has no derivative at this state", node)
    return value_of(name, value), response.scaled(_finite(slope_of(name, value), node, at))


def _not_holomorphic(name: str, value: Tensor, response: Response, at: Values) -> Pair:
    """``Re z = (z + z*)/2``, ``Im z = (z - z*)/2i``, ``d|z| = (z* dz + z dz*)/2|z|``."""
    conjugate = response.conjugate(at.mirror)
    if name == "conj":
        return value.conj().resolve_conj(), conjugate
    half = torch.full_like(value, 0.5)
    if name == "real":
        return value.real, (response + conjugate).scaled(half)
    if name == "imag":
        return value.imag, (response + conjugate.mapped(operator.neg)).scaled(half / 1j)
    modulus = value.abs()
    safe = torch.where(modulus > 0, modulus, 1.0)
    phase = torch.where(modulus > 0, value / safe, 0.0)
    return modulus, response.scaled(phase.conj().resolve_conj() / 2) + conjugate.scaled(phase / 2)


def _components(node: Node, operands: list[Pair], at: Values) -> Pair:
    match node:
        case Component():
            (value, response), index = operands[0], node.content[0]
            return value[:, index : index + 1] if value.shape[1] > 1 else value, response.component(index)
        case Stack():
            rows = len(at.states)
            value = torch.cat([part.expand(rows, -1) for part, _ in operands], dim=1)
            return value, at.join([(response, 1) for _, response in operands])
        case Dot():
            (a, _), (b, _) = operands
            return (a * b).sum(1, keepdim=True), _product(operands, max(a.shape[1], b.shape[1])).summed()
    (matrix, _), (value, response) = operands
    dtype = torch.promote_types(matrix.dtype, value.dtype)
    matrix, columns = matrix.to(dtype), matrix.shape[1]
    value = value.to(dtype).expand(-1, columns)
    return value @ matrix.mT, sized(response, columns).mapped(lambda A: matrix @ A.to(dtype))
