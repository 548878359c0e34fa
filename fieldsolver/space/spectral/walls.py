"""Cosine and sine series between two walls: expansion coefficients of the eigenfunctions of the second derivative.

The functions ``phi_n(x)`` are even or odd about each wall:

    kind            low    high   phi_n(x)                       n
    cosine          even   even   cos(pi n x/L)                  cells 0 .. N-1    nodes 0 .. M
    sine            odd    odd    sin(pi n x/L)                  cells 1 .. N      nodes 1 .. M-1
    sine-cosine     odd    even   sin(pi (n + 1/2) x/L)          cells 0 .. N-1    nodes 0 .. M-1
    cosine-sine     even   odd    cos(pi (n + 1/2) x/L)          cells 0 .. N-1    nodes 0 .. M-1

with ``x`` measured from the low wall, ``N`` cells, or ``M = N - 1`` intervals between ``N`` nodes of which the
first and the last lie on the walls. An odd function vanishes on its wall: the value of a node there is ignored by
`forward` and zero after `inverse`. All transforms give the coefficients of ``u = sum_n c_n phi_n`` themselves; they are
the discrete cosine and sine transforms of types I (nodes), II (cells), III and IV (mixed walls) up to constant factors
(G. Strang, The discrete cosine transform, SIAM Review 41 (1999) 135).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .constants import Constants, along, resized
from .makhoul import CellSeries, evens_then_odds_back


class WallSeries(ABC):
    """One of the series above.

    Attributes:
        first: the smallest ``n``.
        count: number of modes.
    """

    first: int
    count: int

    def forward(self, values: Tensor, dim: int) -> Tensor:
        """Coefficients of real or complex values."""
        return _by_parts(self._forward, values, dim)

    def inverse(self, coefficients: Tensor, dim: int) -> Tensor:
        """Values of the series on the points."""
        return _by_parts(self._inverse, coefficients, dim)

    def moved(self, coefficients: Tensor, dim: int, other: WallSeries) -> Tensor:
        """Coefficients stored as those of another series with the same ``n``: zeros added, superfluous ones dropped."""
        last, other_last = self.first + self.count, other.first + other.count
        return resized(coefficients, dim, self.first - other.first, other_last - last)

    @abstractmethod
    def _forward(self, values: Tensor, dim: int) -> Tensor: ...

    @abstractmethod
    def _inverse(self, coefficients: Tensor, dim: int) -> Tensor: ...


class CellSame(WallSeries):
    """Cells, the same symmetry at both walls (types II and III)."""

    def __init__(self, points: int, *, odd: bool) -> None:
        self.first, self.count = int(odd), points
        self._series = CellSeries(points, odd=odd)

    def _forward(self, values: Tensor, dim: int) -> Tensor:
        return self._series.forward(values, dim)

    def _inverse(self, coefficients: Tensor, dim: int) -> Tensor:
        return self._series.inverse(coefficients, dim)


class NodeCosine(WallSeries):
    """Nodes, even at both walls (type I): a Fourier series of the reflected values, ``2M`` of them."""

    def __init__(self, points: int) -> None:
        self.first, self.count = 0, points
        self._constants = Constants()

    def _forward(self, values: Tensor, dim: int) -> Tensor:
        reflected = values.narrow(dim, 1, self.count - 2).flip(dim)
        spectrum = torch.fft.rfft(torch.cat((values, reflected), dim), dim=dim, norm="forward").real
        return spectrum * along(self._constants.get("ends", self._multiplicity, values), dim)

    def _inverse(self, coefficients: Tensor, dim: int) -> Tensor:
        halves = coefficients / along(self._constants.get("ends", self._multiplicity, coefficients), dim)
        spectrum = torch.complex(halves, torch.zeros_like(halves))
        return torch.fft.irfft(spectrum, 2 * self.count - 2, dim, norm="forward").narrow(dim, 0, self.count)

    def _multiplicity(self) -> np.ndarray:
        """cos(n theta) is two exponentials, but only one if ``n = 0`` or ``n = M``."""
        n = np.arange(self.count)
        return np.where((n == 0) | (n == self.count - 1), 1.0, 2.0)


class NodeSine(WallSeries):
    """Nodes, odd at both walls (type I): a Fourier series of the reflected values, ``2M`` of them."""

    def __init__(self, points: int) -> None:
        self.first, self.count = 1, points - 2

    def _forward(self, values: Tensor, dim: int) -> Tensor:
        inner = values.narrow(dim, 1, self.count)
        period = torch.cat((resized(inner, dim, 1, 1), -inner.flip(dim)), dim)
        return -2 * torch.fft.rfft(period, dim=dim, norm="forward").imag.narrow(dim, 1, self.count)

    def _inverse(self, coefficients: Tensor, dim: int) -> Tensor:
        halves = resized(-0.5 * coefficients, dim, 1, 1)
        spectrum = torch.complex(torch.zeros_like(halves), halves)
        period = torch.fft.irfft(spectrum, 2 * self.count + 2, dim, norm="forward")
        return resized(period.narrow(dim, 1, self.count), dim, 1, 1)


class NodeMixed(WallSeries):
    """Nodes, odd at one wall (types III and II): the sum over modes ``n`` is a series over ``M`` cells ``n``."""

    def __init__(self, points: int, *, odd_low: bool) -> None:
        self.first, self.count = 0, points - 1
        self._odd_low = odd_low
        self._series = CellSeries(points - 1, odd=odd_low)
        self._constants = Constants()

    def _forward(self, values: Tensor, dim: int) -> Tensor:
        free = values.narrow(dim, int(self._odd_low), self.count)
        return self._series.inverse(free / along(self._constants.get("norm", self._norm, values), dim), dim)

    def _inverse(self, coefficients: Tensor, dim: int) -> Tensor:
        values = self._series.forward(coefficients, dim)
        values = values * along(self._constants.get("norm", self._norm, coefficients), dim)
        return resized(values, dim, int(self._odd_low), int(not self._odd_low))

    def _norm(self) -> np.ndarray:
        """Squared length of each cell function: ``M`` on the wall where the function is even, else ``M/2``."""
        norm = np.full(self.count, self.count / 2)
        norm[-1 if self._odd_low else 0] = self.count
        return norm


class CellMixed(WallSeries):
    """Cells, odd at one wall (type IV): one complex FFT of ``N`` values.

    With ``theta_n = pi (n + 1/2)/N`` and ``v = (u_0, u_2, ..., -u_3, -u_1)``, every second value of the extension
    that is even at the low wall and odd at the high one,

        sum_j u_j cos(theta_n (j + 1/2)) = Re[ exp(-i theta_n/2) sum_m v_m exp(-i pi m/N) exp(-2 pi i n m/N) ]
    """

    def __init__(self, points: int, *, odd_low: bool) -> None:
        self.first, self.count = 0, points
        self._odd_low = odd_low
        self._constants = Constants()

    def _forward(self, values: Tensor, dim: int) -> Tensor:
        return self._inverse(values, dim) * (2 / self.count)

    def _inverse(self, coefficients: Tensor, dim: int) -> Tensor:
        # sin(theta_n (j + 1/2)) = (-1)^n cos(theta_n (N - j - 1/2)), and the same with n and j exchanged.
        values = coefficients.flip(dim) if self._odd_low else coefficients
        extension = evens_then_odds_back(values, dim, sign=-1)
        half_turn = along(self._constants.get("half turn", self._half_turn, values), dim)
        spectrum = torch.fft.fft(extension * half_turn, dim=dim)
        return (spectrum * along(self._constants.get("quarter turn", self._quarter_turn, values), dim)).real

    def _half_turn(self) -> np.ndarray:
        return np.exp(-1j * np.pi * np.arange(self.count) / self.count)

    def _quarter_turn(self) -> np.ndarray:
        n = np.arange(self.count)
        sign = np.where(self._odd_low & (n % 2 == 1), -1.0, 1.0)
        return sign * np.exp(-0.5j * np.pi * (n + 0.5) / self.count)


def _by_parts(transform: Callable[[Tensor, int], Tensor], values: Tensor, dim: int) -> Tensor:
    """A real linear map on complex values: on the real and on the imaginary part."""
    if values.is_complex():
        return torch.complex(transform(values.real, dim), transform(values.imag, dim))
    return transform(values, dim)


def wall_series(kind: str, points: int, *, on_node: bool) -> WallSeries:
    """The series of a kind named in the table above."""
    if kind in ("cosine", "sine"):
        if not on_node:
            return CellSame(points, odd=kind == "sine")
        return NodeSine(points) if kind == "sine" else NodeCosine(points)
    odd_low = kind == "sine-cosine"
    return NodeMixed(points, odd_low=odd_low) if on_node else CellMixed(points, odd_low=odd_low)
