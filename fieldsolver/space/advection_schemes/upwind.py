"""Upwind differences: the stencil leans to where the wind comes from.

* Order 1, Courant, Isaacson & Rees, Comm. Pure Appl. Math. 5 (1952) 243: ``v+ D- u + v- D+ u``. With forward Euler and
  ``|v| dt <= h`` each new value is a mean of old ones: no new extrema. Its error is a diffusion ``|v| h/2``.
* Order 3, upwind-biased: the central difference of order 4 plus ``|v| h^3/12`` times the fourth derivative. It damps
  short waves and nearly nothing else, and overshoots at jumps by some percent.
"""

from __future__ import annotations

from fractions import Fraction

from .scheme import LinearScheme

UPWIND: tuple[LinearScheme, ...] = (
    LinearScheme("upwind1", 1, [Fraction(-1), Fraction(1), Fraction(0)], "(u_i - u_(i-1))/h"),
    LinearScheme(
        "upwind3",
        3,
        [Fraction(c, 6) for c in (1, -6, 3, 2, 0)],
        "(2 u_(i+1) + 3 u_i - 6 u_(i-1) + u_(i-2))/(6 h)",
    ),
)
