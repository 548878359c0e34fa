"""Gradients: those of torchdiffeq's direct mode, those of central differences, and those of the adjoint."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchdiffeq
from torch import Tensor, nn

import fieldsolver as fs

F64 = torch.float64
TIGHT = {"rtol": 1e-10, "atol": 1e-12}


class Net(nn.Module):
    """A small field that depends on time."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.weight = nn.Parameter(0.5 * torch.randn(3, 3, dtype=F64, generator=generator))
        self.bias = nn.Parameter(torch.randn(3, dtype=F64, generator=generator))

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return torch.tanh(y @ self.weight + self.bias) * torch.cos(t)


def start() -> Tensor:
    return torch.randn(2, 3, dtype=F64, generator=torch.Generator().manual_seed(2)).requires_grad_()


def gradients(odeint: Callable[..., Tensor], t: Tensor, **options: Any) -> list[Tensor]:
    """Of a loss that sees every output time, with respect to y0, the parameters and t (if it wants one)."""
    net, y0 = Net(), start()
    y = odeint(net, y0, t, **options)
    weights = torch.linspace(0.5, 2.0, y.numel(), dtype=F64).reshape(y.shape)
    wanted = [y0, *net.parameters(), *([t] if t.requires_grad else [])]
    return list(torch.autograd.grad((weights * y**2).sum(), wanted))


def largest_difference(first: list[Tensor], second: list[Tensor]) -> float:
    return max((a - b).abs().max().item() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("interface", ["odeint", "odeint_adjoint"])
def test_chosen_steps_give_the_gradients_of_the_direct_mode(interface: str, backward: bool) -> None:
    t = torch.linspace(0.0, 2.0, 5, dtype=F64)
    t = t.flip(0) if backward else t
    theirs = gradients(torchdiffeq.odeint, t, **TIGHT)
    assert largest_difference(gradients(getattr(fs, interface), t, **TIGHT), theirs) < 1e-6


@pytest.mark.parametrize("method", ["euler", "midpoint", "heun2", "heun3", "rk4", "explicit_adams", "implicit_adams"])
@pytest.mark.parametrize("interface", ["odeint", "odeint_adjoint"])
def test_fixed_steps_give_the_gradients_of_the_direct_mode_to_round_off(interface: str, method: str) -> None:
    t = torch.linspace(0.0, 2.0, 9, dtype=F64)
    options = {"step_size": 0.05, "interp": "cubic"} | ({"max_order": 6} if "adams" in method else {})
    theirs = gradients(torchdiffeq.odeint, t, method=method, options=options)
    ours = gradients(getattr(fs, interface), t, method=method, options=options)
    assert largest_difference(ours, theirs) < 1e-11


@pytest.mark.parametrize("method", ["dopri8", "bosh3", "fehlberg2", "adaptive_heun", "rk4", "implicit_adams"])
def test_the_adjoint_is_exact(method: str) -> None:
    """To round-off the gradient of `odeint`: the continuous adjoint could not do that at this tolerance."""
    t = torch.linspace(0.0, 2.0, 4, dtype=F64)
    options = {"options": {"step_size": 0.1}} if method in ("rk4", "implicit_adams") else {"rtol": 1e-3, "atol": 1e-4}
    recorded, repeated = (gradients(f, t, method=method, **options) for f in (fs.odeint, fs.odeint_adjoint))
    assert largest_difference(recorded, repeated) < 1e-13


def test_the_adjoint_agrees_with_the_continuous_one() -> None:
    t = torch.linspace(0.0, 2.0, 4, dtype=F64)
    for extra in ({}, {"adjoint_options": {"norm": "seminorm"}}, {"adjoint_rtol": 1e-11, "adjoint_atol": 1e-12}):
        theirs = gradients(torchdiffeq.odeint_adjoint, t, **TIGHT, **extra)
        assert largest_difference(gradients(fs.odeint_adjoint, t, **TIGHT, **extra), theirs) < 1e-6


def test_gradients_in_single_precision() -> None:
    net, results = Net().float(), []
    for odeint in (fs.odeint, fs.odeint_adjoint, torchdiffeq.odeint):
        y0 = start().detach().float().requires_grad_()
        y = odeint(net, y0, torch.tensor([0.0, 1.0, 2.0]), rtol=1e-5, atol=1e-6)
        results.append(torch.autograd.grad((y**2).sum(), [y0, *net.parameters()]))
    for ours in results[:2]:
        assert all(a.dtype == torch.float32 for a in ours)
        assert largest_difference(list(ours), list(results[2])) < 1e-3


# ---------------------------------------------------------------------- output times


@pytest.mark.parametrize("interface", ["odeint", "odeint_adjoint"])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_output_times(interface: str, backward: bool) -> None:
    t = torch.linspace(0.3, 2.0, 5, dtype=F64)
    t = (t.flip(0) if backward else t).clone().requires_grad_()
    theirs = gradients(torchdiffeq.odeint, t, **TIGHT)
    assert largest_difference(gradients(getattr(fs, interface), t, **TIGHT), theirs) < 1e-6


@pytest.mark.parametrize("method", ["euler", "midpoint", "heun2", "heun3", "rk4"])
def test_output_times_that_are_the_grid(method: str) -> None:
    """The steps themselves depend on the times: the gradient of the discrete solution, to round-off."""
    t = torch.linspace(0.3, 2.0, 8, dtype=F64).requires_grad_()
    ours, theirs = (gradients(package.odeint, t, method=method) for package in (fs, torchdiffeq))
    assert largest_difference(ours, theirs) < 1e-12


@pytest.mark.parametrize("method", ["rk4", "implicit_adams", "dopri5", "dopri8"])
@pytest.mark.parametrize("interface", ["odeint", "odeint_adjoint"])
def test_output_times_by_central_differences(interface: str, method: str) -> None:
    """Times beside a grid of fixed steps, and the initial time, get the derivative of the solution."""
    options: dict[str, Any] = TIGHT | {"method": method}
    if method in ("rk4", "implicit_adams"):
        options["options"] = {"step_size": 0.01, "interp": "cubic"}
    net, y0, odeint = Net(), start().detach(), getattr(fs, interface)

    def loss(t: Tensor) -> Tensor:
        return (odeint(net, y0, t, **options) ** 2).sum((1, 2)) @ torch.tensor([3.0, 1.0, 2.0], dtype=F64)

    t = torch.tensor([0.1, 0.77, 1.3], dtype=F64).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(t), t)
    for i, h in enumerate(1e-5 * torch.eye(3, dtype=F64)):
        difference = (loss(t.detach() + h) - loss(t.detach() - h)) / 2e-5
        assert abs(gradient[i] - difference) < 1e-5


def test_second_derivatives_in_time_are_those_of_the_solution() -> None:
    """y = exp(sin t): y'' = (cos^2 t - sin t) y."""
    t = torch.tensor([0.0, 0.9, 1.6], dtype=F64, requires_grad=True)
    y = fs.odeint(lambda t, y: torch.cos(t) * y, torch.ones((), dtype=F64), t, **TIGHT)
    (first,) = torch.autograd.grad(y.sum(), t, create_graph=True)
    (second,) = torch.autograd.grad(first[1:].sum(), t)
    at = t.detach()
    torch.testing.assert_close(second[1:], ((at.cos() ** 2 - at.sin()) * at.sin().exp())[1:], rtol=1e-6, atol=1e-6)


# ---------------------------------------------------------------------- gradcheck


@pytest.mark.parametrize("options", [{"step_size": 0.25, "interp": "cubic"}, {"step_size": 0.25}], ids=str)
@pytest.mark.parametrize("method", ["rk4", "implicit_adams"])
def test_gradcheck_on_a_grid(method: str, options: dict[str, Any]) -> None:
    t = torch.tensor([0.0, 0.6, 1.0], dtype=F64)
    options = options | ({"max_iters": 30} if method == "implicit_adams" else {})

    def solution(y0: Tensor, a: Tensor) -> Tensor:
        return fs.odeint(lambda t, y: a * torch.sin(y) + t, y0, t, method=method, options=options)

    inputs = (torch.rand(3, dtype=F64, requires_grad=True), torch.tensor(0.7, dtype=F64, requires_grad=True))
    assert torch.autograd.gradcheck(solution, inputs)
    assert torch.autograd.gradgradcheck(solution, inputs)


@pytest.mark.parametrize("interface", ["odeint", "odeint_adjoint"])
def test_gradcheck_of_complex_states_with_chosen_steps(interface: str) -> None:
    t = torch.tensor([1.0, 0.3, 0.0], dtype=F64)

    def solution(y0: Tensor, a: Tensor) -> Tensor:
        extra = {"adjoint_params": (a,)} if interface == "odeint_adjoint" else {}
        return getattr(fs, interface)(lambda t, y: a * y * (y.abs() + t), y0, t, rtol=1e-11, atol=1e-12, **extra)

    y0 = torch.tensor([0.5 + 0.2j, -0.1 + 0.4j], dtype=torch.complex128, requires_grad=True)
    a = torch.tensor(0.3 - 0.8j, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(solution, (y0, a), eps=1e-5, atol=1e-6)


def test_second_derivatives_of_the_direct_mode() -> None:
    t, a = torch.tensor([0.0, 1.0], dtype=F64), torch.tensor(0.7, dtype=F64, requires_grad=True)
    y = fs.odeint(lambda t, y: a * y, torch.ones(1, dtype=F64), t, **TIGHT)[-1].sum()
    (first,) = torch.autograd.grad(y, a, create_graph=True)
    (second,) = torch.autograd.grad(first, a)
    torch.testing.assert_close(second, torch.exp(a.detach()), rtol=1e-8, atol=0.0)


# ---------------------------------------------------------------------- who gets a gradient


def test_adjoint_params_and_nobody_else() -> None:
    net, other = Net(), torch.tensor(0.3, dtype=F64, requires_grad=True)
    t, y0 = torch.tensor([0.0, 1.0], dtype=F64), start()

    def f(t: Tensor, y: Tensor) -> Tensor:
        return net(t, y) * other

    fs.odeint_adjoint(f, y0, t, adjoint_params=(net.bias,)).sum().backward()
    assert net.bias.grad is not None
    assert y0.grad is not None
    assert net.weight.grad is None
    assert other.grad is None
    torchdiffeq_net, theirs = Net(), start()
    torchdiffeq.odeint_adjoint(
        lambda t, y: torchdiffeq_net(t, y) * other, theirs, t, adjoint_params=(torchdiffeq_net.bias,)
    ).sum().backward()
    assert torchdiffeq_net.bias.grad is not None
    torch.testing.assert_close(net.bias.grad, torchdiffeq_net.bias.grad, rtol=1e-6, atol=1e-6)


def test_adjoint_params_need_not_be_leaves() -> None:
    """A hypernetwork: the weights of f are computed, and their own parameters train."""
    hyper = nn.Linear(2, 9, dtype=F64)
    t, y0 = torch.tensor([0.0, 1.0], dtype=F64), start().detach()
    found = []
    for odeint in (fs.odeint, fs.odeint_adjoint):
        hyper.zero_grad()
        weight = hyper(torch.tensor([0.3, -0.2], dtype=F64)).reshape(3, 3)
        extra = {"adjoint_params": (weight,)} if odeint is fs.odeint_adjoint else {}
        odeint(lambda t, y, w=weight: torch.tanh(y @ w), y0, t, **extra).pow(2).sum().backward()
        found.append(copy.deepcopy([p.grad for p in hyper.parameters()]))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


def test_frozen_parameters_and_no_parameters() -> None:
    net, t, y0 = Net(), torch.tensor([0.0, 1.0], dtype=F64), start()
    net.weight.requires_grad_(False)
    fs.odeint_adjoint(net, y0, t).sum().backward()
    assert net.weight.grad is None
    assert net.bias.grad is not None
    (alone,) = torch.autograd.grad(fs.odeint_adjoint(lambda t, y: -y, y0, t, adjoint_params=()).sum(), y0)
    torch.testing.assert_close(alone, torch.full_like(y0, 1.0 + torch.e**-1), rtol=1e-7, atol=1e-8)


def test_a_parameter_that_f_does_not_use_gets_zero_or_nothing() -> None:
    unused, y0 = torch.zeros(2, dtype=F64, requires_grad=True), start()
    fs.odeint_adjoint(
        lambda t, y: -y, y0, torch.tensor([0.0, 1.0], dtype=F64), adjoint_params=(unused,)
    ).sum().backward()
    assert unused.grad is None or not unused.grad.any()


def test_no_grad_leaves_no_graph() -> None:
    net, t = Net(), torch.linspace(0.0, 1.0, 3, dtype=F64).requires_grad_()
    with torch.no_grad():
        for odeint in (fs.odeint, fs.odeint_adjoint):
            assert not odeint(net, start(), t).requires_grad
            assert not odeint(net, start(), t, method="rk4").requires_grad


def test_the_memory_of_the_adjoint_does_not_grow_with_the_steps() -> None:
    """Tensors that the graph keeps: as many for 40 as for 640 steps, up to the square root."""

    def kept(steps: int, odeint: Callable[..., Tensor]) -> int:
        net, count = Net(), [0]

        def pack(tensor: Tensor) -> Tensor:
            count[0] += 1
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            odeint(net, start(), torch.tensor([0.0, 1.0], dtype=F64), method="rk4", options={"step_size": 1.0 / steps})
        return count[0]

    assert kept(160, fs.odeint) > 3 * kept(40, fs.odeint)
    assert kept(160, fs.odeint_adjoint) == kept(40, fs.odeint_adjoint) < 20
