"""Splits right-hand sides into a linear part, coefficient times operators times field, and the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce

from fieldsolver.space.coordinate_systems import CARTESIAN

from .. import build
from ..build import divide, multiply, negate, number
from ..calculus.expansion import component_of, expand, is_composed
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
    Transfer,
    Treatment,
    walk,
)
from ..lowering import Layout
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
        coordinates: in which the operators are meant.
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
    coordinates: str = CARTESIAN

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
            node = build.operator_in(self.coordinates, name, *arguments, dimension=dimension)
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
            axis = OPERATORS[name].axis
            if outermost and self.inside is not None:
                text = f"diffusion({self.inside}, {text})"
            elif axis is not None and self.coordinates != CARTESIAN:
                text = f"gradient({text})[{axis}]"
            else:
                text = f"{name}({text})"
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
            (Transfer, "nonlocal: a transfer between grids"),
        ):
            if any(isinstance(node, kind) for node in walk(self.node)):
                return reason
        names = {node.name for node in walk(self.node) if isinstance(node, SpatialOperator)}
        if "fractional_laplacian" in names:
            return "nonlocal: a fractional Laplacian"
        if "advection" in names:
            return "advection: by differences that follow the direction of the flow"
        return "nonlinear in the state, or a derivative of a product with a varying coefficient"

    def __str__(self) -> str:
        return str(self.node)


def split(row: str, node: Node, layout: Layout) -> tuple[list[LinearTerm], list[Remainder]]:
    """Split one right-hand side; the sum of both lists is the right-hand side."""
    terms = list(_terms(row, node, layout))
    linear = [term for term in terms if isinstance(term, LinearTerm)]
    return linear, [term for term in terms if isinstance(term, Remainder)]


def _terms(row: str, node: Node, layout: Layout) -> Iterator[LinearTerm | Remainder]:
    if not node.depends & Depends.STATE:
        if not (isinstance(node, Number) and node.value == 0):
            yield Remainder(row, node)
        return
    match node:
        case FieldSymbol():
            yield LinearTerm(row, node, (), _ONE)
        case Sum():
            for operand in node.operands:
                yield from _terms(row, operand, layout)
        case Negative():
            yield from (_scaled(term, number(-1)) for term in _terms(row, node.operands[0], layout))
        case Product():
            yield from _product(row, node, layout)
        case Quotient() if not node.operands[1].depends & Depends.STATE:
            factor = divide(number(1), node.operands[1])
            yield from (_scaled(term, factor) for term in _terms(row, node.operands[0], layout))
        case SpatialOperator():
            yield from _operator(row, node, layout)
        case Component():
            yield from _component(row, node, layout)
        case Stack():
            yield from _stack(row, node, layout)
        case MatrixProduct():
            yield from _matrix(row, node, layout)
        case Treatment():
            for term in _terms(row, node.operands[0], layout):
                yield replace(term, treatment=node.content[0]) if isinstance(term, LinearTerm) else term
        case _:
            yield Remainder(row, node)


def _product(row: str, node: Product, layout: Layout) -> Iterator[LinearTerm | Remainder]:
    active = [factor for factor in node.operands if factor.depends & Depends.STATE]
    factors = [factor for factor in node.operands if factor is not active[0]]
    if len(active) > 1 or (active[0].components == 1 and any(f.components > 1 for f in factors)):
        yield Remainder(row, node)
        return
    factor = _ONE
    for operand in factors:
        factor = operand if factor is _ONE else multiply(factor, operand)
    yield from (_scaled(term, factor) for term in _terms(row, active[0], layout))


def _component(row: str, node: Component, layout: Layout) -> Iterator[LinearTerm | Remainder]:
    operand, index = node.operands[0], node.content[0]
    if isinstance(operand, FieldSymbol):
        yield LinearTerm(row, operand, (), _ONE, component=index if operand.components > 1 else None)
        return
    pushed = component_of(operand, index)
    if pushed is node:
        yield Remainder(row, node)
    else:
        yield from _terms(row, pushed, layout)


def _stack(row: str, node: Stack, layout: Layout) -> Iterator[LinearTerm | Remainder]:
    if len(node.operands) == 1:
        yield from _terms(row, node.operands[0], layout)
        return
    entries = [_all_linear(row, operand, layout) for operand in node.operands]
    if any(terms is None for terms in entries):
        yield Remainder(row, node)
        return
    for i, terms in enumerate(entries):
        yield from (replace(term, row_component=i) for term in terms or ())


def _all_linear(row: str, node: Node, layout: Layout) -> list[LinearTerm] | None:
    """The terms of `node` if all of them are linear, else None."""
    terms = list(_terms(row, node, layout))
    linear = [term for term in terms if isinstance(term, LinearTerm)]
    return linear if len(linear) == len(terms) else None


def _matrix(row: str, node: MatrixProduct, layout: Layout) -> Iterator[LinearTerm | Remainder]:
    matrix, operand = node.operands
    below = _all_linear(row, operand, layout)
    if below is None or not all(_commutes_with_matrix(term, operand) for term in below):
        yield Remainder(row, node)
        return
    yield from (replace(term, matrix=matrix) for term in below)


def _commutes_with_matrix(term: LinearTerm, operand: Node) -> bool:
    plain = term.component is term.row_component is term.matrix is None
    return plain and term.coefficient.components == 1 and term.symbol.components == operand.components


def _operator(row: str, node: SpatialOperator, layout: Layout) -> Iterator[LinearTerm | Remainder]:
    if node.name == "advection" and layout.upwinds:
        yield Remainder(row, node)
        return
    if is_composed(node):
        yield from _terms(row, expand(node, layout.dimension), layout)
        return
    if node.name == "divergence":
        yield from _divergence(row, node, layout)
        return
    operand = node.operands[-1]
    inside = node.operands[0] if len(node.operands) == 2 else None
    coefficient_active = inside is not None and inside.depends & Depends.STATE
    if not OPERATORS[node.name].linear or coefficient_active or node.name == "fractional_laplacian":
        yield Remainder(row, node)
        return
    below = _all_linear(row, operand, layout)
    if below is None or not all(term.is_constant and term.inside is None for term in below):
        yield Remainder(row, node)
        return
    # A constant may be pulled out of a derivative; anything else was refused above.
    yield from (
        replace(term, operators=(node.name, *term.operators), inside=inside, coordinates=node.coordinates)
        for term in below
    )


def _divergence(row: str, node: SpatialOperator, layout: Layout) -> Iterator[LinearTerm | Remainder]:
    """In curved coordinates; of vector fields and of gradients, times constants."""

    def of(operand: Node, factor: Node) -> Iterator[LinearTerm | Remainder]:
        inner = build.operator_in(node.coordinates, "divergence", operand, dimension=layout.dimension)
        yield from (_scaled(term, factor) for term in _terms(row, inner, layout))

    match node.operands[0]:
        case FieldSymbol() as symbol:
            yield LinearTerm(row, symbol, ("divergence",), _ONE, coordinates=node.coordinates)
        case SpatialOperator(name="gradient", operands=(FieldSymbol() as symbol,)):
            yield LinearTerm(row, symbol, ("divergence", "gradient"), _ONE, coordinates=node.coordinates)
        case Negative(operands=(operand,)):
            yield from of(operand, number(-1))
        case Product(operands=(*factors, last)) if not any(f.depends & _FIELDS for f in factors):
            yield from of(last, reduce(multiply, factors))
        case _:
            yield Remainder(row, node)


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
_FIELDS = Depends.SPACE | Depends.STATE
