"""Faults that users found in the calls of torchdiffeq, each pinned by the smallest case that showed it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchdiffeq
from torch import Tensor

import fieldsolver as fs
from fieldsolver.compat.adams import integration_weights, live_weights
from fieldsolver.errors import OptionError, StateError

F64 = torch.float64


def decay(t: Tensor, y: Tensor) -> Tensor:
    return -y * (1 + t)


def uneven(times: int) -> Tensor:
    s = torch.linspace(0, 1, times, dtype=F64)
    return s + 0.05 * torch.sin(5 * s) - 0.05 * torch.sin(torch.tensor(5.0, dtype=F64)) * s


@pytest.mark.parametrize("method", ["rk4", "euler", "midpoint"])
def test_times_alone_have_a_gradient_on_a_grid(method: str) -> None:
    found = []
    for odeint in (fs.odeint, torchdiffeq.odeint):
        t = torch.linspace(0, 1, 5, dtype=F64, requires_grad=True)
        odeint(decay, torch.ones(1, dtype=F64), t, method=method)[-1].sum().backward()
        found.append(t.grad)
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-13)


def test_times_of_an_autonomous_field_have_a_gradient_with_a_step_size() -> None:
    t = torch.linspace(0, 1, 3, dtype=F64, requires_grad=True)
    y = fs.odeint(lambda t, y: -y, torch.ones(1, dtype=F64), t, method="rk4", options={"step_size": 0.05})
    (slope,) = torch.autograd.grad(y[-1].sum(), t)
    torch.testing.assert_close(
        slope, torch.exp(-torch.ones(1, dtype=F64)) * torch.tensor([1.0, 0.0, -1.0]), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("method", ["explicit_adams", "implicit_adams"])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.filterwarnings("ignore:The fixed-point iteration")
def test_adams_weights_depend_on_the_times(method: str, backward: bool) -> None:
    options = {} if method == "explicit_adams" else {"max_iters": 200}
    grid = uneven(9).flip(0) if backward else uneven(9)

    def end(t: Tensor) -> Tensor:
        y = fs.odeint(decay, torch.ones(1, dtype=F64), t, method=method, options=options, rtol=1e-15, atol=1e-15)
        return y[-1].sum()

    live = grid.clone().requires_grad_()
    (exact,) = torch.autograd.grad(end(live), live)
    size = 1e-5
    differences = []
    for unit in torch.eye(9, dtype=F64):
        differences.append((end(grid + size * unit) - end(grid - size * unit)) / (2 * size))
    torch.testing.assert_close(exact, torch.stack(differences), rtol=0, atol=1e-8)
    assert exact[1:-1].abs().min() > 5e-7  # inner times only act through the weights and steps


def test_weights_with_a_graph_are_the_weights() -> None:
    nodes = (1.0, 0.0, -0.7, -1.9, -2.5)
    found = torch.stack(live_weights(torch.tensor(nodes, dtype=F64)))
    torch.testing.assert_close(found, torch.tensor(integration_weights(nodes), dtype=F64), rtol=1e-14, atol=0)


def test_adjoint_gives_inner_grid_times_no_gradient() -> None:
    """Of `odeint_adjoint` only the first and the last time move the solution, by its slope there."""
    t = torch.linspace(0, 1, 9, dtype=F64, requires_grad=True)
    y = fs.odeint_adjoint(decay, torch.ones(1, dtype=F64), t, method="rk4", adjoint_params=())
    y[-1].sum().backward()
    assert t.grad is not None
    assert t.grad[1:-1].abs().max() == 0
    torch.testing.assert_close(t.grad[-1], -2 * y[-1, 0].detach(), rtol=1e-3, atol=0)


INTEGERS = torch.tensor([1])


@pytest.mark.parametrize(
    ("y0", "name"), [(INTEGERS, "y0"), (torch.tensor(True), "y0"), ((torch.ones(2), INTEGERS), r"y0\[1\]")]
)
@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_integer_states_are_named_as_the_user_wrote_them(y0: Any, name: str, method: str) -> None:
    with pytest.raises(
        StateError, match=rf"{name} has dtype torch\.\w+, expected a floating.*{name}\.double"
    ) as caught:
        fs.odeint(decay, y0, torch.linspace(0, 1, 3), method=method)
    assert "batch" not in str(caught.value)


@pytest.mark.parametrize("options", [[1], "rk4", 3])
def test_options_are_a_dict(options: Any) -> None:
    with pytest.raises(OptionError, match=r"options is .*expected a dict"):
        fs.odeint(decay, torch.ones(1), torch.linspace(0, 1, 3), options=options)


def half(t: Tensor, y: Tensor) -> Tensor:
    return y[0] - 0.5


def test_the_initial_time_of_an_event_may_be_a_number() -> None:
    y0 = torch.ones(1, dtype=F64)
    by_number = fs.odeint_event(decay, y0, 0.25, event_fn=half)
    by_tensor = fs.odeint_event(decay, y0, torch.tensor(0.25, dtype=F64), event_fn=half)
    assert by_number[0].dtype == F64
    torch.testing.assert_close(by_number, by_tensor, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("t0", "event_fn", "said"),
    [
        (0.0, None, "event_fn is NoneType"),
        (0.0, 1.0, "event_fn is float"),
        (None, half, "t0 is NoneType"),
        ([0.0], half, "t0 is list"),
        (torch.zeros(2), half, r"t0 has shape \(2,\)"),
    ],
)
def test_arguments_of_events_that_cannot_be(t0: Any, event_fn: Any, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        fs.odeint_event(decay, torch.ones(1), t0, event_fn=event_fn)


def test_the_event_function_of_odeint_can_be_called() -> None:
    with pytest.raises(OptionError, match="event_fn is int"):
        fs.odeint(decay, torch.ones(1), torch.tensor([0.0, 1.0]), event_fn=3)
