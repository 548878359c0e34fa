"""Functions of the wave numbers of several axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from fieldsolver.errors import GridError

from .constants import along, in_precision
from .line import SpectralLine


def multiply(
    values: Tensor, lines: Sequence[SpectralLine], dims: Sequence[int], symbol: Callable[..., Tensor]
) -> Tensor:
    """Every coefficient of the tensor-product series times ``symbol(k_1, k_2, ...)``.

    Args:
        values: ``(..., *grid)``; a real symbol keeps them real.
        lines: one per axis.
        dims: their axes, counted from the end (negative).
        symbol: a function of the wave numbers, even in each of them, which it is handed as float64 tensors that
            broadcast against each other along `dims`; the result may have leading batch axes and carry gradients.

    Raises:
        GridError: `lines` and `dims` are not as many, or do not fit the values.
    """
    check_axes(lines, dims)
    # Axes between walls first: their coefficients stay real, and the first periodic axis then needs half a spectrum.
    order = sorted(range(len(lines)), key=lambda axis: lines[axis].periodic)
    halves = {}
    coefficients = values
    for axis in order:
        halves[axis] = not coefficients.is_complex()
        coefficients = lines[axis].forward(coefficients, dims[axis], half=halves[axis])
    wave_numbers = [
        along(line.wave_numbers(values.device, half=halves[axis]), dims[axis]) for axis, line in enumerate(lines)
    ]
    coefficients = coefficients * in_precision(symbol(*wave_numbers), coefficients)
    for axis in reversed(order):
        coefficients = lines[axis].inverse(coefficients, dims[axis], half=halves[axis])
    return coefficients


def check_axes(lines: Sequence[SpectralLine], dims: Sequence[int]) -> None:
    """Raise `GridError` unless every line has one axis of its own."""
    if len(lines) != len(dims) or len(set(dims)) != len(dims) or not dims:
        raise GridError(f"one axis per line is needed, got {len(lines)} lines and dims={tuple(dims)}")
