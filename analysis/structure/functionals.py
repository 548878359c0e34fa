"""Energies of field equations: from the calculus of variations, and from a library of densities."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from fieldsolver.equations import build
from fieldsolver.equations.graph import Depends, Negative, Node, Product, SpatialOperator, Sum

from ..orders.models import Floats
from .exact_numbers import near_fraction
from .field_formulas import FieldFormulas
from .jets import Jets
from .library import relatives
from .proof import relations, vanishes

MANY = 4
"""Up to so many real fields cubic and quartic densities are tried."""


def density_of_gradient(jets: Jets, force: Sequence[Any]) -> Any | None:
    """``E`` with ``delta E/delta u_a = force_a``, by homotopy; None if there is none or it has no formula.

    ``E = int_0^1 sum_a u_a force_a[s u] ds`` (Volterra 1887; Olver 1993, theorem 5.92): a term of degree d in the jets
    is divided by d + 1. Whether E fits is then checked by the Euler operator, which is the test of Helmholtz.
    """
    import sympy

    total, pointwise = sympy.Integer(0), [sympy.Integer(0)] * jets.count
    for field, entry in enumerate(force):
        for term in sympy.Add.make_args(sympy.expand(entry)):
            own = jets.inside(term)
            if term.is_polynomial(*own):
                degree = sympy.Poly(term, *own).total_degree() if own else 0
                total += jets.symbol(field) * term / (degree + 1)
            elif jets.uniform(term) == term:
                pointwise[field] += term
            else:
                return None
    total += _pointwise_potential(jets, pointwise)
    if total.has(sympy.Integral):
        return None
    fits = all(vanishes(jets.variational(total, field) - entry) for field, entry in enumerate(force))
    return total if fits else None


def _pointwise_potential(jets: Jets, force: Sequence[Any]) -> Any:
    """``V(u)`` with ``dV/du_a = force_a``, one variable after the other."""
    import sympy

    potential = sympy.Integer(0)
    for field, entry in enumerate(force):
        u = jets.symbol(field)
        rest = sympy.expand(entry - potential.diff(u))
        potential += sympy.Add(*[_antiderivative(term, u) for term in sympy.Add.make_args(rest)])
    return potential


def _antiderivative(term: Any, u: Any) -> Any:
    import sympy

    constant, dependent = term.as_independent(u, as_Add=False)
    return constant * sympy.integrate(dependent, u)


def forced(rates: Sequence[Any], matrix: Floats) -> list[Any]:
    """``K f`` from formulas of f."""
    import sympy

    return [
        sympy.Add(*[near_fraction(float(k)) * rate for k, rate in zip(row, rates, strict=True) if k]) for row in matrix
    ]


def chemical_potentials(formulas: FieldFormulas) -> list[Any] | None:
    """``mu`` with ``du/dt = laplacian(mu)`` for every field, read off the declaration; None if there is none.

    A positive constant before the whole Laplacian is left out.
    """
    equation = formulas.equation
    potentials = []
    for name, node in equation.right_sides.items():
        inner = _peeled(_bare(node, formulas), len(formulas.jets.axes))
        if inner is None:
            return None
        potentials += formulas.in_jets(inner, name)
    return potentials


def _bare(node: Node, formulas: FieldFormulas) -> Node:
    """The node without a positive constant factor."""
    if isinstance(node, Product) and len(node.operands) == 2 and not _varies(node.operands[0]):
        value = formulas.in_jets(node.operands[0], "")[0].subs(formulas.numbers)
        return node.operands[1] if value.is_positive else node
    return node


def _peeled(node: Node, dimension: int) -> Node | None:
    """The operand of the Laplacian that a node is; sums and constant factors go through."""
    match node:
        case Sum():
            parts = [_peeled(part, dimension) for part in node.operands]
            kept = [part for part in parts if part is not None]
            if len(kept) < len(parts):
                return None
            total = kept[0]
            for part in kept[1:]:
                total = build.add(total, part)
            return total
        case Negative():
            inner = _peeled(node.operands[0], dimension)
            return None if inner is None else build.negate(inner)
        case Product():
            *factors, last = node.operands
            inner = _peeled(last, dimension)
            if inner is None or any(_varies(factor) for factor in factors):
                return None
            for factor in factors:
                inner = build.multiply(factor, inner)
            return inner
        case SpatialOperator(name="laplacian"):
            return node.operands[0]
        case SpatialOperator(name="biharmonic"):
            return build.operator("laplacian", node.operands[0], dimension=dimension)
        case SpatialOperator(name="d2_dx2") if dimension == 1:
            return node.operands[0]
        case SpatialOperator(name="d4_dx4") if dimension == 1:
            return build.operator("d2_dx2", node.operands[0], dimension=1)
        case SpatialOperator(name="diffusion", operands=(coefficient, operand)) if not _varies(coefficient):
            return build.multiply(coefficient, operand)
    return None


def _varies(node: Node) -> bool:
    return bool(node.depends & (Depends.STATE | Depends.SPACE | Depends.TIME))


def densities(formulas: FieldFormulas) -> list[Any]:
    """The library: powers, products of gradients, momenta, squared Laplacians, and what the terms are derived from."""
    import sympy

    jets = formulas.jets
    u = [jets.symbol(field) for field in range(jets.count)]
    degree = 4 if jets.count <= MANY else 2
    found = [
        sympy.Mul(*factors) for d in range(1, degree + 1) for factors in itertools.combinations_with_replacement(u, d)
    ]
    pairs = list(itertools.combinations_with_replacement(range(jets.count), 2))
    found += [_slopes(formulas, a, b) for a, b in pairs]
    if jets.count <= MANY:
        found += [_laplacian(formulas, a) * _laplacian(formulas, b) for a, b in pairs]
        found += [u[field] * _slopes(formulas, field, field) for field in range(jets.count)]
    for a, b in itertools.combinations(range(jets.count), 2):
        found += [u[a] * jets.total(u[b], axis) for axis in range(len(jets.axes))]
    return found + _terms(formulas)


def conserved_densities(formulas: FieldFormulas, library: Sequence[Any]) -> list[Any]:
    """Combinations of a library whose integral no state changes, with parameters as symbols; divergences left out."""
    jets = formulas.jets
    columns = [rate_identity(formulas, density) for density in library]
    unknowns = sorted({s for column in columns for entry in column for s in jets.inside(entry)}, key=str)
    found = []
    for vector in relations(columns, unknowns):
        density = sum((c * d for c, d in zip(vector, library, strict=True)), start=0 * library[0])
        if not all(vanishes(entry) for entry in jets.gradient(density)):
            found.append(density)
    return found


def rate_identity(formulas: FieldFormulas, density: Any) -> list[Any]:
    """Expressions that all vanish exactly if the integral of `density` is conserved between periodic ends.

    Its rate is the integral of ``P = sum_a (delta E/delta u_a) f_a``, which is zero for every state exactly if P is a
    divergence, so if its Euler operator vanishes, and P vanishes on uniform states.
    """
    jets = formulas.jets
    gradient = jets.gradient(density)
    power = sum((g * f for g, f in zip(gradient, formulas.rates or (), strict=True)), start=0 * density)
    return [*jets.gradient(power), jets.uniform(power)]


def is_conserved(formulas: FieldFormulas, density: Any) -> bool:
    """Whether the integral of a density is conserved, proved with the values of the parameters."""
    return all(vanishes(entry.subs(formulas.numbers)) for entry in rate_identity(formulas, density))


def _slopes(formulas: FieldFormulas, a: int, b: int) -> Any:
    jets = formulas.jets
    axes = range(len(jets.axes))
    parts = [jets.total(jets.symbol(a), axis) * jets.total(jets.symbol(b), axis) for axis in axes]
    return sum(parts, start=0 * jets.symbol(a))


def _laplacian(formulas: FieldFormulas, field: int) -> Any:
    jets = formulas.jets
    parts = [jets.total(jets.total(jets.symbol(field), axis), axis) for axis in range(len(jets.axes))]
    return sum(parts, start=0 * jets.symbol(field))


def _terms(formulas: FieldFormulas) -> list[Any]:
    """``cos(u)`` for ``sin(u)`` and the like."""
    import sympy

    found: dict[Any, None] = {}
    for rate in formulas.rates or ():
        for part in sorted(sympy.preorder_traversal(rate), key=sympy.default_sort_key):
            for relative in relatives(part):
                inside = formulas.jets.inside(relative)
                if inside and not relative.is_polynomial(*inside) and formulas.jets.uniform(relative) == relative:
                    found.setdefault(relative)
    return list(found)[:6]
