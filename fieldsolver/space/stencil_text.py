"""Stencils and their symbols as lines of mathematics, out of exact coefficients.

Notation: ``u`` at the point itself, ``s1 = u_(i+1) + u_(i-1)``, ``d1 = u_(i+1) - u_(i-1)`` and so on, and ``θ = k h``,
the phase of the wave ``exp(i k x)`` from one point to the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations

Term = tuple[Fraction, str]
"""A coefficient and what it multiplies; the empty text is 1."""

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def stencil_text(coefficients: Sequence[Fraction], derivative: int, *, factor: str = "") -> str:
    """``(-2 u + s1)/h²`` for the coefficients at the offsets ``-w .. w`` of a derivative.

    Args:
        coefficients: exact, for ``h = 1``.
        derivative: the power of h that divides them.
        factor: what multiplies the derivative, such as ``"v "``.
    """
    half = len(coefficients) // 2
    pairs = [(j, coefficients[half + j], coefficients[half - j]) for j in range(1, half + 1)]
    centre = (coefficients[half], "u")
    if all(above == below for _, above, below in pairs):
        terms = [centre, *((above, f"s{j}") for j, above, _ in pairs)]
    elif all(above == -below for _, above, below in pairs) and not centre[0]:
        terms = [(above, f"d{j}") for j, above, _ in pairs]
    else:
        offsets = range(half, -half - 1, -1)
        terms = [(coefficients[half + j], f"u_(i{j:+d})" if j else "u") for j in offsets]
    return quotient(terms, derivative, factor=factor)


def symbol_text(coefficients: Sequence[Fraction], derivative: int, *, factor: str = "") -> str:
    """``-(2 - 2 cos θ)/h²``: the eigenvalue of a stencil on ``exp(i θ j)``; arguments as above."""
    half = len(coefficients) // 2
    even = [(coefficients[half], "")]
    odd: list[Term] = []
    for j in range(1, half + 1):
        above, below = coefficients[half + j], coefficients[half - j]
        angle = "θ" if j == 1 else f"{j}θ"
        even.append((above + below, f"cos {angle}"))
        odd.append((above - below, f"sin {angle}"))
    if not any(c for c, _ in odd):
        return quotient(even, derivative, factor=factor, pull_sign=True)
    if not any(c for c, _ in even):
        return quotient(odd, derivative, factor=f"i {factor}", pull_sign=True)
    whole = common_denominator(c for c, _ in (*even, *odd))
    real, imaginary = (combination([(c * whole, text) for c, text in terms]) for terms in (even, odd))
    imaginary = imaginary if sum(1 for c, _ in odd if c) == 1 else f"({imaginary})"
    return over(f"{factor}({real} + i {imaginary})", whole, derivative)


def staggered_texts(slope: Sequence[Fraction], mean: Sequence[Fraction]) -> tuple[str, str]:
    """Slope and mean at the face ``i + 1/2``: ``e1 = u_(i+1) - u_i``, ``m1 = D_(i+1) + D_i`` and those around them."""
    half = len(slope) // 2
    differences = [(slope[half + j], f"e{j + 1}") for j in range(half)]
    means = [(mean[half + j], f"m{j + 1}") for j in range(half)]
    return quotient(differences, 1), quotient(means, 0)


def staggered_symbol_text(slope: Sequence[Fraction]) -> str:
    """Eigenvalue of the slope at faces without the factor i: ``2 sin(θ/2)/h``."""
    half = len(slope) // 2
    angles = ["θ/2", *(f"{2 * j + 1}θ/2" for j in range(1, half))]
    return quotient([(2 * slope[half + j], f"sin({angle})") for j, angle in enumerate(angles)], 1)


def isotropic_texts(coefficients: Sequence[Fraction]) -> tuple[str, str]:
    """Stencil and symbol of weights by the number of axes along which a neighbour is displaced.

    In the stencil ``n1`` is the sum of the neighbours displaced along one axis, ``n2`` along two, ``n3`` along three.
    """
    stencil = quotient([(c, f"n{k}" if k else "u") for k, c in enumerate(coefficients)], 2)
    cosines = [f"cos θ{axis}" for axis in "xyz"[: len(coefficients) - 1]]
    terms = []
    for k, c in enumerate(coefficients):  # each displaced axis brings 2 cos
        products = [" ".join(chosen) for chosen in combinations(cosines, k)]
        text = " + ".join(products)
        terms.append((c * 2**k, f"({text})" if len(products) > 1 else text))
    return stencil, quotient(terms, 2, pull_sign=True)


def quotient(terms: Sequence[Term], derivative: int, *, factor: str = "", pull_sign: bool = False) -> str:
    """A factor times terms over their common denominator and a power of h; `pull_sign` makes the first one positive."""
    terms = [(c, text) for c, text in terms if c]
    sign = "-" if pull_sign and terms[0][0] < 0 else ""
    whole = common_denominator(c for c, _ in terms)
    inside = combination([(-c * whole if sign else c * whole, text) for c, text in terms])
    inside = inside if len(terms) == 1 else f"({inside})"
    return over(f"{sign}{factor}{inside}", whole, derivative)


def over(above: str, denominator: int, derivative: int) -> str:
    """``above`` over a number and a power of h."""
    power = str(derivative).translate(SUPERSCRIPTS) if derivative > 1 else ""
    below = [text for text in (str(denominator) if denominator > 1 else "", f"h{power}" if derivative else "") if text]
    if not below:
        return above
    return f"{above}/{below[0]}" if len(below) == 1 else f"{above}/({' '.join(below)})"


def combination(terms: Iterable[Term]) -> str:
    """``15 - 16 cos θ + cos 2θ`` for integers and what they multiply."""
    text = ""
    for c, name in terms:
        if c:
            number = str(abs(c)) if abs(c) != 1 or not name else ""
            sign = ("-" if c < 0 else "") if not text else (" - " if c < 0 else " + ")
            text += sign + " ".join(filter(None, (number, name)))
    return text


def common_denominator(coefficients: Iterable[Fraction]) -> int:
    """The least number that makes all of them integers."""
    return math.lcm(*(c.denominator for c in coefficients))
