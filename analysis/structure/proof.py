"""Proofs that a combination never changes: identities in the unknowns and the parameters, checked by SymPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .formulas import Formulas
from .search import Candidate

TERMS = 4000
"""Longer identities are left unproved rather than waited for."""


def vanishes(expression: Any) -> bool:
    """Whether an expression is identically zero, by algebra; False also where that is not found out."""
    import sympy

    expanded = sympy.expand(expression)
    if expanded == 0:
        return True
    if len(sympy.Add.make_args(expanded)) > TERMS:
        return False
    return bool(sympy.expand(sympy.fraction(sympy.together(expanded))[0]) == 0 or sympy.simplify(expanded) == 0)


def prove(formulas: Formulas, candidate: Candidate) -> Any | None:
    """The invariant as an exact formula, or None.

    It is sought with the parameters as symbols first, ``delta*x - gamma*log(x) + ...``, then with their values.
    """
    if formulas.rates is None:
        return None
    used = [function for function, c in zip(candidate.functions, candidate.coefficients, strict=True) if c]
    if formulas.numbers:
        general = relation([formulas.along(function) for function in used], formulas.unknowns)
        if general is not None:
            return sum((c * f for c, f in zip(general, used, strict=True)), start=0 * used[0])
    if candidate.rational and vanishes(formulas.along(candidate.expression).subs(formulas.numbers)):
        return candidate.expression
    return None


def relation(rates: Sequence[Any], unknowns: Sequence[Any]) -> list[Any] | None:
    """The only coefficients, free of the unknowns, with ``sum_k c_k rates_k = 0``; None if there is none or many."""
    space = relations([[rate] for rate in rates], unknowns)
    return space[0] if len(space) == 1 else None


def relations(columns: Sequence[Sequence[Any]], unknowns: Sequence[Any]) -> list[list[Any]]:
    """All independent coefficients, free of the unknowns, with ``sum_k c_k columns_k = 0`` entry by entry.

    Every column is brought over one denominator and taken apart into products of unknowns, whose factors must cancel.
    """
    import sympy
    from sympy.polys.matrices import DomainMatrix

    rows: dict[Any, list[Any]] = {}
    for entry in range(len(columns[0])):
        parts = [sympy.together(column[entry]) for column in columns]
        common = sympy.lcm_list([sympy.fraction(part)[1] for part in parts])
        for position, part in enumerate(parts):
            for term in sympy.Add.make_args(sympy.expand(sympy.cancel(part * common) if common != 1 else part)):
                constant, dependent = term.as_independent(*unknowns, as_Add=False)
                rows.setdefault((entry, dependent), [sympy.Integer(0)] * len(columns))[position] += constant
    if not rows:
        return [[sympy.Integer(int(k == own)) for k in range(len(columns))] for own in range(len(columns))]
    # Rational functions of the parameters form a field, over which elimination needs no simplification.
    matrix = DomainMatrix.from_Matrix(sympy.Matrix(list(rows.values()))).to_field()
    return [_whole(list(vector)) for vector in matrix.nullspace().to_Matrix().tolist()]


def _whole(vector: list[Any]) -> list[Any]:
    """Without denominators and common factors."""
    import sympy

    entries = [sympy.together(entry) for entry in vector]
    shared = sympy.lcm_list([sympy.fraction(entry)[1] for entry in entries])
    whole = [sympy.cancel(entry * shared) for entry in entries]
    common = sympy.gcd_list(whole)
    return [sympy.factor(sympy.cancel(entry / common)) for entry in whole]
