"""Where the eigenvalues of sums of operators lie when their coefficients vary from place to place.

Boxes around numerical ranges in one inner product add; boxes around eigenvalues do not. In the norm of the grid an
operator is ``S = H + iG`` with H and G symmetric. With a real coefficient a, as a diagonal matrix A,

    Re(A H) = C H C + [C, [C, H]]/2   with C^2 = A where a >= 0,      Im(A H) = [A, H]/2i,
    Re(A iG) = i[A, G]/2,                                             |Im(A iG)| <= max|a| |G|,

so that what does not commute costs commutators, whose entries are ``S_ij (a_i - a_j)`` and ``S_ij (c_i - c_j)^2``: the
largest row sum bounds them, small where a changes little between neighbours. Without a stencil they are at most
``2 r s`` and ``4 q^2 s``, with half the spread r of a, q of c, and s of the spectrum.

The norm of the grid may be divided by a positive function w: ``a S`` becomes ``(a/w) (w^(1/2) S w^(1/2))``, and where
all coefficients are multiples of w nothing of this is needed. Eigenvalues lie in the box of every such norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from ..lowering import Layout
from .line_matrix import line_stencil
from .spectra import MAX_LINE, axes_of, kind_of

MAX_NORMS = 3
"""Norms that are tried beside that of the grid."""


@dataclass(frozen=True)
class Box:
    """Around a numerical range: real parts in ``[lowest, highest]``, imaginary parts up to `imaginary`."""

    lowest: float
    highest: float
    imaginary: float

    @property
    def norm(self) -> float:
        """A bound on the norm, ``|H| + |G|``."""
        return max(abs(self.lowest), abs(self.highest)) + self.imaginary

    def __add__(self, other: Box) -> Box:
        return Box(self.lowest + other.lowest, self.highest + other.highest, self.imaginary + other.imaginary)

    def __and__(self, other: Box) -> Box:
        lowest, highest = max(self.lowest, other.lowest), min(self.highest, other.highest)
        return Box(lowest, highest, min(self.imaginary, other.imaginary))


@dataclass(frozen=True)
class Varying:
    """``a(x) S``: a coefficient in front of operators.

    Attributes:
        coefficient: values of a, ``(*lead, *grid)`` or broadcastable to it.
        operators: their names, outermost first; empty for the identity.
        box: of S.
        varies: whether a changes along the grid (leading axes count components and samples).
        is_plain: S is the operators alone, with no coefficient inside.
    """

    coefficient: np.ndarray
    operators: tuple[str, ...]
    box: Box
    varies: bool
    is_plain: bool = True


def row_box(terms: Sequence[Varying], layout: Layout, field: str, *, alone: bool) -> Box:
    """A box around the eigenvalues of a sum of terms on one field.

    Args:
        terms: what acts on the field in its own rate.
        layout: of the field.
        field: its name.
        alone: nothing else is added to the sum, so that any inner product may be taken; else it is that of the grid.
    """
    terms = _merged(terms)
    if alone and len(terms) == 1 and _is_definite(terms[0]):
        return _corners(terms[0].coefficient, terms[0].box)
    total = _sum(term_box(term, layout, field) for term in terms)
    varying = [term.coefficient for term in terms if term.operators and term.varies]
    for weight in [a for a in varying if _has_one_sign(a)][:MAX_NORMS] if alone else ():
        total = total & _sum(term_box(divided(term, weight), layout, field, np.abs(weight)) for term in terms)
    return total


def _sum(boxes: Iterable[Box]) -> Box:
    return reduce(Box.__add__, boxes, Box(0.0, 0.0, 0.0))


def divided(term: Varying, weight: np.ndarray) -> Varying:
    """``(a/w) (w^(1/2) S w^(1/2))`` for w of either sign; the identity stays what it is."""
    if not term.operators:
        return term
    ratio = term.coefficient / np.abs(weight)
    flat = np.ptp(ratio) <= 1e-12 * np.abs(ratio).max()
    return replace(term, coefficient=ratio, varies=not flat, box=_corners(np.abs(weight), term.box))


def _merged(terms: Sequence[Varying]) -> list[Varying]:
    """Terms with the same plain operators are one, with the sum of their coefficients."""
    found: dict[tuple[str, ...], Varying] = {}
    rest = []
    for term in terms:
        if not term.is_plain:
            rest.append(term)
        elif (other := found.get(term.operators)) is None:
            found[term.operators] = term
        else:
            total = other.coefficient + term.coefficient
            varies = other.varies or term.varies
            found[term.operators] = Varying(total, term.operators, term.box, varies)
    return [*found.values(), *rest]


def _is_definite(term: Varying) -> bool:
    """Whether S is semi-definite: ``A S`` has the eigenvalues of ``|S|^(1/2) A |S|^(1/2)``, whatever the signs of A."""
    return term.box.imaginary == 0 and (term.box.lowest >= 0 or term.box.highest <= 0)


def _has_one_sign(a: np.ndarray) -> bool:
    return not np.iscomplexobj(a) and bool((a > 0).all() or (a < 0).all())


def _corners(a: np.ndarray, box: Box) -> Box:
    """``a S`` where a may be taken for a number: the products of the ends."""
    if np.iscomplexobj(a):
        flat = a.ravel()
        sides = np.array([x + 1j * y for x in (box.lowest, box.highest) for y in (-box.imaginary, box.imaginary)])
        products = np.multiply.outer(flat, sides)
        return Box(float(products.real.min()), float(products.real.max()), float(np.abs(products.imag).max()))
    ends = [float(end * edge) for end in (a.min(), a.max()) for edge in (box.lowest, box.highest)]
    return Box(min(ends), max(ends), box.imaginary * float(np.abs(a).max()))


def term_box(term: Varying, layout: Layout, field: str, weight: np.ndarray | None = None) -> Box:
    """``a S`` in the norm of the grid, with ``w^(1/2) S w^(1/2)`` for S where there is a weight."""
    a, box = term.coefficient, term.box
    if not term.varies or not term.operators:
        return _corners(a, box)
    size = float(np.abs(a).max())
    if np.iscomplexobj(a):
        return Box(-size * box.norm, size * box.norm, size * box.norm)
    symmetric, skew = box.imaginary == 0, box.lowest == box.highest == 0
    base = 0.0 if (a >= 0).all() or (a <= 0).all() else float(a.min())
    shifted = np.abs(a - base)
    root = np.sqrt(shifted)
    half, middle = _half_spread(a), _half_spread(np.array([box.lowest, box.highest]))
    first, second = half * middle, 2 * _half_spread(root) ** 2 * middle
    turned = half * box.imaginary
    if symmetric or skew:
        local = _row_sum(term, layout, field, lambda one, other: np.abs(one - other), a, weight) / 2
        turned, first = (min(turned, local), first) if skew else (turned, min(first, local))
    if symmetric:
        second = min(second, _row_sum(term, layout, field, lambda one, other: (one - other) ** 2, root, weight) / 2)
    real = _corners(np.asarray(base), box) + _corners(a - base, box)
    reach = second + turned
    norm = size * box.norm
    return Box(max(real.lowest - reach, -norm), min(real.highest + reach, norm), first + size * box.imaginary)


def _half_spread(values: np.ndarray) -> float:
    return float(values.max() - values.min()) / 2


def _row_sum(
    term: Varying,
    layout: Layout,
    field: str,
    change: Callable[[np.ndarray, np.ndarray], np.ndarray],
    a: np.ndarray,
    weight: np.ndarray | None,
) -> float:
    """The largest ``sum_j |S_ij| change(a_i, a_j)``; infinite where the stencil of S is not at hand."""
    plain = term.is_plain and len(term.operators) == 1 and layout.grid is not None
    if not plain or layout.mask is not None or layout.is_curved or layout.isotropic:
        return float("inf")
    shape = layout.required_grid().shape
    if max(shape) > MAX_LINE:
        return float("inf")
    root = np.sqrt(np.ones(()) if weight is None else weight)
    full = np.broadcast_shapes(a.shape, root.shape, shape)
    a, root = np.broadcast_to(a, full), np.broadcast_to(root, full)
    total = np.zeros(full)
    for axis in axes_of(layout, term.operators[0]):
        place = axis - len(shape)
        points, weights = line_stencil(layout, field, axis, kind_of(term.operators[0]))
        along, roots = (np.moveaxis(part, place, -1)[..., points] for part in (a, root))
        sums = np.zeros_like(along)
        for offset in range(1, len(points)):
            column = (np.arange(len(points)) + offset) % len(points)
            entries = weights[np.arange(len(points)), column]
            if entries.any():
                sums += entries * roots * roots[..., column] * change(along, along[..., column])
        np.moveaxis(total, place, -1)[..., points] += sums
    return float(total.max())
