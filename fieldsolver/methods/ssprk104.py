"""Ketcheson's strong-stability-preserving method: 10 stages, order 4, SSP radius 6."""

from __future__ import annotations

from . import hermite
from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

SIXTH, FIFTEENTH, TENTH = "1/6", "1/15", "1/10"
B = (TENTH,) * 10

SSPRK104 = ExplicitRungeKutta(
    ButcherTableau(
        name="ssprk104",
        order=4,
        source=(
            "Ketcheson, SIAM J. Sci. Comput. 30 (2008) 2113-2136, doi 10.1137/07070485X; embedded method: Fekete, "
            "Conde, Shadid, J. Comput. Appl. Math. 412 (2022) 114325, doi 10.1016/j.cam.2022.114325"
        ),
        c=(0, "1/6", "1/3", "1/2", "2/3", "1/3", "1/2", "2/3", "5/6", 1, 1),
        a=(
            *((SIXTH,) * i for i in range(5)),  # Euler steps of h/6
            *((FIFTEENTH,) * 5 + (SIXTH,) * i for i in range(5)),  # back to 2/5 of the way, and on
            B,
        ),
        b=(*B, 0),
        b_hat=(0, "2/9", 0, 0, "5/18", "1/3", 0, 0, 0, "1/6", 0),
        embedded_order=3,
        interpolant=hermite.cubic_hermite((*B, 0)),
        interpolant_order=hermite.ORDER,
    )
)
