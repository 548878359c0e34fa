"""Leaky integrate-and-fire neurons, exactly between and at their spikes.

    tau dv/dt = -(v - v_rest) + R I;    v >= v_th: a spike, v = v_reset, and rest for t_ref

Under a constant input both the potential and the time of the crossing have closed forms, so steps of any length give
the same spikes as event location does. (W. Gerstner, W. M. Kistler, R. Naud and L. Paninski, Neuronal Dynamics (2014),
section 1.3.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.errors import ParameterError

from .surrogate import fast_sigmoid_slope, spike


@dataclass(frozen=True)
class Neuron:
    """Numbers of a neuron; times in one unit, potentials in another.

    Attributes:
        tau: membrane time constant.
        resistance: potential per input.
        threshold, rest, reset: potentials.
        refractory: how long a spike silences, at least zero.
    """

    tau: float = 1.0
    resistance: float = 1.0
    threshold: float = 1.0
    rest: float = 0.0
    reset: float = 0.0
    refractory: float = 0.1

    def __post_init__(self) -> None:
        if not (self.tau > 0 and self.refractory >= 0 and self.threshold > max(self.rest, self.reset)):
            raise ParameterError(
                "a neuron has tau > 0, refractory >= 0 and its threshold above rest and reset, got "
                f"tau={self.tau:g}, refractory={self.refractory:g}, threshold={self.threshold:g}, rest={self.rest:g}, "
                f"reset={self.reset:g}"
            )

    def rate(self, current: float) -> float:
        """Spikes per time: ``1/(t_ref + tau ln((R I + v_rest - v_reset)/(R I + v_rest - v_th)))`` under a constant I.

        Zero where the input does not reach the threshold.
        """
        drive = self.resistance * current + self.rest
        if drive <= self.threshold:
            return 0.0
        return 1 / (self.refractory + self.tau * math.log((drive - self.reset) / (drive - self.threshold)))


class Membrane(NamedTuple):
    """The state of neurons.

    Attributes:
        v: potentials.
        waiting: what is left of the refractory time.
    """

    v: Tensor
    waiting: Tensor


def at_rest(neuron: Neuron, like: Tensor) -> Membrane:
    """Neurons that have not spiked, of the shape of `like`."""
    return Membrane(torch.full_like(like, neuron.rest), torch.zeros_like(like))


def advance(
    neuron: Neuron,
    state: Membrane,
    current: Tensor,
    dt: float,
    slope: Callable[[Tensor], Tensor] = fast_sigmoid_slope,
) -> tuple[Membrane, Tensor]:
    """The state after `dt` under a constant input, and 1 where a neuron spiked.

    A neuron spikes once per step at most: `dt` has to be below the shortest interval between spikes, which
    ``dt <= refractory`` ensures. The gradient is that of the free potential and of the surrogate; what a spike resets
    passes none.
    """
    active = (dt - state.waiting).clamp(min=0)
    goal = neuron.rest + neuron.resistance * current
    free = goal + (state.v - goal) * torch.exp(-active / neuron.tau)
    fired = spike(free - neuron.threshold, slope)
    with torch.no_grad():
        has = fired > 0
        gap = torch.where(has, goal - neuron.threshold, 1).clamp(min=torch.finfo(goal.dtype).tiny)
        crossing = neuron.tau * torch.log(torch.where(has, (goal - state.v) / gap, 1))
        left = neuron.refractory - (active - crossing.clamp(min=0)).clamp(min=0)  # below zero: it runs again already
        again = goal + (neuron.reset - goal) * torch.exp(left.clamp(max=0) / neuron.tau)
        waiting = torch.where(has, left.clamp(min=0), (state.waiting - dt).clamp(min=0))
    return Membrane(torch.where(has, again, free), waiting), fired


def neuron_equation(neuron: Neuron, current: Tensor) -> fs.FieldEquation:
    """The same neurons as a declared equation whose spikes are events: one sample per entry of `current`, ``(B,)``.

    ``a`` is 1 while a neuron runs and 0 while it waits, for ``r`` from then on. Start it at ``v = rest, r = 0, a = 1``.
    """
    waits = neuron.refractory > 0
    events = [fs.Event("v - threshold", direction="up", name="spike", reset=_after_spike(neuron))]
    if not waits:
        return fs.FieldEquation(
            "dv/dt = (rest - v + R*J)/tau",
            parameters={**_numbers(neuron), "J": fs.PerSample(current)},
            events=events,
        )
    events.append(fs.Event("r", direction="down", name="release", reset={"r": "0", "a": "1"}))
    return fs.FieldEquation(
        "dv/dt = a*(rest - v + R*J)/tau;  dr/dt = a - 1;  da/dt = 0",
        parameters={**_numbers(neuron), "J": fs.PerSample(current)},
        events=events,
    )


def _after_spike(neuron: Neuron) -> dict[str, str]:
    reset = {"v": f"{neuron.reset!r}"}
    return {**reset, "r": f"{neuron.refractory!r}", "a": "0"} if neuron.refractory > 0 else reset


def _numbers(neuron: Neuron) -> dict[str, float]:
    return {"tau": neuron.tau, "rest": neuron.rest, "R": neuron.resistance, "threshold": neuron.threshold}
