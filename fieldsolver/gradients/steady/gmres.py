"""GMRES for B linear systems at once, each with its own Krylov space and its own end.

In every cycle an orthonormal basis of the Krylov space of the residual is built (Arnoldi, Gram-Schmidt twice), and the
correction in that space is taken that leaves the smallest residual. After `vectors` steps a new cycle starts from the
true residual. A cycle that gains nothing would be repeated for ever: there the iteration ends.

Source: Y. Saad, M. H. Schultz, *GMRES*, SIAM J. Sci. Stat. Comput. 7 (1986) 856-869; Y. Saad, *Iterative Methods for
Sparse Linear Systems*, 2nd ed. (2003), algorithms 6.9 and 6.11.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Apply = Callable[[Tensor], Tensor]
"""(B, N) real -> (B, N): one matrix per sample, times one vector each."""

GAIN = 0.999
"""A cycle that leaves more than this part of the residual is the last one."""


@dataclass(frozen=True, slots=True)
class LinearSolution:
    """What an iteration for A x = b has found.

    Attributes:
        x: (B, N).
        residual: (B,) float64, the true |b - A x| / |b|; 0 where b = 0.
        iterations: (B,) int64.
        size: (B,) float64, a lower bound of |A|: how much A has stretched any of the vectors.
        applications: of A to the whole batch.
        vectors: that were kept at the same time, at most.
    """

    x: Tensor
    residual: Tensor
    iterations: Tensor
    size: Tensor
    applications: int
    vectors: int


def gmres(apply: Apply, b: Tensor, rtol: float, max_iterations: int, vectors: int) -> LinearSolution:
    """Solve A x = b from x = 0 until |b - A x| <= rtol |b|, or no further.

    Args:
        apply: the matrices.
        b: (B, N) real.
        rtol: tolerance of the relative residual.
        max_iterations: applications of A in Krylov spaces, per sample.
        vectors: of a basis, at most.
    """
    length = norm(b)
    x, r, left = torch.zeros_like(b), b, length
    iterations, size = torch.zeros_like(length, dtype=torch.int64), torch.zeros_like(length)
    going, applications, most = left > rtol * length, 0, 0
    while going.any() and applications < max_iterations:
        basis = min(vectors, max_iterations - applications)
        step, taken, stretched = _cycle(apply, r, rtol * length, going, basis)
        new_x = x + step
        new_r = b - apply(new_x)
        new_left = norm(new_r)
        better = going & (new_left < left)
        gained = going & (new_left <= GAIN * left)
        x, r = torch.where(better.unsqueeze(1), new_x, x), torch.where(better.unsqueeze(1), new_r, r)
        left = torch.where(better, new_left, left)
        iterations, size = iterations + taken, torch.maximum(size, stretched)
        applications, most = applications + 1 + int(taken.max()), max(most, 1 + int(taken.max()))
        going = gained & (left > rtol * length)
    return LinearSolution(x, torch.where(length > 0, left / length, 0.0), iterations, size, applications, most)


def _cycle(apply: Apply, r: Tensor, target: Tensor, going: Tensor, vectors: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best correction in a Krylov space of r, the iterations of each sample, and how much A has stretched."""
    samples, entries = r.shape
    length = norm(r)
    steps = min(vectors, entries)
    V = unit(r, torch.where(going, length, 0.0)).unsqueeze(1)  # (B, 1, N), and room that grows as it is needed
    H = torch.zeros(samples, steps + 1, steps, dtype=torch.float64, device=r.device)
    Q = torch.eye(steps + 1, dtype=torch.float64, device=r.device).repeat(samples, 1, 1)
    taken, stretched = torch.zeros_like(length, dtype=torch.int64), torch.zeros_like(length)
    for j in range(steps):
        w = apply(V[:, j])
        before = norm(w)
        h, w = _orthogonalised(V[:, : j + 1], w)
        after = torch.where(going & (norm(w) > torch.finfo(r.dtype).eps * before), norm(w), 0.0)
        H[:, : j + 1, j], H[:, j + 1, j] = torch.where(going.unsqueeze(1), h, 0.0), after
        V = _with_room(V, j + 1, steps)
        V[:, j + 1] = unit(w, after)
        taken, stretched = taken + going, torch.maximum(stretched, before)
        going = going & (length * _rotated(Q, H[:, :, j], j) > target)
        if not going.any():
            break
    k = int(taken.max())
    e1 = torch.zeros_like(H[:, : k + 1, :1])
    e1[:, 0, 0] = length
    y = torch.linalg.pinv(H[:, : k + 1, :k], rtol=4 * torch.finfo(r.dtype).eps) @ e1  # zero columns get no weight
    return (y.mT.to(r.dtype) @ V[:, :k]).squeeze(1), taken, stretched


def _with_room(V: Tensor, place: int, steps: int) -> Tensor:
    """The basis (B, m, N) with room for one more vector at a place: twice the room where there is none."""
    if place < V.shape[1]:
        return V
    return torch.cat([V, V.new_zeros(V.shape[0], min(V.shape[1], steps + 1 - V.shape[1]), V.shape[2])], dim=1)


def _orthogonalised(V: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (B, j) float64 of w in the basis V (B, j, N), and the rest of w. Twice is enough."""
    first = V @ w.unsqueeze(2)
    w = w - (first.mT @ V).squeeze(1)
    second = V @ w.unsqueeze(2)
    return (first.double() + second.double()).squeeze(2), w - (second.mT @ V).squeeze(1)


def _rotated(Q: Tensor, h: Tensor, j: int) -> Tensor:
    """Turn the new column h of the Hessenberg matrix to triangular form; the part of the residual that is left.

    Q (B, m, m) holds the product of the rotations, and takes the new one in place.
    """
    a, b = (Q[:, j : j + 2] @ h.unsqueeze(2)).squeeze(2).unbind(1)
    d = torch.hypot(a, b)
    c, s = torch.where(d > 0, a / d, 1.0), torch.where(d > 0, b / d, 0.0)
    rotation = torch.stack([torch.stack([c, s], 1), torch.stack([-s, c], 1)], 1)
    Q[:, j : j + 2] = rotation @ Q[:, j : j + 2]
    return Q[:, j + 1, 0].abs()


def unit(w: Tensor, length: Tensor) -> Tensor:
    """w / length (B,); zero where the length is."""
    return torch.where(length > 0, w.T / length.to(w.dtype), 0).T


def norm(v: Tensor) -> Tensor:
    """(B,) float64 lengths of (B, N)."""
    length: Tensor = torch.linalg.vector_norm(v, dim=1, dtype=torch.float64)
    return length
