"""Order conditions by rooted trees, in exact rational arithmetic.

A method has order p when for every rooted tree with n <= p vertices sum_i b_i Phi_i(tree) = 1/gamma(tree); an
interpolant has order p when sum_i b_i(theta) Phi_i(tree) = theta^n/gamma(tree) as polynomials in theta.

Source: Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), section II.2, theorem 2.13, and
section II.6 for continuous methods.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from math import prod

from .polynomial import Polynomial, add, polynomial, scale
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


def elementary_weights(tableau: ButcherTableau, tree: Tree) -> tuple[Fraction, ...]:
    """Phi_i(tree) for the s stages: Phi_i([t_1 .. t_m]) = prod_k sum_j a_ij Phi_j(t_k)."""
    phi = [Fraction(1)] * tableau.stages
    for branch in tree:
        inner = elementary_weights(tableau, branch)
        for i, row in enumerate(tableau.a):
            phi[i] *= sum((a * value for a, value in zip(row, inner, strict=False)), Fraction(0))
    return tuple(phi)


def weight_residuals(tableau: ButcherTableau, weights: tuple[Fraction, ...], order: int) -> dict[Tree, Fraction]:
    """sum_i weights_i Phi_i - 1/gamma for every tree with at most `order` vertices."""
    return {
        tree: sum((w * phi for w, phi in zip(weights, elementary_weights(tableau, tree), strict=True)), Fraction(0))
        - Fraction(1, density(tree))
        for tree in _trees_up_to(order)
    }


def method_residuals(tableau: ButcherTableau, order: int | None = None) -> dict[Tree, Fraction]:
    """Residuals of the method, up to its own order or the given one."""
    return weight_residuals(tableau, tableau.b, tableau.order if order is None else order)


def embedded_residuals(tableau: ButcherTableau, order: int | None = None) -> dict[Tree, Fraction]:
    """Residuals of the embedded method; empty when there is none."""
    if tableau.b_hat is None or tableau.embedded_order is None:
        return {}
    return weight_residuals(tableau, tableau.b_hat, tableau.embedded_order if order is None else order)


def interpolant_residuals(tableau: ButcherTableau, order: int | None = None) -> dict[Tree, Polynomial]:
    """sum_i b_i(theta) Phi_i - theta^n/gamma as polynomials in theta; empty without an interpolant."""
    if tableau.interpolant_order is None:
        return {}
    residuals = {}
    for tree in _trees_up_to(tableau.interpolant_order if order is None else order):
        power = polynomial([*[0] * size(tree), Fraction(-1, density(tree))])
        for b_i, phi in zip(interpolant_polynomials(tableau), elementary_weights(tableau, tree), strict=True):
            power = add(power, scale(b_i, phi))
        residuals[tree] = power
    return residuals


def _trees_up_to(order: int) -> Iterator[Tree]:
    for vertices in range(1, order + 1):
        yield from rooted_trees(vertices)
