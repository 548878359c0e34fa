"""The value of an expression when the fields are known functions of space and time.

``laplacian(u)`` becomes the second derivatives of the expression that stands for ``u``: what the right-hand side of an
equation is, in formulas, on a manufactured solution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fieldsolver.errors import EquationTypeError
from fieldsolver.space.coordinate_systems import SYSTEMS

from .. import build
from ..graph import (
    Comparison,
    Component,
    CoordinateSymbol,
    DefinedSymbol,
    Depends,
    Dot,
    FieldSymbol,
    Function,
    MatrixProduct,
    MatrixSymbol,
    Negative,
    Node,
    Power,
    Product,
    Quotient,
    SpatialOperator,
    Stack,
    Sum,
    Symbol,
    Treatment,
)
from ..vocabulary import AXES, OPERATORS
from .curvilinear import density, scales
from .expansion import component_of, expand, is_composed
from .normal_form import ONE, ZERO, minus, product, quotient, raised, total, whole
from .partial_derivative import Partial

_AT_ZERO = dict.fromkeys(("sin", "tan", "asin", "atan", "sinh", "tanh", "sqrt", "erf", "abs"), ZERO)
_AT_ZERO |= dict.fromkeys(("cos", "cosh", "exp"), ONE)
Values = tuple[Node, ...]
"""One scalar expression per component."""


class Explicit:
    """Rewrites expressions without fields and operators.

    Args:
        fields: the expressions of every state, velocities included, one per component.
        dimension: number of grid axes.
        assemble: makes one vector of scalars, for ``K @ phi``.
        at: expressions to put for coordinates, such as the position of a wall.
        axes: names of the coordinates.
    """

    def __init__(
        self,
        fields: Mapping[str, Values],
        dimension: int,
        assemble: Callable[[Values], Node],
        at: Mapping[Node, Node] | None = None,
        axes: Sequence[str] = AXES,
    ) -> None:
        self._fields, self._assemble, self._at = dict(fields), assemble, dict(at or {})
        self._axes = tuple(axes[:dimension])
        self._along = [Partial(build.coordinate(name, axis)) for axis, name in enumerate(self._axes)]
        self._memo: dict[Node, Values] = {}

    def __call__(self, node: Node) -> Values:
        """The components of `node`, each without fields and operators.

        Raises:
            EquationTypeError: it contains something that no formula stands for.
        """
        if node not in self._memo:
            self._memo[node] = self._value(node)
        return self._memo[node]

    def at(self, places: Mapping[Node, Node]) -> Explicit:
        """The same with other coordinates."""
        return Explicit(self._fields, len(self._axes), self._assemble, places, self._axes)

    def derivative(self, node: Node, axis: int, times: int = 1) -> Node:
        """A derivative of an explicit scalar along `axis`."""
        return self._along[axis](node, times)

    def _value(self, node: Node) -> Values:
        match node:
            case FieldSymbol():
                return self._fields[node.name]
            case DefinedSymbol() if node.components > 1 or (self._at and node.depends & Depends.SPACE):
                return self(node.operands[0])
            case CoordinateSymbol():
                return (self._at.get(node, node),)
            case Symbol():
                count = node.components
                return tuple(build.component(node, i) for i in range(count)) if count > 1 else (node,)
            case Treatment():
                return self(node.operands[0])
            case SpatialOperator():
                return self._operator(node)
            case Component(content=(index,), operands=(operand,)):
                pushed = component_of(operand, index)
                return self(operand)[index : index + 1] if pushed is node else self(pushed)
            case Stack():
                return tuple(value for operand in node.operands for value in self(operand))
            case Dot(operands=(left, right)):
                return (total(product(a, b) for a, b in zip(self(left), self(right), strict=True)),)
            case MatrixProduct(operands=(matrix, operand)):
                result = build.matrix_product(matrix, self._assemble(self(operand)))
                return tuple(build.component(result, i) for i in range(result.components))
        if not node.operands:
            return (node,)
        if not node.pointwise and not isinstance(node, (Sum, Negative, Product, Quotient, Power, Function, Comparison)):
            raise EquationTypeError(f"{node} has no formula on a manufactured solution")
        return tuple(_combine(node, values) for values in self._spread(node))

    def _spread(self, node: Node) -> list[list[Node]]:
        """The operands' values, component by component; scalars go with every component."""
        below = [self(operand) for operand in node.operands]
        return [[values[i if len(values) > 1 else 0] for values in below] for i in range(max(map(len, below)))]

    def _operator(self, node: SpatialOperator) -> Values:
        if is_composed(node):
            return self(expand(node, len(self._along)))
        if node.coordinates in SYSTEMS:
            return self._curvilinear(node)
        if node.name == "fractional_laplacian" or isinstance(node.operands[0], MatrixSymbol):
            raise EquationTypeError(f"{node} has no formula on a manufactured solution")
        return tuple(self._derivatives(node.name, values) for values in self._spread(node))

    def _curvilinear(self, node: SpatialOperator) -> Values:
        """The formulas of curvilinear.py."""
        root, h = density(node.coordinates), scales(node.coordinates)[: len(self._along)]

        def divergence(fluxes: Sequence[Node]) -> Node:
            along = zip(self._along, fluxes, h, strict=True)
            return quotient(total(d(product(root, quotient(v, scale))) for d, v, scale in along), root)

        def slopes(u: Node) -> list[Node]:
            return [quotient(d(u), scale) for d, scale in zip(self._along, h, strict=True)]

        if node.name == "divergence":
            return (divergence(self(node.operands[0])),)
        results = []
        for *before, u in self._spread(node):
            match node.name:
                case "gradient_squared":
                    results.append(total(raised(slope, 2) for slope in slopes(u)))
                case "laplacian" | "diffusion":
                    results.append(divergence([product(*before, slope) for slope in slopes(u)]))
                case _:
                    results.append(slopes(u)[OPERATORS[node.name].axis or 0])
        return tuple(results)

    def _derivatives(self, name: str, values: Sequence[Node]) -> Node:
        word, operand = OPERATORS[name], values[-1]
        axes = [d for axis, d in enumerate(self._along) if word.axis in (None, axis)]
        match name:
            case "gradient_squared":
                return total(raised(d(operand), 2) for d in axes)
            case "diffusion":
                return total(d(product(values[0], d(operand))) for d in axes)
        return total(d(operand, word.derivative_order) for d in axes)


def _combine(node: Node, values: Sequence[Node]) -> Node:
    match node:
        case Sum():
            return total(values)
        case Negative():
            return minus(values[0])
        case Product():
            return product(*values)
        case Quotient():
            return quotient(*values)
        case Power():
            n = whole(values[1])
            return build.power(*values) if n is None else raised(values[0], n)
        case Comparison(content=(sign,)):
            return build.compare(sign, *values)
        case Function(content=(name,)) if values[0] is ZERO and name in _AT_ZERO:
            return _AT_ZERO[name]
        case Function(content=(name,)):
            return build.function(name, *values)
    raise EquationTypeError(f"{node} has no formula on a manufactured solution")
