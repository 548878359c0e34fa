"""Spiking neurons: rates, times and gradients."""

import math

import pytest
import torch

import fieldsolver as fs
from fieldsolver.errors import OptionError, ParameterError
from fieldsolver.models.wavenet_neuro.variants import make_dynamics
from fieldsolver.models.wavenet_neuro.variants.integrate_and_fire import Neuron, advance, at_rest, neuron_equation
from fieldsolver.models.wavenet_neuro.variants.surrogate import SURROGATES, find_surrogate, spike

CURRENTS = torch.tensor([0.9, 1.05, 1.2, 1.5, 2.0, 4.0], dtype=torch.float64)
NEURON = Neuron(tau=20.0, resistance=1.1, threshold=1.0, rest=0.1, reset=-0.2, refractory=2.0)


def rates_by_steps(neuron, currents, dt, steps):
    """From the first spike to the last: (n - 1)/(time between them), with times inside steps."""
    state, first, last, count = at_rest(neuron, currents), *(torch.zeros_like(currents) for _ in range(3))
    for n in range(steps):
        state, fired = advance(neuron, state, currents, dt)
        # the refractory time that is left, or has been over for some time, tells when in the step it spiked
        goal = neuron.rest + neuron.resistance * currents
        ago = torch.where(
            state.waiting > 0,
            neuron.refractory - state.waiting,
            neuron.refractory + neuron.tau * torch.log((goal - neuron.reset) / (goal - state.v).clamp(min=1e-9)),
        )
        time = (n + 1) * dt - ago
        first = torch.where((fired > 0) & (count == 0), time, first)
        last = torch.where(fired > 0, time, last)
        count = count + fired
    return torch.where(count > 1, (count - 1) / (last - first), 0)


@pytest.mark.parametrize("refractory", [2.0, 0.5, 0.0])
def test_rates_of_exact_steps_are_those_of_the_closed_form(refractory):
    neuron = Neuron(20.0, 1.1, 1.0, 0.1, -0.2, refractory)
    measured = rates_by_steps(neuron, CURRENTS, dt=0.97, steps=400)
    exact = torch.tensor([neuron.rate(float(I)) for I in CURRENTS], dtype=torch.float64)
    assert exact[0] > 0
    assert torch.allclose(measured, exact, rtol=1e-9)  # the bar is 1e-3


def test_rates_of_events_are_those_of_the_closed_form():
    for neuron in (NEURON, Neuron(20.0, 1.1, 1.0, 0.1, -0.2, 0.0)):
        equation = neuron_equation(neuron, CURRENTS)
        zero = torch.zeros(len(CURRENTS), dtype=torch.float64)
        start = {"v": zero + neuron.rest, "r": zero, "a": zero + 1} if neuron.refractory else {"v": zero + neuron.rest}
        run = fs.solve(equation, start, t_span=(0, 150), rtol=1e-8, atol=1e-10)
        for sample, current in enumerate(CURRENTS.tolist()):
            times = run.events.times("spike", sample=sample)
            assert len(times) > 1
            assert 1 / float(times.diff().mean()) == pytest.approx(neuron.rate(current), rel=1e-3)


def test_no_spike_below_the_threshold_and_only_sensible_neurons():
    quiet = Neuron()
    assert quiet.rate(0.99) == quiet.rate(1.0) == 0.0
    assert quiet.rate(1.01) > 0
    state = at_rest(quiet, torch.zeros(1))
    for _ in range(200):
        state, fired = advance(quiet, state, torch.tensor([0.999]), 0.1)
        assert not fired.any()
    for bad in ({"tau": 0.0}, {"refractory": -1.0}, {"threshold": 0.0}, {"reset": 2.0}):
        with pytest.raises(ParameterError, match="tau > 0"):
            Neuron(**bad)


def test_a_refractory_neuron_waits_exactly():
    neuron = Neuron(refractory=0.35)
    state = at_rest(neuron, torch.zeros(1, dtype=torch.float64))
    current = torch.tensor([3.0], dtype=torch.float64)
    for _ in range(5):  # it crosses at tau ln(3/2) = 0.405, in the fifth step
        state, fired = advance(neuron, state, current, 0.1)
    assert fired == 1
    assert state.v == neuron.reset
    assert state.waiting == pytest.approx(0.35 - (0.5 - math.log(1.5)))
    for _ in range(3):
        state, fired = advance(neuron, state, current, 0.1)
    free = 0.8 - math.log(1.5) - 0.35  # time since it woke
    assert state.v == pytest.approx(3 * (1 - math.exp(-free)))


def test_spikes_step_forward_and_slope_backward():
    x = torch.tensor([-0.2, -1e-9, 0.0, 0.3], dtype=torch.float64, requires_grad=True)
    values = spike(x)
    assert values.tolist() == [0, 0, 1, 1]
    values.sum().backward()
    assert torch.allclose(x.grad, (1 + 10 * x.detach().abs()) ** -2)  # fast sigmoid with b = 10
    for name, slope in SURROGATES.items():
        assert float(slope(torch.zeros(1))) == 1.0, name
        assert torch.equal(slope(x), slope(-x))
    far = torch.linspace(-2000, 2000, 2_000_001, dtype=torch.float64)
    assert float(SURROGATES["arctan"](far).sum() * 0.002) == pytest.approx(1, abs=1e-3)  # a smeared delta
    with pytest.raises(OptionError, match="did you mean 'arctan'"):
        find_surrogate("arctg")


def test_the_gradient_of_the_free_potential_is_exact():
    neuron = Neuron()
    v = torch.tensor([0.1, 0.5], dtype=torch.float64, requires_grad=True)
    current = torch.tensor([0.3, 0.8], dtype=torch.float64, requires_grad=True)
    state = at_rest(neuron, v.detach())._replace(v=v)

    def potential(v, current):
        return advance(neuron, state._replace(v=v), current, 0.2)[0].v

    assert torch.autograd.gradcheck(potential, (v, current))


def test_a_field_talks_through_spikes_alone():
    torch.manual_seed(0)
    dynamics = make_dynamics("spiking", 4, duration=4.0, steps=20).double()
    mask = torch.ones(1, 9, dtype=torch.bool)
    features = torch.full((1, 9, 4), 0.5, dtype=torch.float64)  # below threshold: nobody spikes
    silent = dynamics.simulate(features, mask)
    assert silent.spikes == 0
    pushed = features.clone()
    pushed[0, 4] = 0.9
    assert torch.equal(dynamics.simulate(pushed, mask).v[0, :4], silent.v[0, :4])  # below threshold nobody hears it
    pushed[0, 4] = 3.0
    run = dynamics.simulate(pushed, mask)
    assert run.spikes > 0
    assert not torch.equal(run.v[0, 3], silent.v[0, 3])
    assert float(run.rate.detach().sum() * dynamics.steps) == float(run.spikes)


def test_surrogate_gradients_teach_a_field_to_spike_at_a_rate():
    torch.manual_seed(0)
    dynamics = make_dynamics("spiking", 3, duration=4.0, steps=12, surrogate="arctan")
    features, mask = torch.rand(8, 6, 3, generator=torch.Generator().manual_seed(1)), torch.ones(8, 6, dtype=torch.bool)
    gain = torch.nn.Parameter(torch.ones(3))
    search = torch.optim.Adam([gain, *dynamics.parameters()], lr=0.05)
    losses = []
    for _ in range(60):
        search.zero_grad()
        loss = (dynamics.simulate(gain * features, mask).rate.mean((0, 1)) - 0.25).square().mean()
        loss.backward()
        search.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


def test_what_a_field_hears_does_not_depend_on_the_scale_of_the_features():
    torch.manual_seed(0)
    dynamics = make_dynamics("spiking", 16, duration=4.0, steps=20).double()
    features, mask = torch.randn(2, 6, 16, dtype=torch.float64), torch.ones(2, 6, dtype=torch.bool)
    counts = [dynamics.simulate(dynamics.hear(scale * features), mask).spikes for scale in (0.1, 10.0)]
    assert (counts[0] > 0.02 * features[0].numel() * dynamics.steps).all()
    assert torch.allclose(counts[0], counts[1], rtol=0.02)
