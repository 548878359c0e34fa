"""Anderson acceleration of a fixed-point iteration for B linear systems at once.

The residual of x is r = b - A x. The next x is the combination of the last `vectors` iterates that leaves the smallest
residual, moved on by a multiple of that residual::

    gamma = argmin |r - dR gamma|,     x <- x - dX gamma + beta (r - dR gamma)

With all iterates it spans the spaces of GMRES; with a few it takes less memory, loses less at a restart because there
is none, and checks the true residual in every iteration.

Source: H. F. Walker, P. Ni, *Anderson acceleration for fixed-point iterations*, SIAM J. Numer. Anal. 49 (2011)
1715-1735, algorithm AA and theorem 2.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .gmres import GAIN, Apply, LinearSolution, norm, unit

PATIENCE = 3
"""Windows without a gain after which the iteration ends: residuals need not fall in every step."""


def anderson(apply: Apply, b: Tensor, rtol: float, max_iterations: int, vectors: int) -> LinearSolution:
    """Solve A x = b from x = 0 until |b - A x| <= rtol |b|, or no further.

    Args:
        apply: the matrices, (B, N) real -> (B, N).
        b: (B, N) real.
        rtol: tolerance of the relative residual.
        max_iterations: applications of A.
        vectors: pairs of differences that are kept, at most.
    """
    length = norm(b)
    beta, size = _first_step(b, apply(b))
    x, r, best, least = torch.zeros_like(b), b, torch.zeros_like(b), length
    dX, dR = (b.new_zeros(b.shape[0], vectors, b.shape[1]) for _ in range(2))
    iterations, going, mark, k = torch.zeros_like(length, dtype=torch.int64), length > 0, least, 0
    while k < max_iterations and going.any():
        gamma = _coefficients(dR, r)
        move = beta * (r - (gamma @ dR).squeeze(1)) - (gamma @ dX).squeeze(1)
        move = torch.where(going.unsqueeze(1), move, 0)
        new_r = b - apply(x + move)
        change = new_r - r
        size = torch.maximum(size, torch.where(norm(move) > 0, norm(change) / norm(move), 0.0))
        dX[:, k % vectors], dR[:, k % vectors] = unit(move, norm(change)), unit(change, norm(change))
        x, r, left = x + move, new_r, norm(new_r)
        better = going & (left < least)
        best, least = torch.where(better.unsqueeze(1), x, best), torch.where(better, left, least)
        k, iterations = k + 1, iterations + going
        going = going & (least > rtol * length)
        if k % (PATIENCE * vectors) == 0:
            going, mark = going & (least <= GAIN * mark), least
    return LinearSolution(best, torch.where(length > 0, least / length, 0.0), iterations, size, k + 1, 2 * vectors)


def _first_step(b: Tensor, applied: Tensor) -> tuple[Tensor, Tensor]:
    """The multiple of a residual (B, 1) that has about the length of the error, and |A b| / |b| (B,)."""
    ratio = torch.where(norm(b) > 0, norm(applied) / norm(b), 0.0)
    size = torch.where(ratio > 0, 1.0 / ratio, 1.0)
    towards = torch.where((b * applied).sum(1) < 0, -size, size)
    return towards.to(b.dtype).unsqueeze(1), ratio


def _coefficients(dR: Tensor, r: Tensor) -> Tensor:
    """(B, 1, m): argmin |r - dR gamma|, by the normal equations of unit vectors, without those that add nothing."""
    gram = (dR @ dR.mT).double()
    right = (dR @ r.unsqueeze(2)).double()
    return (torch.linalg.pinv(gram, rtol=64 * torch.finfo(r.dtype).eps, hermitian=True) @ right).mT.to(r.dtype)
