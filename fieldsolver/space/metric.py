"""Diffusion in curved coordinates and on curved spaces: Riemannian metrics.

With a metric g_ij on coordinates x and its volume density ``√g = √det(g_ij)`` the Laplace-Beltrami operator is

    Δu = 1/√g ∂_i (√g g^ij ∂_j u)

(Chavel, Eigenvalues in Riemannian Geometry, 1984, chapter I). `Metric` takes any g and passes ``D = √g g^-1`` to
tensor_diffusion.py: symmetric in the inner product of the volumes ``√g h^d``. For the named systems that are singular
at an axis or pole, see orthogonal.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.errors import GridError, ParameterError

from .coordinate_systems import CARTESIAN
from .grid import Grid
from .tensor_diffusion import Key, Walls, tensor_diffusion


class Metric(nn.Module):
    """A Riemannian metric on a grid, whose axes are the coordinates.

    Args:
        source: g as a tensor ``(d, d, *grid)``, or a function or `nn.Module` of the d coordinates, tensors of shape
            ``(*grid)``, that returns one, or nested lists ``[[g_xx, g_xy], [g_xy, g_yy]]`` of what broadcasts. A module
            is evaluated anew at every use, so that gradients reach it.
        grid: the grid, uniform and Cartesian.

    Raises:
        GridError: the grid is neither.
        ParameterError: g is of another shape, not symmetric, or not positive definite somewhere (all of it is checked
            here, once); a free parameter tensor, which training would not keep so.
    """

    fixed: Tensor

    def __init__(self, source: Tensor | Callable[..., Any], grid: Grid) -> None:
        if isinstance(source, nn.Parameter):
            raise ParameterError("training would not leave a free tensor positive definite; pass a LearnedMetric")
        super().__init__()
        _check_grid(grid)
        self.grid = grid
        self.source = source if isinstance(source, nn.Module) else None
        parameter = next(self.source.parameters(), None) if self.source else None
        for axis, position in enumerate(grid.coordinates()):
            position = position.contiguous() if parameter is None else position.contiguous().to(parameter)
            self.register_buffer(f"coordinate_{axis}", position)
        fixed = source if isinstance(source, (Tensor, nn.Module)) else source(*grid.coordinates())
        self.register_buffer("fixed", None if self.source else _as_matrix(fixed, grid))
        _check_metric(self._given().detach(), grid)
        self._keys = [(i, j) for i in range(grid.dimension) for j in range(i, grid.dimension)]
        if self.source is None:
            self._keep(self._computed())

    def components(self) -> Tensor:
        """g_ij, ``(d, d, *grid)``; exactly symmetric, and so are gradients."""
        g = self._given()
        return (g + g.transpose(0, 1)) / 2

    def _given(self) -> Tensor:
        if self.source is None:
            return self.fixed
        positions = (getattr(self, f"coordinate_{axis}") for axis in range(self.grid.dimension))
        return _as_matrix(self.source(*positions), self.grid)

    def volume_density(self) -> Tensor:
        """√g, ``(*grid)``."""
        return _determinant(self.components()).sqrt()

    def inverse(self) -> Tensor:
        """g^ij, ``(d, d, *grid)``."""
        g = self.components()
        return _cofactors(g) / _determinant(g)

    def fields(self) -> MetricFields:
        """What the Laplace-Beltrami operator is made of; evaluates a module, and nothing otherwise."""
        if self.source is not None:
            return self._computed()
        entries = {(i, j): getattr(self, f"tensor_{i}_{j}") for i, j in self._keys}
        return MetricFields(self.get_buffer("density"), entries)

    def forward(self) -> MetricFields:
        """`fields`."""
        return self.fields()

    def _computed(self) -> MetricFields:
        g = self.components()
        density, cofactors = _determinant(g).sqrt(), _cofactors(g)  # √g g^-1 = cofactors / √g
        return MetricFields(density, {key: cofactors[key] / density for key in self._keys})

    def _keep(self, fields: MetricFields) -> None:
        self.register_buffer("density", fields.density, persistent=False)
        for (i, j), entry in fields.tensor.items():
            self.register_buffer(f"tensor_{i}_{j}", entry, persistent=False)

    def integral(self, values: Tensor) -> Tensor:
        """``∫ u √g dx`` with the weights of the grid, ``(..., *grid) -> (...)``."""
        weights = self.volume_density() * self.grid.weights(device=values.device)
        return (values * weights.to(values.real.dtype)).sum(dim=tuple(range(-self.grid.dimension, 0)))


@dataclass(frozen=True)
class MetricFields:
    """``√g``, shape ``(*grid)``, and ``{(i, j): √g g^ij}`` for ``i <= j``."""

    density: Tensor
    tensor: Mapping[Key, Tensor]

    def to(self, device: torch.device) -> MetricFields:
        """The same on `device`."""
        if self.density.device == device:
            return self
        return MetricFields(self.density.to(device), {key: entry.to(device) for key, entry in self.tensor.items()})


def laplace_beltrami(
    fields: MetricFields,
    values: Tensor,
    spacing: Sequence[float],
    walls: Sequence[Walls],
    coefficient: Tensor | None = None,
) -> Tensor:
    """The Laplace-Beltrami operator of second order, ``1/√g ∂_i (√g D g^ij ∂_j u)``, ``(..., *grid)``.

    On natural walls, ``n_i √g g^ij ∂_j u = √g g^nn q`` with the slope q per unit of the coordinate that ghosts express.

    Args:
        fields: from `Metric.fields`.
        values: the field with its ghosts, `spacing` and `walls`: as for `tensor_diffusion`.
        coefficient: D on the grid, without ghosts; None for 1.
    """
    dtype = values.real.dtype
    tensor = {key: entry.to(dtype) for key, entry in fields.tensor.items()}
    if coefficient is not None:
        tensor = {key: coefficient * entry for key, entry in tensor.items()}
    return tensor_diffusion(tensor, values, spacing, walls) / fields.density.to(dtype)


def squared_gradient(fields: MetricFields, slopes: Sequence[Tensor]) -> Tensor:
    """``g^ij ∂_i u ∂_j u`` of the derivatives ``∂_i u`` on the grid, ``(..., *grid)``."""
    dtype = slopes[0].real.dtype
    terms = [entry.to(dtype) * slopes[i] * slopes[j] * (1 if i == j else 2) for (i, j), entry in fields.tensor.items()]
    return reduce(torch.add, terms) / fields.density.to(dtype)


class LearnedMetric(nn.Module):
    """A metric that is positive definite whatever its weights: ``g = L Lᵀ`` with a positive diagonal of L.

    A network whose last layer is zero gives the flat metric.

    Args:
        network: maps coordinates ``(*grid, d)`` to ``(*grid, d (d + 1)/2)``, the lower triangle of L row by row, with
            ``softplus`` still to be taken of the diagonal.
        dimension: d.
        floor: smallest entry on the diagonal.
    """

    def __init__(self, network: nn.Module, dimension: int, *, floor: float = 1e-3) -> None:
        super().__init__()
        if not 0 < floor < 1:
            raise ParameterError(f"floor lies between 0 and 1, got {floor!r}")
        self.network = network
        self.dimension = dimension
        self.floor = floor

    def forward(self, *coordinates: Tensor) -> Tensor:
        """``(*grid)`` per coordinate -> ``(d, d, *grid)``."""
        raw = self.network(torch.stack(coordinates, dim=-1))
        count = self.dimension * (self.dimension + 1) // 2
        if raw.shape[-1] != count:
            raise ParameterError(f"the network of a metric in {self.dimension} dimensions returns {count} numbers per "
                                 f"point, got {raw.shape[-1]}")  # fmt: skip
        entries, zero = iter(raw.unbind(-1)), torch.zeros_like(raw[..., 0])
        at_zero = math.log(math.expm1(1 - self.floor))
        rows = []
        for row in range(self.dimension):
            left = [next(entries) for _ in range(row)]
            diagonal = self.floor + nn.functional.softplus(next(entries) + at_zero)
            rows.append(torch.stack([*left, diagonal, *[zero] * (self.dimension - row - 1)]))
        L = torch.stack(rows)
        return torch.einsum("ik...,jk...->ij...", L, L)


def _as_matrix(given: Any, grid: Grid) -> Tensor:
    d = grid.dimension
    if not isinstance(given, Tensor):
        if len(given) != d or any(len(row) != d for row in given):
            raise ParameterError(f"a metric on {d} axes has {d} rows of {d} entries, got {given!r}")
        entries = [torch.as_tensor(entry, dtype=torch.float64) if isinstance(entry, (int, float)) else entry
                   for row in given for entry in row]  # fmt: skip
        given = torch.stack([entry.expand(grid.shape) for entry in entries]).reshape(d, d, *grid.shape)
    if tuple(given.shape) != (d, d, *grid.shape):
        raise ParameterError(f"a metric on {grid!r} has the shape {(d, d, *grid.shape)}, got {tuple(given.shape)}")
    return given


def _check_grid(grid: Grid) -> None:
    if grid.system != CARTESIAN or not all(grid.is_uniform(axis) for axis in range(grid.dimension)):
        raise GridError(f"a metric is given on a uniform grid without coordinates= and nodes=, got {grid!r}")


def _check_metric(g: Tensor, grid: Grid) -> None:
    if not g.isfinite().all():
        raise ParameterError("the metric is NaN or infinite somewhere; start the grid beside the singular point")
    skew = (g - g.transpose(0, 1)).abs().max()
    if skew > 1e3 * torch.finfo(g.dtype).eps * g.abs().max():
        raise ParameterError(f"a metric is symmetric, but g_ij and g_ji differ by {skew:.3g}; write (g + g.T)/2")
    smallest = torch.linalg.eigvalsh(g.movedim((0, 1), (-2, -1)))[..., 0]
    worst = int(smallest.argmin())
    if smallest.flatten()[worst] <= 0:
        place = ", ".join(
            f"{name} = {position.flatten()[worst]:.6g}"
            for name, position in zip(grid.axes, grid.coordinates(), strict=True)
        )
        raise ParameterError(
            f"a metric is positive definite, but its smallest eigenvalue is {smallest.min():.3g} at {place}; "
            "parametrise it as L @ L.T (LearnedMetric)"
        )


def _cofactors(g: Tensor) -> Tensor:
    """``det(g) g^-1`` of symmetric matrices, ``(d, d, ...)``; closed forms, d up to 3."""
    if len(g) == 1:
        return torch.ones_like(g)
    if len(g) == 2:
        return torch.stack([torch.stack([g[1, 1], -g[0, 1]]), torch.stack([-g[0, 1], g[0, 0]])])

    def minor(i: int, j: int) -> Tensor:
        (a, b), (c, e) = ((i + 1) % 3, (i + 2) % 3), ((j + 1) % 3, (j + 2) % 3)
        return g[a, c] * g[b, e] - g[a, e] * g[b, c]

    return torch.stack([torch.stack([minor(i, j) for j in range(3)]) for i in range(3)])


def _determinant(g: Tensor) -> Tensor:
    return (g[0] * _cofactors(g)[0]).sum(0)
