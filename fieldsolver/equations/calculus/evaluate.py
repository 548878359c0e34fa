"""The value of a pointwise expression for given values of its symbols, in double precision, without a lowering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import EquationTypeError

from ..graph import (
    Component,
    Constant,
    DefinedSymbol,
    Dot,
    MatrixProduct,
    Node,
    Number,
    Power,
    Stack,
    Symbol,
    Treatment,
    walk,
)
from ..lowering.pointwise import pointwise_function
from ..vocabulary import CONSTANTS
from .normal_form import whole

Values = list[Tensor]
"""One tensor per component; they broadcast."""


def evaluate(root: Node, given: Mapping[str, Any]) -> Values:
    """The components of `root`.

    Args:
        root: an expression without differential operators, integrals, noise and modules.
        given: a number or tensor per symbol; a list of them for a symbol with components, a list of rows for a matrix.

    Raises:
        EquationTypeError: a symbol has no value, or the expression is not pointwise.
    """
    values: dict[Node, Any] = {}
    for node in walk(root):
        values[node] = _value(node, [values[operand] for operand in node.operands], given)
    return values[root]


def _value(node: Node, below: Sequence[Any], given: Mapping[str, Any]) -> Any:
    match node:
        case Number():
            return [_tensor(node.value)]
        case Constant(content=(name,)):
            return [_tensor(CONSTANTS[name])]
        case DefinedSymbol() | Treatment():
            return below[0]
        case Symbol():
            return _symbol(node, given)
        case Component(content=(index,)):
            return [below[0][index]]
        case Stack():
            return [value for values in below for value in values]
        case Dot():
            return [sum(a * b for a, b in zip(*below, strict=True))]
        case MatrixProduct():
            return [sum(entry * value for entry, value in zip(row, below[1], strict=True)) for row in below[0]]
    if not node.pointwise:
        raise EquationTypeError(f"{node} has no value at a single point")
    function = pointwise_function(node)
    if isinstance(node, Power) and whole(node.operands[1]) is not None:
        n = whole(node.operands[1])
        return [base**n for base in below[0]]  # 0j**2.0 goes through a logarithm, 0j**2 does not
    count = max(map(len, below))
    return [function(*[values[i if len(values) > 1 else 0] for values in below]) for i in range(count)]


def _symbol(node: Symbol, given: Mapping[str, Any]) -> Any:
    if node.name not in given:
        raise EquationTypeError(f"{node} has no value here")
    value = given[node.name]
    if isinstance(value, (list, tuple)):
        return [list(map(_tensor, item)) if isinstance(item, (list, tuple)) else _tensor(item) for item in value]
    return [_tensor(value)]


def _tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, int) and abs(value) > 2**53:
        value = float(value)
    return torch.tensor(value, dtype=torch.complex128 if isinstance(value, complex) else torch.float64)
