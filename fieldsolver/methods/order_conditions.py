"""Order conditions by rooted trees, in exact rational arithmetic.

A method has order p when for every rooted tree with n <= p vertices sum_i b_i Phi_i(tree) = 1/gamma(tree); an
interpolant has order p when sum_i b_i(theta) Phi_i(tree) = theta^n/gamma(tree) as polynomials in theta.

Source: Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), section II.2, theorem 2.13, and
section II.6 for continuous methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from itertools import zip_longest
from math import lcm, prod

from .polynomial import Polynomial, add, polynomial
from .tableau import ButcherTableau, interpolant_polynomials

Tree = tuple["Tree", ...]
"""A rooted tree is the sorted tuple of the subtrees at its root; the single vertex is ()."""


@cache
def rooted_trees(vertices: int) -> tuple[Tree, ...]:
    """All rooted trees with exactly that many vertices: 1, 1, 2, 4, 9, 20, ... of them."""
    if vertices == 1:
        return ((),)
    return tuple(sorted({tuple(sorted(forest)) for forest in _forests(vertices - 1)}))


def _forests(vertices: int) -> Iterator[Tree]:
    """Multisets of trees with that many vertices in all (repeated in several orders)."""
    if vertices == 0:
        yield ()
    for size in range(1, vertices + 1):
        for tree in rooted_trees(size):
            for rest in _forests(vertices - size):
                yield (tree, *rest)


def size(tree: Tree) -> int:
    """Number of vertices."""
    return 1 + sum(size(branch) for branch in tree)


def density(tree: Tree) -> int:
    """gamma: the product over all vertices of the size of the subtree hanging there."""
    return size(tree) * prod(density(branch) for branch in tree)


def elementary_weights(a: Sequence[Sequence[int]], order: int) -> dict[Tree, list[int]]:
    """Phi_i(tree) of the stages with rows `a`, for every tree with at most `order` vertices, smallest trees first.

    Phi_i([t_1 .. t_m]) = prod_k sum_j a_ij Phi_j(t_k). Rows multiplied by D give Phi_i D^(n - 1) for n vertices:
    integers stay exact and need no common divisors, which makes the 1205 conditions of order 10 a matter of a second.
    """
    weights: dict[Tree, list[int]] = {}
    a_phi: dict[Tree, list[int]] = {}  # sum_j a_ij Phi_j(tree)
    for tree in _trees_up_to(order):
        weights[tree] = [prod(a_phi[branch][i] for branch in tree) for i in range(len(a))]
        if size(tree) < order:
            a_phi[tree] = [_dot(row, weights[tree]) for row in a]
    return weights


def weight_residuals(tableau: ButcherTableau, weights: tuple[Fraction, ...], order: int) -> dict[Tree, Fraction]:
    """sum_i weights_i Phi_i - 1/gamma for every tree with at most `order` vertices."""
    a, a_scale = _integers(tableau.a)
    (b,), b_scale = _integers([weights])
    return {
        tree: Fraction(_dot(b, phi), b_scale * a_scale ** (size(tree) - 1)) - Fraction(1, density(tree))
        for tree, phi in elementary_weights(a, order).items()
    }


def method_residuals(tableau: ButcherTableau, order: int | None = None) -> dict[Tree, Fraction]:
    """Residuals of the method, up to its own order or the given one."""
    return weight_residuals(tableau, tableau.b, tableau.order if order is None else order)


def embedded_residuals(tableau: ButcherTableau, order: int | None = None) -> dict[Tree, Fraction]:
    """Residuals of the embedded method; empty when there is none."""
    if tableau.b_hat is None or tableau.embedded_order is None:
        return {}
    return weight_residuals(tableau, tableau.b_hat, tableau.embedded_order if order is None else order)


def coarse_residuals(tableau: ButcherTableau, order: int | None = None) -> dict[Tree, Fraction]:
    """Residuals of the second, coarser embedded method; empty when there is none."""
    if tableau.b_coarse is None or tableau.coarse_order is None:
        return {}
    return weight_residuals(tableau, tableau.b_coarse, tableau.coarse_order if order is None else order)


def interpolant_residuals(tableau: ButcherTableau, order: int | None = None) -> dict[Tree, Polynomial]:
    """sum_i b_i(theta) Phi_i - theta^n/gamma as polynomials in theta; empty without an interpolant."""
    if tableau.interpolant_order is None:
        return {}
    a, a_scale = _integers(tableau.all_a)
    powers, b_scale = _integers(list(zip_longest(*interpolant_polynomials(tableau), fillvalue=Fraction(0))))
    residuals = {}
    for tree, phi in elementary_weights(a, tableau.interpolant_order if order is None else order).items():
        scale = b_scale * a_scale ** (size(tree) - 1)
        power = polynomial(
            Fraction(_dot(b, phi), scale) for b in powers
        )  # b[i]: coefficient of one power in b_i(theta)
        residuals[tree] = add(power, polynomial([*[0] * size(tree), Fraction(-1, density(tree))]))
    return residuals


def _integers(rows: Sequence[Sequence[Fraction]]) -> tuple[list[list[int]], int]:
    """The rows times their common denominator, and that denominator."""
    common = lcm(*(value.denominator for row in rows for value in row))
    return [[int(value * common) for value in row] for row in rows], common


def _dot(row: Sequence[int], values: Sequence[int]) -> int:
    """sum_j row_j values_j; a row below the diagonal is shorter than the values."""
    return sum(a * value for a, value in zip(row, values, strict=False) if a)


def _trees_up_to(order: int) -> Iterator[Tree]:
    for vertices in range(1, order + 1):
        yield from rooted_trees(vertices)
