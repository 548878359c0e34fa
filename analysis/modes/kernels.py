"""Fourier transforms of sampled kernels, along a ray of wave vectors and at the modes of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
from torch import Tensor

from fieldsolver.space.convolution import kernel_symbol
from fieldsolver.space.grid import Grid

from .numbers import Array, Complex, Floats

ALIKE = 1e-9
"""Samples that differ less, relatively to the largest, count as equal."""
NOTHING = 1e-20
"""Samples below this share of the largest change no digit of a transform."""


def cropped(samples: Tensor) -> Tensor:
    """The samples without the margins in which they are nothing; displacement 0 stays in the middle."""
    size = samples.detach().abs()
    for axis in range(samples.dim()):
        others = [other for other in range(samples.dim()) if other != axis]
        line = size.amax(others) if others else size
        half = samples.shape[axis] // 2
        far = (line > NOTHING * float(size.max())).nonzero().flatten() - half
        reach = int(far.abs().max()) if len(far) else 0
        samples = samples.narrow(axis, half - reach, 2 * reach + 1)
    return samples


@dataclass(frozen=True)
class SampledKernel:
    """A kernel as the equation sees it: values at displacements on the grid.

    Attributes:
        samples: as `Kernel.samples` gives them.
        grid: the grid.
    """

    samples: Tensor
    grid: Grid

    def transform(self, *k: np.ndarray) -> Complex:
        """``sum_d w_d exp(-i k.d) |cell|`` at wave numbers per axis that broadcast."""
        return kernel_symbol(self.samples, self.grid, *k)

    def projected(self, direction: Floats) -> tuple[Floats, Array]:
        """Positions along a direction, and the integral of the kernel over what lies there."""
        weights = self.samples.detach().cpu().numpy() * np.prod(self.grid.spacing)
        along = [axis for axis, part in enumerate(direction) if part != 0]
        weights = weights.sum(axis=tuple(axis for axis in range(weights.ndim) if axis not in along))
        lines = [direction[axis] * self.displacements(axis) for axis in along]
        positions, weights = reduce(np.add.outer, lines).ravel(), weights.ravel()
        kept = np.abs(weights) > NOTHING * np.abs(weights).max(initial=0.0)
        return positions[kept], weights[kept]

    def displacements(self, axis: int) -> Floats:
        """Of the samples along an axis."""
        half = self.samples.shape[axis] // 2
        return np.arange(-half, half + 1) * self.grid.spacing[axis]

    @property
    def reach(self) -> float:
        """The distance within which 99.9 % of ``|w|`` lies."""
        distance, size = self._by_distance()
        total = np.cumsum(size)
        if total[-1] == 0:
            return float(self.grid.spacing[0])
        return max(float(distance[np.searchsorted(total, 0.999 * total[-1])]), float(min(self.grid.spacing)))

    @property
    def is_isotropic(self) -> bool:
        """Whether samples at equal distance are equal."""
        values = self.samples.detach().cpu().numpy().ravel()
        squared = reduce(np.add.outer, [self.displacements(axis) ** 2 for axis in range(self.grid.dimension)]).ravel()
        order = np.argsort(squared, kind="stable")
        same = np.diff(squared[order]) <= ALIKE * min(self.grid.spacing) ** 2
        return bool(np.all(np.abs(np.diff(values[order]))[same] <= ALIKE * np.abs(values).max()))

    def is_even(self, axis: int) -> bool:
        """Whether the kernel is its own mirror image along an axis."""
        values = self.samples.detach().cpu().numpy()
        return bool(np.abs(values - np.flip(values, axis)).max() <= ALIKE * np.abs(values).max())

    def _by_distance(self) -> tuple[Floats, Floats]:
        squared = reduce(np.add.outer, [self.displacements(axis) ** 2 for axis in range(self.grid.dimension)]).ravel()
        order = np.argsort(squared, kind="stable")
        return np.sqrt(squared[order]), np.abs(self.samples.detach().cpu().numpy()).ravel()[order]
