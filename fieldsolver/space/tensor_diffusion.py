"""``div(D grad u)`` with a symmetric matrix field D, as minus the gradient of a discrete energy.

A cell of volume V has ``2^d`` quadrants, one for every choice of one-sided differences ``∇_s u`` around its point:

    E(u) = 1/2 Σ_cells V/2^d Σ_s (∇_s u)ᵀ D (∇_s u),      (div D∇u)_i = -(1/V_i) ∂E/∂u_i

Whatever the field of positive semidefinite matrices, E is not negative; so the operator is symmetric and negative
semidefinite in the inner product of the volumes, conserves the total, and leaves constants alone. Written with fluxes,

    F_(i+1/2) = mean(D_xx) (u_(i+1) - u_i)/h + mean(D_xy c_y),      c_y = central difference,  mean = of both cells.

Walls. The natural condition of E is ``n·D∇u = 0``; data enter as its right-hand side, ``n·D∇u = D_nn du/dn`` with the
slope ``du/dn`` that the ghost value expresses.

* Node-centred: the quadrants beyond the wall do not exist and its nodes own half a volume. In the cross terms the
  one-sided difference inwards therefore takes the place of the central one.
* Cell-centred, value held: the outer quadrants reach from the point to the wall, half a spacing away.
* Cell-centred, natural: the same with the value w on the wall unknown, and eliminated where E less the work of the data
  is least. With ``ρ D_nn`` the coefficient on the wall and ``β = (a/b) h/2`` for ``a w + b du/dn = g`` (0 for Neumann),
  the slope there is ``s - r``: s for cross terms that vanish, r the *tilt* that anisotropy gives the isolines,

      D_nn (1 + β ρ) s = D_nn (1 + β) ρ q,      q = slope by the ghost value,
      D_nn (1 + β ρ) r = Σ_(t≠n) D_nt c_t,      flux = D_nn (s + β ρ r);

  the second line is a system of as many equations as walls meet in the cell, because c_t has r_t in it. Solutions are
  of second order, with ``h^2 log(1/h)`` in corners between two such walls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from fieldsolver.errors import ParameterError

Key = tuple[int, int]


@dataclass(frozen=True)
class TensorWall:
    """One end of a non-periodic axis.

    Attributes:
        on_node: the wall is an unknown instead of half a cell away.
        held: the value is given there (Dirichlet) rather than the flux; the rate of a held node is zero.
        robin: ``a/b`` of the condition ``a u + b du/dn = g``; 0 for Neumann.
    """

    on_node: bool
    held: bool
    robin: float = 0.0


Walls = tuple[TensorWall, TensorWall] | None
"""The two ends of an axis, or None if it is periodic."""


def tensor_diffusion(
    coefficients: Mapping[Key, Tensor], values: Tensor, spacing: Sequence[float], walls: Sequence[Walls]
) -> Tensor:
    """``Σ_ij d/dx_i (D_ij du/dx_j)`` of second order, shape ``(..., *grid)``.

    Args:
        coefficients: ``{(i, j): D_ij}`` for ``i <= j``, broadcastable to the grid *without* ghosts; what is missing is
            zero. The matrices must be positive semidefinite, which is not checked.
        values: the field, with one ghost layer on both ends of every non-periodic axis, as `closure.ghost_block` makes
            them axis after axis. Ghosts in corners are not used, nor those beyond a held node.
        spacing: grid spacing per axis.
        walls: per axis.

    Raises:
        ParameterError: a key that is no pair ``i <= j`` of axes, or ``D_ij`` without ``D_ii`` and ``D_jj``.
    """
    dimension = len(walls)
    _check_keys(coefficients, dimension)
    D = _Matrix({(i - dimension, j - dimension): entry for (i, j), entry in coefficients.items()})
    batch = torch.broadcast_shapes(values.shape[:-dimension], *(D_ij.shape[:-dimension] for D_ij in D.entries.values()))
    values = values.expand(batch + values.shape[-dimension:])
    axes = {
        dim: _differences(_without_ghosts(values, walls, keep=dim), D.entries[dim, dim], dim, h, ends)
        for dim, h, ends in zip(range(-dimension, 0), spacing, walls, strict=True)
        if (dim, dim) in D.entries
    }
    central = {dim: axis.central for dim, axis in axes.items() if D.partners(dim)}
    tilts = {dim: _wall_tilts(dim, D, central, axes) for dim in central}
    tilted = {dim: _tilted(slope, dim, tilts[dim]) for dim, slope in central.items()}
    rates = [_divergence(dim, axis, D, tilted, tilts.get(dim, (None, None))) for dim, axis in axes.items()]
    zero = torch.zeros_like(_without_ghosts(values, walls))
    return _held_nodes_at_rest(reduce(torch.add, rates, zero), walls)


@dataclass(frozen=True)
class _Matrix:
    """A symmetric matrix field; axes are counted from the end, and `None` is zero."""

    entries: Mapping[Key, Tensor]

    def __call__(self, i: int, j: int) -> Tensor | None:
        return self.entries.get((min(i, j), max(i, j)))

    def partners(self, i: int) -> list[int]:
        """The axes that `i` is coupled to."""
        return [sum(key) - i for key in self.entries if i in key and key != (i, i)]


@dataclass(frozen=True)
class _Axis:
    """Differences along one axis.

    Attributes:
        ends: its walls, None if periodic.
        slope: on the faces between cells.
        outer: slope on the two walls, s at natural ones.
        central: in the cells.
        excess: ``β ρ`` at the ends that are natural and half a cell away, else None.
    """

    h: float
    ends: Walls
    slope: Tensor
    outer: tuple[Tensor, ...]
    central: Tensor
    excess: tuple[Tensor | float | None, Tensor | float | None]


def _differences(line: Tensor, D_nn: Tensor, dim: int, h: float, ends: Walls) -> _Axis:
    if ends is None:
        slope = (line.roll(-1, dim) - line) / h
        return _Axis(h, ends, slope, (), (slope + slope.roll(1, dim)) / 2, (None, None))
    slope = line.diff(dim=dim) / h
    inner = slope.narrow(dim, 1, slope.shape[dim] - 2)
    if ends[0].on_node:
        outer = [(_end(slope, dim, end) + _end(inner, dim, end)) / 2 for end in (0, 1)]
        central = _pair_mean(torch.cat([_end(inner, dim, 0), inner, _end(inner, dim, 1)], dim), dim, periodic=False)
        return _Axis(h, ends, inner, tuple(outer), central, (None, None))
    outer, excess = [], []
    for end, wall in enumerate(ends):
        q, ρ, β = _end(slope, dim, end), _share_on_wall(D_nn, dim, end), wall.robin * h / 2
        outer.append(q if wall.held else q * (ρ * (1 + β) / (1 + β * ρ)))
        excess.append(None if wall.held else β * ρ)
    central = _pair_mean(torch.cat([outer[0], inner, outer[1]], dim), dim, periodic=False)
    return _Axis(h, ends, inner, tuple(outer), central, (excess[0], excess[1]))


def _share_on_wall(D_nn: Tensor, dim: int, end: int) -> Tensor | float:
    """``ρ = 2 D_0/(D_0 + D_1)``: extrapolates D_nn from two cells to the wall, always to between 0 and ``2 D_0``."""
    if _constant_along(D_nn, dim):
        return 1.0
    last = D_nn.shape[dim] - 1
    first, second = D_nn.narrow(dim, end * last, 1), D_nn.narrow(dim, 1 if end == 0 else last - 1, 1)
    total = first + second
    vanishing = total == 0
    return torch.where(vanishing, 1.0, 2 * first / torch.where(vanishing, 1.0, total))


def _divergence(
    dim: int, axis: _Axis, D: _Matrix, central: Mapping[int, Tensor], tilts: Sequence[Tensor | None]
) -> Tensor:
    """Difference of the fluxes through the two faces of every cell."""
    D_nn, periodic = D.entries[dim, dim], axis.ends is None
    cross = _cross_flux(D, dim, central)
    flux = _pair_mean(D_nn, dim, periodic=periodic) * axis.slope
    if cross is not None:
        flux = flux + _pair_mean(cross, dim, periodic=periodic)
    if axis.ends is None:
        return (flux - flux.roll(1, dim)) / axis.h
    through = []
    for end, (wall, slope, tilt, excess) in enumerate(zip(axis.ends, axis.outer, tilts, axis.excess, strict=True)):
        if wall.robin and tilt is not None and excess is not None:
            slope = slope + excess * tilt
        wall_flux = _end(D_nn, dim, end) * slope
        if wall.held and cross is not None:
            wall_flux = wall_flux + _end(cross, dim, end)
        # The half volume of a node on the wall ends there: written as half the difference over a whole volume.
        through.append(2 * wall_flux - _end(flux, dim, end) if wall.on_node else wall_flux)
    return torch.cat([through[0], flux, through[1]], dim).diff(dim=dim) / axis.h


def _wall_tilts(
    dim: int, D: _Matrix, central: Mapping[int, Tensor], axes: Mapping[int, _Axis]
) -> tuple[Tensor | None, Tensor | None]:
    """The tilt r on the first and the last layer of an axis; None where the wall is not natural."""
    others = [other for other in central if other != dim]
    pivots = {other: _pivots(D.entries[other, other], other, axes[other]) for other in central}

    def tilt(end: int) -> Tensor | None:
        if axes[dim].excess[end] is None:
            return None
        cells = _Cells(D, pivots, central).part(dim, end * (central[dim].shape[dim] - 1), 1)
        return _tilt(cells, axes, [dim], others)

    return tilt(0), tilt(1)


def _pivots(D_nn: Tensor, dim: int, axis: _Axis) -> Tensor:
    """``D_nn (1 + β ρ)`` in the outermost cells, D_nn between them."""
    if not any(wall.robin for wall in axis.ends or ()):
        return D_nn
    D_nn = D_nn.broadcast_to(axis.central.shape)
    low, high = (_end(D_nn, dim, end) * (1 if excess is None else 1 + excess) for end, excess in enumerate(axis.excess))
    return torch.cat([low, D_nn.narrow(dim, 1, D_nn.shape[dim] - 2), high], dim)


@dataclass(frozen=True)
class _Cells:
    """What the tilts of a block of cells are computed from."""

    D: _Matrix
    pivots: Mapping[int, Tensor]
    central: Mapping[int, Tensor]

    def part(self, dim: int, start: int, length: int) -> _Cells:
        """Some layers of the block."""
        return _Cells(
            _Matrix({key: _part(entry, dim, start, length) for key, entry in self.D.entries.items()}),
            {n: _part(entry, dim, start, length) for n, entry in self.pivots.items()},
            {n: _part(entry, dim, start, length) for n, entry in self.central.items()},
        )


def _tilt(cells: _Cells, axes: Mapping[int, _Axis], met: Sequence[int], free: Sequence[int]) -> Tensor:
    """The tilt along ``met[0]``; blocks are cut along the `free` axes into what meets their walls and what does not."""
    if not free:
        return _solve_for_first(*_tilt_system(cells, met))
    dim, *rest = free
    points, (low, high) = cells.central[dim].shape[dim], axes[dim].excess
    first, last = int(low is not None), points - int(high is not None)
    blocks = [
        _tilt(cells.part(dim, start, stop - start), axes, walls, rest)
        for start, stop, walls in ((0, first, [*met, dim]), (first, last, met), (last, points, [*met, dim]))
        if start < stop
    ]
    return torch.cat(blocks, dim)


def _tilt_system(cells: _Cells, met: Sequence[int]) -> tuple[list[list[Tensor]], list[Tensor]]:
    """Matrix and right-hand side for the walls `met`; c_t is a mean of two slopes, so that half of r_t is in it."""
    matrix, right = [], []
    for n in met:
        # A semidefinite D that vanishes along n has no coupling either: the row then reads r_n = 0.
        pivot = torch.where(cells.pivots[n] == 0, 1.0, cells.pivots[n])
        coupled = [pivot if t == n else cells.D(n, t) for t in met]
        row = zip(met, coupled, strict=True)
        matrix.append([torch.zeros_like(pivot) if D is None else D if t == n else D / 2 for t, D in row])
        cross = _cross_flux(cells.D, n, cells.central)
        right.append(torch.zeros_like(cells.central[n]) if cross is None else cross)
    return matrix, right


def _solve_for_first(matrix: list[list[Tensor]], right: list[Tensor]) -> Tensor:
    """First unknown of a small system, by elimination from below; ``(D + diag D)/2`` needs no pivoting."""
    for k in range(len(right) - 1, 0, -1):
        for row in range(k):
            factor = matrix[row][k] / matrix[k][k]
            matrix[row] = [a - factor * b for a, b in zip(matrix[row], matrix[k], strict=True)]
            right[row] = right[row] - factor * right[k]
    return right[0] / matrix[0][0]


def _tilted(central: Tensor, dim: int, tilts: Sequence[Tensor | None]) -> Tensor:
    """Central differences with the true slope at natural walls."""
    for end, tilt in enumerate(tilts):
        if tilt is not None:
            layer = _end(central, dim, end) - tilt / 2
            rest = central.narrow(dim, 1 - end, central.shape[dim] - 1)
            central = torch.cat([layer, rest] if end == 0 else [rest, layer], dim)
    return central


def _held_nodes_at_rest(rate: Tensor, walls: Sequence[Walls]) -> Tensor:
    for dim, ends in zip(range(-len(walls), 0), walls, strict=True):
        for end, wall in enumerate(ends or ()):
            if wall.on_node and wall.held:
                rest = rate.narrow(dim, 1 - end, rate.shape[dim] - 1)
                still = torch.zeros_like(_end(rate, dim, end))
                rate = torch.cat([still, rest] if end == 0 else [rest, still], dim)
    return rate


def _without_ghosts(values: Tensor, walls: Sequence[Walls], keep: int | None = None) -> Tensor:
    for dim, ends in zip(range(-len(walls), 0), walls, strict=True):
        if ends is not None and dim != keep:
            values = values.narrow(dim, 1, values.shape[dim] - 2)
    return values


def _cross_flux(D: _Matrix, n: int, central: Mapping[int, Tensor]) -> Tensor | None:
    """``Σ_(t≠n) D_nt c_t``, or None if there is no such term."""
    terms = [entry * central[t] for t in D.partners(n) if (entry := D(n, t)) is not None]
    return reduce(torch.add, terms) if terms else None


def _constant_along(entry: Tensor, dim: int) -> bool:
    return entry.dim() < -dim or entry.shape[dim] == 1


def _part(entry: Tensor, dim: int, start: int, length: int) -> Tensor:
    return entry if _constant_along(entry, dim) else entry.narrow(dim, start, length)


def _end(entry: Tensor, dim: int, end: int) -> Tensor:
    """The first or the last layer."""
    return entry if _constant_along(entry, dim) else entry.narrow(dim, 0 if end == 0 else entry.shape[dim] - 1, 1)


def _pair_mean(entry: Tensor, dim: int, *, periodic: bool) -> Tensor:
    """Means of neighbours: on the faces above every cell of a periodic axis, else between the entries."""
    if _constant_along(entry, dim):
        return entry
    if periodic:
        return (entry + entry.roll(-1, dim)) / 2
    between = entry.shape[dim] - 1
    return (entry.narrow(dim, 0, between) + entry.narrow(dim, 1, between)) / 2


def _check_keys(coefficients: Mapping[Key, Tensor], dimension: int) -> None:
    for i, j in coefficients:
        if not 0 <= i <= j < dimension:
            raise ParameterError(
                f"D[{i}, {j}] was given, but the symmetric tensor on {dimension} axes has the entries (i, j) with "
                f"0 <= i <= j < {dimension}; rename or drop it"
            )
        if (i, i) not in coefficients or (j, j) not in coefficients:
            raise ParameterError(f"D[{i}, {j}] needs D[{i}, {i}] and D[{j}, {j}] beside it, or D is not positive")
