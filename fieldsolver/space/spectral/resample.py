"""Trigonometric interpolation: a series evaluated on more points of the same axis, or cut to fewer modes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import GridError

from .constants import Constants, along, resized
from .line import SpectralLine
from .periodic import PeriodicSeries
from .walls import WallSeries


class Resampling:
    """From the points of one line to those of another of the same kind and length.

    To more points the series is unchanged; to fewer points its higher modes are dropped. The Nyquist mode of an
    even number of periodic points becomes a cosine, and a cosine of that wave number becomes the Nyquist mode.

    Args:
        source: line of the values.
        target: line of the result.

    Raises:
        GridError: the lines differ in more than their number of points.
    """

    def __init__(self, source: SpectralLine, target: SpectralLine) -> None:
        if (source.kind, source.length, source.on_node) != (target.kind, target.length, target.on_node):
            raise GridError(f"values on {source!r} cannot be resampled on {target!r}: only `points` may differ")
        self.source, self.target = source, target
        self._constants = Constants()

    def __call__(self, values: Tensor, dim: int) -> Tensor:
        """``(..., N, ...)`` -> ``(..., N', ...)``."""
        if values.is_complex():
            return torch.complex(self(values.real, dim), self(values.imag, dim))
        coefficients = self.source.forward(values, dim, half=True)
        source, target = self.source.series, self.target.series
        if isinstance(source, WallSeries) and isinstance(target, WallSeries):
            coefficients = source.moved(coefficients, dim, target)
        elif isinstance(source, PeriodicSeries) and isinstance(target, PeriodicSeries):
            added = target.half_count - source.half_count
            shared = self._constants.get("share", lambda: _nyquist_share(source, target), values)
            coefficients = resized(coefficients * along(shared, dim), dim, 0, added)
        return self.target.inverse(coefficients, dim, half=True)


def _nyquist_share(source: PeriodicSeries, target: PeriodicSeries) -> np.ndarray:
    """One Nyquist coefficient is the sum of those of ``+pi/h`` and ``-pi/h`` on a finer grid."""
    share = np.ones(source.half_count)
    if target.points > source.points and source.nyquist is not None:
        share[source.nyquist] = 0.5
    if target.points < source.points and target.nyquist is not None:
        share[target.nyquist] = 2.0
    return share
