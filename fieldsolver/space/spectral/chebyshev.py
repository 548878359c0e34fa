"""Chebyshev collocation on an interval: derivatives, quadrature and boundary conditions of fields.

L. N. Trefethen, Spectral Methods in MATLAB, SIAM 2000, ch. 6, 7, 12, 13; J. A. C. Weideman and S. C. Reddy,
A MATLAB differentiation matrix suite, ACM Trans. Math. Softw. 26 (2000) 465.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import BoundaryError, GridError

from ..boundary import Condition, Dirichlet, Neumann, Robin
from .collocation import chebyshev_points, clenshaw_curtis_weights, differentiation_matrix
from .constants import Constants, along

Pair = tuple[float, float]
"""``(a, b)`` of a condition ``a u + b du/dn = g``."""


class ChebyshevLine:
    """An axis with the Chebyshev-Gauss-Lobatto points, both ends among them, in increasing order.

    Args:
        points: number of points N, at least 2; polynomials of degree N - 1 are differentiated exactly.
        low: left end.
        high: right end.

    Attributes:
        coordinates: the points, float64 ``(N,)``.

    Raises:
        GridError: fewer than 2 points, or ends that are not finite and increasing.
    """

    def __init__(self, points: int, low: float, high: float) -> None:
        if isinstance(points, bool) or not isinstance(points, int) or points < 2:
            raise GridError(f"a Chebyshev axis needs an integer number of points, at least 2; got {points!r}")
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise GridError(f"a Chebyshev axis runs upwards between finite ends, got ({low!r}, {high!r})")
        self.points, self.low, self.high = points, float(low), float(high)
        middle, radius = (self.low + self.high) / 2, (self.high - self.low) / 2
        coordinates = middle + radius * chebyshev_points(points)
        coordinates[0], coordinates[-1] = self.low, self.high
        self.coordinates = torch.from_numpy(coordinates)
        self._constants = Constants()

    def weights(self, device: torch.device | str = "cpu") -> Tensor:
        """Clenshaw-Curtis weights, float64 ``(N,)``: the integral over the interval is ``(weights * u).sum()``."""
        radius = (self.high - self.low) / 2
        return torch.from_numpy(radius * clenshaw_curtis_weights(self.points)).to(device)

    def matrix(self, m: int) -> np.ndarray:
        """Differentiation matrix of order `m`, float64 ``(N, N)``."""
        return differentiation_matrix(self.points, m) * (2 / (self.high - self.low)) ** m

    def derivative(self, values: Tensor, dim: int, m: int) -> Tensor:
        """The m-th derivative, ``(..., N, ...)`` -> ``(..., N, ...)``.

        Rounding grows like ``eps N^(2m)``; with float32 values keep N small.

        Args:
            values: real or complex.
            dim: the axis, counted from the end (negative).
            m: 1, 2, ...
        """
        self._check(values, dim)
        matrix = self._constants.get(("derivative", m), lambda: self.matrix(m), values)
        return _applied(matrix, values, dim)

    def bind(
        self,
        values: Tensor,
        dim: int,
        conditions: Sequence[Condition],
        data: Sequence[Tensor | float | None] = (None, None),
    ) -> Tensor:
        """The values with those on the two ends replaced so that the boundary conditions hold.

        With ``a u + b du/dn = g`` at each end and the rows of D for the slopes, the end values ``w`` solve the 2x2
        system ``A w = g - B u_inside`` (boundary bordering; Trefethen, ch. 13).

        Args:
            values: ``(..., N, ...)``; those on the ends are ignored.
            dim: the axis, counted from the end (negative).
            conditions: Dirichlet, Neumann or Robin at the low and at the high end. Their `value` is not looked at.
            data: the right-hand sides ``g``, broadcastable with size 1 along `dim`; None for zero.

        Raises:
            BoundaryError: another condition, or two that do not determine the end values.
            GridError: another number of points.
        """
        self._check(values, dim)
        low, high = conditions
        pair = _coefficients(low), _coefficients(high)
        inside = values.narrow(dim, 1, self.points - 2)
        ends = _applied(self._constants.get(("inside", pair), lambda: self._bordering(pair)[1], values), inside, dim)
        if any(side is not None for side in data):
            ends = ends + self._from_data(values, dim, pair, data)
        return torch.cat((ends.narrow(dim, 0, 1), inside, ends.narrow(dim, 1, 1)), dim)

    def _from_data(
        self, values: Tensor, dim: int, pair: tuple[Pair, Pair], data: Sequence[Tensor | float | None]
    ) -> Tensor:
        """``A^-1 g``."""
        inverse = self._constants.get(("data", pair), lambda: self._bordering(pair)[0], values)
        total = torch.zeros_like(values.narrow(dim, 0, 2))
        for side, given in enumerate(data):
            if given is not None:
                column = along(inverse[:, side], dim)
                total = total + column * given
        return total

    def _bordering(self, pair: tuple[Pair, Pair]) -> tuple[np.ndarray, np.ndarray]:
        """``A^-1`` and ``-A^-1 B``."""
        a, b = (np.array([[of_low], [of_high]]) for of_low, of_high in zip(*pair, strict=True))
        outward = self.matrix(1)[[0, -1]] * np.array([[-1.0], [1.0]])
        rows = a * np.eye(self.points)[[0, -1]] + b * outward
        scale = np.abs(rows).max(axis=1, keepdims=True)
        system = (rows / scale)[:, [0, -1]]
        if abs(np.linalg.det(system)) < 1e-12:
            raise BoundaryError(
                f"the conditions {pair[0]} and {pair[1]} (a, b of a u + b du/dn) do not determine the end values on "
                f"{self.points} Chebyshev points; change a coefficient or the number of points"
            )
        inverse = np.linalg.inv(system) / scale.T
        return inverse, -inverse @ rows[:, 1:-1]

    def _check(self, values: Tensor, dim: int) -> None:
        if not -values.dim() <= dim < 0:
            raise GridError(f"dim counts the axes from the end, -{values.dim()} to -1; got dim={dim}")
        if values.shape[dim] != self.points:
            raise GridError(f"the axis has {self.points} points, but dim={dim} of the values has {values.shape[dim]}")

    def __repr__(self) -> str:
        return f"ChebyshevLine({self.points}, {self.low:g}, {self.high:g})"


def _coefficients(condition: Condition) -> Pair:
    match condition:
        case Dirichlet():
            return 1.0, 0.0
        case Neumann():
            return 0.0, 1.0
        case Robin(a=a, b=b):
            return float(a), float(b)
    kind = type(condition).__name__
    raise BoundaryError(f"a Chebyshev axis has Dirichlet, Neumann or Robin conditions at its ends, got {kind}")


def _applied(matrix: Tensor, values: Tensor, dim: int) -> Tensor:
    """Matrix times vector along `dim`."""
    if values.is_complex():
        return torch.complex(_applied(matrix, values.real, dim), _applied(matrix, values.imag, dim))
    if dim == -1:
        return values @ matrix.T
    return (matrix @ values.movedim(dim, -2)).movedim(-2, dim)
