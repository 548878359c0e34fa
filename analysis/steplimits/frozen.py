"""Frozen coefficients: the symbol that the operator would have if it were everywhere as it is at one point.

Rows of the Jacobian at sampled points are taken for stencils, and the limits are those of the worst point. For smooth
coefficients on fine grids this is close; it proves nothing, and walls are not seen.

Source: Richtmyer & Morton, Difference Methods for Initial-Value Problems (1967), section 5.4.
"""

from __future__ import annotations

import numpy as np

from ..schemes.scheme import Complex, Floats
from .modes import Modes, NoModes, settled
from .rates import Rates

POINTS = 8
"""Sampled points; those where a component is largest or smallest are among them."""
BINS = 720
"""Directions in the complex plane; of each only the outermost eigenvalues are kept."""


def frozen_modes(rates: Rates) -> Modes:
    """The outermost modes of all local symbols.

    Raises:
        NoModes: there is no grid to sample.
    """
    equation = rates.equation
    if equation is None or equation.grid is None or equation.layout.domains or equation.layout.graph is not None:
        raise NoModes("frozen coefficients need a grid that all fields share")
    shape = rates.shape[1:]
    theta = _angles(shape)
    values, angles = [], []
    for point in _points(rates):
        own = _local(rates, point)
        values.append(own.ravel())
        angles.append(np.repeat(theta, own.shape[1], axis=0))
    eigenvalues = np.concatenate(values)
    eigenvalues = settled(eigenvalues, float(np.abs(eigenvalues).max(initial=0.0)))
    kept = outermost(eigenvalues)
    reason = f"coefficients frozen at {len(values)} points of the grid"
    radius = np.zeros(kept.size)
    return Modes(
        eigenvalues[kept],
        np.concatenate(angles)[kept],
        "frozen symbol",
        "empirical",
        reason,
        lambda _: None,
        radius,
    )


def outermost(values: Complex) -> np.ndarray:
    """Positions of the eigenvalues of largest modulus in every direction, the finest near the imaginary axis."""
    angle = np.log(np.arctan2(np.abs(values.real), np.abs(values.imag)) + 1e-12)
    bins = np.floor((angle - angle.min()) / max(np.ptp(angle), 1e-300) * BINS).astype(int) * 2 + (values.real > 0)
    order = np.lexsort((-np.abs(values), bins))
    first = np.concatenate([[True], np.diff(bins[order]) != 0])
    return np.sort(order[first])


def _local(rates: Rates, point: tuple[int, ...]) -> Complex:
    """Eigenvalues ``(modes, C)`` of the stencil at one point."""
    components, axes = rates.shape[0], tuple(range(1, len(rates.shape)))
    rows = []
    for component in range(components):
        unit = np.zeros(rates.shape)
        unit[(component, *point)] = 1.0
        row = np.roll(rates.transposed(unit), [-p for p in point], axes)
        # sum_j row_j exp(i theta j)
        rows.append(np.fft.ifftn(row, axes=axes) * np.prod(rates.shape[1:]))
    matrices = np.stack(rows).reshape(components, components, -1).transpose(2, 0, 1)
    if components == 1:
        return matrices[:, 0]
    is_real = np.abs(matrices.imag).max() <= 1e-12 * np.abs(matrices).max()
    return np.asarray(np.linalg.eigvals(matrices.real if is_real else matrices), dtype=np.complex128)


def _points(rates: Rates) -> list[tuple[int, ...]]:
    """Extremes of every component away from walls, and points spread evenly."""
    state = rates.real(rates.state).cpu().numpy()
    shape = state.shape[1:]
    margin = tuple(slice(min(4, n // 4), n - min(4, n // 4)) for n in shape)
    inner = state[(slice(None), *margin)]
    found: dict[tuple[int, ...], None] = {}
    for component in inner:
        for place in (component.argmax(), component.argmin()):
            index = np.unravel_index(int(place), component.shape)
            found[tuple(int(i) + cut.start for i, cut in zip(index, margin, strict=True))] = None
    generator = np.random.default_rng(0)
    while len(found) < min(POINTS, inner[0].size):
        found[tuple(int(generator.integers(cut.start, cut.stop)) for cut in margin)] = None
    return list(found)


def _angles(shape: tuple[int, ...]) -> Floats:
    angles = np.meshgrid(*[2 * np.pi * np.fft.fftfreq(n) for n in shape], indexing="ij")
    return np.stack([a.ravel() for a in angles], axis=-1)
