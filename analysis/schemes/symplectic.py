"""Symplectic methods for second-order systems q'' = -omega^2 q: drifts and kicks, of z = +-i omega dt.

A drift is q += a dt v, a kick v -= b dt omega^2 q. Their matrices have determinant 1, so the factors are the roots of
zeta^2 - T zeta + 1 with the trace T, a polynomial in z^2 = -(omega dt)^2. They stay on the unit circle while |T| <= 2:
omega dt <= 2 for Verlet. Eigenvalues off the imaginary axis, damping, make one of the pair grow: the limit is 0.

Source: Hairer, Lubich, Wanner, *Geometric Numerical Integration* (2006), sections I.1.4 and II.4; Yoshida, Phys. Lett.
A 150 (1990) 262-268.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from fieldsolver.methods.polynomial import Polynomial, add, multiply, polynomial, scale

from .characteristic import CharacteristicScheme, terms

YOSHIDA = Fraction("1.3512071919596576340476878089714601838794780439")
"""1 / (2 - 2^(1/3))."""
GEOMETRIC = "Hairer, Lubich, Wanner, Geometric Numerical Integration (2006), "


def composition(name: str, order: int, moves: Sequence[tuple[str, Fraction]], source: str) -> CharacteristicScheme:
    """A sequence of ``("kick", share)`` and ``("drift", share)``."""
    one, zero = polynomial([1]), polynomial([])
    matrix = [[one, zero], [zero, one]]  # of (q, dt v)
    for kind, share in moves:
        if kind == "drift":
            matrix[0] = [add(q, scale(v, share)) for q, v in zip(*matrix, strict=True)]
        else:
            kick = polynomial([0, share])  # z^2 = -(omega dt)^2 is the variable
            matrix[1] = [add(v, multiply(kick, q)) for q, v in zip(*matrix, strict=True)]
    trace = add(matrix[0][0], matrix[1][1])
    return CharacteristicScheme(
        name=name,
        family="symplectic",
        order=order,
        evaluations=sum(kind == "kick" for kind, _ in moves) - (len(moves) > 2 and moves[0][0] == "kick"),
        solves=0,
        source=source,
        chi=(terms(1), terms(*_in_squares(scale(trace, Fraction(-1)))), terms(1)),
    )


def _in_squares(p: Polynomial) -> list[Fraction]:
    """p(z^2)."""
    spread = [Fraction(0)] * (2 * len(p) - 1)
    spread[::2] = p
    return spread


def symplectic_catalogue() -> Mapping[str, CharacteristicScheme]:
    """Symplectic Euler, Verlet and Yoshida's composition of three Verlet steps."""
    half, one = Fraction(1, 2), Fraction(1)
    verlet = [("kick", half), ("drift", one), ("kick", half)]
    triple = [(kind, share * w) for w in (YOSHIDA, 1 - 2 * YOSHIDA, YOSHIDA) for kind, share in verlet]
    merged: list[tuple[str, Fraction]] = []
    for kind, share in triple:
        if merged and merged[-1][0] == kind:
            merged[-1] = (kind, merged[-1][1] + share)
        else:
            merged.append((kind, share))
    schemes = [
        composition("symplectic_euler", 1, [("kick", one), ("drift", one)], GEOMETRIC + "section I.1.4"),
        composition("verlet", 2, verlet, GEOMETRIC + "section I.1.4, eq. (1.15)"),
        composition("yoshida4_verlet", 4, merged, "Yoshida, Phys. Lett. A 150 (1990), eq. (4.4)"),
    ]
    return {scheme.name: scheme for scheme in schemes}
