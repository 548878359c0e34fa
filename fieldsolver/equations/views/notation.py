"""Mathematical notation of a graph, apart from its glyphs: what needs brackets where.

Products are written side by side, differential operators in front of what they act on. `LatexNotation` and
`PrettyNotation` supply the glyphs.
"""

from __future__ import annotations

import abc
import enum
from collections.abc import Collection

from ..graph import (
    Comparison,
    Component,
    Constant,
    Convolution,
    Dot,
    Function,
    MatrixProduct,
    ModuleCall,
    Negative,
    Node,
    Noise,
    Number,
    Power,
    Product,
    Quotient,
    Reduction,
    SpatialOperator,
    Stack,
    Sum,
    Symbol,
    Transfer,
    Treatment,
    VelocitySymbol,
    walk,
)
from ..vocabulary import OPERATORS


class Binding(enum.IntEnum):
    """How tightly a piece of notation holds together."""

    COMPARISON = 0
    SUM = 1
    PRODUCT = 2
    PREFIX = 3
    POWER = 4
    ATOM = 5


Piece = tuple[str, Binding]


class Notation(abc.ABC):
    """Renders graphs; a subclass gives the glyphs, and overrides nothing else.

    Args:
        fields: names of the fields, which tells ``Du`` from a word.
    """

    minus: str
    times: str
    brackets: tuple[str, str]

    def __init__(self, fields: Collection[str] = ()) -> None:
        self.fields = tuple(fields)

    def render(self, root: Node) -> str:
        """The expression."""
        pieces: dict[Node, Piece] = {}
        for node in walk(root):
            pieces[node] = self._piece(node, pieces)
        return pieces[root][0]

    def _piece(self, node: Node, pieces: dict[Node, Piece]) -> Piece:
        below = [pieces[operand] for operand in node.operands]
        match node:
            case Number():
                return self.number(node.value)
            case Constant() | Symbol():
                text = self.velocity(node.field) if isinstance(node, VelocitySymbol) else self.name(node.content[0])
                return text, Binding.ATOM
            case Noise(content=(kind, index, length)):
                return self.noise(kind, index, length), Binding.ATOM
            case Sum():
                return self._sum(node, pieces), Binding.SUM
            case Negative():
                return self.minus + self.inside(below[0], Binding.PRODUCT), Binding.SUM
            case Product() | MatrixProduct() | Quotient():
                return self._product_or_quotient(node, pieces)
            case Power():
                return self.power(node, below[0], below[1]), Binding.POWER
            case Comparison(content=(sign,)):
                left, right = (self.inside(piece, Binding.SUM) for piece in below)
                return f"{left} {self.comparison(sign)} {right}", Binding.COMPARISON
        return self._applied(node, below)

    def _applied(self, node: Node, below: list[Piece]) -> Piece:
        texts = [text for text, _ in below]
        match node:
            case Component(content=(index,), operands=(operand,)):
                return self.component(operand, below[0], index), Binding.ATOM
            case Function():
                return self.function(node.name, below), Binding.ATOM
            case SpatialOperator():
                axis = OPERATORS[node.name].axis
                if node.coordinates != "cartesian" and axis is not None:
                    return self.component(node, self.operator("gradient", below), axis), Binding.ATOM
                return self.operator(node.name, below)
            case Dot():
                return self.dot(*[self.inside(piece, Binding.PREFIX) for piece in below]), Binding.PRODUCT
            case Reduction(content=(name,)):
                return self.reduction(name, below[0])
            case Convolution(content=(kernel,)):
                return self.convolution(self.name(kernel), self.inside(below[0], Binding.POWER)), Binding.ATOM
            case ModuleCall():
                return self.call(self.name(node.name), texts), Binding.ATOM
            case Transfer(content=(name,)):
                return self.function(name, below), Binding.ATOM
            case Treatment(content=(name,)):
                return self.treatment(name, texts[0]), Binding.ATOM
            case Stack():
                return self.call("", texts), Binding.ATOM
        raise TypeError(f"no notation is defined for {type(node).__name__} nodes")

    # -- brackets -------------------------------------------------------------------------------------------------

    def bracketed(self, text: str) -> str:
        """`text` in round brackets."""
        return self.brackets[0] + text + self.brackets[1]

    def inside(self, piece: Piece, weakest: Binding) -> str:
        """The piece, in brackets if it binds more weakly than its place needs."""
        text, binding = piece
        return text if binding >= weakest else self.bracketed(text)

    def _sum(self, node: Node, pieces: dict[Node, Piece]) -> str:
        first, *rest = node.operands
        text = self.inside(pieces[first], Binding.SUM)
        for term in rest:
            negative = isinstance(term, Negative)
            shown = self.inside(pieces[term.operands[0] if negative else term], Binding.PRODUCT)
            text += f" {self.minus if negative else '+'} {shown}"
        return text

    def _product_or_quotient(self, node: Node, pieces: dict[Node, Piece]) -> Piece:
        """A minus on the first factor is written in front of everything: ``-a*b`` needs no brackets."""
        first, *rest = node.operands
        negative = isinstance(first, Negative)
        below = [pieces[operand] for operand in (first.operands[0] if negative else first, *rest)]
        text, binding = self.quotient(*below) if isinstance(node, Quotient) else (self._product(below), Binding.PRODUCT)
        return (self.minus + text, Binding.SUM) if negative else (text, binding)

    def _product(self, factors: list[Piece]) -> str:
        text = ""
        for position, piece in enumerate(factors):
            last = position == len(factors) - 1
            # An operator reaches as far as it can: what follows it would seem to belong to it.
            weakest = Binding.PREFIX if last else Binding.POWER
            shown = self.inside(piece, weakest)
            text += shown if not position else f"{self._between(shown)}{shown}"
        return text

    def _between(self, following: str) -> str:
        return f" {self.times} " if following[0].isdigit() else " "

    # -- glyphs ---------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def name(self, name: str) -> str: ...

    @abc.abstractmethod
    def number(self, value: int | float | complex) -> Piece: ...

    @abc.abstractmethod
    def velocity(self, field: str) -> str: ...

    @abc.abstractmethod
    def noise(self, kind: str, index: int, length: float | None) -> str: ...

    @abc.abstractmethod
    def quotient(self, top: Piece, bottom: Piece) -> Piece: ...

    @abc.abstractmethod
    def power(self, node: Power, base: Piece, exponent: Piece) -> str: ...

    @abc.abstractmethod
    def comparison(self, sign: str) -> str: ...

    @abc.abstractmethod
    def component(self, operand: Node, piece: Piece, index: int) -> str: ...

    @abc.abstractmethod
    def function(self, name: str, arguments: list[Piece]) -> str: ...

    @abc.abstractmethod
    def operator(self, name: str, arguments: list[Piece]) -> Piece: ...

    @abc.abstractmethod
    def dot(self, left: str, right: str) -> str: ...

    @abc.abstractmethod
    def reduction(self, name: str, operand: Piece) -> Piece: ...

    @abc.abstractmethod
    def convolution(self, kernel: str, operand: str) -> str: ...

    @abc.abstractmethod
    def call(self, name: str, arguments: list[str]) -> str: ...

    @abc.abstractmethod
    def treatment(self, name: str, operand: str) -> str: ...


def exponent_of(node: Power) -> int | None:
    """The exponent when it is a literal integer."""
    exponent = node.operands[1]
    sign, literal = (-1, exponent.operands[0]) if isinstance(exponent, Negative) else (1, exponent)
    if isinstance(literal, Number) and isinstance(literal.value, int):
        return sign * literal.value
    return None


def axis_of(operator: str) -> tuple[str, int]:
    """``"d2_dx2"`` -> ``("x", 2)``."""
    front, _, back = operator.partition("_d")
    return back[0], int(front[1:] or 1)


def whole_or_real(value: float) -> int | float:
    """``2.0`` as ``2``: imaginary literals do not tell 2j from 2.0j."""
    return int(value) if value.is_integer() else value
