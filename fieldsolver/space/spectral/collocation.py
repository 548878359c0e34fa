"""Chebyshev-Gauss-Lobatto points with their differentiation matrices and quadrature weights, on (-1, 1)."""

from __future__ import annotations

import numpy as np

from fieldsolver.errors import ParameterError


def chebyshev_points(points: int) -> np.ndarray:
    """``-cos(pi j/(N - 1))``, increasing; the sine form is exactly symmetric about zero."""
    n = points - 1
    return np.sin(np.pi * np.arange(-n, n + 1, 2) / (2 * n))


def differentiation_matrix(points: int, m: int) -> np.ndarray:
    """The matrix ``D_m`` that differentiates the interpolating polynomial m times at its points, ``(N, N)``.

    From ``D_0 = 1`` by the recursion of B. D. Welfert, SIAM J. Numer. Anal. 34 (1997) 1640, as Weideman and Reddy
    (ACM Trans. Math. Softw. 26 (2000) 465) have it,

        (D_l)_ij = l/(x_i - x_j) ((c_i/c_j) (D_(l-1))_ii - (D_(l-1))_ij),      i != j,

    with ``c_j = (-1)^j``, twice that at the ends. Differences of points come from products of sines, and the diagonal
    from the other entries of its row, so that the derivative of a constant is zero to rounding (R. Baltensperger
    and M. R. Trummer, SIAM J. Sci. Comput. 24 (2003) 1465).

    Raises:
        ParameterError: `m` is not a positive integer.
    """
    if isinstance(m, bool) or not isinstance(m, int) or m < 1:
        raise ParameterError(f"the order of a derivative is a positive integer, got m={m!r}")
    c = (-1.0) ** np.arange(points)
    c[[0, -1]] *= 2
    ratio = c[:, None] / c[None, :]
    inverse = 1 / _differences(points)
    np.fill_diagonal(inverse, 0.0)
    matrix = np.eye(points)
    for order in range(1, m + 1):
        matrix = order * inverse * (ratio * np.diag(matrix)[:, None] - matrix)
        np.fill_diagonal(matrix, -matrix.sum(axis=1))
    return matrix


def clenshaw_curtis_weights(points: int) -> np.ndarray:
    """Weights of the integral of the interpolating polynomial, ``(N,)`` (J. Waldvogel, BIT 46 (2006) 195)."""
    n = points - 1
    k, j = np.arange(points)[:, None], np.arange(1, n // 2 + 1)[None, :]
    terms = np.where(2 * j == n, 1.0, 2.0) / (4 * j**2 - 1) * np.cos(2 * np.pi * (j * k % n) / n)
    weights = (1 - terms.sum(axis=1)) / n
    weights[1:-1] *= 2
    return weights


def _differences(points: int) -> np.ndarray:
    """``x_i - x_j = 2 sin((t_i + t_j)/2) sin((t_i - t_j)/2)``, ones on the diagonal.

    The lower half of the rows is the upper one mirrored: the sines of small angles have the smaller relative errors.
    """
    half_angles = np.pi * np.arange(points) / (2 * (points - 1))
    t, s = half_angles[:, None], half_angles[None, :]
    differences = 2 * np.sin(t + s) * np.sin(t - s)
    below = points // 2
    differences[points - below :] = -differences[:below][::-1, ::-1]
    np.fill_diagonal(differences, 1.0)
    return differences
