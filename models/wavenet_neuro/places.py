"""Where the tokens of a text lie: on a line, or folded into a square.

Which square a text is folded into, and on how long a line its adaptive steps are judged, depends on its own number of
tokens alone: neighbours in the batch and padding change nothing. Texts that share a place are solved together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

import fieldsolver as fs

from .config import Config
from .kinetics import KINETICS


@dataclass(frozen=True)
class Place:
    """A grid, and the cell of every token.

    Attributes:
        shape: points along every axis.
        cells: number of the cell of token t in the flattened grid, int64 ``(T,)``, T at most the number of cells.
    """

    shape: tuple[int, ...]
    cells: Tensor

    @property
    def grid(self) -> fs.Grid:
        """Cells of size 1."""
        return fs.Grid(self.shape, bounds=tuple((0.0, float(points)) for points in self.shape))

    def spread(self, values: Tensor) -> Tensor:
        """Of tokens, (B, n, C) with n <= T, to cells, (B, C, *shape); zero where there is no token."""
        cells = self.cells[: values.shape[1]].to(values.device)
        field = values.new_zeros(values.shape[0], math.prod(self.shape), values.shape[2]).index_copy(1, cells, values)
        return field.transpose(1, 2).reshape(values.shape[0], values.shape[2], *self.shape)

    def collect(self, field: Tensor, count: int) -> Tensor:
        """Back from cells, (B, C, *shape), to tokens, (B, count, C)."""
        flat = field.flatten(2)
        return flat.index_select(2, self.cells[:count].to(field.device)).transpose(1, 2)


class Line(Place):
    """Tokens in a row: nothing has to be looked up."""

    def spread(self, values: Tensor) -> Tensor:
        """As `Place.spread`."""
        missing = self.shape[0] - values.shape[1]
        return torch.nn.functional.pad(values, (0, 0, 0, missing)).transpose(1, 2)

    def collect(self, field: Tensor, count: int) -> Tensor:
        """As `Place.collect`."""
        return field[..., :count].transpose(1, 2)


def sizes(config: Config, lengths: Tensor, longest: int) -> Tensor:
    """The size of every text's place, (B,): points of the line, or of a side of the square.

    Args:
        config: says how tokens lie and how steps are chosen.
        lengths: (B,), real tokens per text, at least 1.
        longest: columns of the batch.
    """
    least = 3 if config.boundary == "periodic" else 2  # a circle of two has the same neighbour on both sides
    if config.geometry != "line":
        side = torch.sqrt((lengths - 1).double()).floor().long() + 1
        return (_power_of_two(side) if config.geometry == "hilbert" else side).clamp(min=least)
    if config.boundary == "periodic":  # the end of a text is joined to its beginning
        return lengths.clamp(min=least)
    # An error norm counts the cells outside, and the norm of a kernel those it reaches: neither may vary.
    if config.stopping != "steps" or (config.reaction in KINETICS and KINETICS[config.reaction].kernels):
        return _ladder(lengths).clamp(min=4)
    return torch.full_like(lengths, max(longest, 2))


def place(config: Config, size: int) -> Place:
    """The place of this size."""
    if config.geometry == "line":
        return Line((size,), torch.arange(size))
    return _square(config.geometry, size)


@lru_cache(maxsize=64)
def _square(geometry: str, side: int) -> Place:
    if geometry == "raster":
        return Place((side, side), torch.arange(side * side))
    cells = hilbert_curve(side)
    points = math.isqrt(len(cells))
    return Place((points, points), cells)


def hilbert_curve(side: int) -> Tensor:
    """Numbers of the cells of a square along Hilbert's curve, int64 (side^2,): consecutive ones are neighbours.

    From one quarter to the whole: the first is mirrored at its diagonal, the next two are as they are, the last is
    mirrored at the other diagonal.

    Source: D. Hilbert, Mathematische Annalen 38 (1891) 459.

    Args:
        side: at least so many cells; the next power of two is taken.
    """
    x = y = torch.zeros(1, dtype=torch.int64)
    size = 1
    while size < side:
        x, y = (
            torch.cat([y, x, x + size, 2 * size - 1 - y]),
            torch.cat([x, y + size, y + size, size - 1 - x]),
        )
        size *= 2
    return y * size + x


def _power_of_two(values: Tensor) -> Tensor:
    return 2 ** torch.ceil(torch.log2(values.double())).long()


def _ladder(lengths: Tensor) -> Tensor:
    """The next of 1, 2, 3, 4, 6, 8, 12, 16, ...: powers of two, and halfway between them."""
    above = _power_of_two(lengths)
    between = above * 3 // 4
    return torch.where((lengths <= between) & (above >= 4), between, above)
