"""Fehlberg's pair of orders 2 and 1, carried on with the order 2: for crude tolerances."""

from __future__ import annotations

from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

B_HAT = ("1/256", "255/256")

FEHLBERG2 = ExplicitRungeKutta(
    ButcherTableau(
        name="fehlberg2",
        order=2,
        source="Fehlberg, Low-order classical Runge-Kutta formulas with stepsize control, NASA TR R-315 (1969), RK1(2)",
        c=(0, "1/2", 1),
        a=((), ("1/2",), B_HAT),
        b=("1/512", "255/256", "1/512"),
        b_hat=(*B_HAT, 0),
        embedded_order=1,
        # One of the solutions of the conditions of order 2 that are b at theta = 1.
        interpolant=((1, "-511/512"), (0, "255/256"), (0, "1/512")),
        interpolant_order=2,
    )
)
