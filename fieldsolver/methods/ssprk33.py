"""The strong-stability-preserving method of Shu and Osher: 3 stages, order 3, SSP radius 1; for hyperbolic equations.

A step is a convex combination of Euler steps, so whatever a norm of Euler steps cannot exceed for h <= h_E, a step of
this method cannot exceed for h <= 1 h_E.
"""

from __future__ import annotations

from . import hermite
from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

B = ("1/6", "1/6", "2/3")

SSPRK33 = ExplicitRungeKutta(
    ButcherTableau(
        name="ssprk33",
        order=3,
        source=(
            "Shu, Osher, J. Comput. Phys. 77 (1988) 439-471, eq. (2.18); embedded method: Fekete, Conde, Shadid, "
            "J. Comput. Appl. Math. 412 (2022) 114325, doi 10.1016/j.cam.2022.114325"
        ),
        c=(0, 1, "1/2", 1),
        a=((), (1,), ("1/4", "1/4"), B),
        b=(*B, 0),
        b_hat=("0.291485418878409", "0.291485418878409", "0.417029162243182", 0),
        embedded_order=2,
        interpolant=hermite.cubic_hermite((*B, 0)),
        interpolant_order=hermite.ORDER,
    )
)
