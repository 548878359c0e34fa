"""The expression graph: immutable, hash-consed, typed.

Two nodes with the same content are the same object, so equality is identity and common subexpressions are
shared by construction. Every node knows how many components it has, whether it is complex, what it depends on and
whether it can be evaluated point by point. The graph keeps what the user wrote: it is simplified nowhere
(``0*laplacian(u)`` still needs a boundary).

Nodes are made by the functions of `build`, which check types; the classes here only hold content.
"""

from __future__ import annotations

import enum
import weakref
from collections.abc import Iterator
from typing import Any, ClassVar


class Depends(enum.IntFlag):
    """What the value of a node can change with."""

    NOTHING = 0
    PARAMETER = 1
    TIME = 2
    SPACE = 4
    STATE = 8
    NOISE = 16


class Node:
    """One operation of the graph.

    Attributes:
        operands: the nodes it acts on.
        components: number of components; 1 is a scalar, which broadcasts.
        is_complex: whether its value is complex for a real state.
        depends: everything the value changes with.
        pointwise: True when its value at a point needs its operands at that point only, all the way down.
        vector: True when its components are those of a vector in space.
    """

    __slots__ = ("__weakref__", "components", "content", "depends", "is_complex", "operands", "pointwise", "vector")

    _interned: ClassVar[weakref.WeakValueDictionary[tuple[Any, ...], Node]] = weakref.WeakValueDictionary()

    operands: tuple[Node, ...]
    content: tuple[Any, ...]
    components: int
    is_complex: bool
    depends: Depends
    pointwise: bool
    vector: bool

    def __new__(
        cls,
        operands: tuple[Node, ...] = (),
        content: tuple[Any, ...] = (),
        *,
        components: int = 1,
        is_complex: bool | None = None,
        depends: Depends = Depends.NOTHING,
        pointwise: bool = True,
        vector: bool = False,
        forgets: Depends = Depends.NOTHING,
    ) -> Node:
        # What follows from the operands is settled first: a copied or unpickled node brings it along and must be found.
        is_complex = any(node.is_complex for node in operands) if is_complex is None else is_complex
        depends = _union(depends, operands) & ~forgets
        # 2 and 2.0 compare equal in Python but print differently, so the types belong to the key.
        key = (cls, operands, content, tuple(type(item) for item in content), components, is_complex, depends, vector)
        known = Node._interned.get(key)
        if known is not None:
            return known
        self = object.__new__(cls)
        for name, value in (
            ("operands", operands),
            ("content", content),
            ("components", components),
            ("is_complex", is_complex),
            ("depends", depends),
            ("pointwise", pointwise and all(node.pointwise for node in operands)),
            ("vector", vector),
        ):
            object.__setattr__(self, name, value)
        Node._interned[key] = self
        return self

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} nodes are immutable")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (
            type(self),
            self.operands,
            self.content,
            self.components,
            self.is_complex,
            self.depends,
            self.pointwise,
            self.vector,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __str__(self) -> str:
        from .printing import to_text

        return to_text(self)

    # Python operators on symbols build the same graph as the text does.
    def __add__(self, other: Any) -> Node:
        return _build().add(self, other)

    def __radd__(self, other: Any) -> Node:
        return _build().add(other, self)

    def __sub__(self, other: Any) -> Node:
        return _build().subtract(self, other)

    def __rsub__(self, other: Any) -> Node:
        return _build().subtract(other, self)

    def __mul__(self, other: Any) -> Node:
        return _build().multiply(self, other)

    def __rmul__(self, other: Any) -> Node:
        return _build().multiply(other, self)

    def __truediv__(self, other: Any) -> Node:
        return _build().divide(self, other)

    def __rtruediv__(self, other: Any) -> Node:
        return _build().divide(other, self)

    def __pow__(self, other: Any) -> Node:
        return _build().power(self, other)

    def __rpow__(self, other: Any) -> Node:
        return _build().power(other, self)

    def __matmul__(self, other: Any) -> Node:
        return _build().matrix_product(self, other)

    def __neg__(self) -> Node:
        return _build().negate(self)

    def __lt__(self, other: Any) -> Node:
        return _build().compare("<", self, other)

    def __le__(self, other: Any) -> Node:
        return _build().compare("<=", self, other)

    def __gt__(self, other: Any) -> Node:
        return _build().compare(">", self, other)

    def __ge__(self, other: Any) -> Node:
        return _build().compare(">=", self, other)

    def __getitem__(self, index: int) -> Node:
        return _build().component(self, index)

    def __iter__(self) -> Iterator[Node]:
        return iter([self[i] for i in range(self.components)])

    def __bool__(self) -> bool:
        raise TypeError(f"the truth of {self} is not known while an equation is declared; use where(...)")


class Number(Node):
    """A literal, never negative (minus is a node of its own); content ``(value,)``."""

    __slots__ = ()

    @property
    def value(self) -> int | float | complex:
        return self.content[0]


class Constant(Node):
    """A named constant, ``pi`` or ``e``; content ``(name,)``."""

    __slots__ = ()


class Symbol(Node):
    """Anything with a name; content ``(name, ...)``."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return self.content[0]


class FieldSymbol(Symbol):
    """A field of the state."""

    __slots__ = ()


class VelocitySymbol(FieldSymbol):
    """The velocity ``du/dt`` of a field with an equation of second order in time; content ``("du/dt", "u")``."""

    __slots__ = ()

    @property
    def field(self) -> str:
        """The field whose velocity it is."""
        return self.content[1]


class ParameterSymbol(Symbol):
    """A declared parameter."""

    __slots__ = ()


class MatrixSymbol(ParameterSymbol):
    """A matrix parameter, which acts by ``@`` alone; content ``(name, rows, columns)``."""

    __slots__ = ()


class SignalSymbol(ParameterSymbol):
    """A sampled input, a function of time."""

    __slots__ = ()


class DefinedSymbol(Symbol):
    """A parameter given as an expression, which is its only operand."""

    __slots__ = ()


class CoordinateSymbol(Symbol):
    """A coordinate of the grid; content ``(name, axis)``."""

    __slots__ = ()

    @property
    def axis(self) -> int:
        return self.content[1]


class TimeSymbol(Symbol):
    """The time ``t``."""

    __slots__ = ()


class Sum(Node):
    """``a + b + ...``, evaluated from the left; subtraction is the sum with a `Negative`."""

    __slots__ = ()


class Negative(Node):
    """``-a``."""

    __slots__ = ()


class Product(Node):
    """``a * b * ...``, evaluated from the left."""

    __slots__ = ()


class Quotient(Node):
    """``a / b``."""

    __slots__ = ()


class Power(Node):
    """``a ** b``."""

    __slots__ = ()


class Comparison(Node):
    """``a < b`` and the like; content ``(operator,)``. Allowed only inside ``where``."""

    __slots__ = ()


class Function(Node):
    """An elementary function, applied point by point; content ``(name,)``."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return self.content[0]


class SpatialOperator(Node):
    """A differential operator; content ``(name,)``, or ``(name, coordinates)`` where they are not Cartesian.

    In curved coordinates ``d_dx`` and ``d_dy`` are the physical components of a gradient; text writes
    ``gradient(u)[0]``.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        return self.content[0]

    @property
    def coordinates(self) -> str:
        """In which coordinates it is meant."""
        return self.content[1] if len(self.content) > 1 else "cartesian"


class ModuleCall(Node):
    """A declared ``nn.Module`` applied to its operands; content ``(name,)``."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return self.content[0]


class Component(Node):
    """One component of a field; content ``(index,)``."""

    __slots__ = ()


class Stack(Node):
    """Components put together; the expansion of vector operators makes it, text cannot."""

    __slots__ = ()


class Dot(Node):
    """``sum_i a_i b_i`` over the components."""

    __slots__ = ()


class MatrixProduct(Node):
    """``K @ phi``: a matrix parameter applied to the components."""

    __slots__ = ()


class Reduction(Node):
    """``integral`` or ``mean`` over the domain; content ``(name,)``."""

    __slots__ = ()


class Convolution(Node):
    """``convolve(kernel, expression)``; content ``(kernel,)``."""

    __slots__ = ()


class Transfer(Node):
    """``restrict(...)`` or ``prolong(...)``: a field of another grid on that of its equation; content ``(name,)``."""

    __slots__ = ()


class Treatment(Node):
    """``implicit(...)`` or ``explicit(...)``: how split methods are to treat a term; content ``(name,)``."""

    __slots__ = ()


class Noise(Node):
    """White or coloured noise; content ``(kind, index, length)``, the length None for white noise."""

    __slots__ = ()


def walk(*roots: Node) -> Iterator[Node]:
    """Yield every node below and including `roots` once, operands first."""
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((operand, False) for operand in reversed(node.operands))


def _union(own: Depends, operands: tuple[Node, ...]) -> Depends:
    for node in operands:
        own |= node.depends
    return own


def _rebuild(cls: type[Node], operands: Any, content: Any, components: int, *rest: Any) -> Node:
    is_complex, depends, pointwise, vector = rest
    forgets = _union(depends, operands) & ~depends  # what a reduction dropped stays dropped
    return cls(
        operands,
        content,
        components=components,
        is_complex=is_complex,
        depends=depends,
        pointwise=pointwise,
        vector=vector,
        forgets=forgets,
    )


def _build() -> Any:
    from . import build  # the builders check types, and need the classes above

    return build
