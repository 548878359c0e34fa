"""Events of a declared equation: from text to typed graphs, with everything checked that can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

from torch import Tensor

from fieldsolver.errors import EquationError, EquationTypeError, UnknownNameError, listing, nearest

from ..build import as_node
from ..grammar import Scope, parse_expression
from ..graph import Comparison, Depends, FieldSymbol, Node, VelocitySymbol, walk
from .event import Event, UserFunction, event_names

_ARROWS = {"up": "crosses zero upwards", "down": "crosses zero downwards", "both": "crosses zero"}


@dataclass(frozen=True, eq=False)
class DeclaredEvent:
    """An event of an equation.

    Attributes:
        name: its name.
        event: as the user wrote it.
        condition: its graph, or the user's function.
        reset: the new value of every state that changes, or the user's function, or None.
    """

    name: str
    event: Event
    condition: Node | UserFunction
    reset: Mapping[str, Node] | UserFunction | None

    def expressions(self) -> Iterator[tuple[str, str | None, Node]]:
        """Its graphs: what each is called in messages, the state that it is for (None: the condition), the graph."""
        if isinstance(self.condition, Node):
            yield f"the condition of event {self.name!r}", None, self.condition
        if isinstance(self.reset, Mapping):
            for state, node in self.reset.items():
                yield f"the reset of {state!r} by event {self.name!r}", state, node

    def nodes(self) -> list[Node]:
        """All its graphs."""
        return [node for _, _, node in self.expressions()]

    def __str__(self) -> str:
        condition = self.condition if isinstance(self.condition, Node) else "a function of (t, y)"
        parts = [f"{condition} {_ARROWS[self.event.direction]}"]
        if isinstance(self.reset, Mapping):
            parts += [f"{state} -> {node}" for state, node in self.reset.items()]
        elif self.reset is not None:
            parts.append("the state is reset by a function")
        if self.event.terminal:
            parts.append("the end")
        return f"event {self.name}: {'; '.join(parts)}"


def declare_events(
    events: Sequence[Event], scope: Scope, fields: Mapping[str, FieldSymbol], *, on_grid: bool
) -> tuple[DeclaredEvent, ...]:
    """Parse and check events.

    Args:
        events: as the user wrote them.
        scope: the names they may use.
        fields: the symbol of every state, velocities included.
        on_grid: whether fields vary in space.

    Raises:
        OptionError, EquationError: with one sentence that says what to type instead.
    """
    declared = []
    for name, event in zip(event_names(events), events, strict=True):
        condition: Any = event.condition
        if isinstance(condition, str | Node):
            left = f"the condition of event {name!r}"
            condition = _parsed(left, condition, scope)
            _check_condition(left, condition, on_grid)
        reset: Any = event.reset
        if isinstance(reset, Mapping):
            reset = dict(_reset(name, state, value, scope, fields) for state, value in reset.items())
        declared.append(DeclaredEvent(name, event, condition, reset))
    return tuple(declared)


def field_of(node: Node, fields: Sequence[str]) -> str:
    """A field on whose grid a condition can be computed: one that it names, or the first of all."""
    named = (part.field if isinstance(part, VelocitySymbol) else part.name for part in walk(node)
             if isinstance(part, FieldSymbol))  # fmt: skip
    return next(named, fields[0])


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return "a tensor"
    return "a function" if callable(value) else f"of type {type(value).__name__}"


def _parsed(left: str, value: Any, scope: Scope) -> Node:
    if isinstance(value, str):
        try:
            value = parse_expression(value, scope)
        except EquationError as error:
            raise type(error)(f"in {left}: {error}") from None
    if isinstance(value, Comparison):
        raise EquationTypeError(
            f"{left} is the comparison {value}; write its difference, as in 'v - 1' for v > 1, or use where(...)"
        )
    node = as_node(value)
    if node.depends & Depends.NOISE:
        raise EquationTypeError(f"{left} contains noise, which has no value at a time; leave it out")
    return node


def _check_condition(left: str, node: Node, on_grid: bool) -> None:
    if node.is_complex:
        raise EquationTypeError(f"{left}, {node}, is complex and has no sign; take real(...), imag(...) or abs(...)")
    if node.components != 1 or node.vector:
        raise EquationTypeError(f"{left}, {node}, has {node.components} components; pick one, as in u[0], or dot(u, u)")
    if on_grid and node.depends & Depends.SPACE:
        raise EquationTypeError(
            f"{left}, {node}, varies in space, but it needs one number per sample; write mean(...) or integral(...), "
            "or a function of the packed state, fs.Event(lambda t, y: y[:, 0].flatten(1).amax(1) - 1)"
        )
    if not node.depends & (Depends.STATE | Depends.TIME):
        raise EquationTypeError(f"{left}, {node}, never changes; it must depend on a field or on t")


def _reset(name: str, state: Any, value: Any, scope: Scope, fields: Mapping[str, FieldSymbol]) -> tuple[str, Node]:
    """The name of a state and its new value."""
    state = state.content[0] if isinstance(state, FieldSymbol) else state
    if state not in fields:
        raise UnknownNameError(
            f"the reset of event {name!r} names {state!r}, but the states are {listing(fields)}"
            f"{nearest(str(state), fields)}"
        )
    left, symbol = f"the reset of {state!r} by event {name!r}", fields[state]
    if isinstance(value, Tensor) or not isinstance(value, str | Node | Comparison | Number):
        raise EquationTypeError(f"{left} is {_kind(value)}, expected text over fields and parameters, such as '0'")
    node = _parsed(left, value, scope)
    if node.vector and symbol.components == 1:
        raise EquationTypeError(f"{left}, {node}, is a vector, but {state} a scalar; take a component")
    if node.components not in (1, symbol.components):
        raise EquationTypeError(
            f"{left}, {node}, has {node.components} components, but {state} has {symbol.components}; give as many, or 1"
        )
    if node.is_complex and not symbol.is_complex:
        raise EquationTypeError(f"{left}, {node}, is complex, but {state} is real; take real(...) or abs(...)")
    return state, node
