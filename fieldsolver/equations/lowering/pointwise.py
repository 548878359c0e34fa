"""Functions that act point by point, and the folding of what is constant."""

from __future__ import annotations

import cmath
import math
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import torch

from fieldsolver.errors import EquationTypeError

from ..graph import (
    Comparison,
    Component,
    Constant,
    DefinedSymbol,
    Function,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Treatment,
    walk,
)
from ..vocabulary import CONSTANTS
from .torch_functions import TORCH_FUNCTIONS, fold

_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def pointwise_function(node: Node) -> Callable[..., Any]:
    """The function that computes `node` from the values of its operands."""
    match node:
        case Sum():
            return left_sum
        case Negative():
            return operator.neg
        case Product():
            return lambda *factors: reduce(operator.mul, factors)
        case Quotient():
            return operator.truediv
        case Power():
            return operator.pow
        case Comparison():
            return _COMPARE[node.content[0]]
        case Function():
            return TORCH_FUNCTIONS[node.name]
    raise TypeError(f"no torch lowering is defined for {type(node).__name__} nodes")


def fold_constant(node: Node) -> Any:
    """The value of a node that depends on nothing, in double precision.

    Raises:
        EquationTypeError: it has none that is finite, and real where the node is.
    """
    values: dict[Node, Any] = {}
    for part in walk(node):  # every part once, however often it is used
        values[part] = _folded(part, [values[operand] for operand in part.operands])
    return values[node]


def _folded(node: Node, operands: list[Any]) -> Any:
    match node:
        case Number():
            # Integers stay integers for powers, but not beyond what arithmetic holds exactly.
            return node.value if isinstance(node.value, complex) or node.value < 2**53 else float(node.value)
        case Constant():
            return CONSTANTS[node.content[0]]
        case Component() | Treatment() | DefinedSymbol():
            return operands[0]
    # Python's integers have no bound: ((9**64)**64)**64 would fill the memory.
    operands = [float(value) if isinstance(value, int) and not isinstance(value, bool) else value for value in operands]
    try:
        value = fold(node.name, *operands) if isinstance(node, Function) else pointwise_function(node)(*operands)
    except (ArithmeticError, ValueError):
        value = math.nan
    if not cmath.isfinite(value) or (isinstance(value, complex) and not node.is_complex):
        kind = "complex" if node.is_complex else "real"
        raise EquationTypeError(f"{node} has no finite {kind} value; correct it, or declare it as a parameter")
    return value


def left_sum(*terms: Any) -> Any:
    """``a + b + ...`` from the left."""
    return reduce(operator.add, terms)


def signed_sum(signs: tuple[bool, ...], *terms: Any) -> Any:
    """``+-a +-b ...`` from the left; `signs` says which terms are added."""
    total = terms[0] if signs[0] else -terms[0]
    for positive, term in zip(signs[1:], terms[1:], strict=True):
        total = total + term if positive else total - term
    return total


_COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}


def like_state(value: Any, like: torch.Tensor) -> torch.Tensor:
    """Cast to the precision and device of the state, keeping real things real and complex things complex."""
    if not isinstance(value, torch.Tensor):  # filled on the device: a copy from the host would wait for it
        return torch.full((), value, device=like.device, dtype=dtype_like(like, is_complex=isinstance(value, complex)))
    return value.to(device=like.device, dtype=dtype_like(like, is_complex=value.is_complex()))


def dtype_like(like: torch.Tensor, *, is_complex: bool) -> torch.dtype:
    """The real or complex dtype of the precision of `like`."""
    if like.is_complex() == is_complex:
        return like.dtype
    return _COMPLEX[like.dtype] if is_complex else like.real.dtype
