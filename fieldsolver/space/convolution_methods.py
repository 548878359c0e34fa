"""Two ways to evaluate a discrete convolution, equal to round-off: the sum itself, and a product of spectra.

Both take fields ``(..., *grid)`` that go on beyond their ends as the edge rule says, and a kernel of an odd number of
samples per axis whose middle is displacement 0. Work is counted per field, in points passed over, for N points and K
samples:

* direct: one shifted multiply-add of the whole field per sample, ``K (N + CALL)``,
* FFT on M >= N points: two transforms of the field and one of the kernel, ``3 FFT M log2 M + 3 CALL``.

The counts see the grid and the kernel alone, not the batch, so that a sample's result does not depend on its company.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor
from torch.nn.functional import pad

CALL = 8000  # points that are passed over in the time of one call
FFT = 0.6  # passes per level of a transform

# Odd parts of the lengths that transform fast; with powers of two they leave gaps of at most 1/8.
_ODD_PARTS = (1, 3, 5, 9, 15, 25, 27, 45, 75)


def direct_is_cheaper(points: tuple[int, ...], samples: tuple[int, ...], sizes: tuple[int, ...]) -> bool:
    """Whether the sum takes less work than transforms.

    Args:
        points: of the grid, along every axis.
        samples: of the kernel.
        sizes: of the transforms.
    """
    direct = math.prod(samples) * (math.prod(points) + CALL)
    transformed = math.prod(sizes)
    return direct <= 3 * (FFT * transformed * math.log2(transformed) + CALL)


def transform_size(edge: str, points: int, half: int, *, on_node: bool) -> int:
    """Length of the closed line that one axis is seen on, for a kernel of ``2 half + 1`` samples.

    A reflected field has a period: 2N cells, or 2(N - 1) nodes where the walls are nodes.
    """
    match edge:
        case "periodic":
            return points
        case "reflect":
            return 2 * (points - int(on_node))
    needed = points + half  # what wraps around lands in the zeros
    return min(odd << (-(-needed // odd) - 1).bit_length() for odd in _ODD_PARTS)


def by_fft(values: Tensor, samples: Tensor, edge: str, on_node: tuple[bool, ...], sizes: tuple[int, ...]) -> Tensor:
    """The convolution theorem on the closed lines of `transform_size`."""
    dims = tuple(range(-len(sizes), 0))
    points = tuple(values.shape[dim] for dim in dims)
    for dim, size, node in zip(dims, sizes, on_node, strict=True):
        samples = _wound(samples, dim, size)
        if edge == "reflect":
            values = torch.cat([values, _mirrored(values, dim, int(node), size - values.shape[dim])], dim)
    if values.is_complex():
        result = torch.fft.ifftn(torch.fft.fftn(values, sizes, dims) * torch.fft.fftn(samples, sizes, dims), dim=dims)
    else:
        spectrum = torch.fft.rfftn(values, sizes, dims) * torch.fft.rfftn(samples, sizes, dims)
        result = torch.fft.irfftn(spectrum, sizes, dims)
    for dim, count in zip(dims, points, strict=True):
        result = result.narrow(dim, 0, count)
    return result


def by_sum(values: Tensor, samples: Tensor, edge: str, on_node: tuple[bool, ...]) -> Tensor:
    """``sum_d w_d f_(i - d)``, one shifted multiply-add per sample."""
    dims = tuple(range(-samples.dim(), 0))
    points = tuple(values.shape[dim] for dim in dims)
    for dim, count, node in zip(dims, samples.shape, on_node, strict=True):
        values = _continued(values, dim, count // 2, edge, int(node))
    terms = []
    for index in itertools.product(*map(range, samples.shape)):
        shifted = values
        for dim, place, count in zip(dims, index, points, strict=True):
            shifted = shifted.narrow(dim, samples.shape[dim] - 1 - place, count)
        terms.append((shifted, samples[index]))
    (shifted, weight), *rest = terms
    total = shifted * weight
    for shifted, weight in rest:
        total = torch.addcmul(total, shifted, weight)
    return total


def _wound(samples: Tensor, dim: int, size: int) -> Tensor:
    """The kernel on a closed line of `size` points, displacement d at place ``d mod size``; what coincides adds up."""
    half = samples.shape[dim] // 2
    ahead = _padded(samples.narrow(dim, half, half + 1), dim, 0, size - half - 1)
    behind = _padded(samples.narrow(dim, 0, half), dim, size - half, 0)
    return ahead + behind


def _continued(values: Tensor, dim: int, width: int, edge: str, on_node: int) -> Tensor:
    """The field with `width` layers beyond both ends of an axis."""
    points = values.shape[dim]
    if edge == "zero":
        return _padded(values, dim, width, width)
    if edge == "periodic":
        low, high = values.narrow(dim, points - width, width), values.narrow(dim, 0, width)
    else:
        low = values.narrow(dim, on_node, width).flip(dim)
        high = _mirrored(values, dim, on_node, width)
    return torch.cat([low, values, high], dim)


def _mirrored(values: Tensor, dim: int, on_node: int, width: int) -> Tensor:
    """`width` layers beyond the upper wall; a node on it is not repeated."""
    return values.narrow(dim, values.shape[dim] - on_node - width, width).flip(dim)


def _padded(values: Tensor, dim: int, low: int, high: int) -> Tensor:
    return pad(values, (0, 0) * (-1 - dim) + (low, high))
