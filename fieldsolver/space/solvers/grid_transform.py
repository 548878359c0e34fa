"""Transforms of whole grids: one basis for each axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from fieldsolver.space.spectral import SpectralLine
from fieldsolver.space.spectral.periodic import PeriodicSeries

from .protocol import Shift, Transform


class GridTransform(Protocol):
    """A product of one-dimensional bases on the trailing axes of a field.

    With ``half=True`` the field and L are real, and a transform may leave out modes that are conjugates of others.

    Attributes:
        axes: their number.
    """

    axes: int

    def forward(self, values: torch.Tensor, *, half: bool) -> torch.Tensor:
        """Coefficients ``(..., *modes)`` of values ``(..., *grid)``, in memory of their own unless `axes` is zero."""
        ...

    def inverse(self, coefficients: torch.Tensor, *, half: bool) -> torch.Tensor:
        """Values again."""
        ...

    def kept(self, symbols: torch.Tensor, first: int, *, half: bool) -> torch.Tensor:
        """The entries for the modes that `forward` gives, out of those for all; `first` is their first axis."""
        ...


class AxisByAxis:
    """Any transforms, the last axis first, so only its transform may halve the spectrum of real input.

    Args:
        transforms: one for each axis, in the order of the axes.
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms, self.axes = tuple(transforms), len(transforms)

    def forward(self, values: torch.Tensor, *, half: bool) -> torch.Tensor:
        for dim in range(-1, -self.axes - 1, -1):
            values = self.transforms[dim].forward(values, dim)
        return values

    def inverse(self, coefficients: torch.Tensor, *, half: bool) -> torch.Tensor:
        for dim in range(-self.axes, 0):
            coefficients = self.transforms[dim].inverse(coefficients, dim)
        return coefficients

    def kept(self, symbols: torch.Tensor, first: int, *, half: bool) -> torch.Tensor:
        return symbols


class SeriesTransform:
    """Series on every axis: those between walls first, while the field is real, then one FFT of all periodic axes.

    Of a real field one closed axis keeps half of its modes: the last periodic one, or the last anti-periodic one if
    none is periodic.

    Args:
        lines: one for each axis, in the order of the axes: `SpectralLine`, or any other `Transform` with as many real
            coefficients as there are real values.
    """

    def __init__(self, lines: Sequence[SpectralLine | Transform]) -> None:
        self.lines, self.axes = tuple(lines), len(lines)
        self._fourier = self._dims("fourier")
        self._anti = self._dims("anti-fourier")
        self._walls = tuple(dim for dim in range(-self.axes, 0) if dim not in (*self._fourier, *self._anti))
        self._sizes = tuple(self._line(dim).points for dim in self._fourier)
        closed = self._fourier or self._anti
        self._halved = closed[-1] if closed else None

    def forward(self, values: torch.Tensor, *, half: bool) -> torch.Tensor:
        for dim in self._walls:
            values = self.lines[dim].forward(values, dim)
        if self._fourier:
            fft = torch.fft.rfftn if half else torch.fft.fftn
            values = fft(values, dim=self._fourier, norm="forward")
        for dim in reversed(self._anti):
            values = self._line(dim).forward(values, dim, half=half and dim == self._halved)
        return values

    def inverse(self, coefficients: torch.Tensor, *, half: bool) -> torch.Tensor:
        for dim in self._anti:
            coefficients = self._line(dim).inverse(coefficients, dim, half=half and dim == self._halved)
        if self._fourier:
            ifft = torch.fft.irfftn if half else torch.fft.ifftn
            coefficients = ifft(coefficients, s=self._sizes, dim=self._fourier, norm="forward")
        for dim in reversed(self._walls):
            coefficients = self.lines[dim].inverse(coefficients, dim)
        return coefficients

    def kept(self, symbols: torch.Tensor, first: int, *, half: bool) -> torch.Tensor:
        if not half or self._halved is None:
            return symbols
        axis = first + self.axes + self._halved
        series = self._line(self._halved).series
        return symbols.narrow(axis, 0, series.half_count) if isinstance(series, PeriodicSeries) else symbols

    def _dims(self, kind: str) -> tuple[int, ...]:
        pairs = zip(range(-self.axes, 0), self.lines, strict=True)
        return tuple(dim for dim, line in pairs if isinstance(line, SpectralLine) and line.kind == kind)

    def _line(self, dim: int) -> SpectralLine:
        line = self.lines[dim]
        if not isinstance(line, SpectralLine):
            raise TypeError("only closed axes have a line of Fourier modes")
        return line


def grid_transform(transforms: Sequence[Transform] | GridTransform) -> GridTransform:
    """One transform of the grid from one for each axis."""
    return AxisByAxis(transforms) if isinstance(transforms, Sequence) else transforms


def stays_real(b: torch.Tensor, c: Shift) -> bool:
    """Whether ``(1 - c L)^-1 b`` is real for a real L."""
    return not (b.is_complex() or isinstance(c, complex) or (isinstance(c, torch.Tensor) and c.is_complex()))
