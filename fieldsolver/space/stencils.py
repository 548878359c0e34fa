"""Central finite-difference coefficients, in exact rational arithmetic, and their Fourier symbols."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np

from fieldsolver.errors import GridError

SPACE_ORDERS: tuple[int, ...] = (2, 4, 6, 8)


@cache
def central_stencil(derivative: int, order: int) -> tuple[Fraction, ...]:
    """Coefficients ``c`` at offsets ``-w .. w`` with ``sum c_j u(x + j h) = h^m u^(m)(x) + O(h^(m + order))``.

    Found by solving the moment equations ``sum_j c_j j^n = m! [n = m]`` exactly.

    Args:
        derivative: ``m``, 1 to 4.
        order: one of `SPACE_ORDERS`.
    """
    half_width = (derivative + 1) // 2 + order // 2 - 1
    offsets = range(-half_width, half_width + 1)
    moments = [[Fraction(j) ** n for j in offsets] for n in range(len(offsets))]
    factorial = Fraction(1)
    for n in range(1, derivative + 1):
        factorial *= n
    right = [factorial if n == derivative else Fraction(0) for n in range(len(offsets))]
    return tuple(_solve(moments, right))


@cache
def staggered_stencil(order: int) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """First derivative and mean at a face from the cells around it, offsets ``-w + 1/2 .. w - 1/2``.

    Args:
        order: one of `SPACE_ORDERS`, the order of both.
    """
    half_width = order // 2
    offsets = [Fraction(2 * j + 1, 2) for j in range(-half_width, half_width)]
    moments = [[j**n for j in offsets] for n in range(len(offsets))]
    slope = [Fraction(int(n == 1)) for n in range(len(offsets))]
    mean = [Fraction(int(n == 0)) for n in range(len(offsets))]
    return tuple(_solve(moments, slope)), tuple(_solve(moments, mean))


def symbol(derivative: int, order: int, theta: np.ndarray) -> np.ndarray:
    """Eigenvalue of the stencil on ``exp(i theta j)``, without the factor ``h^-m``; real for even derivatives."""
    stencil = central_stencil(derivative, order)
    half_width = len(stencil) // 2
    total = np.zeros(theta.shape, dtype=complex)
    for offset, coefficient in zip(range(-half_width, half_width + 1), stencil, strict=True):
        total += float(coefficient) * np.exp(1j * offset * theta)
    return total.real.astype(complex) if derivative % 2 == 0 else 1j * total.imag


def check_space_order(order: int) -> int:
    """Return `order`, or raise `GridError`."""
    if order not in SPACE_ORDERS:
        raise GridError(f"space_order is one of {SPACE_ORDERS}, got {order!r}")
    return order


def _solve(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for column in range(size):
        pivot = next(row for row in range(column, size) if rows[row][column] != 0)
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for row in range(size):
            if row != column and rows[row][column] != 0:
                factor = rows[row][column]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[column], strict=True)]
    return [row[-1] for row in rows]
