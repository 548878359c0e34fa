"""Bogacki and Shampine's 3(2) pair: for crude tolerances and for solutions that are not smooth. FSAL."""

from __future__ import annotations

from . import hermite
from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

B = ("2/9", "1/3", "4/9")

BOSH3 = ExplicitRungeKutta(
    ButcherTableau(
        name="bosh3",
        order=3,
        source="Bogacki, Shampine, Appl. Math. Lett. 2 (1989) 321-325, doi 10.1016/0893-9659(89)90079-7",
        c=(0, "1/2", "3/4", 1),
        a=((), ("1/2",), (0, "3/4"), B),
        b=(*B, 0),
        b_hat=("7/24", "1/4", "1/3", "1/8"),
        embedded_order=2,
        interpolant=hermite.cubic_hermite((*B, 0)),
        interpolant_order=hermite.ORDER,
    )
)
