"""The first step size at which modes grow, by looking: for schemes whose factors are not algebra, and for ranking.

Growth is looked for on a geometric ladder of steps, then its begin is bisected. Looking has a tolerance, and what grows
by less does not show. So where the growth at the limit found goes on below it, towards 0, the scheme is unstable for
every step and the limit is 0. All the same a limit from here is empirical: where exact arithmetic can decide, it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fieldsolver.errors import OptionError

from .scheme import Complex, Floats, StepBound

Growth = Callable[..., Floats]
Grows = Callable[..., np.ndarray]
"""Whether any solution grows by more than the tolerance per step, for z_1, z_2, ... of one shape."""

TOLERANCE = 1e-9
SHARP = 1e-13
"""Growth that round-off does not feign."""
SMALLEST, LARGEST = 1e-3, 1e6
"""Range of dt |lambda| that is looked at."""
RATIO = 1.05
BISECTIONS = 50
SLAB = 2**18
"""Factors computed at once."""
SUSPECTS = 500
"""Modes whose limit is bisected, at most."""
FIRST = 4
"""How many binding modes a scan names."""
MANY = 500
"""Modes up to which each is scanned; more are sorted into bins of ANGLES per half turn and RATIOS per factor e."""
ANGLES = 60
RATIOS = 5
ROUNDS = 8
"""How often overlooked modes are added."""
SHARES = np.array([0.25, 0.5, 0.75, 0.9, 1 - 1e-6])
"""Of a limit, where all modes are checked against it."""
PROBES = np.array([0.1, 1.0, 10.0, 1e3])
"""Steps times the largest modulus at which they are checked where no limit was found."""
SURPLUS = 1e-12
"""Growth beyond 1 at 1/sqrt(2) of a limit that shows growth of up to the tenth power of dt from 0 on."""


@dataclass(frozen=True)
class Scanned:
    """A step found by looking; `first` are the positions of the modes that grow first, `binding` the first of them."""

    dt: float
    binding: int
    first: tuple[int, ...]


def by_growth(growth: Growth, tolerance: float = TOLERANCE) -> Grows:
    """From the largest modulus; what is no number, or infinite, grows."""
    return lambda *z: ~(growth(*z) <= 1 + tolerance)


def scan_exits(grows: Grows, directions: Complex) -> Floats:
    """First unstable radius (M,) on the rays through `directions` (M,)."""
    ladder = _ladder(1.0)
    rows = max(1, SLAB // max(1, len(directions)))
    slabs = [ladder[start : start + rows] for start in range(0, len(ladder), rows)]
    growing = np.concatenate([_growing(grows, [directions], steps) for steps in slabs])
    place = np.where(growing.any(axis=0), growing.argmax(axis=0), -1)
    return _bisected(grows, [directions], ladder, place)


def scanned_step(grows: Grows, modes: Sequence[Complex]) -> Scanned:
    """The first step at which any of N modes grows; modes: for each part (N,).

    Of many modes, those that speak for their neighbours are scanned; then all are looked at below the limit found.
    """
    chosen = representatives(modes)
    for _ in range(ROUNDS):
        found = _scanned(grows, [values[chosen] for values in modes])
        overlooked = np.setdiff1d(growing_below(grows, modes, found.dt), chosen)
        if not overlooked.size:
            break
        chosen = np.concatenate([chosen, overlooked])
    first = tuple(int(chosen[k]) for k in found.first)
    return Scanned(found.dt, first[0] if first else -1, first)


def growing_below(grows: Grows, modes: Sequence[Complex], limit: float) -> np.ndarray:
    """Positions of some modes that grow, to the tolerance, at one of a few steps below the limit."""
    size = float(np.max(np.sum(np.abs(modes), axis=0), initial=0.0))
    if limit == 0 or size == 0:
        return np.empty(0, dtype=int)
    worst = []
    for dt in SHARES * limit if np.isfinite(limit) else PROBES / size:
        growing = np.flatnonzero(grows(*(dt * values for values in modes)))
        order = np.argsort(-np.sum([np.abs(values[growing]) for values in modes], axis=0), kind="stable")
        worst.append(growing[order[:FIRST]])
    return np.unique(np.concatenate(worst))


def representatives(modes: Sequence[Complex]) -> np.ndarray:
    """Positions of the longest modes of nearly equal direction: all of them where they are few.

    Where a ray leaves the stable region depends on its direction alone: angles, and the ratio of two parts.
    """
    if len(modes[0]) <= MANY:
        return np.arange(len(modes[0]))
    size = np.sqrt(np.sum(np.abs(modes) ** 2, axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        angles = [np.round(ANGLES * np.angle(values) / np.pi) for values in modes]
        # rays close to the imaginary axis are told apart by how close they are
        axis = [np.round(np.log10(np.abs(values.real) / np.abs(values) + 1e-18)) for values in modes]
        ratios = [np.round(RATIOS * np.log(np.abs(values) / size + 1e-12)) for values in modes]
    keys = np.nan_to_num(np.stack([*angles, *axis, *ratios]))
    _, bins = np.unique(keys, axis=1, return_inverse=True)
    bins = bins.reshape(-1)
    order = np.lexsort((-size, bins))
    longest: np.ndarray = order[np.searchsorted(bins[order], np.arange(bins.max() + 1))]
    return longest


def empirical_step(parts: tuple[str, ...], growth: Growth, *eigenvalues: Complex) -> StepBound:
    """The largest step for schemes without exact arithmetic; see `Scheme.largest_step`."""
    modes = checked_modes(parts, eigenvalues)
    found = scanned_step(by_growth(growth), modes)
    if found.binding < 0:
        return StepBound(np.inf, -1, "empirical")
    limits = [_sharpened(growth, [values[k : k + 1] for values in modes], found.dt) for k in found.first]
    best = int(np.argmin(limits))
    return StepBound(limits[best], found.first[best], "empirical")


def _scanned(grows: Grows, modes: Sequence[Complex]) -> Scanned:
    size = float(np.max(np.sum(np.abs(modes), axis=0), initial=0.0))
    if size == 0:
        return Scanned(np.inf, -1, ())
    ladder = _ladder(size)
    rows = max(1, SLAB // len(modes[0]))
    for start in range(0, len(ladder), rows):
        growing = _growing(grows, modes, ladder[start : start + rows])
        if growing.any():
            row = int(growing.any(axis=1).argmax())
            suspects = np.flatnonzero(growing[row])
            suspects = suspects[:: -(-len(suspects) // SUSPECTS)]
            chosen = [values[suspects] for values in modes]
            exits = _bisected(grows, chosen, ladder, np.full(len(suspects), start + row))
            first = np.argsort(exits, kind="stable")[:FIRST]
            positions = tuple(int(k) for k in suspects[first])
            return Scanned(float(exits[first[0]]), positions[0], positions)
    return Scanned(np.inf, -1, ())


def checked_modes(parts: tuple[str, ...], eigenvalues: tuple[Complex, ...]) -> list[Complex]:
    """The eigenvalues as complex arrays (N,), one for each part.

    Raises:
        OptionError: other numbers of arrays, shapes, or entries that are not finite.
    """
    if len(eigenvalues) != len(parts):
        raise OptionError(f"got {len(eigenvalues)} arrays of eigenvalues, expected one for each of {', '.join(parts)}")
    arrays = [np.atleast_1d(np.asarray(values, dtype=complex)) for values in eigenvalues]
    if any(array.shape != arrays[0].shape or array.ndim != 1 for array in arrays):
        raise OptionError(f"eigenvalues have shapes {[a.shape for a in arrays]}, expected one common shape (N,)")
    if not all(np.isfinite(array).all() for array in arrays):
        raise OptionError("eigenvalues must be finite, got infinite or missing ones")
    return arrays


def _sharpened(growth: Growth, mode: Sequence[Complex], limit: float) -> float:
    """The limit of one mode beyond the tolerance, or 0 where its growth begins at 0."""

    def surplus(dt: float) -> float:
        return float(growth(*(dt * values for values in mode))[0]) - 1

    low, high = limit / np.sqrt(2), limit
    if surplus(low) > SURPLUS:
        low = limit / 8
        if surplus(low) > -SHARP:
            return 0.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if surplus(middle) <= SHARP else (low, middle)
    return float(low)


def _ladder(size: float) -> Floats:
    return np.geomspace(SMALLEST, LARGEST, int(np.log(LARGEST / SMALLEST) / np.log(RATIO)) + 1) / size


def _growing(grows: Grows, modes: Sequence[Complex], steps: Floats) -> np.ndarray:
    """(steps, modes)."""
    return grows(*(steps[:, None] * values for values in modes))


def _bisected(grows: Grows, modes: Sequence[Complex], ladder: Floats, place: np.ndarray) -> Floats:
    """Limits between the place on the ladder where each mode first grows and the one before; infinite at place -1."""
    high, low = ladder[place], np.where(place > 0, ladder[place - 1], 0.0)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        beyond = grows(*(middle * values for values in modes))
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.where(place >= 0, low, np.inf)
