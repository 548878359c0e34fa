"""Heun's method of order 3; fixed steps only."""

from __future__ import annotations

from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

HEUN3 = ExplicitRungeKutta(
    ButcherTableau(
        name="heun3",
        order=3,
        source="Heun 1900; Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I (1993), table II.1.1",
        c=(0, "1/3", "2/3"),
        a=((), ("1/3",), (0, "2/3")),
        b=("1/4", 0, "3/4"),
        # The conditions of order 2 with b_2 = 0; at theta = 1 they are b.
        interpolant=((1, "-3/4"), (), (0, "3/4")),
        interpolant_order=2,
    )
)
