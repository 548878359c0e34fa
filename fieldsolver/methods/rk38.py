"""Kutta's 3/8 rule of order 4: errors a little smaller than those of `rk4` at the same cost; fixed steps only."""

from __future__ import annotations

from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

RK38 = ExplicitRungeKutta(
    ButcherTableau(
        name="rk38",
        order=4,
        source="Kutta 1901; Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I (1993), table II.1.2",
        c=(0, "1/3", "2/3", 1),
        a=(
            (),
            ("1/3",),
            ("-1/3", 1),
            (1, -1, 1),
        ),
        b=("1/8", "3/8", "3/8", "1/8"),
        # The four conditions of order 3 determine the four polynomials; at theta = 1 they are b.
        interpolant=(
            (1, "-15/8", 1),
            (0, "15/8", "-3/2"),
            (0, "3/8"),
            (0, "-3/8", "1/2"),
        ),
        interpolant_order=3,
    )
)
