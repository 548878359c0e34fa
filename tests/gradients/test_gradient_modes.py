"""What the modes refuse, what they keep, and that failing samples poison nobody's gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError
from fieldsolver.gradients import Checkpointed, captures_gradients, solve_with_gradient
from fieldsolver.methods import get_method
from fieldsolver.stepping import Status, VectorField

TSIT5, RK4 = get_method("tsit5"), get_method("rk4")
MODES = ["checkpointed", "direct"]
TIMES = torch.linspace(0, 1, 5, dtype=torch.float64)


def ones(*shape: int) -> Tensor:
    return torch.ones(*shape, dtype=torch.float64, requires_grad=True)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(OptionError, match=r"unknown gradient 'checkpoint'; known: .*checkpointed, direct, .*; did you"):
        solve_with_gradient("checkpoint", VectorField(lambda p, t, y: -y), TSIT5, ones(1, 1), 0.0, 1.0)


@pytest.mark.parametrize("mode", [Checkpointed, 3, None])
def test_what_is_no_mode_is_refused(mode: object) -> None:
    with pytest.raises(OptionError, match=r"gradient is one of .* or a mode such as fs.gradients.Checkpointed"):
        solve_with_gradient(mode, VectorField(lambda p, t, y: -y), TSIT5, ones(1, 1), 0.0, 1.0)


def test_none_leaves_no_graph() -> None:
    y0, rate = ones(1, 1), ones(1)
    field = VectorField(lambda p, t, y: -p[0] * y, (rate,))
    trajectory = solve_with_gradient("none", field, TSIT5, y0, 0.0, 1.0, save_at=TIMES)
    assert not trajectory.y_end.requires_grad
    assert not trajectory.saved.requires_grad


@pytest.mark.parametrize("mode", MODES)
def test_without_anything_to_differentiate_there_is_no_graph(mode: str) -> None:
    y0 = ones(1, 1)
    with torch.no_grad():
        assert not solve_with_gradient(mode, VectorField(lambda p, t, y: -y), TSIT5, y0, 0.0, 1.0).y_end.requires_grad
    detached = solve_with_gradient(mode, VectorField(lambda p, t, y: -y), TSIT5, y0.detach(), 0.0, 1.0)
    assert not detached.y_end.requires_grad


@pytest.mark.parametrize("y0_needs_gradient", [True, False])
def test_checkpointed_refuses_captured_tensors_and_direct_takes_them(y0_needs_gradient: bool) -> None:
    net = nn.Linear(2, 2).double()
    field = VectorField(lambda p, t, y: torch.tanh(net(y)))
    y0 = torch.ones(1, 2, dtype=torch.float64, requires_grad=y0_needs_gradient)
    assert captures_gradients(field, 0.0, y0)
    with pytest.raises(OptionError, match=r"pass it through args .* gradient='direct'"):
        solve_with_gradient("checkpointed", field, TSIT5, y0, 0.0, 1.0)
    solve_with_gradient("direct", field, TSIT5, y0, 0.0, 1.0).y_end.sum().backward()
    assert net.weight.grad.abs().sum() > 0


def test_parameters_that_are_declared_are_not_captured() -> None:
    rate = ones(1)
    assert not captures_gradients(VectorField(lambda p, t, y: -p[0] * y, (rate,)), 0.0, ones(1, 1))
    assert captures_gradients(VectorField(lambda p, t, y: -rate * y, (rate,)), 0.0, ones(1, 1))


def test_direct_supports_higher_derivatives() -> None:
    rate, y0 = ones(1), ones(1, 1)
    field = VectorField(lambda p, t, y: -p[0] * y, (rate,))
    y_end = solve_with_gradient("direct", field, TSIT5, y0, 0.0, 1.0, rtol=1e-10, atol=1e-12).y_end
    (first,) = torch.autograd.grad(y_end.sum(), rate, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), rate)
    assert first.item() == pytest.approx(-math.exp(-1), rel=1e-8)
    assert second.item() == pytest.approx(math.exp(-1), rel=1e-7)


def test_checkpointed_refuses_higher_derivatives_rather_than_dropping_them() -> None:
    rate = ones(1)
    y_end = solve_with_gradient(
        "checkpointed", VectorField(lambda p, t, y: -p[0] * y, (rate,)), TSIT5, ones(1, 1), 0.0, 1.0
    ).y_end
    with pytest.raises(OptionError, match="use gradient='direct' for higher derivatives"):
        torch.autograd.grad(y_end.sum(), rate, create_graph=True)


def test_a_parameter_changed_in_place_before_the_backward_pass_is_noticed() -> None:
    rate = ones(1)
    field = VectorField(lambda p, t, y: -p[0] * y, (rate,))
    y_end = solve_with_gradient("checkpointed", field, TSIT5, ones(1, 1), 0.0, 1.0).y_end
    with torch.no_grad():
        rate.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y_end.sum().backward()


def test_dense_output_of_direct_carries_the_graph() -> None:
    y0 = ones(1, 1)
    trajectory = solve_with_gradient("direct", VectorField(lambda p, t, y: -y), TSIT5, y0, 0.0, 1.0, dense=True)
    (gradient,) = torch.autograd.grad(trajectory.dense(0.5).sum(), y0)
    assert gradient.item() == pytest.approx(math.exp(-0.5), rel=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_callbacks_are_called_once_per_step(mode: str) -> None:
    seen = []
    trajectory = solve_with_gradient(
        mode, VectorField(lambda p, t, y: -y), TSIT5, ones(1, 1), 0.0, 1.0, callback=lambda t, y: seen.append(1)
    )
    trajectory.y_end.sum().backward()
    assert len(seen) == trajectory.stats.accepted.item()


@pytest.mark.parametrize("per_sample", [None, (False,)], ids=["masked", "compacted"])
@pytest.mark.parametrize(
    ("method", "options"),
    [(TSIT5, {"dt": 0.05}), (RK4, {"dt": 0.05}), (TSIT5, {"rtol": 1e-6, "atol": 1e-8})],
    ids=["tsit5, fixed", "rk4, fixed", "tsit5, adaptive"],
)
@pytest.mark.parametrize("mode", MODES)
def test_failed_samples_leave_finite_gradients_to_the_others(
    mode: str, method: object, options: dict, per_sample: tuple | None
) -> None:
    # exp(y) overflows where sample 1 blows up, and 0 * inf = NaN lies in wait; sample 2 is NaN from the start.
    start = torch.tensor([[0.1], [3.0], [math.nan], [-1.0]], dtype=torch.float64)

    def solve(rows: list[int]) -> tuple[Tensor, Tensor, list[int]]:
        rate = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
        y0 = start[rows].clone().requires_grad_()
        field = VectorField(lambda p, t, y: p[0] * torch.exp(y), (rate,), per_sample)
        trajectory = solve_with_gradient(mode, field, method, y0, 0.0, 1.0, save_at=TIMES, **options)
        finished = trajectory.status == Status.SUCCESS
        loss = trajectory.saved[:, finished].square().sum() + trajectory.y_end[finished].sum()
        return *torch.autograd.grad(loss, (y0, rate)), trajectory.status.tolist()

    y0_gradient, rate_gradient, status = solve([0, 1, 2, 3])
    expected_y0, expected_rate, _ = solve([0, 3])
    assert status[0] == status[3] == Status.SUCCESS
    assert status[1] in (Status.DT_UNDERFLOW, Status.NON_FINITE)
    assert status[2] == Status.NON_FINITE
    torch.testing.assert_close(y0_gradient[[0, 3]], expected_y0, rtol=1e-12, atol=0)
    torch.testing.assert_close(rate_gradient, expected_rate, rtol=1e-12, atol=0)
    assert y0_gradient[[1, 2]].abs().max().item() == 0.0
