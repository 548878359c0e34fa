"""Stencils with one-sided closures along one axis: shifted views inside, a small dense block at either end."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..spectral.constants import Constants


@dataclass(frozen=True, eq=False)
class ClosedStencil:
    """A banded matrix that is its own mirror image, up to a sign: ``A_(N-1-i, N-1-j) = parity A_ij``.

    Attributes:
        parity: 1 or -1; the interior coefficients at negative offsets are `parity` times those at positive ones.
        interior: coefficients at the offsets ``0 .. p``.
        closure: the rows next to the low wall, shape ``(r, r + p)``.
    """

    parity: int
    interior: tuple[float, ...]
    closure: np.ndarray
    _constants: Constants = field(default_factory=Constants, init=False, repr=False)

    def __call__(self, values: Tensor, dim: int) -> Tensor:
        """``(..., N, ...)`` -> the same shape; `dim` is counted from the end."""
        return torch.cat([self._end(values, dim, 0), self._inside(values, dim), self._end(values, dim, 1)], dim)

    def _inside(self, values: Tensor, dim: int) -> Tensor:
        rows = len(self.closure)
        count = values.shape[dim] - 2 * rows
        centre, *beside = self.interior
        terms = [(centre, values.narrow(dim, rows, count))] if centre else []
        for offset, coefficient in enumerate(beside, start=1):
            above, below = values.narrow(dim, rows + offset, count), values.narrow(dim, rows - offset, count)
            terms.append((coefficient, above + below if self.parity == 1 else above - below))
        (factor, first), *rest = terms
        total = first * factor
        for factor, term in rest:
            total = torch.add(total, term, alpha=factor)
        return total

    def _end(self, values: Tensor, dim: int, end: int) -> Tensor:
        reach = self.closure.shape[1]
        near = values.narrow(dim, 0 if end == 0 else values.shape[dim] - reach, reach)
        block = self._constants.get(end, lambda: self._block(end), values).to(values.dtype)
        return torch.tensordot(near, block, dims=([near.dim() + dim], [1])).movedim(-1, dim)

    def _block(self, end: int) -> np.ndarray:
        return self.closure if end == 0 else self.parity * self.closure[::-1, ::-1]
