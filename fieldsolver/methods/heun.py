"""Heun's method of order 2 (the explicit trapezoidal rule) with Euler embedded, so that it can choose its steps."""

from __future__ import annotations

from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

HEUN = ExplicitRungeKutta(
    ButcherTableau(
        name="heun",
        order=2,
        source="Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I (1993), table II.1.1",
        c=(0, 1),
        a=((), (1,)),
        b=("1/2", "1/2"),
        b_hat=(1, 0),
        embedded_order=1,
        interpolant=((1, "-1/2"), (0, "1/2")),  # integrates the straight line through k1 and k2
        interpolant_order=2,
    )
)
