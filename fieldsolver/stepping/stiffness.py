"""Stiffness of an explicit method's steps: h|lambda| from stages that the method has computed anyway.

Two stages at the same time tell how strongly f answers to a change of the state::

    h |lambda|  ~  |h| ||k_i - k_j|| / ||g_i - g_j||,     g_i = y + h sum_l a_il k_l,   k_i = f(t + c_i h, g_i)

For y' = J y + p(t) the numerator is ||h J (g_i - g_j)||, and the difference of two stages is rich in the fast
components: the quotient comes close to h times the largest eigenvalue as soon as these matter. In general it is a lower
bound of h times the Lipschitz constant. A step is limited by stability and not by accuracy where it stays near the end
of the method's real stability interval.

Methods without two such stages get a weaker answer from their last four (or three): weights w with sum w_i c_i^m = 0
for m = 0, 1, 2 remove a polynomial p(t) from sum w_i k_i, which leaves J sum w_i g_i for the linear problem. For a
nonlinear one the remainder is of higher order in h than what is measured. The smooth part of the solution has more
weight here, and hides the fast one when tolerances are tight: such methods report too little rather than too much.
Methods of two stages cannot tell. The change of the slope over a whole step, k(t + h) - k(t), is not used: it mostly
measures how fast p changes.

Only real eigenvalues are meant: a step that is limited by the imaginary interval is not found out.

Source: Hairer, Wanner, *Solving Ordinary Differential Equations II* (1996), section IV.2, "Automatic stiffness
detection", and the counting rule of their code DOPRI5; the divided difference is this file's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import ButcherTableau, Step

from .arithmetic import Arithmetic, Array

BOUNDARY_FRACTION = 0.95
"""Steps limited by stability stay close to the end of the interval: DOPRI5 counts from 3.25 / 3.31 on, DOP853 from
6.1 / 6.39 = 0.954."""
STIFF_STEPS = 15
"""So many steps beyond the boundary are a stiff problem."""
CALM_STEPS = 6
"""So many steps in a row below it forget them."""
LOOK_EVERY = 20
"""Looking costs as much as a dozen tensor operations: every tenth attempt is enough as long as nothing is found."""

Terms = tuple[tuple[int, float], ...]


def stiffness_stages(tableau: ButcherTableau) -> tuple[int, int] | None:
    """The last two different stages at the same abscissa, the latest abscissa first; None if there are none."""
    rows = range(tableau.stages)
    pairs = [(i, j) for i in rows for j in rows[i + 1 :] if tableau.c[i] == tableau.c[j]]
    return max(pairs, key=lambda pair: (tableau.c[pair[0]], pair[1], pair[0]), default=None)


def stage_weights(tableau: ButcherTableau) -> tuple[Fraction, ...] | None:
    """Weights w of the stages that see the Jacobian and not the time; None for methods with too few stages.

    A pair of stages at the same abscissa where there is one; else the divided difference of the last four or three
    stages, for which sum w_i c_i^m = 0 for m = 0..2 or 0..1.
    """
    weights = [Fraction(0)] * tableau.stages
    if (pair := stiffness_stages(tableau)) is not None:
        weights[pair[0]], weights[pair[1]] = Fraction(-1), Fraction(1)
        return tuple(weights)
    if tableau.stages < 3:
        return None
    nodes = range(max(0, tableau.stages - 4), tableau.stages)
    for i in nodes:
        weights[i] = Fraction(1)
        for j in nodes:
            if j != i:
                weights[i] /= tableau.c[i] - tableau.c[j]
    return tuple(weights)


@dataclass(frozen=True, slots=True)
class StiffnessProbe:
    """How to read h|lambda| off the stages of one method.

    Attributes:
        slopes: the nonzero w_i.
        states: the nonzero sum_i w_i a_il, of the state difference (sum_i w_i g_i) / h.
        boundary: h|lambda| above which a step counts as stiff.
    """

    slopes: Terms
    states: Terms
    boundary: float

    @classmethod
    def of(cls, tableau: ButcherTableau) -> StiffnessProbe | None:
        """The probe of a method; None if its stages cannot tell."""
        weights = stage_weights(tableau)
        if weights is None:
            return None
        sums = [Fraction(0)] * tableau.stages
        for weight, row in zip(weights, tableau.a, strict=True):
            for l, coefficient in enumerate(row):
                sums[l] += weight * coefficient
        return cls(_nonzero(weights), _nonzero(sums), BOUNDARY_FRACTION * tableau.real_interval)


def step_times_eigenvalue(probe: StiffnessProbe, step: Step) -> Tensor:
    """h|lambda| of every sample, on the device; 0 for samples that rest or do not change.

    Differences of the size of the rounding errors of y tell nothing: they are counted with ||y|| eps, so that the
    estimate can only become too small.

    Args:
        probe: of the method that made the step.
        step: its record, with all stages.

    Returns:
        (n,) real.
    """
    with torch.no_grad():
        slopes, states = _norm(_combine(probe.slopes, step.k)), _norm(_combine(probe.states, step.k))
        size = step.dt.abs().to(slopes.dtype)
        distance = size * states + torch.finfo(slopes.dtype).eps * _norm(step.y)
        return torch.where(distance > 0, size * slopes / distance, 0.0)


class StiffnessCounter(NamedTuple):
    """The books of every sample, (n,) each.

    Attributes:
        stiff_steps: steps beyond the boundary that are not forgotten.
        calm_steps: steps below it since the last one beyond.
        detected: whether the problem was found stiff; stays.
        recent: running mean of h|lambda| / boundary over about the last 15 steps looked at, from 0 on.
        peak: its largest value, the statistic `stiffness_ratio`: about 1 where stability limits the steps for a while.
            A single odd step does not make it; runs of few looks get less than their ratio.
    """

    stiff_steps: Array
    calm_steps: Array
    detected: Array
    recent: Array
    peak: Array


def start_counter(like: Array, xp: Arithmetic) -> StiffnessCounter:
    """Nothing counted yet; `like` (n,) float64 gives shape and device."""
    nothing = xp.zeros_like(like)
    return StiffnessCounter(nothing, nothing, nothing > 0.0, nothing, nothing)


def count(counter: StiffnessCounter, ratio: Array, accepted: Array, xp: Arithmetic) -> StiffnessCounter:
    """The books after an attempt.

    Args:
        counter: before it.
        ratio: (n,) h|lambda| / boundary.
        accepted: (n,) booleans; the others change nothing.
        xp: NumPy, `scalar_ops` or `tensor_ops`.
    """
    beyond = ratio > 1.0
    stiff = xp.where(accepted & beyond, counter.stiff_steps + 1.0, counter.stiff_steps)
    calm = xp.where(accepted, xp.where(beyond, 0.0, counter.calm_steps + 1.0), counter.calm_steps)
    stiff = xp.where(calm >= CALM_STEPS, 0.0, stiff)
    mean = counter.recent + (ratio - counter.recent) / STIFF_STEPS
    recent = xp.where(accepted, mean, counter.recent)
    return StiffnessCounter(
        stiff, calm, counter.detected | (stiff >= STIFF_STEPS), recent, xp.maximum(counter.peak, recent)
    )


def is_due(counter: StiffnessCounter, attempt: int) -> bool:
    """Whether to look at this attempt: at every one while a sample is suspect, else from time to time.

    Reads the counter; for tensors on a device look at every `LOOK_EVERY`-th attempt instead.

    Args:
        counter: on the host.
        attempt: number of attempts so far.
    """
    return attempt % LOOK_EVERY == 0 or any_suspect(counter)


def any_suspect(counter: StiffnessCounter) -> bool:
    """Whether a sample has taken stiff steps, but too few to be sure; reads the counter."""
    return bool(np.any((counter.stiff_steps > 0.0) & np.logical_not(counter.detected)))


def _nonzero(row: Sequence[Fraction]) -> Terms:
    return tuple((j, float(value)) for j, value in enumerate(row) if value != 0)


def _combine(terms: Terms, k: Sequence[Tensor]) -> Tensor:
    (first, weight), *others = terms
    total = k[first] * weight
    for j, w in others:
        total.add_(k[j], alpha=w)
    return total


def _norm(x: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(x.reshape(x.shape[0], -1), dim=1)
    return norm
