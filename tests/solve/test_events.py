"""`solve` with events: declared ones and functions, closed forms, labels, failures, gradients for users."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray

import fieldsolver as fs
from fieldsolver.solve import init


def neuron(**options: float) -> fs.FieldEquation:
    return fs.FieldEquation(
        "dv/dt = (I - v)/tau",
        parameters={"I": fs.Parameter(1.5), "tau": options.get("tau", 2.0)},
        events=[fs.Event("v - 1", direction="up", reset={"v": "0"}, name="spike")],
    )


def test_leaky_integrate_and_fire() -> None:
    """Spikes at multiples of tau log(I/(I - 1)), and their derivative by the current: -tau/(I (I - 1)) each."""
    equation = neuron()
    solution = fs.solve(equation, {"v": torch.zeros(()).double()}, t_span=(0, 10), rtol=1e-10, atol=1e-12)
    period = 2 * math.log(3.0)
    assert solution.success
    assert solution.events is not None
    times = solution.events.times("spike")
    np.testing.assert_allclose(times.detach().numpy(), period * np.arange(1, 5), rtol=1e-9)
    times[-1].backward()
    slope = equation.raw["I"].grad
    assert slope is not None
    np.testing.assert_allclose(slope.item(), 4 * -2.0 / (1.5 * 0.5), rtol=1e-8)


def test_a_batch_of_neurons_by_their_currents() -> None:
    currents = torch.tensor([[1.5, 2.0], [0.5, 4.0]], dtype=torch.float64)
    equation = fs.FieldEquation(
        "dv/dt = I - v", parameters={"I": fs.PerSample(currents.flatten())},
        events=[fs.Event("v - 1", direction="up", reset={"v": "0"}, name="spike")],
    )  # fmt: skip
    solution = fs.solve(equation, {"v": torch.zeros(2, 2).double()}, t_span=(0, 5), rtol=1e-9, atol=1e-9)
    assert solution.events is not None
    assert solution.y.shape == (2, 2, 2, 1)
    for sample, current in enumerate(currents.flatten().tolist()):
        period = math.log(current / (current - 1)) if current > 1 else math.inf
        assert len(solution.events.times("spike", sample)) == int(5 // period)


def test_ball_of_second_order_in_time() -> None:
    ball = fs.FieldEquation(
        "d2h/dt2 = -g", parameters={"g": 10.0, "e": 0.8},
        events=[fs.Event("h", direction="down", reset={"dh/dt": "-e*d_dt(h)"}, name="impact")],
    )  # fmt: skip
    solution = fs.solve(
        ball, {"h": torch.ones(()).double(), "dh/dt": 0.0}, t_span=(0, 2), save_at=torch.linspace(0, 2, 9)
    )
    first = math.sqrt(0.2)
    assert solution.events is not None
    expected = [first, first * (1 + 1.6), first * (1 + 1.6 + 1.28)]
    np.testing.assert_allclose(solution.events.times("impact").numpy(), expected, rtol=1e-10)
    assert (solution["h"] >= -1e-9).all()


def test_functions_of_one_system_and_of_a_batch() -> None:
    """y' = -y passes 1/2 at log 2; the reset doubles."""
    event = fs.Event(lambda t, y: y[..., 0] - 0.5, direction="down", reset=lambda t, y: 2 * y, name="half")
    one = fs.solve(lambda t, y: -y, torch.tensor([1.0], dtype=torch.float64), t_span=(0, 2), events=[event], rtol=1e-10)
    assert one.events is not None
    np.testing.assert_allclose(one.events.times("half").numpy(), math.log(2) * np.arange(1, 3), rtol=1e-8)
    start = torch.tensor([[1.0], [0.8]], dtype=torch.float64)
    many = fs.solve(lambda t, y: -y, start, t_span=(0, 2), events=[event], rtol=1e-10, batch_dims=1)
    assert many.events is not None
    np.testing.assert_allclose(many.events.times("half", 1)[0].item(), math.log(1.6), rtol=1e-8)


def test_terminal_events_are_a_success() -> None:
    stop = fs.Event(lambda t, y: y[..., 0] - 0.5, terminal=True)
    solution = fs.solve(lambda t, y: -y, torch.ones(1).double(), t_span=(0, 2), events=[stop], rtol=1e-10, atol=1e-10)
    assert solution.success
    assert solution.status.item() == fs.Status.EVENT
    np.testing.assert_allclose(solution.t_end.item(), math.log(2), rtol=1e-9)
    assert solution.y[-1].isnan().all()
    assert "all samples finished" in repr(solution)


def test_zeno_behaviour_fails_with_the_remedy() -> None:
    ball = fs.Event(lambda t, y: y[0], direction="down", reset=lambda t, y: torch.stack([y[0], -0.5 * y[1]]))
    with pytest.raises(fs.SolveFailed, match="Events follow each other faster than steps can resolve") as caught:
        fs.solve(
            lambda t, y: torch.stack([y[1], -10 + 0 * y[1]]),
            torch.tensor([1.0, 0.0]).double(),
            t_span=(0, 9),
            events=[ball],
        )
    assert caught.value.solution.status.item() == fs.Status.ZENO
    np.testing.assert_allclose(caught.value.solution.t_end.item(), 3 * math.sqrt(0.2), rtol=1e-6)


def test_events_beside_those_of_the_equation() -> None:
    solution = fs.solve(
        neuron(), {"v": 0.0}, t_span=(0, 5), events=[fs.Event("v - I/3", direction="up", name="halfway")],
        gradient="none",
    )  # fmt: skip
    assert solution.events is not None
    assert [solution.events.names[e] for e in solution.events.event][:4] == ["halfway", "spike", "halfway", "spike"]
    with pytest.raises(
        fs.OptionError, match="no event is called 'spikes'; events: spike, halfway; did you mean 'spike'"
    ):
        solution.events.times("spikes")
    with pytest.raises(fs.EquationError, match="unknown name 'w'"):
        fs.solve(neuron(), {"v": 0.0}, t_span=(0, 5), events=[fs.Event("w")])
    with pytest.raises(fs.OptionError, match="declared as text, but the right-hand side is a plain function"):
        fs.solve(lambda t, y: -y, torch.ones(1), t_span=(0, 1), events=[fs.Event("y")])


def test_a_field_reaches_its_mean(tmp_path: Path) -> None:
    """Diffusing growth u' = D u_xx + u: the mean grows like exp(t), and is thinned out where it reaches 2."""
    grid = fs.Grid(shape=16, extent=1.0)
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) + u", grid=grid, boundary=fs.Neumann(0), parameters={"D": 0.01},
        events=[fs.Event("mean(u) - 2", direction="up", reset={"u": "u/2 + 0*x"}, name="thinning")],
    )  # fmt: skip
    start = 1 + 0.5 * torch.cos(math.pi * grid.coordinate(0))
    solution = fs.solve(equation, {"u": start}, t_span=(0, 2), rtol=1e-9, atol=1e-9)
    assert solution.events is not None
    np.testing.assert_allclose(solution.events.times("thinning").numpy(), math.log(2) * np.arange(1, 3), rtol=1e-8)
    data = solution.events.to_xarray()
    assert data["u_before"].dims == ("event", "x")
    np.testing.assert_allclose(data["u_after"], data["u_before"] / 2)
    data.to_netcdf(tmp_path / "events.nc")
    with xarray.open_dataset(tmp_path / "events.nc") as back:
        assert list(back["name"].values) == ["thinning", "thinning"]


def test_a_layer_with_events() -> None:
    """The state after a fixed time depends on the current through every spike before it."""
    layer = fs.nn.FieldLayer(neuron(), duration=5.0, method="tsit5", rtol=1e-9, atol=1e-9)
    out = layer(torch.zeros(1, 1, dtype=torch.float64))
    out.sum().backward()
    current, tau, spikes = 1.5, 2.0, 2
    left = 5.0 - spikes * tau * math.log(3.0)
    np.testing.assert_allclose(out.item(), current * (1 - math.exp(-left / tau)), rtol=1e-7)
    slope = layer.equation.raw["I"].grad
    by_time = current * math.exp(-left / tau) / tau * spikes * tau / (current * (current - 1))
    np.testing.assert_allclose(slope.item(), 1 - math.exp(-left / tau) + by_time, rtol=1e-6)


def test_what_does_not_look_for_events_says_so() -> None:
    with pytest.raises(fs.OptionError, match=r"fs\.init does not look for events, and the equation has spike"):
        init(neuron(), {"v": 0.0})
    data = xarray.Dataset({"v": ("time", np.linspace(0, 1, 5))}, {"time": np.linspace(0, 1, 5)})
    with pytest.raises(fs.OptionError, match=r"fs\.fit does not look for events"):
        fs.fit(neuron(), data, initial={"v": 0.0})


def test_wrong_functions_are_told_before_the_run() -> None:
    with pytest.raises(fs.StateError, match="one number per sample; pick an entry"):
        fs.solve(lambda t, y: -y, torch.ones(2).double(), t_span=(0, 1), events=[fs.Event(lambda t, y: y)])
