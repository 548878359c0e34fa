"""Convolution with a kernel over the grid: ``(w * f)(x_i) = sum_j w(x_i - x_j) f(x_j) |cell_j|``.

The kernel is sampled at displacements between grid points, and the sum approximates the integral: each point counts
with the volume of its cell, half of it where ``"zero"`` cuts through a node on a wall. Edges:

* ``"zero"``: nothing outside the domain,
* ``"periodic"``: the domain repeats; displacements ``d`` and ``d - L``, as far as both are sampled, add up,
* ``"reflect"``: the field is mirrored at the walls. A node on a wall counts with the half of its cell that lies inside
  and with the mirror image of that half.

Samples reach from displacement 0 to the length of the domain at most, or as far as the kernel was given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fieldsolver.errors import GridError, OptionError, ParameterError

from .convolution_methods import by_fft, by_sum, direct_is_cheaper, transform_size
from .grid import Grid

EDGES = ("zero", "periodic", "reflect")
NORMS = (None, "sum", "absolute")
METHODS = ("auto", "fft", "direct")

ROUNDING = 1e-9  # a displacement that equals the radius up to this, relatively, is inside


@dataclass(frozen=True)
class Kernel:
    """A convolution kernel.

    Args:
        values: a function of the displacement, ``w(dx)``, ``w(dx, dy)`` ..., on float64 tensors; an `nn.Module` of that
            kind, called in the precision and on the device of its parameters; or a tensor of samples at the
            displacements ``-n h .. n h``, an odd number ``2n + 1 <= 2N - 1`` along every axis of N points, the middle
            one at displacement 0.
        edge: ``"zero"``, ``"periodic"`` (displacements ``d`` and ``d - L`` both count) or ``"reflect"``; there is no
            default, because there is no harmless one.
        radius: a function is sampled at ``|d| <= radius`` and is zero beyond, in the units of the grid; None samples
            every displacement of the domain. Short kernels cost less.
        normalise: what is divided out, on whatever grid. None: nothing. ``"sum"``: the discrete integral, so that a
            constant comes out as it went in, away from edges that are ``"zero"``. ``"absolute"``: the discrete integral
            of ``|w|``, so that no maximum of ``|f|`` grows.

    Raises:
        ParameterError: another edge rule or norm, an impossible radius, or values that are neither a function nor a
            tensor.
    """

    values: Callable[..., Tensor] | Tensor
    edge: str = ""
    _: KW_ONLY
    radius: float | None = None
    normalise: str | None = None

    def __post_init__(self) -> None:
        if self.edge not in EDGES:
            got = f"got {self.edge!r}" if self.edge else "got none; write for example fs.Kernel(values, edge='zero')"
            raise ParameterError(f"the edge rule of a kernel is one of {EDGES}, {got}")
        if not (callable(self.values) or isinstance(self.values, Tensor)):
            raise ParameterError(f"a kernel is a function of the displacement or a tensor, got {self.values!r}")
        if self.normalise not in NORMS:
            raise ParameterError(f"normalise is one of {NORMS}, got {self.normalise!r}")
        if self.radius is None:
            return
        if isinstance(self.values, Tensor):
            raise ParameterError("radius= cuts a function; cut a tensor of samples itself, leaving an odd number")
        number = isinstance(self.radius, (int, float)) and not isinstance(self.radius, bool)
        if not (number and 0 < self.radius < math.inf):
            raise ParameterError(f"the radius of a kernel is a positive finite number, got {self.radius!r}")

    def samples(self, grid: Grid, *, check: bool = True) -> Tensor:
        """Values at all displacements in reach, normalised, shape ``(2 n_x + 1, ...)``.

        float64 unless given otherwise; those of a module carry its graph.

        Args:
            grid: the grid of the fields.
            check: look at the values, which makes the host wait for the device; for a module that is sampled at every
                evaluation it is enough to look once.

        Raises:
            GridError: a grid with unequal spacing or without the ends that the edge rule needs, a radius beyond the
                domain, or samples of the wrong shape.
            ParameterError: NaN, infinity, or an integral of zero that was to be divided out.
        """
        _check_ends(self.edge, grid)
        values = _as_given(self.values, grid) if isinstance(self.values, Tensor) else self._sampled(grid)
        if check and not torch.isfinite(values).all():
            raise ParameterError("the kernel has NaN or infinity among its values; check it at displacement 0")
        return values if self.normalise is None else _normalised(values, grid, self.normalise, check)

    def _sampled(self, grid: Grid) -> Tensor:
        displacements = torch.meshgrid(*self._displacements(grid), indexing="ij")
        values = self.values(*displacements)  # type: ignore[operator]  # a tensor has returned above
        wanted = tuple(displacements[0].shape)
        if not isinstance(values, Tensor) or tuple(values.shape) != wanted:
            raise GridError(f"the kernel function must return a tensor of the shape of its arguments, {wanted}")
        if self.radius is None or grid.dimension == 1:
            return values
        squared = sum((d.square() for d in displacements[1:]), displacements[0].square())
        return torch.where(squared <= (self.radius * (1 + ROUNDING)) ** 2, values, torch.zeros_like(values))

    def _displacements(self, grid: Grid) -> list[Tensor]:
        parameter = next(self.values.parameters(), None) if isinstance(self.values, nn.Module) else None
        vectors = []
        for axis, (points, step) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
            half = points - 1
            if self.radius is not None:
                if self.radius > grid.lengths[axis] * (1 + ROUNDING):
                    raise GridError(
                        f"the kernel has radius={self.radius:g}, but the domain is {grid.lengths[axis]:g} long along "
                        f"{grid.axes[axis]!r} and holds no longer displacement; choose a smaller radius or none"
                    )
                half = min(half, math.floor(self.radius / step * (1 + ROUNDING)))
            device = None if parameter is None else parameter.device
            vector = torch.arange(-half, half + 1, dtype=torch.float64, device=device) * step
            vectors.append(vector if parameter is None else vector.to(parameter.dtype.to_real()))
        return vectors


def convolve(values: Tensor, samples: Tensor, grid: Grid, edge: str, *, method: str = "auto") -> Tensor:
    """The convolution of every field in `values`.

    Args:
        values: f, real or complex, ``(..., *grid)``.
        samples: w as `Kernel.samples` gives it; taken to the precision and device of `values`.
        grid: the grid.
        edge: ``"zero"``, ``"periodic"`` or ``"reflect"``.
        method: ``"fft"``, ``"direct"``, or ``"auto"`` for the cheaper one (`convolution_methods.direct_is_cheaper`).

    Returns:
        ``(..., *grid)``, complex if one of the two is.
    """
    if method not in METHODS:
        raise OptionError(f"the method of a convolution is one of {METHODS}, got {method!r}")
    on_node = tuple(grid.has_end_nodes(axis) for axis in range(grid.dimension))
    cell = math.prod(grid.spacing)
    dtype = values.dtype.to_complex() if samples.is_complex() else values.dtype
    samples = samples.to(values.device, dtype) * cell
    values = values.to(dtype)
    if edge == "zero" and any(on_node):
        values = values * (grid.weights(device=values.device) / cell).to(dtype.to_real())
    sizes = tuple(
        transform_size(edge, points, count // 2, on_node=node)
        for points, count, node in zip(grid.shape, samples.shape, on_node, strict=True)
    )
    if method == "auto":
        method = "direct" if direct_is_cheaper(grid.shape, tuple(samples.shape), sizes) else "fft"
    if method == "direct":
        return by_sum(values, samples, edge, on_node)
    return by_fft(values, samples, edge, on_node, sizes)


def kernel_symbol(samples: Tensor, grid: Grid, *wavenumbers: np.ndarray) -> np.ndarray:
    """Fourier transform of the discrete kernel, ``sum_d w_d exp(-i k.d) |cell|``, complex.

    The eigenvalue of the convolution, exactly: with ``edge="periodic"`` on ``exp(i k.x)``, ``k = 2 pi m/L`` along every
    axis; with ``edge="reflect"`` and a kernel that is even along every axis on ``prod cos(k (x - a))``, ``k = pi m/L``,
    where a is the lower end of the domain.

    Args:
        samples: as `Kernel.samples` gives them.
        grid: the grid.
        *wavenumbers: k along each axis, in radians per length; arrays that broadcast against each other.
    """
    if len(wavenumbers) != grid.dimension:
        raise GridError(
            f"kernel_symbol needs one array of wavenumbers per axis, {grid.dimension}; got {len(wavenumbers)}"
        )
    result = samples.detach().cpu().numpy() * math.prod(grid.spacing)
    *numbers, last = np.broadcast_arrays(*map(np.asarray, wavenumbers))
    for axis, (k, step) in enumerate(zip([*numbers, last], grid.spacing, strict=True)):
        half = samples.shape[axis] // 2
        phase = np.exp(-1j * np.multiply.outer(k, np.arange(-half, half + 1) * step))
        # (*k, n_x, n_y, ...) with the first remaining axis of the kernel summed away
        phase = phase.reshape(*phase.shape, *[1] * (grid.dimension - 1 - axis))
        result = (phase * result).sum(k.ndim)
    return result


def _check_ends(edge: str, grid: Grid) -> None:
    for axis, name in enumerate(grid.axes):
        if not grid.is_uniform(axis):
            raise GridError(
                f"a convolution needs equal spacing, but the axis {name!r} has nodes= of its own; drop them"
            )
        if edge == "periodic" and grid.has_end_nodes(axis):
            raise GridError(
                f"edge='periodic' makes both ends of {name!r} one place, but the grid has a node on each; write "
                f"Grid(..., centring='node', periodic=({name!r},)) or use cells"
            )
        if edge == "reflect" and name in grid.periodic:
            raise GridError(
                f"edge='reflect' needs walls, but the grid has periodic={grid.periodic!r}; drop {name!r} there"
            )


def _as_given(values: Tensor, grid: Grid) -> Tensor:
    shape, most = tuple(values.shape), tuple(2 * points - 1 for points in grid.shape)
    fits = len(shape) == len(most) and all(n % 2 and n <= limit for n, limit in zip(shape, most, strict=True))
    if not fits:
        raise GridError(
            f"the kernel tensor has shape {shape}, expected {most} or an odd number of samples below that along "
            "each axis: displacement 0 in the middle, and no displacement as long as the domain"
        )
    return values if values.is_floating_point() or values.is_complex() else values.double()


def _normalised(values: Tensor, grid: Grid, norm: str, check: bool) -> Tensor:
    absolute = values.abs().sum()
    total = values.sum() if norm == "sum" else absolute
    if check and total.abs() <= values.numel() * torch.finfo(values.dtype).eps * absolute:
        raise ParameterError(
            f"normalise={norm!r} divides by the integral of the kernel, which is 0 up to rounding; "
            + ("use normalise='absolute' or None" if norm == "sum" else "give it values other than 0")
        )
    return values / (total * math.prod(grid.spacing))
