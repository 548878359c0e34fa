"""Products with a banded matrix held by its diagonals."""

from __future__ import annotations

import torch


def banded_product(bands: torch.Tensor, lower: int, upper: int, v: torch.Tensor, *, transpose: bool) -> torch.Tensor:
    """``A v`` or ``A^T v`` along the last axis.

    Args:
        bands: ``(lower + 1 + upper, N)`` with ``bands[upper + i - j, j] = A[i, j]``, LAPACK's and SciPy's layout.
        v: ``(..., N)``.
    """
    bands = without_corners(bands, lower, upper)
    total = torch.zeros_like(v)
    for offset in range(-lower, upper + 1):  # A[i, i + offset]
        diagonal = bands[upper - offset]
        if transpose:
            term = diagonal * _shifted(v, -offset)  # row i = j - offset of column j
        else:
            term = _shifted(diagonal * v, offset)
        total = total + term
    return total


def without_corners(bands: torch.Tensor, lower: int, upper: int) -> torch.Tensor:
    """Zeros in the places of the layout that lie outside the matrix."""
    points = bands.shape[1]
    row = torch.arange(points, device=bands.device) + torch.arange(-upper, lower + 1, device=bands.device)[:, None]
    return torch.where((row >= 0) & (row < points), bands, 0)


def bands_of(matrix: torch.Tensor, lower: int, upper: int) -> torch.Tensor:
    """The diagonals of a dense matrix ``(N, N)`` in LAPACK's layout."""
    rows = []
    for offset in range(upper, -lower - 1, -1):
        diagonal = torch.diagonal(matrix, offset)
        rows.append(torch.nn.functional.pad(diagonal, (max(offset, 0), max(-offset, 0))))
    return torch.stack(rows)


def bandwidths(matrix: torch.Tensor) -> tuple[int, int]:
    """How many diagonals below and above the main one hold something."""
    rows, columns = matrix.detach().cpu().nonzero(as_tuple=True)
    if not len(rows):
        return 0, 0
    return max(0, int((rows - columns).max())), max(0, int((columns - rows).max()))


def _shifted(v: torch.Tensor, offset: int) -> torch.Tensor:
    """``w_i = v_(i + offset)``, zero outside."""
    if offset == 0:
        return v
    kept = v[..., offset:] if offset > 0 else v[..., :offset]
    return torch.nn.functional.pad(kept, (max(-offset, 0), max(offset, 0)))
