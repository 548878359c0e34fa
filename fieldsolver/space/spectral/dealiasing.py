"""Products without aliases: by cutting modes off before, or by computing on a finer grid.

The product of ``p`` functions with wave numbers up to ``K`` has wave numbers up to ``p K``, of which a grid with the
largest wave number ``k_max`` shows those beyond ``k_max`` as ``2 k_max - k``. They stay out of the modes up to ``K`` if

    K < 2 k_max/(p + 1)        2/3 of k_max for quadratic, 1/2 for cubic terms

(S. A. Orszag, On the elimination of aliasing in finite-difference schemes by filtering high-wavenumber
components, J. Atmos. Sci. 28 (1971) 1074; C. Canuto, M. Y. Hussaini, A. Quarteroni and T. A. Zang, Spectral
Methods: Fundamentals in Single Domains, Springer 2006). Padding keeps all modes and enlarges ``k_max``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import scipy.fft
from torch import Tensor

from fieldsolver.errors import GridError, ParameterError

from .line import SpectralLine
from .resample import Resampling
from .tensor_product import check_axes

Lines = Sequence[SpectralLine]


def truncate(values: Tensor, lines: Lines, dims: Sequence[int], fraction: float = 2 / 3) -> Tensor:
    """Keep the modes with ``|k| < fraction * k_max`` on every axis, where ``k_max = pi/h``.

    A mode exactly at the limit is dropped, because its square has an alias in its own place.

    Args:
        values: ``(..., *grid)``, real or complex.
        lines: one per axis.
        dims: their axes, counted from the end (negative).
        fraction: 2/3 for quadratic terms, 1/2 for cubic ones, ``2/(p + 1)`` for powers ``p``.

    Raises:
        ParameterError: `fraction` does not lie between 0 and 1.
        GridError: `lines` and `dims` do not fit the values.
    """
    if not 0 < fraction <= 1:
        raise ParameterError(f"the fraction of wave numbers to keep lies between 0 and 1, got {fraction!r}")
    check_axes(lines, dims)
    for line, dim in zip(lines, dims, strict=True):
        values = line.multiply(values, dim, _low_pass(fraction * line.largest_wave_number))
    return values


def padded(
    function: Callable[..., Tensor],
    *values: Tensor,
    lines: Lines | Sequence[Lines],
    dims: Sequence[int],
    factor: float = 3 / 2,
    output_lines: Lines | None = None,
) -> Tensor:
    """A pointwise function of fields, evaluated on a finer grid and cut back to the modes of the given one.

    A polynomial of degree ``p`` has exact coefficients for ``factor >= (p + 1)/2``, with one exception: the p-th power
    of a mode with ``k = pi/h`` may come back to that mode.

    Args:
        function: takes as many tensors as `values` and returns one; it acts at every point for itself.
        values: fields ``(..., *grid)``, real or complex.
        lines: one per axis, for all fields; or one such list for each field if their symmetries differ.
        dims: the axes, counted from the end (negative).
        factor: how many times more points per axis, at least; a size that is fast to transform is taken.
        output_lines: one per axis with the symmetry of the result, which is odd x odd = even and so on; None if the
            result has that of `lines`.

    Raises:
        ParameterError: `factor` is less than 1.
        GridError: lines of different points, or that do not fit the values.
    """
    if not (math.isfinite(factor) and factor >= 1):
        raise ParameterError(f"padding needs a factor of at least 1, got {factor!r}; 3/2 suits quadratic terms")
    inputs = _per_field(lines, len(values))
    result = inputs[0] if output_lines is None else output_lines
    for one in (*inputs, result):
        check_axes(one, dims)
        for line, first in zip(one, inputs[0], strict=True):
            if (line.points, line.length, line.intervals) != (first.points, first.length, first.intervals):
                raise GridError(f"fields of one product have the same points, got {line!r} beside {first!r}")
    fine = [_resampled(field, one, dims, factor, refine=True) for field, one in zip(values, inputs, strict=True)]
    return _resampled(function(*fine), result, dims, factor, refine=False)


def _low_pass(limit: float) -> Callable[[Tensor], Tensor]:
    limit *= 1 - 1e-12  # a mode at the limit is out, whatever the rounding
    return lambda k: k.abs() < limit


def _per_field(lines: Lines | Sequence[Lines], fields: int) -> list[Lines]:
    shared = [line for line in lines if isinstance(line, SpectralLine)]
    if len(shared) == len(lines):
        return [shared] * fields
    own = [line for line in lines if not isinstance(line, SpectralLine)]
    if len(own) != fields or len(own) != len(lines):
        raise GridError(f"lines is one list for all {fields} fields or one list for each, got {len(lines)} entries")
    return own


def _resampled(values: Tensor, lines: Lines, dims: Sequence[int], factor: float, *, refine: bool) -> Tensor:
    for line, dim in zip(lines, dims, strict=True):
        up, down = _resamplings(line, factor)
        values = (up if refine else down)(values, dim)
    return values


def _resamplings(line: SpectralLine, factor: float) -> tuple[Resampling, Resampling]:
    if factor not in line.resamplings:
        line.resamplings[factor] = _to_finer_and_back(line, factor)
    return line.resamplings[factor]


def _to_finer_and_back(line: SpectralLine, factor: float) -> tuple[Resampling, Resampling]:
    wanted = math.ceil(factor * line.intervals * (1 - 1e-12))  # 1.1 * 10 is a little more than 11
    points = scipy.fft.next_fast_len(wanted) + line.points - line.intervals
    fine = SpectralLine(line.kind, points, line.length, line.on_node)
    return Resampling(line, fine), Resampling(fine, line)
