"""What waves the shapes of modes are made of, where no symbol says so."""

from __future__ import annotations

import numpy as np

from ..schemes.scheme import Complex, Floats
from .modes import Modes


def angles(modes: Modes) -> Floats:
    """The largest ``|k h|`` of all axes for every mode, ``(N,)``: of the wave, else of its shape; NaN for neither."""
    if not modes.theta.shape[1]:
        return np.full(modes.eigenvalues.size, np.nan)
    known = np.abs(modes.theta).max(axis=1)
    for position in np.flatnonzero(np.isnan(known)):
        pair = modes.vectors(int(position))
        if pair is not None:
            known[position] = mean_angle(pair[0])
    return known


def mean_angle(shape: Complex) -> float:
    """The angle of a wave that varies as much from node to node as a shape ``(C, *grid)``, the largest of all axes.

    Of a wave ``cos(theta j)`` the squares of its differences add up to ``4 sin(theta/2)^2`` times those of itself.
    """
    found = [0.0]
    for axis in range(1, shape.ndim):
        count = shape.shape[axis]
        size = float((np.abs(shape) ** 2).sum()) / count
        if count > 1 and size > 0:
            change = float((np.abs(np.diff(shape, axis=axis)) ** 2).sum()) / (count - 1)
            found.append(2 * float(np.arcsin(np.sqrt(min(change / size, 4.0)) / 2)))
    return max(found)


def strongest_wave(vector: Complex, axes: int) -> Floats:
    """Angles of the strongest Fourier mode of ``(C, *grid)``."""
    if axes == 0 or vector.ndim != axes + 1:
        return np.full(axes, np.nan)
    power = (np.abs(np.fft.fftn(vector, axes=range(1, vector.ndim))) ** 2).sum(axis=0)
    index = np.unravel_index(int(power.argmax()), power.shape)
    return np.array([2 * np.pi * np.fft.fftfreq(n)[i] for i, n in zip(index, power.shape, strict=True)])
