"""Functions of the state among which invariants are looked for, in families that are searched one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .formulas import Formulas

DEGREES = {1: 6, 2: 6, 3: 4, 4: 4, 5: 3, 6: 3}
"""Default degree of the monomials, by the number of unknowns: some hundred functions at most; 2 beyond, 1 beyond 12."""
ATOMS = 12
"""Most functions of the right-hand side that join the library."""


@dataclass(frozen=True)
class Family:
    """Functions that are searched together.

    Attributes:
        name: what the report calls it.
        functions: SymPy expressions of the unknowns, from simple to complex.
        positive: whether they are asked at positive states only.
    """

    name: str
    functions: tuple[Any, ...]
    positive: bool = False


def default_degree(unknowns: int) -> int:
    """Degree of the monomials that are tried when none is given."""
    return DEGREES.get(unknowns, 2 if unknowns <= 12 else 1)


def families(formulas: Formulas, degree: int | None) -> list[Family]:
    """The default library, from the simplest family to the most special."""
    unknowns = formulas.unknowns
    top = default_degree(len(unknowns)) if degree is None else degree
    base = monomials(unknowns, min(top, 2))
    found = [Family(f"monomials to degree {d}", monomials(unknowns, d)) for d in range(1, top + 1)]
    if len(unknowns) > 12:
        return found
    if extra := _atoms(formulas):
        found.insert(
            min(2, len(found)), Family("quadratic forms and functions of the right-hand side", (*base, *extra))
        )
    if len(unknowns) <= 6:
        found.append(Family("quadratic forms and logarithms", (*base, *_logarithms(unknowns)), positive=True))
    if formulas.rates is None:
        found += _guesses(unknowns, base)
    return found


def monomials(unknowns: Sequence[Any], degree: int) -> tuple[Any, ...]:
    """All products of 1 to `degree` unknowns, by degree."""
    import sympy

    return tuple(
        sympy.Mul(*factors)
        for d in range(1, degree + 1)
        for factors in itertools.combinations_with_replacement(unknowns, d)
    )


def complexity(function: Any) -> int:
    """Number of operations, and the total degree of monomials."""
    import sympy

    return int(function.count_ops()) + sum(int(p.exp) if p.exp.is_Integer else 3 for p in function.atoms(sympy.Pow))


def _logarithms(unknowns: Sequence[Any]) -> list[Any]:
    import sympy

    return [sympy.log(x) for x in unknowns]


def _atoms(formulas: Formulas) -> list[Any]:
    """What the potentials of the terms are made of: cos for sin, r^-1 for x r^-3, log for 1/x."""
    import sympy

    if formulas.rates is None:
        return []
    found: dict[Any, None] = {}
    for rate in formulas.rates:
        for part in sorted(sympy.preorder_traversal(rate.subs(formulas.numbers)), key=sympy.default_sort_key):
            for relative in relatives(part):
                if relative.free_symbols & {*formulas.unknowns} and not relative.is_polynomial(*formulas.unknowns):
                    found.setdefault(relative)
    return list(found)[:ATOMS]


def relatives(part: Any) -> list[Any]:
    """What the potential of a term that contains `part` may be made of."""
    import sympy

    if isinstance(part, sympy.sin | sympy.cos):
        return [sympy.cos(part.args[0]), sympy.sin(part.args[0])]
    if isinstance(part, sympy.tanh):
        return [sympy.log(sympy.cosh(part.args[0])), part]
    if isinstance(part, sympy.exp | sympy.log | sympy.sinh | sympy.cosh | sympy.atan):
        return [part]
    if isinstance(part, sympy.Pow) and part.exp.is_number and not part.exp.is_nonnegative:
        return [sympy.log(part.base)] if part.exp == -1 else [part.base ** (part.exp + 1), part]
    if isinstance(part, sympy.Pow) and part.exp.is_number and not part.exp.is_Integer:
        return [part.base ** (part.exp + 1), part]
    return []


def _guesses(unknowns: Sequence[Any], base: tuple[Any, ...]) -> list[Family]:
    """For functions, whose terms cannot be read: sines, central forces in the plane and in space, chains."""
    import sympy

    found = []
    if len(unknowns) <= 6:
        waves = [wave(x) for x in unknowns for wave in (sympy.cos, sympy.sin)]
        found.append(Family("quadratic forms, sines and cosines", (*base, *waves)))
    if len(unknowns) in (4, 6):
        r = sympy.sqrt(sympy.Add(*[x**2 for x in unknowns[: len(unknowns) // 2]]))
        found.append(Family("quadratic forms and powers of the distance", (*base, 1 / r, r, sympy.log(r), 1 / r**2)))
    if len(unknowns) in (4, 6, 8):
        places = unknowns[: len(unknowns) // 2]
        chains = [sympy.exp(a - b) for a, b in itertools.permutations(places, 2)]
        found.append(Family("quadratic forms and exponentials of differences", (*base, *chains)))
    return found
