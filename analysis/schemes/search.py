"""The largest stable step over many modes: ranked in floating point, the first ones decided by exact arithmetic.

How far a ray z = dt lambda stays stable depends on the angle of lambda alone, so modes are sorted into bins of nearly
equal angle, logarithmic towards the imaginary axis, where the exit varies without bound. The longest lambda of each
bin speaks for it; then all modes of the bins that come close to binding are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

import numpy as np

from .boundary import UndecidedError
from .scan import ROUNDS, checked_modes, growing_below, scanned_step
from .scheme import Complex, Floats, StepBound

BINS = 24
"""Per factor e of the angle to the imaginary axis."""
NEAR = 1.2
"""Modes whose estimated limit exceeds the smallest by less than this factor are looked at one by one."""
KEPT = 256
"""As many of them, at most."""
CERTIFIED = 4
"""As many of the first are decided by exact arithmetic."""
NEAR_AXIS = 0.03
"""Angles to the imaginary axis below which tangency makes a scan doubtful."""

FEW = 48
"""Pairs that are all decided by exact arithmetic."""
INSIDE = 1e-7
"""Degrees by which modes must lie inside a sector."""


class ExactScheme(Protocol):
    """What the search needs of a scheme."""

    @property
    def name(self) -> str: ...
    @property
    def parts(self) -> tuple[str, ...]: ...

    @property
    def slack(self) -> Fraction: ...
    @property
    def alpha(self) -> float: ...

    def grows(self, *z: Complex) -> np.ndarray: ...
    def exits(self, directions: Complex) -> Floats: ...
    def exact_limit(self, *eigenvalue: complex) -> Fraction | None: ...


def largest_step(scheme: ExactScheme, *eigenvalues: Complex) -> StepBound:
    """See `Scheme.largest_step`."""
    modes = checked_modes(scheme.parts, eigenvalues)
    present = np.flatnonzero(np.any(np.stack(modes) != 0, axis=0))
    if not present.size:
        return StepBound(np.inf, -1, "exact")
    kept = [values[present] for values in modes]
    if len(kept) == 1 and _all_in_sector(kept[0], scheme.alpha):
        return StepBound(np.inf, -1, "exact")
    try:
        best, binding, seen = _decided(scheme, kept)
    except UndecidedError:
        found = scanned_step(scheme.grows, kept)
        return StepBound(found.dt, int(present[found.binding]) if found.binding >= 0 else -1, "empirical")
    proved = not scheme.slack and (len(kept) == 1 or seen == len(kept[0]))
    return StepBound(best, int(present[binding]) if binding >= 0 else -1, "exact" if proved else "bounded")


def _decided(scheme: ExactScheme, modes: list[Complex]) -> tuple[float, int, int]:
    """The smallest exact limit, the mode that has it, and how many modes were decided exactly."""
    best, binding = np.inf, -1
    pending, seen = _first_candidates(scheme, modes), set[int]()
    for _ in range(ROUNDS):
        for position in pending:
            limit = scheme.exact_limit(*(values[position] for values in modes))
            if limit is not None and float(limit) < best:
                best, binding = float(limit), int(position)
        seen |= set(pending.tolist())
        overlooked = set(growing_below(scheme.grows, modes, best).tolist()) - seen
        if not overlooked:
            break
        pending = np.array(sorted(overlooked))
    return best, binding, len(seen)


def _first_candidates(scheme: ExactScheme, modes: list[Complex]) -> np.ndarray:
    if len(modes) == 1:
        return _ranked(scheme, modes[0])
    if len(modes[0]) <= FEW:
        return np.arange(len(modes[0]))
    found = scanned_step(scheme.grows, modes)
    largest = [int(np.argmax(np.abs(values))) for values in (*modes, sum(modes))]
    return np.unique([*largest, *found.first])


def _all_in_sector(modes: Complex, alpha: float) -> bool:
    """Whether all lie in the sector of A(alpha)-stability, its half-angle given in degrees."""
    if alpha == 90.0:
        return bool((modes.real <= 0).all())
    return alpha > 0 and bool((np.abs(np.angle(-modes)) <= np.radians(alpha - INSIDE)).all())


def _ranked(scheme: ExactScheme, modes: Complex) -> np.ndarray:
    """Positions of the modes to be decided exactly."""
    first, _, longest = ranked(modes, scheme.exits)
    angle = _angles(modes[longest])
    doubtful = longest[np.argsort(np.abs(angle), kind="stable")[:CERTIFIED]]
    doubtful = doubtful[np.abs(_angles(modes[doubtful])) < NEAR_AXIS]
    return np.unique(np.concatenate([first[:CERTIFIED], doubtful]))


def ranked(modes: Complex, exits: Callable[[Complex], Floats]) -> tuple[np.ndarray, Floats, np.ndarray]:
    """The modes whose limits are smallest.

    Args:
        modes: (N,), none of them 0.
        exits: first unstable radius on rays of directions (M,).

    Returns:
        Positions of at most `KEPT` modes in the order of their limits, these limits, and the positions of the longest
        modes of each bin of angles.
    """
    size, angle = np.abs(modes), _angles(modes)
    with np.errstate(divide="ignore"):
        level = np.where(angle == 0, -2000.0, np.floor(BINS * np.log(np.abs(angle))))
    # angles of growing modes are negative: bins of their own
    _, bins = np.unique(level + 1e5 * (angle < 0), return_inverse=True)
    order = np.lexsort((-size, bins))
    longest = order[np.searchsorted(bins[order], np.arange(bins.max() + 1))]
    estimate = exits(modes[longest] / size[longest])[bins] / size
    first = np.argsort(estimate, kind="stable")[:KEPT]
    if not np.isfinite(estimate[first[0]]):
        return first[:1], estimate[first[:1]], longest
    first = first[estimate[first] <= NEAR * estimate[first[0]]]
    limits = exits(modes[first] / size[first]) / size[first]
    order = np.argsort(limits, kind="stable")
    return first[order], limits[order], longest


def _angles(modes: Complex) -> Floats:
    """Angles from the imaginary axis into the left half-plane."""
    return np.asarray(np.arctan2(-modes.real, np.abs(modes.imag)))
