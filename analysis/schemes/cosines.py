"""Trigonometric polynomials in u = 1 - cos(phi), with rational coefficients.

Near phi = 0, where stability is decided, u is small and its lowest powers carry everything: nothing cancels.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from fieldsolver.methods.polynomial import Polynomial, add, multiply, polynomial, scale

from .scheme import Floats


def cosine(m: int) -> Polynomial:
    """cos(m phi) in u."""
    return _recurrence(m, polynomial([1]), polynomial([1, -1]))


def sine(m: int) -> Polynomial:
    """sin(m phi) / sin(phi) in u; 0 for m = 0."""
    return _recurrence(m, polynomial([]), polynomial([1]))


def on_circle(p: Polynomial, u: Floats) -> Floats:
    """p(u) by Horner's rule, from the first power that occurs: relative accuracy near u = 0."""
    lowest = next((k for k, value in enumerate(p) if value != 0), 0)
    return u**lowest * np.polynomial.polynomial.polyval(u, [float(value) for value in p[lowest:] or [Fraction(0)]])


def _recurrence(m: int, zeroth: Polynomial, first: Polynomial) -> Polynomial:
    """x_(m+1) = 2 cos(phi) x_m - x_(m-1)."""
    for _ in range(m):
        zeroth, first = first, add(multiply(polynomial([2, -2]), first), scale(zeroth, Fraction(-1)))
    return zeroth
