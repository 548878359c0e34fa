"""Geometric multigrid for diffusion with variable coefficients on a uniform grid of cells.

A V-cycle with red-black Gauss-Seidel, interpolation and its adjoint as restriction, and the operator discretised again
on every level: U. Trottenberg, C. W. Oosterlee & A. Schüller, Multigrid (2001), sections 2.4, 2.8 and 5.1. The
colours are visited in opposite order after the correction, so the cycle is self-adjoint and positive, as conjugate
gradients need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from fieldsolver.errors import GridError, OptionError, ParameterError

from .factor_cache import FactorCache
from .multigrid_level import Level, Walls, prolong, restrict
from .protocol import singular

_COARSEST = 64  # unknowns solved directly, if the grid can be halved so often
_LARGEST_DIRECT = 4096


@dataclass(frozen=True)
class _Shifted:
    """``1 - c L`` on one level, with what the smoother needs."""

    neighbours: list[tuple[torch.Tensor, torch.Tensor]]
    diagonal: torch.Tensor
    relaxations: tuple[torch.Tensor, torch.Tensor]  # 1 / diagonal on red cells, on black cells

    def residual(self, b: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """``b - (1 - c L) x``."""
        r = b - self.diagonal * x
        for dim, (below, above) in zip(range(-len(self.neighbours), 0), self.neighbours, strict=True):
            r = r + below * x.roll(1, dim) + above * x.roll(-1, dim)
        return r


class Multigrid:
    """One V-cycle for ``1 - c L`` with ``L = div(D grad)``: a `Preconditioner`, or a solver if iterated.

    Axes that are coupled much more weakly than others are halved later, so anisotropic grids converge as well.

    Args:
        faces: D on the faces of each axis, walls included: ``(..., *grid)`` with one more along that axis, the first
            and last the same on a periodic axis; see `faces_between_cells`. Leading axes broadcast with the batch.
        spacing: of each axis.
        walls: of each axis: None if periodic, else for both ends the α of ``u_ghost = (1 - α) u`` (0 no flux, 2 value
            zero, between them a Robin wall; see `robin_wall`).
        sweeps: Gauss-Seidel sweeps before and after each correction; with one, cycles are cheaper and less robust.

    Raises:
        GridError: the grid cannot be halved often enough.
        ParameterError: D is not positive.
        OptionError: `faces`, `spacing` and `walls` do not have one entry for each axis.
    """

    name = "multigrid"

    def __init__(
        self, faces: Sequence[torch.Tensor], spacing: Sequence[float], walls: Sequence[Walls], *, sweeps: int = 2
    ) -> None:
        if not 0 < len(faces) == len(spacing) == len(walls):
            raise OptionError("faces, spacing and walls need one entry for each axis of the grid")
        if any(not bool((k > 0).all()) for k in faces):
            raise ParameterError("multigrid needs a diffusion coefficient that is positive on every face")
        finest = Level(tuple(k.detach().double() for k in faces), tuple(spacing), tuple(walls))
        self.levels, self.halved = _hierarchy(finest)
        self.sweeps = sweeps
        self.reason = f"diffusion on {finest.shape} cells: V-cycle of {len(self.levels)} levels"
        self._shifted: FactorCache[list[_Shifted]] = FactorCache()
        self._inverses: FactorCache[torch.Tensor] = FactorCache()

    def solve(self, b: torch.Tensor, c: float) -> torch.Tensor:
        """An approximation of x for b ``(*batch, *grid)``: one V-cycle from zero."""
        key = (c, b.device, b.dtype.to_real())
        shifted = self._shifted.get(key, lambda: [_shift(level, c, b) for level in self.levels])
        inverse = self._inverses.get(key, lambda: _dense_inverse(self.levels[-1], c, b))
        return self._cycle(0, b, shifted, inverse)

    def _cycle(self, depth: int, b: torch.Tensor, shifted: list[_Shifted], inverse: torch.Tensor) -> torch.Tensor:
        if depth == len(self.levels) - 1:
            cells = len(self.levels[-1].shape)
            flat = b.flatten(b.dim() - cells).unsqueeze(-1)
            return (inverse.to(b.dtype) @ flat).squeeze(-1).reshape(b.shape)
        level, dims, walls = shifted[depth], self.halved[depth], self.levels[depth + 1].walls
        red, black = level.relaxations
        x = red * b
        x = x + black * level.residual(b, x)
        for _ in range(self.sweeps - 1):
            x = x + red * level.residual(b, x)
            x = x + black * level.residual(b, x)
        coarse = self._cycle(depth + 1, restrict(level.residual(b, x), dims, walls), shifted, inverse)
        x = x + prolong(coarse, dims, walls)
        for _ in range(self.sweeps):
            x = x + black * level.residual(b, x)
            x = x + red * level.residual(b, x)
        return x


def faces_between_cells(coefficient: torch.Tensor, walls: Sequence[Walls]) -> list[torch.Tensor]:
    """D on the faces from D ``(..., *grid)`` on the cells: the mean of both sides, at walls the one side."""
    faces = []
    for dim, ends in zip(range(-len(walls), 0), walls, strict=True):
        first, last = coefficient.narrow(dim, 0, 1), coefficient.narrow(dim, -1, 1)
        low, high = (last, first) if ends is None else (first, last)
        extended = torch.cat([low, coefficient, high], dim)
        cells = coefficient.shape[dim]
        faces.append((extended.narrow(dim, 0, cells + 1) + extended.narrow(dim, 1, cells + 1)) / 2)
    return faces


def robin_wall(a: float, b: float, spacing: float) -> float:
    """α of the wall ``a u + b du/dn = 0`` half a cell away: ``u_ghost = (1 - α) u``."""
    return 2 * a * spacing / (a * spacing + 2 * b)


def _hierarchy(level: Level) -> tuple[list[Level], list[tuple[int, ...]]]:
    levels, halved = [level], []
    while math.prod(levels[-1].shape) > _COARSEST and (dims := levels[-1].axes_to_coarsen()):
        halved.append(dims)
        levels.append(levels[-1].coarsened(dims))
    unknowns = math.prod(levels[-1].shape)
    if unknowns > _LARGEST_DIRECT:
        raise GridError(
            f"multigrid can halve the grid {level.shape} only down to {levels[-1].shape}, {unknowns} cells, more than "
            f"{_LARGEST_DIRECT}; take powers of two, or products of one with a small number, along each axis"
        )
    return levels, halved


def _shift(level: Level, c: float, like: torch.Tensor) -> _Shifted:
    neighbours, diagonal = level.couplings()

    def cast(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(like.device, like.dtype.to_real())

    index = torch.stack(torch.meshgrid(*(torch.arange(n) for n in level.shape), indexing="ij"))
    shifted = 1 + c * diagonal
    red = (index.sum(0) % 2 == 0).to(diagonal.device, diagonal.dtype)
    pairs = [(cast(c * below), cast(c * above)) for below, above in neighbours]
    return _Shifted(pairs, cast(shifted), (cast(red / shifted), cast((1 - red) / shifted)))


def _dense_inverse(level: Level, c: float, like: torch.Tensor) -> torch.Tensor:
    """``(1 - c L)^-1`` of the coarsest level, ``(..., N, N)``."""
    cells = math.prod(level.shape)
    neighbours, diagonal = level.couplings()
    operator = _Shifted([(c * below, c * above) for below, above in neighbours], 1 + c * diagonal, (diagonal, diagonal))
    lead = diagonal.shape[: diagonal.dim() - len(level.shape)]
    basis = torch.eye(cells, dtype=torch.float64, device=diagonal.device)
    basis = basis.reshape(cells, *[1] * len(lead), *level.shape).expand(cells, *lead, *level.shape)
    columns = -operator.residual(torch.zeros_like(basis), basis)
    M = columns.reshape(cells, *lead, cells).movedim(0, -1)
    inverse, failed = torch.linalg.inv_ex(M)
    if failed.any():
        raise singular(c, "its coarsest grid has no inverse")
    return inverse.to(like.device, like.dtype.to_real())
