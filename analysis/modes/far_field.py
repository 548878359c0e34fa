"""What the growth rates do as k tends to infinity, from the leading orders of the characteristic polynomial.

``P(sigma, kappa) = det(sigma - L(kappa))`` is a polynomial in both. Its branches behave like ``sigma = c kappa^p``
where ``-p`` is the slope of an edge of the Newton polygon and c a root of the polynomial on that edge; the next order
follows from ``P(c kappa^p + tau, kappa)`` (Puiseux). A branch whose leading orders are imaginary is followed until a
real part appears.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from math import comb

import numpy as np

from .numbers import Complex
from .symbol import Ray

MAX_WAVES = 8
"""Determinants of larger matrices lose their leading orders to cancellation; those are sampled instead."""
TINY = 1e-9
DEPTH = 8

Polynomial = dict[tuple[int, float], complex]
"""Coefficients by the powers of sigma and kappa."""


@dataclass(frozen=True)
class FarField:
    """The branch that grows fastest at large kappa.

    Attributes:
        rate: real part of its growth is about ``rate * kappa^exponent``; 0 where no order has one.
        exponent: see `rate`.
        certificate: ``"exact"`` for leading orders (in floating point), ``"empirical"`` where they were sampled.
    """

    rate: float
    exponent: float
    certificate: str

    @property
    def is_ill_posed(self) -> bool:
        """Whether growth has no upper bound: shorter waves grow faster and faster."""
        return self.rate > 0 and self.exponent > 0

    @property
    def grows(self) -> bool:
        """Whether arbitrarily short waves grow."""
        return self.rate > 0


def far_field(ray: Ray, scale: float) -> FarField:
    """The behaviour at ``kappa -> infinity``; `scale` is a typical wave number, which balances the arithmetic."""
    powers = {p: matrix * scale**p for p, matrix in ray.powers().items()}
    if not powers:
        return FarField(0.0, 0.0, "exact")
    if ray.symbol.waves > MAX_WAVES:
        return _sampled(powers, scale)
    size = max(float(np.abs(matrix).max()) for matrix in powers.values())
    branches = _branches(_characteristic({p: matrix / size for p, matrix in powers.items()}), np.inf, DEPTH)
    rate, exponent = max(branches, key=_order)
    return FarField(rate * size / scale**exponent, exponent, "exact")


def _order(branch: tuple[float, float]) -> tuple[float, float]:
    """Growing branches by exponent, neutral ones, then decaying ones, the slowest first."""
    rate, exponent = branch
    if rate > 0:
        return 1.0 + exponent, rate
    return (0.0, 0.0) if rate == 0 else (-1.0 - exponent, rate)


def _sampled(powers: Mapping[float, Complex], scale: float) -> FarField:
    far = [1e3, 1e4]
    rates = [np.linalg.eigvals(sum(matrix * x**p for p, matrix in powers.items())).real.max() for x in far]
    size = max(float(np.abs(matrix).max()) for matrix in powers.values())
    if abs(rates[1]) <= TINY * size:
        return FarField(0.0, 0.0, "empirical")
    exponent = round(float(np.log10(abs(rates[1]) / max(abs(rates[0]), TINY * size))), 1)
    return FarField(float(rates[1]) / (far[1] * scale) ** exponent, exponent, "empirical")


def _characteristic(powers: Mapping[float, Complex]) -> Polynomial:
    """``det(sigma - L)`` by Faddeev and LeVerrier; coefficients below the round-off of their sums are dropped."""
    n = len(next(iter(powers.values())))
    size = {p: np.abs(matrix) for p, matrix in powers.items()}
    M, B = {0.0: np.eye(n, dtype=complex)}, {0.0: np.eye(n)}
    found: Polynomial = {(n, 0.0): 1.0}
    for step in range(1, n + 1):
        LM, LB = _times(powers, M), _times(size, B)
        trace = {p: -complex(np.trace(matrix)) / step for p, matrix in LM.items()}
        bound = {p: float(np.trace(matrix).real) / step for p, matrix in LB.items()}
        kept = {p: c for p, c in trace.items() if abs(c) > TINY * 1e-3 * bound[p]}
        found |= {(n - step, p): c for p, c in kept.items()}
        M = _plus(LM, {p: c * np.eye(n) for p, c in kept.items()})
        B = _plus(LB, {p: c * np.eye(n) for p, c in bound.items()})
    return found


def _times(a: Mapping[float, np.ndarray], b: Mapping[float, np.ndarray]) -> dict[float, np.ndarray]:
    total: dict[float, np.ndarray] = {}
    for p, left in a.items():
        for q, right in b.items():
            total[_key(p + q)] = total.get(_key(p + q), 0) + left @ right
    return total


def _plus(a: Mapping[float, np.ndarray], b: Mapping[float, np.ndarray]) -> dict[float, np.ndarray]:
    nothing = np.zeros(())
    return {p: a.get(p, nothing) + b.get(p, nothing) for p in {*a, *b}}


def _key(exponent: float) -> float:
    """Fractional powers are added in different orders."""
    return round(exponent, 9)


def _branches(polynomial: Polynomial, below: float, depth: int) -> list[tuple[float, float]]:
    """Per branch with an exponent less than `below`: the first order with a real part, ``(rate, exponent)``."""
    top = {j: max(q for i, q in polynomial if i == j) for j in {i for i, _ in polynomial}}
    found = []
    if min(top) > 0:
        found.extend([(0.0, 0.0)] * min(top))  # tau = 0 solves it to all orders
    for (j, d), (k, e) in _edges(top):
        p = (d - e) / (k - j)
        if p >= below - 1e-9:
            continue
        edge = [polynomial.get((i, _key(d - p * (i - j))), 0.0) for i in range(j, k + 1)]
        for c, multiplicity in _clustered(np.roots(edge[::-1])):
            if abs(c.real) > TINY * abs(c) or p <= 0 or depth == 0:
                significant = abs(c.real) > TINY * abs(c) and p >= 0
                found.extend([(c.real if significant else 0.0, p if significant else 0.0)] * multiplicity)
            else:
                rest = _branches(_shifted(polynomial, 1j * c.imag, p), p, depth - 1)
                found.extend(rest[:multiplicity] or [(0.0, 0.0)])
    return found


def _edges(top: Mapping[int, float]) -> list[tuple[tuple[int, float], tuple[int, float]]]:
    """The upper convex hull of the points (power of sigma, largest power of kappa)."""
    hull: list[tuple[int, float]] = []
    for point in sorted(top.items()):
        while len(hull) >= 2 and _slope(hull[-2], hull[-1]) <= _slope(hull[-2], point) + 1e-12:
            hull.pop()
        hull.append(point)
    return list(itertools.pairwise(hull))


def _slope(a: tuple[int, float], b: tuple[int, float]) -> float:
    return (b[1] - a[1]) / (b[0] - a[0])


def _clustered(roots: Complex) -> list[tuple[complex, int]]:
    """Roots that rounding has split are put together again; their mean is accurate."""
    found: list[list[complex]] = []
    for root in roots:
        near = [group for group in found if abs(np.mean(group) - root) < 1e-5 * max(1e-300, abs(root))]
        if near:
            near[0].append(complex(root))
        else:
            found.append([complex(root)])
    return [(complex(np.mean(group)), len(group)) for group in found]


def _shifted(polynomial: Polynomial, c: complex, p: float) -> Polynomial:
    """``P(c kappa^p + tau, kappa)`` as a polynomial in tau."""
    total: Polynomial = {}
    size: dict[tuple[int, float], float] = {}
    for (j, q), a in polynomial.items():
        for i in range(j + 1):
            key = (i, _key(q + p * (j - i)))
            part = a * comb(j, i) * c ** (j - i)
            total[key] = total.get(key, 0) + part
            size[key] = size.get(key, 0.0) + abs(part)
    return {key: a for key, a in total.items() if abs(a) > TINY * size[key]}
