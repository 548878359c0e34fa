"""Splits right-hand sides into a linear part, coefficient times operator times field, and the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..build import divide, multiply, negate, number
from ..graph import (
    Depends,
    FieldSymbol,
    Negative,
    Node,
    Product,
    Quotient,
    SpatialOperator,
    Sum,
)
from ..vocabulary import OPERATORS


@dataclass(frozen=True)
class LinearTerm:
    """``coefficient * operators(field)`` in the equation of `row`.

    Attributes:
        row: the field whose rate it contributes to.
        field: the field it is linear in.
        operators: differential operators applied to it, outermost first; empty for none.
        coefficient: does not depend on the state.
        inside: coefficient inside a conservative operator (``D`` of ``diffusion(D, u)``), or None.
    """

    row: str
    field: str
    operators: tuple[str, ...]
    coefficient: Node
    inside: Node | None = None

    @property
    def is_constant(self) -> bool:
        """Whether the coefficient is the same everywhere and always."""
        varying = Depends.SPACE | Depends.TIME
        inside = self.inside.depends if self.inside is not None else Depends.NOTHING
        return not (self.coefficient.depends | inside) & varying

    def __str__(self) -> str:
        text = self.field
        for position, name in enumerate(reversed(self.operators)):
            outermost = position == len(self.operators) - 1
            text = f"diffusion({self.inside}, {text})" if outermost and self.inside is not None else f"{name}({text})"
        coefficient = str(self.coefficient)
        if coefficient in ("1", "-1"):
            return coefficient[:-1] + text
        brackets = isinstance(self.coefficient, Sum)
        return f"({coefficient})*{text}" if brackets else f"{coefficient}*{text}"


@dataclass(frozen=True)
class Remainder:
    """A term that is not linear in the state with known coefficient: nonlinear, a module, or a source."""

    row: str
    node: Node

    @property
    def is_source(self) -> bool:
        """Whether it does not depend on the state at all."""
        return not self.node.depends & Depends.STATE

    def __str__(self) -> str:
        return str(self.node)


def split(row: str, node: Node) -> tuple[list[LinearTerm], list[Remainder]]:
    """Split one right-hand side; the sum of both lists is the right-hand side."""
    terms = list(_terms(row, node))
    linear = [term for term in terms if isinstance(term, LinearTerm)]
    return linear, [term for term in terms if isinstance(term, Remainder)]


def _terms(row: str, node: Node) -> Iterator[LinearTerm | Remainder]:
    if not node.depends & Depends.STATE:
        yield Remainder(row, node)
        return
    match node:
        case FieldSymbol():
            yield LinearTerm(row, node.name, (), _ONE)
        case Sum():
            for operand in node.operands:
                yield from _terms(row, operand)
        case Negative():
            yield from (_scaled(term, number(-1)) for term in _terms(row, node.operands[0]))
        case Product():
            yield from _product(row, node)
        case Quotient() if not node.operands[1].depends & Depends.STATE:
            factor = divide(number(1), node.operands[1])
            yield from (_scaled(term, factor) for term in _terms(row, node.operands[0]))
        case SpatialOperator():
            yield from _operator(row, node)
        case _:
            yield Remainder(row, node)


def _product(row: str, node: Product) -> Iterator[LinearTerm | Remainder]:
    active = [factor for factor in node.operands if factor.depends & Depends.STATE]
    if len(active) > 1:
        yield Remainder(row, node)
        return
    factor = _ONE
    for operand in node.operands:
        if operand is not active[0]:
            factor = operand if factor is _ONE else multiply(factor, operand)
    yield from (_scaled(term, factor) for term in _terms(row, active[0]))


def _operator(row: str, node: SpatialOperator) -> Iterator[LinearTerm | Remainder]:
    operand = node.operands[-1]
    inside = node.operands[0] if len(node.operands) == 2 else None
    coefficient_active = inside is not None and inside.depends & Depends.STATE
    if not OPERATORS[node.name].linear or coefficient_active:
        yield Remainder(row, node)
        return
    below = list(_terms(row, operand))
    if not all(isinstance(term, LinearTerm) and term.is_constant for term in below):
        yield Remainder(row, node)
        return
    for term in below:
        # A constant may be pulled out of a derivative; anything else was refused above.
        yield LinearTerm(row, term.field, (node.name, *term.operators), term.coefficient, inside)  # type: ignore[union-attr]  # all LinearTerm


def _scaled(term: LinearTerm | Remainder, factor: Node) -> LinearTerm | Remainder:
    if isinstance(term, Remainder):
        return Remainder(term.row, _times(factor, term.node))
    return LinearTerm(term.row, term.field, term.operators, _times(factor, term.coefficient), term.inside)


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
