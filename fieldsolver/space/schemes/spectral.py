"""Spectral schemes: the transform follows from the boundary, or the points are those of Chebyshev."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fieldsolver.errors import GridError

from .scheme import Scheme

DEALIASING: tuple[str, ...] = ("truncate", "pad")


@dataclass(frozen=True)
class Spectral(Scheme):
    """Derivatives of the trigonometric (or Chebyshev) interpolant: exact for what the grid resolves.

    Fourier on periodic axes, cosines between ``Neumann(0)`` walls, sines between ``Dirichlet(0)`` walls, their quarter
    waves in between; on an axis with ``nodes="chebyshev"`` collocation, with any condition and boundary data.

    Args:
        dealias: what is done about products of fields, whose waves are too short for the grid and would be taken for
            longer ones: ``"truncate"`` (a product of ``d`` factors keeps ``2/(d + 1)`` of the wave numbers, the 2/3
            rule for ``d = 2``), ``"pad"`` (it is formed on a grid ``(d + 1)/2`` times as fine, the 3/2 rule), or None.

    Raises:
        GridError: another word.
    """

    dealias: str | None = None

    def __post_init__(self) -> None:
        if self.dealias not in (None, *DEALIASING):
            raise GridError(f"dealias is 'truncate' (the 2/3 rule), 'pad' (3/2) or None, got {self.dealias!r}")

    def __str__(self) -> str:
        way = {None: "", "truncate": ", products truncated", "pad": ", products padded"}
        return f"spectral{way[self.dealias]}"

    @property
    def order(self) -> float:
        return math.inf

    def half_width(self, derivative: int) -> int | None:
        return None

    def symbol(self, derivative: int, theta: np.ndarray, spacing: float) -> np.ndarray:
        # The shortest wave is real on the grid, and the slope of its interpolant vanishes at every point.
        turned = np.isclose(np.abs(theta), np.pi) & (derivative % 2 == 1)
        return np.where(turned, 0.0, (1j * theta / spacing) ** derivative)

    def diffusion_symbol(self, theta: np.ndarray, spacing: float) -> np.ndarray:
        # The flux of the shortest wave vanishes where its slope does.
        return self.symbol(1, theta, spacing) ** 2
