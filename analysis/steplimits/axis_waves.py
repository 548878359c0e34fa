"""The discrete waves of one axis: Fourier modes of closed axes, cosines and sines between walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fieldsolver.equations.knowledge.spectra import transform_of, wave_numbers
from fieldsolver.equations.lowering import Layout

from ..schemes.scheme import Complex, Floats

CLOSED = ("fourier", "anti-fourier")
MOST_POINTS = 4096
"""Axes between walls are transformed by a matrix, which has the square of this many entries."""


@dataclass(frozen=True, eq=False)
class AxisWaves:
    """The waves of one axis.

    Attributes:
        kind: the transform, ``"fourier"``, ``"anti-fourier"``, ``"cosine"``, ``"sine"``, ``"sine-cosine"``,
            ``"cosine-sine"``.
        theta: their angles ``k h``, ``(m,)``.
        points: of the axis, n; fewer are unknown where walls hold their nodes.
        on_node: the walls lie on nodes.
    """

    kind: str
    theta: Floats
    points: int
    on_node: bool

    @property
    def is_closed(self) -> bool:
        """Whether the axis has no walls."""
        return self.kind in CLOSED

    def wave(self, position: int) -> Complex:
        """One wave on all points, ``(n,)``."""
        return self._waves(self.theta[position : position + 1])[:, 0]

    def seed(self) -> Floats:
        """A vector ``(n,)`` in which every wave is equally strong: a unit impulse, or waves with random signs."""
        if self.is_closed:
            return np.eye(1, self.points)[0]
        signs = np.random.default_rng(0).choice([-1.0, 1.0], self.theta.size)
        return (self._matrix() @ signs).real

    def forward(self, values: Complex, axis: int) -> Complex:
        """Amplitudes of the waves, ``(..., n, ...) -> (..., m, ...)``."""
        if self.is_closed:
            return np.fft.fft(self._untwisted(values, axis, -1), axis=axis) / self.points
        waves = self._matrix().real
        weights = self._weights()
        inverse = (weights[:, None] * waves / (weights @ waves**2)).T
        return np.moveaxis(np.tensordot(inverse, values, (1, axis)), 0, axis)

    def backward(self, amplitudes: Complex, axis: int) -> Complex:
        """Values of a sum of waves, ``(..., m, ...) -> (..., n, ...)``."""
        if self.is_closed:
            return self._untwisted(np.fft.ifft(amplitudes, axis=axis) * self.points, axis, 1)
        return np.moveaxis(np.tensordot(self._matrix().real, amplitudes, (1, axis)), 0, axis)

    def dual(self, position: int) -> Complex:
        """What the amplitude of one wave is the inner product with, ``(n,)``."""
        wave, weights = self.wave(position), self._weights()
        return weights * wave / (weights @ np.abs(wave) ** 2)

    def _untwisted(self, values: Complex, axis: int, sign: int) -> Complex:
        """Waves that change their sign around the axis, as waves that do not."""
        if self.kind == "fourier":
            return values
        shape = [-1 if other == axis else 1 for other in range(values.ndim)]
        return values * np.exp(sign * 1j * np.pi * np.arange(self.points) / self.points).reshape(shape)

    def _matrix(self) -> Complex:
        return self._waves(self.theta)

    def _waves(self, theta: Floats) -> Complex:
        """``exp(i theta j)``, ``cos(theta x)`` or ``sin(theta x)``, with x from the lower wall in units of h."""
        place = np.arange(self.points) + (0.0 if self.on_node or self.is_closed else 0.5)
        phase = np.multiply.outer(place, theta)
        if self.is_closed:
            return np.exp(1j * phase)
        return (np.cos(phase) if self.kind.startswith("cosine") else np.sin(phase)) + 0j

    def _weights(self) -> Floats:
        """In which the waves are orthogonal: nodes on walls count half."""
        weights = np.ones(self.points)
        if self.on_node and not self.is_closed:
            weights[[0, -1]] = 0.5
        return weights


def axis_waves(layout: Layout, field: str) -> list[AxisWaves] | str:
    """The waves of all axes for one field, or why there are none."""
    if layout.grid is None:
        return []
    grid, found = layout.required_grid(), []
    for axis in range(layout.dimension):
        kind = transform_of(layout, field, axis)
        if kind == "none":
            return f"no waves are known on axis {grid.axes[axis]!r} for {field!r} (its walls, mask or spacing)"
        if kind not in CLOSED and grid.shape[axis] > MOST_POINTS:
            return f"axis {grid.axes[axis]!r} has walls and more than {MOST_POINTS} points"
        theta = wave_numbers(layout, field, axis)
        found.append(AxisWaves(kind, theta, grid.shape[axis], grid.has_end_nodes(axis)))
    return found
