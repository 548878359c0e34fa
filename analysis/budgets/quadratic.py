"""Which methods conserve every quadratic invariant, decided in exact arithmetic.

An irreducible Runge-Kutta method does if and only if ``b_i a_ij + b_j a_ji = b_i b_j`` for all i, j; it is then
symplectic, too. Source: G. J. Cooper, IMA J. Numer. Anal. 7 (1987) 1; J. M. Sanz-Serna, BIT 28 (1988) 877.
"""

from __future__ import annotations

from fractions import Fraction

from fieldsolver.methods import METHODS, ExplicitRungeKutta

from .one_step import IMPLICIT, Surd


def quadratic_residual(method: str) -> float | None:
    """Largest ``|b_i a_ij + b_j a_ji - b_i b_j|``, exactly 0 for methods that conserve all quadratic invariants.

    None for methods without a tableau.
    """
    if method in IMPLICIT:
        stages = IMPLICIT[method]
        a, b = [list(row) for row in stages.a], list(stages.b)
    elif method in METHODS and isinstance(scheme := METHODS[method], ExplicitRungeKutta):
        tableau, size = scheme.tableau, scheme.stages
        a = [[_surd(row[j]) if j < len(row) else _surd(Fraction(0)) for j in range(size)] for row in tableau.a]
        b = [_surd(value) for value in tableau.b]
    else:
        return None
    residuals = (
        _minus(_plus(_times(b[i], a[i][j]), _times(b[j], a[j][i])), _times(b[i], b[j]))
        for i in range(len(b))
        for j in range(len(b))
    )
    return max(abs(float(x) + float(y) * 3**0.5) for x, y in residuals)


def _surd(value: Fraction) -> Surd:
    return value, Fraction(0)


def _times(x: Surd, y: Surd) -> Surd:
    return x[0] * y[0] + 3 * x[1] * y[1], x[0] * y[1] + x[1] * y[0]


def _plus(x: Surd, y: Surd) -> Surd:
    return x[0] + y[0], x[1] + y[1]


def _minus(x: Surd, y: Surd) -> Surd:
    return x[0] - y[0], x[1] - y[1]
