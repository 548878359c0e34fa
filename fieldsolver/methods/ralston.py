"""Ralston's method of order 2: of all with two stages the smallest bound on the error. Euler is embedded."""

from __future__ import annotations

from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

RALSTON = ExplicitRungeKutta(
    ButcherTableau(
        name="ralston",
        order=2,
        source="Ralston, Math. Comp. 16 (1962) 431-437, doi 10.1090/S0025-5718-1962-0150954-0",
        c=(0, "2/3"),
        a=((), ("2/3",)),
        b=("1/4", "3/4"),
        b_hat=(1, 0),
        embedded_order=1,
        interpolant=((1, "-3/4"), (0, "3/4")),  # integrates the straight line through k1 and k2
        interpolant_order=2,
    )
)
