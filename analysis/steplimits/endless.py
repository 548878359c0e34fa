"""A grid without end: the stencils that a finite grid shows, at a dense set of angles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from ..schemes.scheme import Complex, Floats
from .axis_waves import AxisWaves
from .modes import Modes, NoModes
from .rates import Rates
from .symbol import Symbol, modes_of, parts_of, project, symbols

ANGLES = {1: 4096, 2: 256, 3: 48}
"""Angles per axis, by the number of axes, at which a grid without end is sampled."""
MOST_DENOMINATOR = 20_000
"""Of the weights of stencils over the largest one; those of order 8 have up to 14350."""


def endless_modes(rates: Rates) -> Modes:
    """The waves of a grid without end: the stencils that the impulses show, at a dense set of angles.

    Raises:
        NoModes: an axis has walls, or the stencils fill the grid.
    """
    measured = symbols(rates)
    found = _endless(measured)
    modes = modes_of(
        found, "symbol", "exact", "the stencils' symbol at a dense set of angles, as on a grid without end"
    )
    return replace(
        modes,
        projected=lambda part: project(found, _endless(symbols(rates, part))),
        stencil=_exact_stencil(measured),
    )


def _endless(found: Sequence[Symbol]) -> list[Symbol]:
    """The same stencils on a grid without end."""
    dense = []
    for symbol in found:
        if not symbol.axes:
            raise NoModes("a grid without end needs a grid, and the equation has none")
        if any(axis.kind != "fourier" for axis in symbol.axes):
            raise NoModes("a grid without end needs periodic axes")
        padded = _padded(_stencil(symbol), ANGLES.get(len(symbol.axes), 16))
        angles = [np.asarray(2 * np.pi * np.fft.fftfreq(n), dtype=np.float64) for n in padded.shape[2:]]
        axes = [AxisWaves("fourier", theta, theta.size, on_node=False) for theta in angles]
        dense.append(Symbol(symbol.components, tuple(axes), _transformed(padded)))
    return dense


def _stencil(symbol: Symbol) -> Floats:
    """The impulse response ``(C, C, *grid)`` that the symbol is the transform of."""
    count, shape = len(symbol.components), [axis.points for axis in symbol.axes]
    grid = symbol.matrices.transpose(1, 2, 0).reshape(count, count, *shape)
    stencil = np.fft.ifftn(grid, axes=range(2, grid.ndim)).real if shape else grid.real
    return np.where(np.abs(stencil) <= 1e-13 * np.abs(stencil).max(initial=0.0), 0.0, stencil)


def _exact_stencil(found: Sequence[Symbol]) -> dict[int, Fraction] | None:
    """The weights of one stencil on one axis as fractions; their sum, which is that of the reactions, stays exact."""
    if len(found) != 1 or len(found[0].axes) != 1 or len(found[0].components) != 1:
        return None
    weights = _stencil(found[0])[0, 0]
    scale = float(np.abs(weights).max())
    if scale == 0:
        return None
    n, unit = weights.size, Fraction(scale)
    exact = {}
    for place in np.flatnonzero(weights):
        offset = int(place) if place <= n // 2 else int(place) - n
        # the impulse response at j is what acts from -j
        exact[-offset] = Fraction(float(weights[place]) / scale).limit_denominator(MOST_DENOMINATOR) * unit
    close = all(abs(float(w) - weights[-j % n]) <= 1e-11 * scale for j, w in exact.items())
    return exact if close else None


def _padded(stencil: Floats, points: int) -> Floats:
    """The stencil on a finer set of angles.

    Raises:
        NoModes: it fills the grid, so that it is no stencil.
    """
    for axis in range(2, stencil.ndim):
        n = stencil.shape[axis]
        reached = np.moveaxis(stencil, axis, 0).reshape(n, -1) != 0
        if n < 4 or bool(reached[n // 4 + 1 : n - n // 4].any()):
            raise NoModes("the operator reaches over more than half of the grid, so a longer one would have another")
        low, high = np.split(stencil, [n // 2], axis=axis)
        gap = np.zeros([max(points - n, 0) if other == axis else m for other, m in enumerate(stencil.shape)])
        stencil = np.concatenate([low, gap, high], axis=axis)
    return stencil


def _transformed(stencil: Floats) -> Complex:
    axes = tuple(range(2, stencil.ndim))
    even, odd = parts_of(stencil, axes)
    total = np.fft.fftn(even, axes=axes).real + 1j * np.fft.fftn(odd, axes=axes).imag
    return np.ascontiguousarray(total.reshape(*stencil.shape[:2], -1).transpose(2, 0, 1))
