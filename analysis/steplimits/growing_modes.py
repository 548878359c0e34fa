"""Modes that grow in the equation itself: a step may let them grow, but not much faster than the equation does.

A mode ``lambda = a + ib`` with a > 0 may grow in steps at up to twice its own rate::

    growth(dt lambda) <= exp(2 a dt)

Twice, because a slow growth is the small difference of large numbers: methods of low order gain a little on waves,
``b^2 dt/2`` for Euler's, and "no faster at all" would leave them no step, however well the growth is resolved.

Floating point sees this only where the growth of one step is well above rounding. So where a is below a hundredth of
b, the limit is also that of the neutral mode ``ib``, by exact arithmetic, and where no step keeps that from growing, of
the mirror image ``-a + ib``, which to first order in dt is the same rule. The limit so passes smoothly through a = 0.

The growth of stochastic methods is that of the mean square. Where the mean square grows in the equation itself, the
mean may still decay, and then must decay in steps.
"""

from __future__ import annotations

import math

import numpy as np

from ..schemes.scan import scanned_step
from ..schemes.scheme import Complex, Floats, Scheme, StepBound
from .modes import Modes
from .parts import Parts

FASTER = 2.0
"""Share of its own growth rate at which a growing mode may grow in steps."""
TOLERANCE = 1e-9
"""Relative growth per step that does not count, beside rounding."""


def growing(scheme: Scheme, modes: Modes, parts: Parts) -> np.ndarray:
    """Modes that grow in the equation, for stochastic methods in the mean square."""
    if "noise" not in scheme.parts:
        return modes.growing
    return np.asarray(mean_square_rate(scheme, parts.eigenvalues) > 1e-12 * modes.rate)


def mean_square_rate(scheme: Scheme, values: tuple[Complex, ...]) -> Floats:
    """``2 Re lambda + |mu|^2`` for the parts of a stochastic method, ``(N,)``."""
    drift, noise = (dict(zip(scheme.parts, values, strict=True))[name] for name in ("drift", "noise"))
    return np.asarray(2 * drift.real + noise.real)


def bound_of(scheme: Scheme, values: tuple[Complex, ...], chosen: np.ndarray) -> StepBound:
    """`Scheme.largest_step` for some of the modes; the binding one is a position among all."""
    if chosen.size == 0:
        return StepBound(math.inf, -1, "exact")
    bound = scheme.largest_step(*[value[chosen] for value in values])
    return StepBound(bound.dt, int(chosen[bound.binding]) if bound.binding >= 0 else -1, bound.certificate)


def image_bound(scheme: Scheme, modes: Modes) -> StepBound:
    """The limit with growing modes taken for neutral ones; where that is no step, for their mirror images."""
    bound = bound_of(scheme, (modes.neutral,), modes.frontier(modes.neutral))
    if bound.dt == 0 and modes.growing.any():
        return bound_of(scheme, (modes.mirrored,), modes.frontier(modes.mirrored))
    return bound


def growing_bound(scheme: Scheme, values: tuple[Complex, ...], chosen: np.ndarray) -> StepBound:
    """The first step at which a growing mode grows faster than at twice its rate."""
    if chosen.size == 0:
        return StepBound(math.inf, -1, "exact")
    if "noise" in scheme.parts:
        return _mean_bound(scheme, values, chosen)

    def grows(*z: Complex) -> np.ndarray:
        with np.errstate(all="ignore"):
            allowed = np.exp(FASTER * sum(part.real for part in z)) * (1 + TOLERANCE)
            return ~(scheme.growth(*z) <= allowed)

    found = scanned_step(grows, [value[chosen] for value in values])
    # looked at, not proved; of one part, the images have settled what rounding hides here
    certificate = "bounded" if len(values) == 1 else "empirical"
    return StepBound(found.dt, int(chosen[found.binding]) if found.binding >= 0 else -1, certificate)


def _mean_bound(scheme: Scheme, values: tuple[Complex, ...], chosen: np.ndarray) -> StepBound:
    """The limit of the mean, which noise does not change, where it decays."""
    means = tuple(0 * value if name == "noise" else value for name, value in zip(scheme.parts, values, strict=True))
    drift = sum(means, np.zeros_like(means[0]))
    decaying = chosen[drift.real[chosen] <= 0]
    return bound_of(scheme, means, decaying)
