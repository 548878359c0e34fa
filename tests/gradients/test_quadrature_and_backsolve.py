"""Continuous adjoints: closed forms, the exact discrete gradient at tight tolerances, and how the error falls."""

from __future__ import annotations

import gc
import math
import weakref
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.errors import OptionError
from fieldsolver.gradients import Backsolve, Checkpointed, Direct, GradientMode, Quadrature, Reversible
from fieldsolver.methods import get_method
from fieldsolver.stepping import Ends, Status, Trajectory, VectorField

MODES = [Backsolve(), Quadrature()]
both = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
TIGHT = {"rtol": 1e-11, "atol": 1e-13}
TIMES = torch.tensor([0.0, 0.3, 0.3, 1.1, 2.0], dtype=torch.float64)


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


class Net:
    """A small network that is driven in time, with its weights as parameters of a vector field."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)).to(dtype)
        self.names = [name for name, _ in self.net.named_parameters()]
        self.field = VectorField(self.rate, tuple(self.net.parameters()), (False,) * len(self.names))
        self.y0 = torch.randn(5, 2, dtype=dtype, requires_grad=True)

    def rate(self, parameters: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        weights = dict(zip(self.names, parameters, strict=True))
        driving = torch.cos(2 * t).unsqueeze(1).to(y.dtype)
        return torch.func.functional_call(self.net, weights, (y,)) + 0.3 * driving * y.flip(1)

    def gradient(self, mode: GradientMode, method: str = "tsit5", **options) -> Tensor:
        trajectory = mode.solve(self.field, get_method(method), self.y0, 0.0, 2.0, save_at=TIMES, **options)
        return self.gradient_of(trajectory)

    def gradient_of(self, trajectory: Trajectory) -> Tensor:
        weights = torch.arange(1, 6).view(5, 1, 1)
        loss = (trajectory.saved * weights).square().sum() + trajectory.y_end.sin().sum()
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, (self.y0, *self.field.parameters))])


@cache
def exact() -> Tensor:
    return Net().gradient(Direct(), "dop853", rtol=1e-13, atol=1e-14)


def difference(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).abs().max() / expected.abs().max()).item()


@both
@pytest.mark.parametrize("span", [(0.0, 2.0), (2.0, 0.0), (-1.0, 1.5)])
def test_exponential_growth_has_the_gradients_of_its_formula(mode: GradientMode, span: tuple[float, float]) -> None:
    # y(t) = y0 exp(k (t - t0)), at t1 and at two save points.
    t0, t1 = span
    y0, k = torch.tensor([[0.7], [-1.3]], dtype=torch.float64, requires_grad=True), tensor(0.8).requires_grad_()
    ends = Ends(tensor(t0)[0].requires_grad_(), tensor(t1)[0].requires_grad_())
    times = t0 + (t1 - t0) * tensor(0.25, 0.5)
    found = mode.solve(
        VectorField(lambda p, t, y: p[0] * y, (k,)), get_method("tsit5"), y0, t0, t1, ends=ends, save_at=times, **TIGHT
    )
    c = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    loss = (c * found.y_end).sum() + 5.0 * (c * found.saved[0]).sum() - 2.0 * (c * found.saved[1]).sum()
    grad_y0, grad_k, grad_t0, grad_t1 = torch.autograd.grad(loss, (y0, k, *ends))

    def at(t: float, weight: float) -> list[Tensor]:
        growth, start = math.exp(0.8 * (t - t0)), y0.detach()
        whole = (weight * c * start).sum() * growth
        return [weight * c * growth, (t - t0) * whole, -0.8 * whole, 0.8 * whole]

    parts = [at(t1, 1.0), at(times[0].item(), 5.0), at(times[1].item(), -2.0)]
    tolerance = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(grad_y0, sum(part[0] for part in parts), **tolerance)
    torch.testing.assert_close(grad_k, sum(part[1] for part in parts).reshape(1), **tolerance)
    torch.testing.assert_close(grad_t0, sum(part[2] for part in parts), **tolerance)
    torch.testing.assert_close(grad_t1, parts[0][3], **tolerance)  # save points do not move with the end


@both
@pytest.mark.parametrize("method", ["tsit5", "dop853", "vern7", "ab4", "abm"])
def test_at_tight_tolerances_it_is_the_gradient_of_direct(mode: GradientMode, method: str) -> None:
    tolerances = {"rtol": 1e-7, "atol": 1e-9} if method == "ab4" else {"rtol": 1e-9, "atol": 1e-11}
    assert difference(Net().gradient(mode, method, **tolerances), exact()) < 1e-6


@both
@pytest.mark.parametrize("method", ["bosh3", "tsit5", "dop853"])
def test_the_error_falls_in_proportion_to_the_tolerance(mode: GradientMode, method: str) -> None:
    net, tolerances = Net(), np.logspace(-3, -6 if method == "bosh3" else -9, 4)
    errors = [difference(net.gradient(mode, method, rtol=tol, atol=tol / 100), exact()) for tol in tolerances]
    slope = np.polyfit(np.log(tolerances), np.log(errors), 1)[0]
    assert 0.8 < slope < 1.3
    assert max(np.array(errors) / tolerances) < 10.0


@both
@pytest.mark.parametrize(("method", "order"), [("heun", 2), ("bosh3", 3), ("rk4", 4), ("ab3", 3), ("tsit5", 5)])
def test_with_fixed_steps_the_gradient_has_the_order_of_the_method(mode: GradientMode, method: str, order: int) -> None:
    net, sizes = Net(), 0.1 / 2.0 ** np.arange(3)  # they divide the distances of the save points
    errors = [difference(net.gradient(mode, method, dt=float(dt)), exact()) for dt in sizes]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.15)


@both
def test_a_scaled_loss_has_a_scaled_gradient(mode: GradientMode) -> None:
    # The adjoint is stepped in units of its own size: neither a mean over millions nor loss scaling changes its steps.
    net = Net()
    found = [
        torch.autograd.grad(
            c * mode.solve(net.field, get_method("tsit5"), net.y0, 0.0, 2.0, save_at=TIMES).saved.square().sum(), net.y0
        )[0]
        / c
        for c in (1.0, 1e8, 1e-12)
    ]
    torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(found[2], found[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("per_sample", [None, (False, True)], ids=["masked", "compacted"])
@pytest.mark.parametrize("mode", [*MODES, Direct(), Checkpointed(), Checkpointed(3), Reversible()], ids=str)
def test_neighbours_change_nothing_in_any_mode(mode: GradientMode, per_sample: tuple | None) -> None:
    # Fast samples need many more steps than slow ones, so most of the batch is gone while the last one goes on.
    method = get_method("reversible_tsit5" if mode.name == "reversible" else "tsit5")
    shared = tensor(0.7).requires_grad_()
    speeds = tensor(1.0, 9.0, 1.5, 0.2, 3.0).requires_grad_()
    start = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def rate(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        x, v = y.unbind(1)
        return torch.stack([v, -(p[1] ** 2) * torch.sin(x) - 0.1 * p[0] * v + torch.sin(t)], dim=1)

    def gradients(rows: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        y0, own = start[rows].requires_grad_(), speeds.detach()[rows].requires_grad_()
        found = mode.solve(
            VectorField(rate, (shared, own), per_sample), method, y0, 0.0, 2.0,
            save_at=tensor(1.3), rtol=1e-5, atol=1e-7,
        )  # fmt: skip
        return torch.autograd.grad(found.y_end.square().sum() + found.saved.sum(), (y0, own, shared))

    together = gradients([0, 1, 2, 3, 4])
    alone = [gradients([row]) for row in range(3)]
    order = [3, 1, 4, 0, 2]
    shuffled = gradients(order)
    for part in range(2):
        torch.testing.assert_close(together[part][:3], torch.cat([g[part] for g in alone]), rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(shuffled[part], together[part][order], rtol=1e-12, atol=1e-13)
    some = gradients([0, 1, 2])[2]
    torch.testing.assert_close(some, sum(g[2] for g in alone), rtol=1e-12, atol=1e-13)


@both
@pytest.mark.parametrize("per_sample", [None, (False,)], ids=["masked", "compacted"])
@pytest.mark.parametrize("options", [{"dt": 0.05}, {"rtol": 1e-7, "atol": 1e-9}], ids=["fixed", "adaptive"])
def test_failed_samples_leave_the_gradients_of_the_others_alone(
    mode: GradientMode, options: dict, per_sample: tuple | None
) -> None:
    # exp(y) overflows where sample 1 blows up; sample 2 is NaN from the start.
    start = torch.tensor([[0.1], [3.0], [math.nan], [-1.0]], dtype=torch.float64)

    def solve(rows: list[int]) -> tuple[Trajectory, Tensor, Tensor]:
        rate, y0 = tensor(0.7).requires_grad_(), start[rows].requires_grad_()
        field = VectorField(lambda p, t, y: p[0] * torch.exp(y), (rate,), per_sample)
        return mode.solve(field, get_method("tsit5"), y0, 0.0, 1.0, save_at=tensor(0.5), **options), y0, rate

    def gradients(rows: list[int]) -> tuple[Tensor, Tensor]:
        found, y0, rate = solve(rows)
        fine = found.status == Status.SUCCESS
        return torch.autograd.grad(found.saved[:, fine].square().sum() + found.y_end[fine].sum(), (y0, rate))

    grad_y0, grad_rate = gradients([0, 1, 2, 3])
    expected_y0, expected_rate = gradients([0, 3])
    torch.testing.assert_close(grad_y0[[0, 3]], expected_y0, rtol=1e-12, atol=0)
    torch.testing.assert_close(grad_rate, expected_rate, rtol=1e-12, atol=0)
    assert grad_y0[[1, 2]].abs().max().item() == 0.0
    found, y0, _ = solve([0, 1, 2, 3])
    with pytest.raises(OptionError, match=r"sample 1, which ended early, at t = .*; leave it out of the loss, or use"):
        found.y_end[:2].sum().backward()
    found, y0, _ = solve([2])
    (nothing,) = torch.autograd.grad(found.y_end[:0].sum(), y0)
    assert nothing.tolist() == [[0.0]]


@both
def test_a_gradient_that_is_not_finite_reaches_its_sample_and_the_shared_parameters(mode: GradientMode) -> None:
    net = Net()
    y_end = mode.solve(net.field, get_method("tsit5"), net.y0, 0.0, 2.0).y_end
    arriving = torch.ones_like(y_end)
    arriving[2, 1] = math.nan
    grad_y0, *weights = torch.autograd.grad(y_end, (net.y0, *net.field.parameters), arriving)
    assert torch.isnan(grad_y0).all(dim=1).tolist() == [False, False, True, False, False]
    assert torch.isfinite(grad_y0[[0, 1, 3, 4]]).all()
    assert all(torch.isnan(g).all() for g in weights)


@both
def test_complex_states(mode: GradientMode) -> None:
    # y' = (i w - g) y: L = |y(T) - c|^2 has a real gradient in w and g, and a complex one in y0.
    y0 = torch.tensor([[1.0 + 0.5j, -0.3j]], dtype=torch.complex128, requires_grad=True)
    w, g = tensor(1.7).requires_grad_(), tensor(0.2).requires_grad_()
    field = VectorField(lambda p, t, y: (1j * p[0] - p[1]) * y, (w, g))
    c, span = 0.3 - 0.1j, 1.5
    exact = torch.exp((1j * w - g) * span) * y0
    expected = torch.autograd.grad((exact - c).abs().square().sum(), (y0, w, g))
    y_end = mode.solve(field, get_method("tsit5"), y0, 0.0, span, **TIGHT).y_end
    for found, wanted in zip(torch.autograd.grad((y_end - c).abs().square().sum(), (y0, w, g)), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-9)


@both
def test_single_precision_stays_single(mode: GradientMode) -> None:
    net, times = Net(torch.float32), TIMES
    found = mode.solve(net.field, get_method("tsit5"), net.y0, 0.0, 2.0, save_at=times, rtol=1e-5, atol=1e-6)
    gradient = net.gradient_of(found)
    assert gradient.dtype is torch.float32
    assert difference(gradient.double(), exact()) < 1e-3


@both
def test_a_right_hand_side_that_jumps(mode: GradientMode) -> None:
    # y' = a y before t = 1, and b y from there on: y(2) = y0 exp(a + b).
    y0, a, b = tensor(0.6).reshape(1, 1).requires_grad_(), tensor(0.9).requires_grad_(), tensor(-0.4).requires_grad_()
    field = VectorField(lambda p, t, y: torch.where(t < 1.0, p[0], p[1]).unsqueeze(1) * y, (a, b))
    options = {**TIGHT, "land_at": tensor(1.0), "restart_at": tensor(1.0), "save_at": tensor(0.55)}
    y_end = mode.solve(field, get_method("tsit5"), y0, 0.0, 2.0, **options).y_end
    expected = 0.6 * math.exp(0.5)
    for gradient, wanted in zip(torch.autograd.grad(y_end.sum(), (y0, a, b)), (1 / 0.6, 1.0, 1.0), strict=True):
        assert gradient.item() == pytest.approx(wanted * expected, rel=1e-8)


@both
def test_given_step_times_are_gone_through_backward(mode: GradientMode) -> None:
    net, steps = Net(), 2.0 * torch.linspace(0.0, 1.0, 41, dtype=torch.float64) ** 1.5  # no save point is among them
    assert difference(net.gradient(mode, step_times=steps), exact()) < 1e-6


@both
def test_evaluations_of_the_backward_pass_are_counted(mode: GradientMode) -> None:
    net, calls = Net(), []

    def counting(parameters: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        calls.append(1)
        return net.rate(parameters, t, y)

    field = VectorField(counting, net.field.parameters, net.field.per_sample)
    found = mode.solve(field, get_method("dop853"), net.y0, 0.0, 2.0, save_at=TIMES)
    extra = 3 * int(found.stats.accepted.max()) if mode.name == "quadrature" else 0  # made going forward, for back
    assert found.backward.nfev == 0
    calls.clear()
    net.gradient_of(found)
    assert found.backward.nfev == len(calls) + extra


@both
def test_a_second_pass_gives_the_same_and_nothing_is_held_afterwards(mode: GradientMode) -> None:
    net = Net()
    found = mode.solve(net.field, get_method("tsit5"), net.y0, 0.0, 2.0)
    first, second = (torch.autograd.grad(found.y_end.sum(), net.y0, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)
    held = weakref.ref(found.y_end)
    gc.disable()
    try:
        del found
        assert held() is None
    finally:
        gc.enable()


@both
def test_without_anything_to_differentiate_there_is_no_graph(mode: GradientMode) -> None:
    field = VectorField(lambda p, t, y: -y)
    assert not mode.solve(field, get_method("tsit5"), torch.ones(1, 1), 0.0, 1.0).y_end.requires_grad
    with torch.no_grad():
        net = Net()
        assert not mode.solve(net.field, get_method("tsit5"), net.y0, 0.0, 1.0).y_end.requires_grad
    still = mode.solve(net.field, get_method("tsit5"), net.y0, 1.0, 1.0, save_at=tensor(1.0))
    (gradient,) = torch.autograd.grad(still.y_end.sum() + 2.0 * still.saved.sum(), net.y0)
    assert gradient.tolist() == [[3.0, 3.0]] * 5


@both
def test_what_cannot_be_is_refused_in_one_sentence(mode: GradientMode) -> None:
    y0, rate = torch.ones(1, 1, dtype=torch.float64), tensor(1.0).requires_grad_()
    field = VectorField(lambda p, t, y: -p[0] * y, (rate,))
    with pytest.raises(OptionError, match=r"mine has no dense output; take one of .*tsit5.*, or gradient='checkpoi"):
        mode.check(SimpleNamespace(name="mine", interpolant_order=None), None, 1.0)
    with pytest.raises(OptionError, match="knows no events"):
        fs.solve(
            lambda t, y, k: -k * y, y0[0], t_span=(0, 1), args=(rate,), gradient=mode,
            events=[fs.Event(lambda t, y: y[0] - 0.5)],
        )  # fmt: skip
    with pytest.raises(OptionError, match=r"f captures a tensor .* pass it through args"):
        mode.solve(VectorField(lambda p, t, y: -rate * y), get_method("tsit5"), y0, 0.0, 1.0)
    with pytest.raises(OptionError, match="with until= samples end before, at rest"):
        fs.solve(lambda t, y, k: -k * y, y0[0], args=(rate,), gradient=mode, until=fs.SteadyState(max_time=50.0))
    dropout = VectorField(lambda p, t, y: -p[0] * nn.functional.dropout(y), (rate,))
    with pytest.raises(OptionError, match=r"f draws random numbers .* call \.eval\(\) on the module"):
        mode.solve(dropout, get_method("tsit5"), y0, 0.0, 1.0, dt=0.1)
    with pytest.raises(OptionError, match=rf"fs\.gradients\.{type(mode).__name__}\(rtol=1e-6\)"):
        mode.solve(field, get_method("tsit5"), y0, 0.0, 1.0, rtol=0.0, atol=1e-8)
    with pytest.raises(OptionError, match=r"rtol = 0 of gradient='.*', expected a positive number"):
        type(mode)(rtol=0)
    steps = mode.solve(field, get_method("rk4"), y0, 0.0, 1.0, dt=0.1).steps
    with pytest.raises(OptionError, match=r"rk4 has no error estimate; give dt= instead of replay"):
        mode.solve(field, get_method("rk4"), y0, 0.0, 1.0, replay=steps)


@both
def test_its_own_tolerances_are_those_of_the_backward_pass(mode: GradientMode) -> None:
    net = Net()
    loose = {"rtol": 1e-9, "atol": 1e-11}
    found = [net.gradient(type(mode)(rtol=rtol), **loose) for rtol in (1e-3, 1e-9)]
    assert difference(found[0], exact()) > 1e-7
    assert difference(found[1], exact()) < 2e-9


@both
def test_tolerances_for_each_entry_and_a_norm_of_the_user(mode: GradientMode) -> None:
    net = Net()
    options = {"rtol": tensor(1e-8, 1e-9), "atol": tensor(1e-10, 1e-11), "norm": lambda ratio: ratio.abs().amax(dim=1)}
    assert difference(net.gradient(mode, **options), exact()) < 1e-7
