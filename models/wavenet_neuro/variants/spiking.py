"""A line of spiking neurons: tokens talk through spikes alone, which arrive through synapses that fade."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .dynamics import Dynamics
from .integrate_and_fire import Neuron, advance, at_rest
from .line import laplacian, on_real
from .medium import BoundedRate
from .surrogate import find_surrogate


class SpikeRun(NamedTuple):
    """What a field of neurons did.

    Attributes:
        rate: spikes per step, (B, N, C).
        v: potentials at the end, (B, N, C).
        spikes: number of spikes per sample, (B,).
    """

    rate: Tensor
    v: Tensor
    spikes: Tensor


class SpikingField(Dynamics):
    """Integrate-and-fire neurons, C per token.

    The input of a neuron is its token's feature, normalised so that about a third of the neurons are driven above their
    threshold whatever the scale of the features, plus what the spikes of its own and of the neighbouring tokens left in
    the synapses, ``ds/dt = -s/tau_s + spikes``: ``I = source + W (s + D laplacian(s))``. Silent neurons cost nothing.

    Args:
        channels: C.
        duration, steps: fixed steps, exact between spikes; a neuron spikes at most once in each.
        neuron: its numbers; None: threshold 1, tau 1, rest and reset 0, and one step of refractory time.
        synapse: time constant of the synapses.
        surrogate: slope of the spike for the gradient, ``"fast_sigmoid"`` or ``"arctan"``.
    """

    def __init__(
        self,
        channels: int,
        *,
        duration: float,
        steps: int,
        neuron: Neuron | None = None,
        synapse: float = 1.0,
        surrogate: str = "fast_sigmoid",
    ) -> None:
        super().__init__(channels, duration=duration, steps=steps)
        self.neuron = Neuron(refractory=self.dt) if neuron is None else neuron
        self.slope = find_surrogate(surrogate)
        self.hear = nn.LayerNorm(channels)
        with torch.no_grad():
            self.hear.weight.fill_(2 * self.neuron.threshold)
        self.fade = math.exp(-self.dt / synapse)
        self.spread = BoundedRate(channels, 1.0)
        self.talk = nn.Linear(channels, channels, bias=False)
        self.read = nn.Linear(2 * channels, channels)

    def simulate(self, currents: Tensor, mask: Tensor) -> SpikeRun:
        """Run the neurons on constant inputs (B, N, C)."""
        currents = on_real(currents, mask)
        state, synapses, total = at_rest(self.neuron, currents), torch.zeros_like(currents), torch.zeros_like(currents)
        spread = self.spread()
        for _ in range(self.steps):
            arrived = synapses + spread * laplacian(synapses, mask)
            state, fired = advance(self.neuron, state, currents + self.talk(arrived), self.dt, self.slope)
            fired = on_real(fired, mask)
            synapses, total = self.fade * synapses + fired, total + fired
        return SpikeRun(total / self.steps, state.v, total.detach().sum((1, 2)))

    def evolve(self, features: Tensor, mask: Tensor) -> Tensor:
        """A linear read-out of rates and potentials."""
        run = self.simulate(self.hear(features), mask)
        return self.read(torch.cat([run.rate, run.v], -1))
