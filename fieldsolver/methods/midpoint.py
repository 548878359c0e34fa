"""The explicit midpoint rule of order 2, with Euler embedded, so that it can choose its steps."""

from __future__ import annotations

from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

MIDPOINT = ExplicitRungeKutta(
    ButcherTableau(
        name="midpoint",
        order=2,
        source="Runge 1895; Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I (1993), table II.1.1",
        c=(0, "1/2"),
        a=((), ("1/2",)),
        b=(0, 1),
        b_hat=(1, 0),
        embedded_order=1,
        interpolant=((1, -1), (0, 1)),  # integrates the straight line through k1 and k2
        interpolant_order=2,
    )
)
