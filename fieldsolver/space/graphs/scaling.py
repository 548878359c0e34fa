"""The three Laplacians of a graph, as one matrix scaled by powers of the degrees.

With the weights ``A_ij`` with which vertex ``i`` hears vertex ``j`` and the degrees ``d_i = sum_j A_ij``,

    L = D^-a (A - D) D^-b

    kind             (a, b)        L                       self-adjoint for   kernel     conserved (undirected)
    combinatorial    (0, 0)        A - D                   sum u v            1          sum u
    random-walk      (1, 0)        D^-1 A - I              sum d u v          1          sum d u
    normalised       (1/2, 1/2)    D^-1/2 A D^-1/2 - I     sum u v            sqrt(d)    sum sqrt(d) u

The sign is that of the continuous operator: no eigenvalue is positive. ``1`` and ``sqrt(d)`` may be taken on each
component of the graph alone. Source: F. Chung, Spectral Graph Theory (AMS, 1997), section 1.2, with the opposite sign.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .topology import Topology

POWERS: dict[str, tuple[float, float]] = {
    "combinatorial": (0.0, 0.0),
    "random-walk": (1.0, 0.0),
    "normalised": (0.5, 0.5),
}


def degrees(topology: Topology, weights: Tensor) -> Tensor:
    """``d_i``, the total weight that each vertex hears: ``(E,) -> (N,)``."""
    _, listeners = topology.arcs(weights.device)
    return weights.new_zeros(topology.vertices).index_add(0, listeners, topology.arc_weights(weights))


class Coefficients(NamedTuple):
    """What operators read: functions of the weights.

    Attributes:
        weights: ``(E,)``.
        entries: of the Laplacian, for the pattern `Topology.laplacian`.
        left: the diagonal of ``D^-a``, ``(N,)``; None for the identity.
        right: the diagonal of ``D^-b``.
    """

    weights: Tensor
    entries: Tensor
    left: Tensor | None
    right: Tensor | None

    @classmethod
    def of(cls, topology: Topology, weights: Tensor, kind: str) -> Coefficients:
        """Differentiable in the weights ``(E,)``."""
        speakers, listeners = topology.arcs(weights.device)
        arcs, degree = topology.arc_weights(weights), degrees(topology, weights)
        diagonal = -degree
        left, right = _scale_factors(kind, degree)
        if left is not None:
            arcs, diagonal = arcs * left[listeners], diagonal * left
        if right is not None:
            arcs, diagonal = arcs * right[speakers], diagonal * right
        return cls(weights, torch.cat([arcs, diagonal]), left, right)

    def to(self, device: torch.device, dtype: torch.dtype) -> Coefficients:
        """The same elsewhere."""
        weights, entries, left, right = (None if value is None else value.to(device, dtype) for value in self)
        return Coefficients(weights, entries, left, right)  # type: ignore[arg-type]  # None stays None


def _scale_factors(kind: str, degree: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """``D^-a`` and ``D^-b``. A vertex that hears nobody has the factor 1."""
    a, b = POWERS[kind]
    heard = torch.where(degree > 0, degree, 1.0)
    return (heard**-a if a else None), (heard**-b if b else None)
