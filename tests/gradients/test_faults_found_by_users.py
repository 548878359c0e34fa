"""Mistakes that users made and were not told of: each now says so in one sentence, or works."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.errors import FieldSolverWarning, OptionError

OWN_BACKWARD = ["checkpointed", "reversible", "quadrature", "backsolve"]
Y0 = torch.tensor([1.0, 2.0], dtype=torch.float64)


class Decay(nn.Module):
    """y' = -k c y with a weight k and a buffer c."""

    def __init__(self) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
        self.register_buffer("c", torch.tensor(0.3, dtype=torch.float64))

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return -self.k * self.c * y


class Net(nn.Module):
    """y' = net(y)."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.net = nn.Sequential(*parts).double()

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return self.net(y)


def solve(f: Any, gradient: Any, y0: Tensor = Y0, **options: Any) -> fs.Solution:
    options = {"method": "reversible_heun", **options} if gradient == "reversible" else options
    return fs.solve(f, y0, t_span=(0.0, 1.0), gradient=gradient, **options)


def scale(f: Decay) -> None:
    f.c.mul_(2)


def replace(f: Decay) -> None:
    f.c = torch.tensor(0.7, dtype=torch.float64)


@pytest.mark.parametrize("change", [scale, replace, Decay.eval])
@pytest.mark.parametrize("mode", OWN_BACKWARD)
def test_a_function_changed_before_the_backward_pass_is_refused(mode: str, change: Callable[[Decay], object]) -> None:
    f = Decay()
    solution = solve(f, mode)
    change(f)
    with pytest.raises(OptionError, match=r"f was changed between the solve and backward\(\)"):
        solution.y[-1].sum().backward()
    assert f.k.grad is None


@pytest.mark.parametrize("mode", OWN_BACKWARD)
def test_a_buffer_left_alone_or_passed_as_another_view_is_no_change(mode: str) -> None:
    f = Decay()
    solution = torch.func.functional_call(_Solved(f, mode), {"f.c": f.c.detach()}, ())
    solution.y[-1].sum().backward()
    exact = -0.3 * torch.exp(torch.tensor(-0.15, dtype=torch.float64)) * Y0.sum()
    torch.testing.assert_close(f.k.grad, exact, rtol=1e-3 if mode == "reversible" else 1e-4, atol=0.0)


class _Solved(nn.Module):
    def __init__(self, f: nn.Module, mode: str) -> None:
        super().__init__()
        self.f, self.mode = f, mode

    def forward(self) -> fs.Solution:
        return solve(self.f, self.mode)


def test_implicit_refuses_a_buffer_changed_before_the_backward_pass() -> None:
    """Its graph is that of one evaluation, which autograd guards itself."""
    f = Decay()
    rest = fs.solve(f, Y0, t_span=(0.0, 1000.0), gradient="implicit", until=fs.SteadyState(atol=1e-6))
    scale(f)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        rest.y[-1].sum().backward()


def test_a_module_of_an_equation_changed_before_the_backward_pass_is_refused() -> None:
    net = nn.Sequential(nn.Linear(1, 4), nn.Dropout(0.5), nn.Linear(4, 1)).double()
    equation = fs.FieldEquation("du/dt = net(u)", modules={"net": net})
    solution = solve(equation, "checkpointed", torch.ones(3, 1, dtype=torch.float64), method="rk4", dt=0.1)
    equation.eval()
    with pytest.raises(OptionError, match=r"f was changed between the solve and backward\(\) .*gradient='checkpoint"):
        solution.y[-1].sum().backward()


@pytest.mark.parametrize("mode", OWN_BACKWARD)
def test_a_function_that_writes_to_its_buffers_is_refused(mode: str) -> None:
    f = Net(nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2)))
    with pytest.raises(OptionError, match=r"f writes to its own buffers .* call f.eval\(\) before the solve"):
        solve(f, mode)
    f.eval()
    solve(f, mode).y[-1].sum().backward()
    assert all(p.grad is not None for p in f.parameters())


def test_implicit_refuses_a_function_that_writes_to_its_buffers() -> None:
    f = Net(nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2)))
    with torch.no_grad():
        f.net[0].parametrizations.weight.original.copy_(-torch.eye(2))
    with pytest.raises(OptionError, match="f writes to its own buffers"):
        fs.solve(f, Y0, t_span=(0.0, 100.0), gradient="implicit", until=fs.SteadyState())


@pytest.mark.parametrize("mode", [*OWN_BACKWARD, "direct", "none"])
def test_a_module_that_mixes_independent_samples_is_refused(mode: str) -> None:
    f, y0 = Net(nn.Linear(2, 2), nn.BatchNorm1d(2)), torch.randn(3, 2, dtype=torch.float64)
    before = f.net[1].running_mean.clone()
    with pytest.raises(OptionError, match=r"BatchNorm1d in training mode .* mixes the samples that batch_dims=1"):
        solve(f, mode, y0, batch_dims=1)
    assert torch.equal(f.net[1].running_mean, before)
    assert int(f.net[1].num_batches_tracked) == 0
    f.eval()
    alone = solve(f, mode, y0[:1], batch_dims=1, dt=0.1).y
    torch.testing.assert_close(solve(f, mode, y0, batch_dims=1, dt=0.1).y[:, :1], alone)


def test_without_running_statistics_samples_are_mixed_in_evaluation_too() -> None:
    f = Net(nn.BatchNorm1d(2, track_running_stats=False)).eval()
    with pytest.raises(OptionError, match="without running statistics"):
        solve(f, "direct", torch.randn(3, 2, dtype=torch.float64), batch_dims=1)


class Growth(nn.Module):
    """y' = k y^2, which is infinite at t = 1 / (k y0)."""

    def __init__(self) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return self.k * y**2


def test_backsolve_does_not_judge_samples_that_the_loss_ignores() -> None:
    f, y0 = Growth(), torch.tensor([[0.5], [2.0]], dtype=torch.float64)
    with pytest.warns(FieldSolverWarning, match=r"1 of 2 sample\(s\) ended early"):
        solution = solve(f, "backsolve", y0, batch_dims=1, on_failure="keep")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solution.y[-1, 0].sum().backward()
    torch.testing.assert_close(f.k.grad, torch.tensor(1.0, dtype=torch.float64), rtol=1e-4, atol=0.0)
    missed = solution.stats.backward.residual
    assert missed[0] < 1e-4
    assert missed[1].isnan()


def test_backsolve_still_judges_samples_that_the_loss_sees() -> None:
    f = Decay()
    f.c.fill_(60.0)
    solution = solve(f, "backsolve", torch.ones(2, 1, dtype=torch.float64), batch_dims=1)
    with pytest.warns(FieldSolverWarning, match="so this gradient is wrong"):
        solution.y[-1, 0].sum().backward()


@pytest.mark.parametrize("mode", [fs.gradients.Quadrature, fs.gradients.Backsolve, fs.gradients.Implicit])
@pytest.mark.parametrize("value", ["a", True, [1e-6], -1.0, float("nan")])
def test_a_tolerance_that_is_no_number_is_refused(mode: Callable[..., object], value: object) -> None:
    with pytest.raises(OptionError, match=r"^rtol"):
        mode(rtol=value)


@pytest.mark.parametrize("mode", [*OWN_BACKWARD, "direct"])
def test_a_state_made_in_inference_mode_can_be_differentiated(mode: str) -> None:
    with torch.inference_mode():
        y0 = Y0.clone()
    found, expected = Decay(), Decay()
    solve(found, mode, y0).y[-1].sum().backward()
    solve(expected, mode).y[-1].sum().backward()
    assert torch.equal(found.k.grad, expected.k.grad)


class CutOff(Decay):
    """Its result has no graph."""

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(t, y)


@pytest.mark.parametrize("mode", OWN_BACKWARD)
def test_a_function_without_a_graph_is_noticed(mode: str) -> None:
    loss = solve(CutOff(), mode).y[-1].sum()
    with pytest.warns(FieldSolverWarning, match="found no gradient for anything that asks for one"):
        loss.backward()
