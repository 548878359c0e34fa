"""One axis of a uniform grid with the functions that fit its ends: transforms, derivatives, symbols.

On functions that the grid resolves all of this is exact; on analytic functions with the symmetry of the ends the
error falls faster than any power of the spacing (L. N. Trefethen, Spectral Methods in MATLAB, SIAM 2000, ch. 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import GridError, ParameterError

from .constants import Constants, along, in_precision
from .periodic import PeriodicSeries
from .reflection import PARITIES, continued, periods, zeroed
from .walls import WallSeries, wall_series

KINDS: tuple[str, ...] = ("fourier", "anti-fourier", "cosine", "sine", "sine-cosine", "cosine-sine")
_DERIVED = {"cosine": "sine", "sine": "cosine", "sine-cosine": "cosine-sine", "cosine-sine": "sine-cosine"}


class SpectralLine:
    """A uniform axis, and the series in which functions on it are expanded.

    Coefficients are those of ``u = sum_k c_k phi_k`` with ``phi_k = exp(i k (x - x_0))`` on periodic axes (``x_0`` the
    first point) and ``cos(k (x - a))`` or ``sin(k (x - a))`` between walls (``a`` the low wall; the table of the modes
    is in `walls`).

    Args:
        kind: ``"fourier"``; ``"anti-fourier"``, ``u(x + L) = -u(x)``; ``"cosine"``, even about both walls; ``"sine"``,
            odd about both; ``"sine-cosine"``, odd about the low and even about the high wall; ``"cosine-sine"``.
        points: number of unknowns N.
        length: length L of the domain.
        on_node: both walls are unknowns, ``h = L/(N - 1)``; else cells of width ``h = L/N`` with the walls half a cell
            outside. Periodic axes have ``h = L/N`` either way.

    Raises:
        GridError: an unknown kind, too few points, or a length that is not positive.
    """

    def __init__(self, kind: str, points: int, length: float, on_node: bool = False) -> None:
        if kind not in KINDS:
            raise GridError(f"the kind of a spectral axis is one of {', '.join(KINDS)}; got {kind!r}")
        least = 3 if kind == "sine" and on_node else 2
        if isinstance(points, bool) or not isinstance(points, int) or points < least:
            raise GridError(f"a {kind} axis needs an integer number of points, at least {least}; got {points!r}")
        if not (isinstance(length, (int, float)) and math.isfinite(length) and length > 0):
            raise GridError(f"the length of an axis is a positive number, got {length!r}")
        self.kind, self.points, self.length = kind, points, float(length)
        self.on_node = bool(on_node)
        self.periodic = kind in ("fourier", "anti-fourier")
        self.series: PeriodicSeries | WallSeries = (
            PeriodicSeries(points, anti=kind == "anti-fourier")
            if self.periodic
            else wall_series(kind, points, on_node=self.on_node)
        )
        self._constants = Constants()
        self.resamplings: dict[float, Any] = {}

    @property
    def intervals(self) -> int:
        """Number of spacings in the length."""
        return self.points - 1 if self.on_node and not self.periodic else self.points

    @property
    def largest_wave_number(self) -> float:
        """``pi/h``, the wave number of the sawtooth; the largest that the points resolve."""
        return math.pi * self.intervals / self.length

    def wave_numbers(self, device: torch.device | str = "cpu", *, half: bool = False) -> Tensor:
        """Angular wave numbers ``k`` of the modes, float64 ``(M,)``, in the order of the coefficients.

        The tensor is kept and handed out again: do not change it in place.

        Args:
            device: where they are wanted.
            half: those of the half spectrum of real values, ``k >= 0``; no different between walls.
        """
        return self._constants.on(
            torch.device(device), torch.float64, ("k", half), lambda: self._wave_numbers(half=half)
        )

    def forward(self, values: Tensor, dim: int, *, half: bool = False) -> Tensor:
        """Coefficients ``(..., M, ...)`` of values ``(..., N, ...)``.

        They are complex on periodic axes; between walls they are real if the values are.

        Args:
            values: real or complex.
            dim: the axis, counted from the end (negative).
            half: on periodic axes and of real values: only the coefficients of ``k >= 0``.

        Raises:
            GridError: `dim` is not negative, or the values have another number of points.
        """
        self._check(values, dim)
        if isinstance(self.series, PeriodicSeries):
            return self.series.forward(values, dim, half=half)
        return self.series.forward(values, dim)

    def inverse(self, coefficients: Tensor, dim: int, *, half: bool = False) -> Tensor:
        """Values ``(..., N, ...)``; undoes `forward` with the same `half`, apart from the values on odd walls."""
        if isinstance(self.series, PeriodicSeries):
            return self.series.inverse(coefficients, dim, half=half)
        return self.series.inverse(coefficients, dim)

    @cached_property
    def derived(self) -> SpectralLine:
        """The same axis with the symmetry of the first derivative: even becomes odd and odd even."""
        return self if self.periodic else SpectralLine(_DERIVED[self.kind], self.points, self.length, self.on_node)

    def derivative(self, values: Tensor, dim: int, m: int) -> Tensor:
        """The m-th derivative on the same points, ``(..., N, ...)``; for odd `m` its symmetry is that of `derived`.

        An odd derivative of the Nyquist mode is zero: ``cos(pi x/h)`` has the slope zero at every point
        (Trefethen, ch. 3).

        Raises:
            ParameterError: `m` is not a positive integer.
        """
        if isinstance(m, bool) or not isinstance(m, int) or m < 1:
            raise ParameterError(f"the order of a derivative is a positive integer, got m={m!r}")
        self._check(values, dim)
        # One pass through the reflected function beats two transforms of half its length: memory sets the pace.
        period = continued(values, dim, self.kind, on_node=self.on_node)
        count, half = period.shape[dim], not values.is_complex()
        spectrum = torch.fft.rfft(period, dim=dim) if half else torch.fft.fft(period, dim=dim)
        factors = self._constants.get(("ik", m, half), lambda: self._derivative_factors(m, half=half), values)
        spectrum = spectrum * along(factors, dim)
        period = torch.fft.irfft(spectrum, count, dim) if half else torch.fft.ifft(spectrum, dim=dim)
        result = period.narrow(dim, 0, self.points)
        if self.periodic:
            return result
        low, high = PARITIES[self.kind]
        return zeroed(result, dim, (low * (-1) ** m, high * (-1) ** m), on_node=self.on_node)

    def multiply(self, values: Tensor, dim: int, symbol: Callable[[Tensor], Tensor]) -> Tensor:
        """The operator with a given symbol: every coefficient times ``symbol(k)``.

        Real values on a periodic axis have a real result: the symbol must be that of a real operator, ``symbol(-k)``
        the conjugate of ``symbol(k)``; make the values complex for others. The Nyquist mode is multiplied by the mean
        over its two wave numbers. Between walls only functions of ``|k|`` keep the symmetry of the ends.

        Args:
            values: ``(..., N, ...)``.
            dim: the axis, counted from the end (negative).
            symbol: a function of the wave numbers, which it is handed as float64 ``(M, 1, ...)`` broadcasting along
                `dim`; the result may have leading batch axes and carry gradients.
        """
        half = not values.is_complex()
        coefficients = self.forward(values, dim, half=half)
        factors = in_precision(symbol(along(self.wave_numbers(values.device, half=half), dim)), values)
        if not half and isinstance(self.series, PeriodicSeries) and self.series.nyquist is not None:
            other = self._constants.on(values.device, torch.float64, "k, Nyquist positive", self._nyquist_positive)
            factors = 0.5 * (factors + in_precision(symbol(along(other, dim)), values))
        return self.inverse(coefficients * factors, dim, half=half)

    def _wave_numbers(self, *, half: bool) -> np.ndarray:
        if isinstance(self.series, PeriodicSeries):
            return 2 * np.pi / self.length * self.series.mode_numbers(half=half)
        shift = 0.5 if self.kind in ("sine-cosine", "cosine-sine") else 0.0
        return np.pi / self.length * (self.series.first + shift + np.arange(self.series.count))

    def _nyquist_positive(self) -> np.ndarray:
        k = self._wave_numbers(half=False)
        return np.where(np.arange(k.size) == self.points // 2, -k, k)

    def _derivative_factors(self, m: int, *, half: bool) -> np.ndarray:
        """``(ik)^m`` on the period of the continued function."""
        copies = periods(self.kind)
        count, step = copies * self.intervals, self.length / self.intervals
        k = 2 * np.pi * (np.fft.rfftfreq(count, step) if half else np.fft.fftfreq(count, step))
        if m % 2 == 0:
            return (1, -1)[m // 2 % 2] * k**m
        if count % 2 == 0:
            k[count // 2] = 0.0
        return (1j, -1j)[m // 2 % 2] * k**m

    def _check(self, values: Tensor, dim: int) -> None:
        if not -values.dim() <= dim < 0:
            raise GridError(f"dim counts the axes from the end, -{values.dim()} to -1; got dim={dim}")
        if values.shape[dim] != self.points:
            raise GridError(f"the axis has {self.points} points, but dim={dim} of the values has {values.shape[dim]}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SpectralLine) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return self.kind, self.points, self.length, self.on_node

    def __repr__(self) -> str:
        return f"SpectralLine({self.kind!r}, {self.points}, {self.length:g}, on_node={self.on_node})"
