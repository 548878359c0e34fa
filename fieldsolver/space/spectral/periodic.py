"""Fourier series on a period, and on a half period after which the function changes its sign.

    u_j = sum_n c_n exp(2 pi i (n + s) j/N),        s = 0 (periodic) or s = 1/2 (anti-periodic)

The phase counts from the first point, wherever in its cell that is. When ``exp(i pi j)`` is among the modes (``N`` even
and ``s = 0``, ``N`` odd and ``s = 1/2``) it stands for the two wave numbers ``+pi/h`` and ``-pi/h`` that no grid can
tell apart, each with half of the coefficient; it is called the Nyquist mode, and it is stored once.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .constants import Constants, along, resized


class PeriodicSeries:
    """Transforms of one period.

    Attributes:
        nyquist: index of the Nyquist mode among all modes, or None.
        half_count: number of modes that describe a real function: those with ``n + s >= 0``.

    Args:
        points: ``N``.
        anti: ``s = 1/2``.
    """

    def __init__(self, points: int, *, anti: bool) -> None:
        self.points, self.anti = points, anti
        self.half_count = (points + 1) // 2 if anti else points // 2 + 1
        self.nyquist = points // 2 if points % 2 == int(anti) else None
        self._constants = Constants()

    def mode_numbers(self, *, half: bool) -> np.ndarray:
        """``n + s`` in the order of the coefficients; the Nyquist mode is positive if `half`, else negative."""
        if half:
            return np.arange(self.half_count) + 0.5 * self.anti
        shifted = self.points // 2 + (self.points % 2 if not self.anti else 0)
        n = np.arange(self.points)
        return np.where(n < shifted, n, n - self.points) + 0.5 * self.anti

    def forward(self, values: Tensor, dim: int, *, half: bool) -> Tensor:
        """Complex coefficients; with `half` (real values only) those of ``n + s >= 0``."""
        if not self.anti:
            transform = torch.fft.rfft if half else torch.fft.fft
            return transform(values, dim=dim, norm="forward")
        untwisted = values * along(self._constants.get("twist", self._twist, values), dim).conj()
        coefficients = torch.fft.fft(untwisted, dim=dim, norm="forward")
        return coefficients.narrow(dim, 0, self.half_count) if half else coefficients

    def inverse(self, coefficients: Tensor, dim: int, *, half: bool) -> Tensor:
        """Values on the points, real if `half`."""
        if not self.anti:
            if half:
                return torch.fft.irfft(coefficients, self.points, dim, norm="forward")
            return torch.fft.ifft(coefficients, dim=dim, norm="forward")
        if half:
            weights = along(self._constants.get("both", self._both, coefficients), dim)
            coefficients = resized(coefficients * weights, dim, 0, self.points - self.half_count)
        values = torch.fft.ifft(coefficients, dim=dim, norm="forward")
        values = values * along(self._constants.get("twist", self._twist, values), dim)
        return values.real if half else values

    def _twist(self) -> np.ndarray:
        return np.exp(1j * np.pi * np.arange(self.points) / self.points)

    def _both(self) -> np.ndarray:
        """How often a mode of the half appears in the whole."""
        both = np.full(self.half_count, 2.0)
        if self.nyquist is not None:
            both[self.nyquist] = 1.0
        return both
