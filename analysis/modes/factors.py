"""The linear operators of the equation language as factors: what each multiplies ``exp(i k.x)`` by."""

from __future__ import annotations

from typing import NamedTuple


class Factor(NamedTuple):
    """One linear, translation-invariant operator.

    Attributes:
        kind: ``"derivative"`` (along `axis`, of the order `power`), ``"laplacian"``, ``"diffusion"`` (divergence of
            gradient, along `axis` or all axes), ``"mixed"`` (off the diagonal of a diffusion matrix, along `axis` and
            the axis `power`), ``"fractional"`` (``-|k|^(2 power)``), ``"kernel"`` (convolution with the kernel `name`),
            ``"mean"`` (over the domain).
        axis: the axis, -1 for all.
        power: order of the derivative, power s of a fractional Laplacian, second axis of a mixed one.
        name: of a kernel.
    """

    kind: str
    axis: int = -1
    power: float = 0.0
    name: str = ""


Monomial = tuple[Factor, ...]
"""Operators applied one after the other; they commute, so the tuple is sorted."""

LOCAL = frozenset({"derivative", "laplacian", "diffusion", "mixed", "fractional"})
"""Factors that are a power of k along a ray, and vanish on uniform states."""
ISOTROPIC = frozenset({"laplacian", "fractional", "mean"})


def product(monomial: Monomial, factor: Factor) -> Monomial:
    """One more operator."""
    return tuple(sorted((*monomial, factor)))


def vanishes_on_uniform(monomial: Monomial) -> bool:
    """Whether a constant is mapped to zero."""
    return any(factor.kind in LOCAL for factor in monomial)
