"""Kraaijevanger's strong-stability-preserving method: 4 stages, order 3, SSP radius 2, with an SSP method embedded."""

from __future__ import annotations

from . import hermite
from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

B = ("1/6", "1/6", "1/6", "1/2")

SSPRK43 = ExplicitRungeKutta(
    ButcherTableau(
        name="ssprk43",
        order=3,
        source=(
            "Kraaijevanger, BIT 31 (1991) 482-528; embedded method: Fekete, Conde, Shadid, "
            "J. Comput. Appl. Math. 412 (2022) 114325, doi 10.1016/j.cam.2022.114325"
        ),
        c=(0, "1/2", 1, "1/2", 1),
        a=((), ("1/2",), ("1/2", "1/2"), ("1/6", "1/6", "1/6"), B),
        b=(*B, 0),
        b_hat=("1/4", "1/4", "1/4", "1/4", 0),
        embedded_order=2,
        interpolant=hermite.cubic_hermite((*B, 0)),
        interpolant_order=hermite.ORDER,
    )
)
