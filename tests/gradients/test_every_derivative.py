"""Every method in every mode that is exact, against central differences of the numbers that were computed.

The differences are taken of runs with the same steps: fixed ones, given times, or the replayed steps of an adaptive
run. Events move in them, and so do the first and the last step with the ends of the span.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.gradients import Checkpointed, GradientMode, solve_with_gradient
from fieldsolver.methods import METHODS
from fieldsolver.stepping import Ends, StepLog, VectorField
from fieldsolver.stepping.events import EventFunction

F64 = torch.float64
FIXED = [name for name, method in METHODS.items() if method.fixed_steps]
MODES: list[str | GradientMode] = ["direct", "checkpointed", Checkpointed(2), "reversible"]


def pairs(names: list[str]) -> list[Any]:
    """(method, mode) for all modes that can differentiate the method."""
    found = []
    for name in names:
        for mode in MODES:
            if mode == "reversible" and not name.startswith("reversible"):
                continue
            found.append(pytest.param(name, mode, id=f"{name}-{mode if isinstance(mode, str) else 'two_states'}"))
    return found


def differences(value: Callable[..., float], inputs: tuple[Tensor, ...], step: float = 1e-6) -> list[Tensor]:
    """Central differences of a function of some tensors, entry by entry."""
    found = []
    for place, tensor in enumerate(inputs):
        slope = torch.zeros_like(tensor)
        for index in range(tensor.numel()):
            ends = []
            for sign in (1.0, -1.0):
                moved = [x.clone() for x in inputs]
                moved[place].view(-1)[index] += sign * step
                ends.append(value(*moved))
            slope.view(-1)[index] = (ends[0] - ends[1]) / (2 * step)
        found.append(slope)
    return found


def assert_close_to_differences(got: Any, expected: list[Tensor], accuracy: float = 1e-6) -> None:
    size = max(float(slope.abs().max()) for slope in expected)
    for gradient, slope in zip(got, expected, strict=True):
        assert float((gradient - slope).abs().max()) <= accuracy * max(size, 1e-3)


def swing(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    """A driven pendulum, neither autonomous nor linear."""
    return torch.stack([y[:, 1], -p[0] * torch.sin(y[:, 0]) + p[1] * torch.cos(3 * t)], dim=1)


def kicks() -> list[EventFunction]:
    """A kick with a moving threshold, a watched apex, and a reset whose own time is learned."""

    def kicked(p: Any, t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[:, 0] + 0.3 * p[2], 0.9 * y[:, 1] + p[1]], dim=1)

    return [
        EventFunction("kick", lambda p, t, y: y[:, 0] - p[2] * torch.cos(t), 0, reset=kicked),
        EventFunction("apex", lambda p, t, y: y[:, 1]),
        EventFunction("late", lambda p, t, y: t - p[2] - 1.0, 1, reset=lambda p, t, y: y * (1 - t / 5)[:, None]),
    ]


STARTS = torch.tensor([[0.8, 0.4], [-0.5, 1.0], [1.5, -0.2]], dtype=F64)
CONSTANTS = tuple(torch.tensor(x, dtype=F64) for x in (4.0, 0.3, 0.25))
GIVEN = torch.tensor([0, 0.125, 0.25, 0.375, 0.5, 0.58, 0.7, 0.83, 0.9, 1.0, 1.125, 1.25, 1.375, 1.5], dtype=F64)
"""Equal steps at both ends, to the last bit: there Adams methods have a form of their own."""
SAVED = torch.tensor([0.0, 0.05, 0.33, 0.9, 1.5], dtype=F64)


def weighted(values: Tensor) -> Tensor:
    weights = torch.linspace(0.5, 1.5, values.numel(), dtype=F64).reshape(values.shape)
    return (weights * values).sum()


def on_given_steps(name: str, mode: str | GradientMode, y0: Tensor, t0: Tensor, t1: Tensor, *p: Tensor) -> Tensor:
    """Equal and unequal steps; save points at the ends move with them, those inside stay."""
    times, saved = GIVEN.clone(), SAVED.clone()
    times[0] = saved[0] = t0.detach()
    times[-1] = saved[-1] = t1.detach()
    found = solve_with_gradient(
        mode, VectorField(swing, p, (False,) * 3), METHODS[name], y0, float(times[0]), float(times[-1]),
        step_times=times, save_at=saved, ends=Ends(t0, t1) if t0.requires_grad else None,
    )  # fmt: skip
    return weighted(found.saved) + found.y_end.square().sum()


def through_events(name: str, mode: str | GradientMode, y0: Tensor, *p: Tensor) -> Tensor:
    """Steps far too long for the low orders: the derivatives are those of what was computed, not of the flow."""
    found = solve_with_gradient(
        mode, VectorField(swing, p, (False,) * 3), METHODS[name], y0, 0.0, 1.5, save_at=SAVED, events=kicks(), dt=0.1
    )
    log = found.events
    assert log is not None
    assert set(log.event) == {0, 1, 2}
    spread = torch.linspace(1.0, 2.0, len(log), dtype=F64)
    events = (spread * log.t).sum() + (spread[:, None] * (log.y_after - 0.5 * log.y_before)).sum()
    return weighted(found.saved) + found.y_end.square().sum() + events


RUNS = {
    on_given_steps: (STARTS, GIVEN[0].clone(), GIVEN[-1].clone(), *CONSTANTS),
    through_events: (STARTS, *CONSTANTS),
}


@cache
def slopes(run: Callable[..., Tensor], name: str) -> list[Tensor]:
    """The differences are the same for all modes."""
    return differences(lambda *x: run(name, "none", *x).item(), RUNS[run])


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
@pytest.mark.parametrize(("name", "mode"), pairs(FIXED))
def test_initial_states_parameters_events_and_both_ends(
    name: str, mode: str | GradientMode, run: Callable[..., Tensor]
) -> None:
    if run is through_events and not METHODS[name].interpolant_order:
        pytest.skip("events are located in the dense output")
    leaves = [x.clone().requires_grad_(True) for x in RUNS[run]]
    got = torch.autograd.grad(run(name, mode, *leaves), leaves, allow_unused=True, materialize_grads=True)
    assert_close_to_differences(got, slopes(run, name))


class Bump(nn.Module):
    """A kernel that is learned."""

    def __init__(self, height: Tensor) -> None:
        super().__init__()
        self.height = nn.Parameter(height.clone())

    def forward(self, d: Tensor) -> Tensor:
        return self.height * torch.exp(-3 * d.abs())


def field(wall: Tensor, slope: Tensor, level: Tensor, rate: Tensor, height: Tensor, weight: Tensor) -> fs.FieldEquation:
    """A field with everything that can be learned: walls, an event, a coefficient, a kernel and a network."""
    net = nn.Linear(1, 1, dtype=F64)
    with torch.no_grad():
        net.weight.copy_(weight.reshape(1, 1))
        net.bias.fill_(0.1)
    return fs.FieldEquation(
        "du/dt = D*laplacian(u) + a*u*(1 - u) + convolve(w, u) + 0.2*net(u)*sin(3*t)",
        grid=fs.Grid(6, extent=1.0),
        boundary={"u": {"x-": fs.Dirichlet("b"), "x+": fs.Neumann("g*cos(t)")}},
        parameters={"D": 0.02, "a": fs.Parameter(rate), "b": fs.Parameter(wall), "g": fs.Parameter(slope),
                    "c": fs.Parameter(level)},
        kernels={"w": fs.Kernel(Bump(height), edge="zero")},
        modules={"net": net},
        events=[fs.Event("integral(u) - c", direction="up", reset={"u": "u/2"}, name="full")],
    )  # fmt: skip


LEARNED = tuple(torch.tensor(x, dtype=F64) for x in (0.7, 0.3, 0.62, 1.4, 0.5, 0.4))
ROUGH = torch.linspace(0.2, 0.6, 6, dtype=F64) + 0.1 * torch.tensor([0.3, -0.2, 0.5, 0.1, -0.4, 0.2], dtype=F64)


def learned(equation: fs.FieldEquation) -> list[Tensor]:
    """The leaves, in the order of `LEARNED`."""
    weights = dict(equation.named_parameters())
    (height,) = (value for name, value in weights.items() if name.endswith("height"))
    (weight,) = (value for name, value in weights.items() if name.endswith("weight"))
    return [*(equation.raw[name] for name in "bgca"), height, weight]


def declared(inputs: tuple[Tensor, ...], **options: Any) -> tuple[Tensor, list[Tensor], fs.Solution]:
    u0, *values = inputs
    equation = field(*values)
    leaves = [u0.clone().requires_grad_(True), *learned(equation)]
    found = fs.solve(equation, {"u": leaves[0]}, t_span=(0.0, 1.2), save_at=[0.35, 0.8, 1.2], check="off", **options)
    assert found.events is not None
    return weighted(found.y) + found.events.t.sum(), leaves, found


NEAR = (ROUGH, *LEARNED)
FAR = (ROUGH, *LEARNED[:2], torch.tensor(9.0, dtype=F64), *LEARNED[3:])
"""A level that is not reached: events move, and a repetition of steps does not let them."""


@cache
def declared_slopes(name: str) -> list[Tensor]:
    return differences(lambda *x: declared(x, method=name, dt=0.1, gradient="none")[0].item(), NEAR)


@pytest.mark.parametrize(("name", "mode"), pairs(["tsit5", "ssprk33", "dop853", "ab3", "reversible_rk4"]))
def test_walls_events_kernels_and_networks_of_a_declared_equation(name: str, mode: str | GradientMode) -> None:
    value, leaves, found = declared(NEAR, gradient=mode, method=name, dt=0.1)
    assert found.events is not None
    assert len(found.events) == 2
    assert all(float(slope.abs().max()) > 1e-4 for slope in declared_slopes(name))
    assert_close_to_differences(torch.autograd.grad(value, leaves), declared_slopes(name))


@cache
def adaptive_run(name: str) -> tuple[StepLog, list[Tensor]]:
    steps = declared(FAR, method=name, gradient="none", rtol=1e-4, atol=1e-6)[2].steps
    return steps, differences(lambda *x: declared(x, replay=steps, gradient="none")[0].item(), FAR)


@pytest.mark.parametrize(("name", "mode"), pairs(["tsit5", "abm", "vern7", "reversible_bosh3"]))
def test_adaptive_runs_with_their_steps_replayed(name: str, mode: str | GradientMode) -> None:
    value, leaves, _ = declared(FAR, gradient=mode, method=name, rtol=1e-4, atol=1e-6)
    got = torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
    assert_close_to_differences(got, adaptive_run(name)[1])


@pytest.mark.parametrize("mode", ["direct", "checkpointed"])
def test_an_adaptive_run_with_events_whose_steps_are_its_own(mode: str) -> None:
    """Not replayed: at this tolerance the choice of steps no longer shows."""
    options = {"method": "vern7", "rtol": 1e-11, "atol": 1e-12}
    value, leaves, _ = declared(NEAR, gradient=mode, **options)
    expected = differences(lambda *x: declared(x, gradient="none", **options)[0].item(), NEAR, step=1e-4)
    assert_close_to_differences(torch.autograd.grad(value, leaves), expected)


@pytest.mark.parametrize("mode", ["direct", "checkpointed"])
def test_the_span_of_a_solve_is_learned(mode: str) -> None:
    """y' = cos(t) y from t0 to t1: y(t1) = exp(sin(t1) - sin(t0))."""
    t0, t1 = (torch.tensor(x, dtype=F64, requires_grad=True) for x in (0.3, 1.9))
    y0 = torch.ones(1, dtype=F64)
    found = fs.solve(lambda t, y: torch.cos(t) * y, y0, t_span=(t0, t1), gradient=mode, rtol=1e-11, atol=1e-12)
    got = torch.autograd.grad(found.y[-1, 0], (t0, t1))
    exact = torch.exp(torch.sin(t1) - torch.sin(t0))
    expected = torch.autograd.grad(exact, (t0, t1))
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=0)


def test_a_learned_span_does_not_go_with_rest() -> None:
    t1 = torch.tensor(1.9, dtype=F64, requires_grad=True)
    with pytest.raises(fs.OptionError, match="samples end at rest; pass plain numbers"):
        fs.solve(lambda t, y: -y, torch.ones(1, dtype=F64), t_span=(0.0, t1), until=fs.SteadyState())


def test_a_span_may_be_one_tensor() -> None:
    span = torch.tensor([0.2, 1.5], dtype=F64, requires_grad=True)
    end = fs.solve(lambda t, y: torch.cos(t) * y, torch.ones(1, dtype=F64), t_span=span, rtol=1e-11, atol=1e-12).y[-1]
    exact = torch.exp(torch.sin(span[1]) - torch.sin(span[0]))
    got, expected = (torch.autograd.grad(value.sum(), span)[0] for value in (end, exact))
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("options", [{"dt": 0.1, "method": "rk4"}, {"dt": 0.1, "method": "ab3"}, {"rtol": 1e-8}])
def test_events_in_forward_mode_and_under_function_transforms(options: dict[str, Any]) -> None:
    """First derivatives against differences, second ones against those of the first."""

    def value(c: Tensor) -> Tensor:
        meets = fs.Event(lambda t, y: y[0] - c**2, reset=lambda t, y: 0.1 * y + c)
        start = torch.zeros(1, dtype=F64)
        found = fs.solve(
            lambda t, y, c: c + 0.2 * torch.sin(t) * c + 0.1 * y, start, t_span=(0, 1.5), args=(c,), events=[meets],
            **options,
        )  # fmt: skip
        assert found.events is not None
        assert len(found.events) == 1
        return found.y[-1, 0] + found.events.t.sum()

    c, one, step = torch.tensor(0.7, dtype=F64), torch.ones((), dtype=F64), 1e-5
    slope = (value(c + step) - value(c - step)) / (2 * step)
    backward = torch.func.grad(value)
    curvature = (backward(c + step) - backward(c - step)) / (2 * step)
    with torch.autograd.forward_ad.dual_level():
        tangent = torch.autograd.forward_ad.unpack_dual(value(torch.autograd.forward_ad.make_dual(c, one))).tangent
    for got in (tangent, torch.func.jvp(value, (c,), (one,))[1], backward(c)):
        torch.testing.assert_close(got, slope, rtol=1e-6, atol=0)
    for got in (torch.func.hessian(value)(c), torch.func.jacrev(torch.func.jacfwd(value))(c)):
        torch.testing.assert_close(got, curvature, rtol=1e-6, atol=0)


def test_dense_output_says_where_it_has_no_gradient() -> None:
    k = torch.tensor(0.5, dtype=F64, requires_grad=True)
    for mode in ("checkpointed", "direct"):
        found = fs.solve(
            lambda t, y, k: -k * y, torch.ones(1, dtype=F64), t_span=(0, 1), args=(k,), dense=True, gradient=mode
        )
        if mode == "direct":
            (slope,) = torch.autograd.grad(found(0.5).sum(), k)
            assert slope.item() == pytest.approx(-0.5 * 0.778800783, rel=1e-5)
            continue
        with pytest.raises(fs.OptionError, match=r"solution\(t\) has no gradient with gradient='checkpointed'"):
            found(0.5)
        with torch.no_grad():
            assert found(0.5).item() == pytest.approx(0.778800783, rel=1e-5)
