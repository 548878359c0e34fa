"""Spiteri and Ruuth's strong-stability-preserving method: 5 stages, order 4, SSP radius 1.508; fixed steps only.

The paper gives it in Shu-Osher form, which shows its steps as convex combinations of Euler steps::

    Y_i = sum_j (alpha_ij Y_j + h beta_ij f(Y_j)),   j < i,   Y_0 = y,   y_new = Y_5
"""

from __future__ import annotations

from fractions import Fraction

from . import hermite
from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

STAGES = 5
ALPHA = (
    {0: "1"},
    {0: "0.444370493651235", 1: "0.555629506348765"},
    {0: "0.620101851488403", 2: "0.379898148511597"},
    {0: "0.178079954393132", 3: "0.821920045606868"},
    {2: "0.517231671970585", 3: "0.096059710526147", 4: "0.386708617503269"},
)
BETA = (
    {0: "0.39175222657189"},
    {1: "0.368410593050371"},
    {2: "0.251891774271694"},
    {3: "0.544974750228521"},
    {3: "0.06369246866629", 4: "0.226007483236906"},
)


def butcher_rows() -> tuple[tuple[Fraction, ...], ...]:
    """Rows of `a`, and last the weights: each Y_i as y plus h times a combination of slopes."""
    rows = [[Fraction(0)] * STAGES]
    for alpha, beta in zip(ALPHA, BETA, strict=True):
        row = [sum(Fraction(weight) * rows[j][k] for j, weight in alpha.items()) for k in range(STAGES)]
        rows.append([value + Fraction(beta.get(k, 0)) for k, value in enumerate(row)])
    return tuple(tuple(row[:i]) for i, row in enumerate(rows))


A = butcher_rows()
B = (*A[-1], Fraction(0))

SSPRK54 = ExplicitRungeKutta(
    ButcherTableau(
        name="ssprk54",
        order=4,
        source="Spiteri, Ruuth, SIAM J. Numer. Anal. 40 (2002) 469-491, doi 10.1137/S0036142901389025, table 3",
        c=(*(sum(row, Fraction(0)) for row in A[:-1]), 1),
        a=A,
        b=B,
        interpolant=hermite.cubic_hermite(B),
        interpolant_order=hermite.ORDER,
    )
)
