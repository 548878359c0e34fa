"""Cubic Hermite interpolation over a step, written as weights of the stages: the dense output of order 3 of any method.

With y_0, y_1 at the ends of a step and the slopes k_1, k_s there (the method must be FSAL)::

    y(t + theta h) = y_0 + (3 theta^2 - 2 theta^3) (y_1 - y_0)
                   + h (theta - 2 theta^2 + theta^3) k_1 + h (theta^3 - theta^2) k_s,   y_1 - y_0 = h sum_i b_i k_i

A method that is not FSAL becomes so by one more stage at the end of the step, of weight 0. Its slope is the first stage
of the next step, so it costs nothing but one evaluation at the end of the run.

Source: Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), section II.6, eq. (6.7).
"""

from __future__ import annotations

from fractions import Fraction

from .tableau import Row

ORDER = 3
Cubic = tuple[Fraction, Fraction, Fraction]


def cubic_hermite(b: Row) -> tuple[Cubic, ...]:
    """Coefficients of theta, theta^2, theta^3 in b_i(theta), from the weights of an FSAL method of order 3 or more."""
    rows = [(Fraction(0), 3 * Fraction(weight), -2 * Fraction(weight)) for weight in b]
    rows[0] = _plus(rows[0], (1, -2, 1))
    rows[-1] = _plus(rows[-1], (0, -1, 1))
    return tuple(rows)


def _plus(row: Cubic, slope: tuple[int, int, int]) -> Cubic:
    return row[0] + slope[0], row[1] + slope[1], row[2] + slope[2]
