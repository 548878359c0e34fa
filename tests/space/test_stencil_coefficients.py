"""Coefficients: moment conditions in exact arithmetic, and the tables of the literature."""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import numpy as np
import pytest

from fieldsolver.errors import GridError
from fieldsolver.space.stencils import SPACE_ORDERS, central_stencil, check_space_order, staggered_stencil, symbol

# Fornberg, Math. Comp. 51 (1988) 699, tables 1 and 2.
TABLE = {
    (1, 2): [Fraction(-1, 2), 0, Fraction(1, 2)],
    (1, 4): [Fraction(1, 12), Fraction(-2, 3), 0, Fraction(2, 3), Fraction(-1, 12)],
    (2, 2): [1, -2, 1],
    (2, 4): [Fraction(-1, 12), Fraction(4, 3), Fraction(-5, 2), Fraction(4, 3), Fraction(-1, 12)],
    (3, 2): [Fraction(-1, 2), 1, 0, -1, Fraction(1, 2)],
    (3, 4): [Fraction(1, 8), -1, Fraction(13, 8), 0, Fraction(-13, 8), 1, Fraction(-1, 8)],
    (4, 2): [1, -4, 6, -4, 1],
    (4, 4): [Fraction(-1, 6), 2, Fraction(-13, 2), Fraction(28, 3), Fraction(-13, 2), 2, Fraction(-1, 6)],
}


@pytest.mark.parametrize(("m", "order"), TABLE)
def test_central_coefficients_are_those_of_fornberg(m, order):
    assert list(central_stencil(m, order)) == TABLE[m, order]


@pytest.mark.parametrize("order", SPACE_ORDERS)
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_moments_hold_to_the_order_and_fail_beyond(m, order):
    stencil = central_stencil(m, order)
    half = len(stencil) // 2

    def moment(n):
        return sum(c * Fraction(j) ** n for j, c in zip(range(-half, half + 1), stencil, strict=True))

    for n in range(m + order):
        assert moment(n) == (factorial(m) if n == m else 0)
    assert moment(m + order) != 0


@pytest.mark.parametrize("order", SPACE_ORDERS)
def test_staggered_moments(order):
    slope, mean = staggered_stencil(order)
    offsets = [Fraction(2 * j + 1, 2) for j in range(-order // 2, order // 2)]
    for n in range(order):
        assert sum(c * x**n for c, x in zip(mean, offsets, strict=True)) == (n == 0)
    for n in range(order + 1):
        assert sum(c * x**n for c, x in zip(slope, offsets, strict=True)) == (n == 1)
    assert [float(c) for c in staggered_stencil(4)[0]] == [1 / 24, -27 / 24, 27 / 24, -1 / 24]


def test_symbols_are_the_closed_forms():
    theta = np.linspace(-np.pi, np.pi, 41)
    closed = {
        (1, 2): 1j * np.sin(theta),
        (1, 4): 1j * (8 * np.sin(theta) - np.sin(2 * theta)) / 6,
        (2, 2): -4 * np.sin(theta / 2) ** 2,
        (2, 4): (-30 + 32 * np.cos(theta) - 2 * np.cos(2 * theta)) / 12,
        (4, 2): 16 * np.sin(theta / 2) ** 4,
    }
    for (m, order), expected in closed.items():
        np.testing.assert_allclose(symbol(m, order, theta), expected, atol=1e-14)


def test_extremes_of_the_symbols():
    """analysis.md section 2: min of d2 is -4 and -16/3; max |d1| is 1 and 1.37222197980336."""
    theta = np.linspace(0, np.pi, 200_001)
    assert symbol(2, 2, theta).real.min() == pytest.approx(-4, abs=1e-12)
    assert symbol(2, 4, theta).real.min() == pytest.approx(-16 / 3, abs=1e-12)
    assert np.abs(symbol(1, 2, theta)).max() == pytest.approx(1, abs=1e-9)
    assert np.abs(symbol(1, 4, theta)).max() == pytest.approx(1.37222197980336, abs=1e-9)


@pytest.mark.parametrize("order", [1, 3, 6, "2", None])
def test_orders_that_do_not_exist(order):
    with pytest.raises(GridError, match=r"space_order is one of \(2, 4\), got"):
        check_space_order(order)
