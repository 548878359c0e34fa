"""One level of the multigrid hierarchy: diffusion between the cells of a uniform grid, and the transfer below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

Walls = tuple[float, float] | None
"""Both ends of an axis as the numbers α with ``u_ghost = (1 - α) u``: 0 no flux, 2 value zero; None is periodic."""


@dataclass(frozen=True)
class Level:
    """``(L v)_i = Σ_axes [k_(i+1/2) (v_(i+1) - v_i) - k_(i-1/2) (v_i - v_(i-1))] / h^2`` on cells.

    Attributes:
        faces: k on the faces of each axis, walls included: ``(..., *grid)`` with one more along that axis (on a
            periodic axis the first and the last are the same face).
        spacing: h of each axis.
        walls: of each axis.
    """

    faces: tuple[torch.Tensor, ...]
    spacing: tuple[float, ...]
    walls: tuple[Walls, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        axes = len(self.faces)
        return tuple(k.shape[axis - axes] - 1 for axis, k in enumerate(self.faces))

    def couplings(self) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], torch.Tensor]:
        """For each axis ``k / h^2`` to the neighbour below and above (zero through a wall), and the diagonal of -L."""
        neighbours, diagonal = [], torch.zeros((), dtype=self.faces[0].dtype)
        for dim, k, h, walls in self._axes():
            cells = k.shape[dim] - 1
            below, above = k.narrow(dim, 0, cells) / h**2, k.narrow(dim, 1, cells) / h**2
            if walls is None:
                diagonal = diagonal + below + above
            else:
                inside_below, inside_above = _scaled_end(below, dim, 0, 0.0), _scaled_end(above, dim, -1, 0.0)
                diagonal = diagonal + _scaled_end(below, dim, 0, walls[0]) + _scaled_end(above, dim, -1, walls[1])
                below, above = inside_below, inside_above
            neighbours.append((below, above))
        return neighbours, diagonal

    def axes_to_coarsen(self) -> tuple[int, ...]:
        """Dims with an even number of cells whose coupling is not much weaker than the strongest (semi-coarsening).

        A point smoother damps only what oscillates along strongly coupled axes.
        """
        strength = {dim: float(k.mean()) / h**2 for dim, k, h, _ in self._axes()}
        even = [dim for dim, k, _, _ in self._axes() if k.shape[dim] % 2 == 1 and k.shape[dim] > 3]
        strongest = max((strength[dim] for dim in even), default=0.0)
        return tuple(dim for dim in even if strength[dim] > strongest / 3)

    def coarsened(self, dims: Sequence[int]) -> Level:
        """Pairs of cells along `dims` become one: the operator discretised again, with fluxes summed over faces."""
        faces, spacing, walls = list(self.faces), list(self.spacing), list(self.walls)
        for dim in dims:
            spacing[dim] *= 2
            ends = walls[dim]
            walls[dim] = None if ends is None else (_coarse_ghost(ends[0]), _coarse_ghost(ends[1]))
            for axis, k in enumerate(faces):
                if axis - len(faces) == dim:
                    faces[axis] = every_second(k, dim, 0)
                else:
                    faces[axis] = (every_second(k, dim, 0) + every_second(k, dim, 1)) / 2
        return Level(tuple(faces), tuple(spacing), tuple(walls))

    def _axes(self) -> list[tuple[int, torch.Tensor, float, Walls]]:
        dims = range(-len(self.faces), 0)
        return list(zip(dims, self.faces, self.spacing, self.walls, strict=True))


# Where several axes are halved at once, constants over each family of cells converge fastest with a red-black smoother
# and hold at jumps of the coefficient; where one axis is halved alone they do not converge, and lines are needed.
def prolong(coarse: torch.Tensor, dims: Sequence[int], walls: Sequence[Walls]) -> torch.Tensor:
    """From the cells of the coarse level to those of half the width along `dims`.

    Args:
        coarse: ``(..., *grid)``.
        dims: axes (negative). One: linear interpolation, 3/4 of the parent and 1/4 of its neighbour;
            several: the parent.
        walls: of every axis of the *coarse* level.
    """
    if len(dims) > 1:
        for dim in dims:
            coarse = coarse.repeat_interleave(2, dim)
        return coarse
    (dim,) = dims
    below, above = _neighbours(coarse, coarse, dim, walls[dim])
    axis = coarse.dim() + dim
    return torch.stack([0.75 * coarse + 0.25 * below, 0.75 * coarse + 0.25 * above], axis + 1).flatten(axis, axis + 1)


def restrict(fine: torch.Tensor, dims: Sequence[int], walls: Sequence[Walls]) -> torch.Tensor:
    """The adjoint of `prolong`, halved on each axis: the total over cells of a closed or periodic axis is kept."""
    if len(dims) > 1:
        for dim in dims:
            fine = (every_second(fine, dim, 0) + every_second(fine, dim, 1)) / 2
        return fine
    (dim,) = dims
    left, right = every_second(fine, dim, 0), every_second(fine, dim, 1)
    below, above = _neighbours(left, right, dim, walls[dim])
    return 0.375 * (left + right) + 0.125 * (below + above)


def every_second(v: torch.Tensor, dim: int, start: int) -> torch.Tensor:
    """Entries `start`, `start` + 2, ... along `dim`."""
    index = [slice(None)] * v.dim()
    index[dim] = slice(start, None, 2)
    return v[tuple(index)]


def _neighbours(left: torch.Tensor, right: torch.Tensor, dim: int, walls: Walls) -> tuple[torch.Tensor, torch.Tensor]:
    """`right` of the pair below and `left` of the pair above; beyond a wall the ghost ``(1 - α) u`` of the pair."""
    below, above = right.roll(1, dim), left.roll(-1, dim)
    if walls is not None:
        below = _with_end(below, dim, 0, (1 - walls[0]) * left.narrow(dim, 0, 1))
        above = _with_end(above, dim, -1, (1 - walls[1]) * right.narrow(dim, -1, 1))
    return below, above


def _with_end(v: torch.Tensor, dim: int, end: int, layer: torch.Tensor) -> torch.Tensor:
    """v with its first (0) or last (-1) layer along `dim` replaced."""
    inside = v.narrow(dim, 1 if end == 0 else 0, v.shape[dim] - 1)
    return torch.cat([layer, inside] if end == 0 else [inside, layer], dim)


def _scaled_end(v: torch.Tensor, dim: int, end: int, factor: float) -> torch.Tensor:
    return _with_end(v, dim, end, factor * v.narrow(dim, end, 1))


def _coarse_ghost(α: float) -> float:
    """α of the same Robin wall at twice the spacing: ``α = 2 a h / (a h + 2 b)`` for ``a u + b du/dn = 0``."""
    return 4 * α / (2 + α)
