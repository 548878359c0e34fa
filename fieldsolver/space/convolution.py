"""Convolution with a kernel over the grid, by FFT: ``(w * f)(x_i) = sum_j w(x_i - x_j) f(x_j) |cell|``.

The kernel is sampled at the displacements between grid points, and the sum approximates the integral: each point counts
with the volume of its cell, and nothing is normalised. Edges:

* ``"zero"``: nothing outside the domain,
* ``"periodic"``: the domain repeats, and displacements ``d`` and ``d - L`` (both within one length) add up,
* ``"reflect"``: the field is mirrored at the walls, with the kernel cut at the length of the domain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldsolver.errors import GridError, ParameterError

from .grid import Grid

EDGES = ("zero", "periodic", "reflect")


@dataclass(frozen=True)
class Kernel:
    """A convolution kernel.

    Args:
        values: a function of the displacement, ``w(dx)``, ``w(dx, dy)`` ..., on float64 tensors; or a tensor of samples
            at the displacements ``-(N-1) h .. (N-1) h`` along every axis, shape ``(2 N_x - 1, ...)``.
        edge: ``"zero"``, ``"periodic"`` (displacements ``d`` and ``d - L`` both count) or ``"reflect"``; there is no
            default, because there is no harmless one.

    Raises:
        ParameterError: another edge rule, or values that are neither a function nor a tensor.
    """

    values: Callable[..., Tensor] | Tensor
    edge: str

    def __post_init__(self) -> None:
        if self.edge not in EDGES:
            raise ParameterError(f"the edge rule of a kernel is one of {EDGES}, got {self.edge!r}")
        if not (callable(self.values) or isinstance(self.values, Tensor)):
            raise ParameterError(f"a kernel is a function of the displacement or a tensor, got {self.values!r}")

    def samples(self, grid: Grid) -> Tensor:
        """Values at all displacements, shape ``(2 N_x - 1, ...)``, float64 unless given otherwise."""
        wanted = tuple(2 * points - 1 for points in grid.shape)
        if isinstance(self.values, Tensor):
            if tuple(self.values.shape) != wanted:
                raise GridError(f"the kernel tensor has shape {tuple(self.values.shape)}, expected {wanted}")
            return self.values
        vectors = [
            torch.arange(1 - points, points, dtype=torch.float64) * step
            for points, step in zip(grid.shape, grid.spacing, strict=True)
        ]
        values = self.values(*torch.meshgrid(*vectors, indexing="ij"))
        if not isinstance(values, Tensor) or tuple(values.shape) != wanted:
            raise GridError(f"the kernel function must return a tensor of the shape of its arguments, {wanted}")
        if not torch.isfinite(values).all():
            raise ParameterError("the kernel function returned NaN or infinity; check it at displacement 0")
        return values


def convolve(values: Tensor, samples: Tensor, grid: Grid, edge: str) -> Tensor:
    """``(..., *grid)`` -> ``(..., *grid)``; `samples` as `Kernel.samples` gives them."""
    dims = tuple(range(-grid.dimension, 0))
    weighted = values * grid.weights(device=values.device).to(values.real if values.is_complex() else values)
    samples = samples.to(values.real if values.is_complex() and not samples.is_complex() else values)
    if edge == "periodic":
        return _circular(weighted, _folded(samples, grid), dims, grid.shape)
    if edge == "reflect":
        for dim in dims:
            weighted = _mirrored(weighted, dim, grid)
    sizes = tuple(weighted.shape[dim] + samples.shape[dim] - 1 for dim in dims)
    full = _circular(weighted, samples, dims, sizes)
    for dim, points in zip(dims, grid.shape, strict=True):
        offset = (weighted.shape[dim] - points) // 2  # layers that mirroring put in front
        full = full.narrow(dim, points - 1 + offset, points)
    return full


def _mirrored(values: Tensor, dim: int, grid: Grid) -> Tensor:
    skip = int(grid.has_end_nodes(grid.dimension + dim))
    points = values.shape[dim]
    low = values.narrow(dim, skip, points - skip).flip(dim)
    high = values.narrow(dim, 0, points - skip).flip(dim)
    return torch.cat([low, values, high], dim)


def _folded(samples: Tensor, grid: Grid) -> Tensor:
    """Kernel on the periodic grid: displacements ``m h`` and ``(m - N) h`` lead to the same point, so both count."""
    for dim, points in zip(range(-grid.dimension, 0), grid.shape, strict=True):
        behind = samples.narrow(dim, 0, points - 1)  # -(N-1) .. -1, which are 1 .. N-1 the other way round
        ahead = samples.narrow(dim, points - 1, points)  # 0 .. N-1
        samples = torch.cat([ahead.narrow(dim, 0, 1), ahead.narrow(dim, 1, points - 1) + behind], dim)
    return samples


def _circular(values: Tensor, kernel: Tensor, dims: tuple[int, ...], sizes: tuple[int, ...]) -> Tensor:
    if values.is_complex() or kernel.is_complex():
        return torch.fft.ifftn(torch.fft.fftn(values, sizes, dims) * torch.fft.fftn(kernel, sizes, dims), dim=dims)
    spectrum = torch.fft.rfftn(values, sizes, dims) * torch.fft.rfftn(kernel, sizes, dims)
    return torch.fft.irfftn(spectrum, sizes, dims)
