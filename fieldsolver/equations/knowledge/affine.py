"""Splits right-hand sides into a linear part, coefficient times operators times field, and the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .. import build
from ..build import divide, multiply, negate, number
from ..calculus.expansion import COMPOSED, component_of, expand
from ..graph import (
    Component,
    Convolution,
    Depends,
    FieldSymbol,
    MatrixProduct,
    ModuleCall,
    Negative,
    Node,
    Number,
    Product,
    Quotient,
    Reduction,
    SpatialOperator,
    Stack,
    Sum,
    Treatment,
    walk,
)
from ..vocabulary import OPERATORS


@dataclass(frozen=True)
class LinearTerm:
    """``coefficient * operators(field)`` in the rate of `row`.

    Attributes:
        row: the state whose rate it contributes to.
        symbol: the state it is linear in.
        operators: differential operators applied to it, outermost first; empty for none.
        coefficient: does not depend on the state.
        inside: coefficient inside the outermost operator (``D`` of ``diffusion(D, u)``), or None.
        component: the component of the field that is meant, or None for all.
        row_component: the component of the row that it contributes to, or None for all.
        matrix: a matrix parameter applied to the components, or None.
        treatment: ``"implicit"``, ``"explicit"`` or None, as the user asked for.
    """

    row: str
    symbol: FieldSymbol
    operators: tuple[str, ...]
    coefficient: Node
    inside: Node | None = None
    component: int | None = None
    row_component: int | None = None
    matrix: Node | None = None
    treatment: str | None = None

    @property
    def field(self) -> str:
        """Name of the state it is linear in."""
        return self.symbol.name

    @property
    def is_constant(self) -> bool:
        """Whether the coefficient is the same everywhere and always."""
        varying = Depends.SPACE | Depends.TIME
        inside = self.inside.depends if self.inside is not None else Depends.NOTHING
        return not (self.coefficient.depends | inside) & varying

    @property
    def is_diagonal(self) -> bool:
        """Whether it couples every component of its row to the same component of the same field only."""
        return self.row == self.field and self.component is self.row_component is self.matrix is None

    def node(self, dimension: int, row_components: int) -> Node:
        """The term as a graph."""
        node: Node = self.symbol
        if self.component is not None:
            node = build.component(node, self.component)
        for position, name in enumerate(reversed(self.operators)):
            outermost = position == len(self.operators) - 1
            arguments = (self.inside, node) if outermost and self.inside is not None else (node,)
            node = build.operator(name, *arguments, dimension=dimension)
        if self.matrix is not None:
            node = build.matrix_product(self.matrix, node)
        node = _times(self.coefficient, node)
        if self.row_component is not None:
            entries = [node if i == self.row_component else number(0) for i in range(row_components)]
            node = build.stack(*entries)
        return node

    def __str__(self) -> str:
        text = str(self.symbol) if self.component is None else f"{self.symbol}[{self.component}]"
        for position, name in enumerate(reversed(self.operators)):
            outermost = position == len(self.operators) - 1
            text = f"diffusion({self.inside}, {text})" if outermost and self.inside is not None else f"{name}({text})"
        if self.matrix is not None:
            text = f"{self.matrix} @ {text}"
        coefficient = str(self.coefficient)
        if coefficient in ("1", "-1"):
            return coefficient[:-1] + text
        brackets = isinstance(self.coefficient, Sum)
        return f"({coefficient})*{text}" if brackets else f"{coefficient}*{text}"


@dataclass(frozen=True)
class Remainder:
    """A term that is not linear in the state with known coefficient."""

    row: str
    node: Node

    @property
    def is_source(self) -> bool:
        """Whether it does not depend on the state at all."""
        return not self.node.depends & Depends.STATE

    @property
    def reason(self) -> str:
        """Why it is not in the linear part."""
        if self.is_source:
            return "a source: does not depend on the state"
        for kind, reason in (
            (ModuleCall, "contains a module"),
            (Convolution, "nonlocal: a convolution"),
            (Reduction, "nonlocal: an integral over the domain"),
        ):
            if any(isinstance(node, kind) for node in walk(self.node)):
                return reason
        return "nonlinear in the state, or a derivative of a product with a varying coefficient"

    def __str__(self) -> str:
        return str(self.node)


def split(row: str, node: Node, dimension: int) -> tuple[list[LinearTerm], list[Remainder]]:
    """Split one right-hand side; the sum of both lists is the right-hand side."""
    terms = list(_terms(row, node, dimension))
    linear = [term for term in terms if isinstance(term, LinearTerm)]
    return linear, [term for term in terms if isinstance(term, Remainder)]


def _terms(row: str, node: Node, dimension: int) -> Iterator[LinearTerm | Remainder]:
    if not node.depends & Depends.STATE:
        if not (isinstance(node, Number) and node.value == 0):
            yield Remainder(row, node)
        return
    match node:
        case FieldSymbol():
            yield LinearTerm(row, node, (), _ONE)
        case Sum():
            for operand in node.operands:
                yield from _terms(row, operand, dimension)
        case Negative():
            yield from (_scaled(term, number(-1)) for term in _terms(row, node.operands[0], dimension))
        case Product():
            yield from _product(row, node, dimension)
        case Quotient() if not node.operands[1].depends & Depends.STATE:
            factor = divide(number(1), node.operands[1])
            yield from (_scaled(term, factor) for term in _terms(row, node.operands[0], dimension))
        case SpatialOperator():
            yield from _operator(row, node, dimension)
        case Component():
            yield from _component(row, node, dimension)
        case Stack():
            yield from _stack(row, node, dimension)
        case MatrixProduct():
            yield from _matrix(row, node, dimension)
        case Treatment():
            for term in _terms(row, node.operands[0], dimension):
                yield replace(term, treatment=node.content[0]) if isinstance(term, LinearTerm) else term
        case _:
            yield Remainder(row, node)


def _product(row: str, node: Product, dimension: int) -> Iterator[LinearTerm | Remainder]:
    active = [factor for factor in node.operands if factor.depends & Depends.STATE]
    factors = [factor for factor in node.operands if factor is not active[0]]
    if len(active) > 1 or (active[0].components == 1 and any(f.components > 1 for f in factors)):
        yield Remainder(row, node)
        return
    factor = _ONE
    for operand in factors:
        factor = operand if factor is _ONE else multiply(factor, operand)
    yield from (_scaled(term, factor) for term in _terms(row, active[0], dimension))


def _component(row: str, node: Component, dimension: int) -> Iterator[LinearTerm | Remainder]:
    operand, index = node.operands[0], node.content[0]
    if isinstance(operand, FieldSymbol):
        yield LinearTerm(row, operand, (), _ONE, component=index if operand.components > 1 else None)
        return
    pushed = component_of(operand, index)
    if pushed is node:
        yield Remainder(row, node)
    else:
        yield from _terms(row, pushed, dimension)


def _stack(row: str, node: Stack, dimension: int) -> Iterator[LinearTerm | Remainder]:
    if len(node.operands) == 1:
        yield from _terms(row, node.operands[0], dimension)
        return
    entries = [_all_linear(row, operand, dimension) for operand in node.operands]
    if any(terms is None for terms in entries):
        yield Remainder(row, node)
        return
    for i, terms in enumerate(entries):
        yield from (replace(term, row_component=i) for term in terms or ())


def _all_linear(row: str, node: Node, dimension: int) -> list[LinearTerm] | None:
    """The terms of `node` if all of them are linear, else None."""
    terms = list(_terms(row, node, dimension))
    linear = [term for term in terms if isinstance(term, LinearTerm)]
    return linear if len(linear) == len(terms) else None


def _matrix(row: str, node: MatrixProduct, dimension: int) -> Iterator[LinearTerm | Remainder]:
    matrix, operand = node.operands
    below = _all_linear(row, operand, dimension)
    if below is None or not all(_commutes_with_matrix(term, operand) for term in below):
        yield Remainder(row, node)
        return
    yield from (replace(term, matrix=matrix) for term in below)


def _commutes_with_matrix(term: LinearTerm, operand: Node) -> bool:
    plain = term.component is term.row_component is term.matrix is None
    return plain and term.coefficient.components == 1 and term.symbol.components == operand.components


def _operator(row: str, node: SpatialOperator, dimension: int) -> Iterator[LinearTerm | Remainder]:
    if node.name in COMPOSED:
        yield from _terms(row, expand(node, dimension), dimension)
        return
    operand = node.operands[-1]
    inside = node.operands[0] if len(node.operands) == 2 else None
    coefficient_active = inside is not None and inside.depends & Depends.STATE
    if not OPERATORS[node.name].linear or coefficient_active:
        yield Remainder(row, node)
        return
    below = _all_linear(row, operand, dimension)
    if below is None or not all(term.is_constant and term.inside is None for term in below):
        yield Remainder(row, node)
        return
    # A constant may be pulled out of a derivative; anything else was refused above.
    yield from (replace(term, operators=(node.name, *term.operators), inside=inside) for term in below)


def _scaled(term: LinearTerm | Remainder, factor: Node) -> LinearTerm | Remainder:
    if isinstance(term, Remainder):
        return Remainder(term.row, _times(factor, term.node))
    return replace(term, coefficient=_times(factor, term.coefficient))


def _times(factor: Node, node: Node) -> Node:
    """``factor * node`` with signs in front and ones left out, so that terms read as one would write them."""
    if isinstance(factor, Negative):
        return _negated(_times(factor.operands[0], node))
    if isinstance(node, Negative):
        return _negated(_times(factor, node.operands[0]))
    if factor is _ONE:
        return node
    return factor if node is _ONE else multiply(factor, node)


def _negated(node: Node) -> Node:
    return node.operands[0] if isinstance(node, Negative) else negate(node)


_ONE = number(1)
