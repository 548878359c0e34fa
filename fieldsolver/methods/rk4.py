"""The classical Runge-Kutta method of order 4. It has no error estimate."""

from __future__ import annotations

from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

RK4 = ExplicitRungeKutta(
    ButcherTableau(
        name="rk4",
        order=4,
        source="Kutta 1901; Hairer, Norsett, Wanner I (1993), table II.1.2; interpolant: section II.6, eq. (6.4)",
        c=(0, "1/2", "1/2", 1),
        a=(
            (),
            ("1/2",),
            (0, "1/2"),
            (0, 0, 1),
        ),
        b=("1/6", "1/3", "1/3", "1/6"),
        interpolant=(
            (1, "-3/2", "2/3"),
            (0, 1, "-2/3"),
            (0, 1, "-2/3"),
            (0, "-1/2", "2/3"),
        ),
        interpolant_order=3,
    )
)
