"""What a unit of time costs: the step that stability and accuracy allow, and the work of one step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..schemes.scheme import Scheme
from ..schemes.stabilised import StabilisedScheme, stages_needed
from .limits import Limit
from .mode_shapes import angles
from .modes import Modes

MARGIN = 0.9
"""Share of the stability limit that is recommended."""
ACCURACY = 1e-2
"""Relative error per radian (or e-folding) of the resolved modes that a recommended step may make."""
RESOLVED = 16
"""Points per wavelength from which a wave counts as resolved."""
SOLVE_COST = 20.0
"""Evaluations of the right-hand side that one linear solve is taken to cost."""
MOST = 256
"""Resolved modes that are asked, at most."""
SLACK = 1.02
"""Walls change the angle of a shape by about a share 1/n."""
ROUNDING = 1e-13
"""Error of a step that says nothing."""


@dataclass(frozen=True)
class Cost:
    """What one method needs.

    Attributes:
        recommended: the step; NaN when there is none.
        accurate: the step at which the resolved modes have an error of `ACCURACY` per radian; NaN without such modes.
        per_time: evaluations per unit of time at the recommended step, a linear solve counted as `SOLVE_COST`; NaN
            for splittings into exact flows, which have no price here.
    """

    recommended: float
    accurate: float
    per_time: float


def cost(found: Limit, modes: Modes, solve_cost: float) -> Cost:
    """The recommended step and its price."""
    accurate = accurate_step(found, modes)
    recommended = min(MARGIN * found.dt, accurate) if math.isfinite(accurate) else MARGIN * found.dt
    if not (found.dt > 0 and math.isfinite(recommended)):
        return Cost(math.nan, accurate, math.nan)
    price = work(found.scheme, solve_cost)  # nothing: flows that are exact, whose price nobody knows
    return Cost(recommended, accurate, price / recommended if price else math.nan)


def work(scheme: Scheme, solve_cost: float) -> float:
    """Of one step, in evaluations of the right-hand side."""
    return scheme.evaluations + solve_cost * scheme.solves


def stages(scheme: Scheme) -> int:
    """Stages of a stabilised method, else evaluations per step."""
    return scheme.stages if isinstance(scheme, StabilisedScheme) else scheme.evaluations


def needed_stages(found: Limit, dt: float, rate: float) -> float:
    """Stages that a stabilised method of this kind needs at a step; NaN for other methods."""
    if not isinstance(found.scheme, StabilisedScheme) or not (math.isfinite(dt) and dt > 0):
        return math.nan
    return float(stages_needed(found.scheme.name.partition(":")[0], dt * rate))


def accurate_step(found: Limit, modes: Modes) -> float:
    """The largest step that follows the resolved modes."""
    if found.parts is None or "noise" in found.scheme.parts:
        return math.nan
    chosen = resolved(modes)
    if chosen.size == 0:
        return math.nan
    values = [part[chosen] for part in found.parts.eigenvalues]
    total = modes.eigenvalues[chosen]
    longest = math.nan
    # from below: far beyond, whole turns of an oscillation meet by chance
    for dt in np.geomspace(1e-5, 30.0, 120) / np.abs(total).max():
        with np.errstate(all="ignore"):
            error = np.abs(found.scheme.factor(*[dt * value for value in values]) * np.exp(-dt * total) - 1)
        if not (error <= ACCURACY * dt * np.abs(total) + ROUNDING).all():
            break
        longest = float(dt)
    return longest


def resolved(modes: Modes) -> np.ndarray:
    """Modes that vary as slowly as waves of 16 points, and growing ones; without a grid, the slowest quarter."""
    moving = np.abs(modes.eigenvalues) > 1e-12 * modes.rate
    angle = angles(modes)
    chosen = np.flatnonzero(moving & (angle > 0) & (angle <= SLACK * 2 * np.pi / RESOLVED))
    if chosen.size == 0:
        chosen = np.flatnonzero(moving)
        share = 4 if modes.theta.shape[1] == 0 else (RESOLVED // 2) ** modes.theta.shape[1]
        chosen = chosen[np.argsort(np.abs(modes.eigenvalues[chosen]))][: max(1, chosen.size // share)]
    # growth has to be followed too, whatever the wave
    chosen = np.union1d(chosen, np.flatnonzero(modes.growing))
    return chosen[:: max(1, chosen.size // MOST)]
