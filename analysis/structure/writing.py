"""Sums in the equation language with their positive terms first, as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldsolver.equations import build
from fieldsolver.equations.graph import Node
from fieldsolver.equations.views import from_sympy

from .exact_numbers import readable


def written(expression: Any, symbols: Mapping[Any, Node]) -> str:
    """A SymPy expression as text that parses; fractions that nobody would write are decimals."""
    terms = readable(expression).as_ordered_terms()
    plus = [term for term in terms if not term.could_extract_minus_sign()]
    minus = [-term for term in terms if term.could_extract_minus_sign()]
    if not plus:
        return str(from_sympy(-sum(minus[1:], start=minus[0]), symbols))
    total = from_sympy(plus[0], symbols)
    for term in plus[1:]:
        total = build.add(total, from_sympy(term, symbols))
    for term in minus:
        total = build.subtract(total, from_sympy(term, symbols))
    return str(total)
