"""Splits the text of a system into statements ``d<field>/dt = <expression>``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fieldsolver.errors import EquationSyntaxError

_LEFT = re.compile(r"^\s*d(?P<order>[0-9]{1,3})?(?P<name>[^\W\d]\w*)\s*/\s*dt(?P<again>[0-9]{1,3})?\s*$")


@dataclass(frozen=True)
class Statement:
    """One evolution equation.

    Attributes:
        name: the field.
        order: order of the time derivative, 1 or 2.
        text: the right-hand side.
    """

    name: str
    order: int
    text: str


def split_statements(text: str) -> list[Statement]:
    """Split at line ends and semicolons outside brackets; ``#`` starts a comment.

    Raises:
        EquationSyntaxError: a statement has no ``=``, or its left side is not ``du/dt`` or ``d2u/dt2``.
    """
    if not isinstance(text, str):
        raise EquationSyntaxError(f"equations are text such as 'du/dt = -u', got {type(text).__name__}")
    statements = [_statement(piece) for piece in _pieces(text)]
    if not statements:
        raise EquationSyntaxError("there is no equation in the text; write for example 'du/dt = -u'")
    return statements


def _pieces(text: str) -> list[str]:
    pieces, current, depth = [], "", 0
    for line in text.splitlines():
        for character in line.split("#", 1)[0] + "\n":
            depth += (character in "([{") - (character in ")]}")
            if character in ";\n" and depth <= 0:
                pieces.append(current)
                current, depth = "", 0
            else:
                current += " " if character == "\n" else character
    pieces.append(current)
    return [piece.strip() for piece in pieces if piece.strip()]


def _statement(piece: str) -> Statement:
    left, equals, right = piece.partition("=")
    if not equals:
        raise EquationSyntaxError("an equation needs '=', as in 'du/dt = -u'", piece, len(piece))
    found = _LEFT.match(left)
    if not found:
        raise EquationSyntaxError("the left side must be a time derivative, 'du/dt' or 'd2u/dt2'", piece, 0)
    order, again = int(found["order"] or 1), int(found["again"] or 1)
    if order != again or order not in (1, 2):
        raise EquationSyntaxError(
            f"the left side reads as order {order} over order {again}; write 'du/dt' or 'd2u/dt2'", piece, 0
        )
    return Statement(found["name"], order, right.strip())
