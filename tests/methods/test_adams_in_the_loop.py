"""Adams methods driven by the loop: orders, tolerances, cost, samples, jumps, gradients, tensors as control arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import ode, solve_ivp
from torch import Tensor

from fieldsolver.gradients import solve_with_gradient
from fieldsolver.methods.ab2 import AB2
from fieldsolver.methods.ab3 import AB3
from fieldsolver.methods.ab4 import AB4
from fieldsolver.methods.abm import ABM
from fieldsolver.stepping import Status, Trajectory, VectorField, integrate, tensor_ops
from fieldsolver.stepping.control import Attempt
from fieldsolver.stepping.ledger import Ledger

METHODS = {"ab2": AB2, "ab3": AB3, "ab4": AB4, "abm": ABM}
FIXED = [name for name in METHODS if name != "abm"]
ECCENTRICITY = 0.3
PERIOD = 2 * np.pi


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def autonomous(f: Callable[[Tensor, Tensor], Tensor]) -> VectorField:
    return VectorField(lambda parameters, t, y: f(t, y))


def rotation(t: Tensor, y: Tensor) -> Tensor:
    """Solved by (cos t^2, sin t^2)."""
    u, v = y.unbind(1)
    pull = 1.0 - u * u - v * v
    return torch.stack([-2.0 * t * v + pull * u, 2.0 * t * u + pull * v], dim=1)


def rotated(t: Tensor) -> Tensor:
    return torch.stack([torch.cos(t * t), torch.sin(t * t)], dim=-1)


def kepler(t: Tensor, y: Tensor) -> Tensor:
    """With operations that are rounded correctly, so that f of a sample is bit for bit what it is in a batch."""
    x1, x2, v1, v2 = y.unbind(1)
    square = x1 * x1 + x2 * x2
    cube = square * square.sqrt()
    return torch.stack([v1, v2, -x1 / cube, -x2 / cube], dim=1)


def perihelion(*eccentricities: float) -> Tensor:
    return torch.stack([numbers(1 - e, 0, 0, ((1 + e) / (1 - e)) ** 0.5) for e in eccentricities])


def slope(counts: list[int], errors: list[float]) -> float:
    return float(-np.polyfit(np.log(counts), np.log(errors), 1)[0])


class Orders:
    """Observer that keeps the order of every accepted step of sample 0."""

    def __init__(self) -> None:
        self.history: list[int] = []

    def start(self, *arguments: object) -> None: ...

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        self.history.append(int(attempt.step.error_order[0]))


@pytest.mark.parametrize("name", FIXED)
def test_fixed_steps_with_a_short_last_one(name: str) -> None:
    """Errors at saved times, of dense output and at the end, all of order p."""
    method, saves, asked = METHODS[name], torch.linspace(0, 2, 173, dtype=torch.float64), numbers(0.7321, 1.4)
    errors, counts = [], [190.3, 270.4, 380.7, 540.2]
    for count in counts:
        trajectory = integrate(
            autonomous(rotation), method, rotated(numbers(0.0)), 0.0, 2.0, dt=2.0 / count, save_at=saves, dense=True
        )
        found = torch.cat([trajectory.saved[:, 0], trajectory.dense(asked)[:, 0], trajectory.y_end])
        errors.append(float((found - rotated(torch.cat([saves, asked, numbers(2.0)]))).abs().max()))
    assert slope(counts, errors) == pytest.approx(method.order, abs=0.15)


@pytest.mark.parametrize("name", FIXED)
def test_steps_between_given_times(name: str) -> None:
    errors, counts = [], [192, 256, 384, 512]
    for count in counts:
        x = torch.linspace(0, 1, count + 1, dtype=torch.float64)
        times = 2 * x + 0.2 * torch.sin(2 * np.pi * x)
        times[-1] = 2.0
        trajectory = integrate(
            autonomous(rotation), METHODS[name], rotated(numbers(0.0)), 0.0, 2.0, step_times=times, save_at=times
        )
        errors.append(float((trajectory.saved[:, 0] - rotated(times)).abs().max()))
    assert slope(counts, errors) == pytest.approx(METHODS[name].order, abs=0.15)


@pytest.mark.parametrize("name", FIXED)
def test_evaluations_are_counted(name: str) -> None:
    calls = []

    def counted(t: Tensor, y: Tensor) -> Tensor:
        calls.append(1)
        return rotation(t, y)

    trajectory = integrate(autonomous(counted), METHODS[name], rotated(numbers(0.0)), 0.0, 2.0, dt=0.02)
    assert trajectory.stats.nfev.tolist() == [len(calls)] == [100 + 1 + 9 * (name == "ab4")]


@pytest.mark.parametrize("name", FIXED)
def test_a_sample_that_has_ended_costs_the_others_nothing(name: str) -> None:
    calls = []

    def counted(t: Tensor, y: Tensor) -> Tensor:
        calls.append(1)
        return torch.where(y > 1.5, torch.nan, -y)

    y0 = numbers(1.0, 1.0, 2.0).unsqueeze(1)
    trajectory = integrate(autonomous(counted), METHODS[name], y0, 0.0, 1.0, rtol=1e-6, atol=1e-6)
    assert trajectory.status.tolist() == [Status.SUCCESS, Status.SUCCESS, Status.NON_FINITE]
    assert trajectory.stats.nfev[0] == trajectory.stats.nfev[1]
    assert len(calls) <= trajectory.stats.nfev[0] + 1  # that of the sample that cannot start


@pytest.mark.parametrize("name", METHODS)
def test_the_error_follows_the_tolerance(name: str) -> None:
    tolerances = [1e-4, 1e-6, 1e-8]
    errors = []
    for tolerance in tolerances:
        trajectory = integrate(
            autonomous(rotation), METHODS[name], rotated(numbers(0.0)), 0.0, 2.0, rtol=tolerance, atol=tolerance
        )
        errors.append(float((trajectory.y_end - rotated(numbers(2.0))).abs().max()))
        assert trajectory.stats.rejected.max() <= 0.25 * trajectory.stats.accepted.max() + 5
    assert all(0.1 < error / tolerance < 3e3 for error, tolerance in zip(errors, tolerances, strict=True))


def orbit(tolerance: float, **options: object) -> Trajectory:
    return integrate(
        autonomous(kepler), ABM, perihelion(ECCENTRICITY), 0.0, 2 * PERIOD, rtol=tolerance, atol=tolerance, **options
    )


def test_abm_is_proportional_to_the_tolerance_from_1e_3_to_1e_12() -> None:
    tolerances = [10.0**-k for k in range(3, 13)]
    errors = [float((orbit(tolerance).y_end - perihelion(ECCENTRICITY)).abs().max()) for tolerance in tolerances]
    assert slope([1 / t for t in tolerances], errors) == pytest.approx(1.0, abs=0.15)
    assert all(1 < error / tolerance < 5e3 for error, tolerance in zip(errors, tolerances, strict=True))


def test_abm_needs_no_more_evaluations_than_the_adams_codes_of_scipy() -> None:
    def cost_at(error: float, runs: list[tuple[float, float]]) -> float:
        errors, costs = np.log([run[0] for run in runs]), np.log([run[1] for run in runs])
        return float(np.exp(np.polyval(np.polyfit(errors, costs, 1), np.log(error))))

    start = perihelion(ECCENTRICITY)

    def f(t: float, y: np.ndarray) -> np.ndarray:
        return kepler(None, torch.from_numpy(np.asarray(y)).unsqueeze(0))[0].numpy()

    lsoda, vode, ours = [], [], []
    for tolerance in [10.0**-k for k in range(4, 12)]:
        found = solve_ivp(f, (0, 2 * PERIOD), start[0].numpy(), method="LSODA", rtol=tolerance, atol=tolerance)
        lsoda.append((np.abs(found.y[:, -1] - start[0].numpy()).max(), found.nfev))
        calls: list[float] = []
        solver = ode(lambda t, y, calls=calls: (calls.append(t), f(t, y))[1])
        solver.set_integrator("vode", method="adams", rtol=tolerance, atol=tolerance, nsteps=10**6)
        solver.set_initial_value(start[0].numpy(), 0.0)
        vode.append((np.abs(solver.integrate(2 * PERIOD) - start[0].numpy()).max(), len(calls)))
        trajectory = orbit(tolerance)
        ours.append((float((trajectory.y_end - start).abs().max()), int(trajectory.stats.nfev)))
    for error in (1e-3, 1e-5, 1e-7, 1e-9):
        assert cost_at(error, ours) < 1.1 * min(cost_at(error, lsoda), cost_at(error, vode))


def test_the_order_rises_with_the_accuracy_asked_for() -> None:
    def history(tolerance: float) -> list[int]:
        orders = Orders()
        orbit(tolerance, observers=[orders])
        return orders.history

    loose, tight = history(1e-3), history(1e-10)
    assert tight[0] == 1
    assert max(tight) > 9
    assert np.mean(tight) > 8 > 6 > np.mean(loose)


@pytest.mark.parametrize("options", [{"dt": 0.03}, {"rtol": 1e-6, "atol": 1e-8}], ids=["fixed", "adaptive"])
@pytest.mark.parametrize("name", METHODS)
def test_a_sample_does_not_depend_on_the_others(name: str, options: dict) -> None:
    """Orbits that need steps of different number and size; one sample hits the centre and fails."""
    y0 = torch.cat([perihelion(0.0, 0.3, 0.7, 0.5), numbers(0.0, 0.0, 0.0, 0.0).unsqueeze(0)])
    saves = torch.linspace(0, 5, 7, dtype=torch.float64)
    together = integrate(autonomous(kepler), METHODS[name], y0, 0.0, 5.0, save_at=saves, **options)
    assert together.status.tolist() == [Status.SUCCESS] * 4 + [Status.NON_FINITE]
    for row in range(4):
        alone = integrate(autonomous(kepler), METHODS[name], y0[row : row + 1], 0.0, 5.0, save_at=saves, **options)
        torch.testing.assert_close(alone.saved[:, 0], together.saved[:, row], rtol=1e-12, atol=1e-12)
        for count in ("accepted", "rejected", "nfev"):
            assert getattr(alone.stats, count)[0] == getattr(together.stats, count)[row]


def jump(t: Tensor, y: Tensor) -> Tensor:
    return torch.where(t < 1.7, -1.0, 2.0).unsqueeze(1) * y + torch.cos(3 * t).unsqueeze(1)


@pytest.mark.parametrize("tolerance", [1e-5, 1e-8])
@pytest.mark.parametrize("name", METHODS)
def test_jumps_of_f_that_are_announced_or_not(name: str, tolerance: float) -> None:
    """Announced, the samples start anew there; otherwise rejected steps find the jump and no more."""
    left = solve_ivp(lambda t, y: -y + np.cos(3 * t), (0, 1.7), [1.0], rtol=1e-12, atol=1e-14, method="DOP853")
    right = solve_ivp(
        lambda t, y: 2 * y + np.cos(3 * t), (1.7, 3), left.y[:, -1], rtol=1e-12, atol=1e-14, method="DOP853"
    )
    known, unknown = (
        integrate(
            autonomous(jump), METHODS[name], numbers(1.0).unsqueeze(0), 0.0, 3.0,
            rtol=tolerance, atol=tolerance, restart_at=restart_at,
        )
        for restart_at in (numbers(1.7), None)
    )  # fmt: skip
    for trajectory in (known, unknown):
        assert abs(float(trajectory.y_end) - right.y[0, -1]) < 5e3 * tolerance
    assert unknown.stats.rejected.max() < 50
    assert unknown.stats.nfev.max() < 2 * known.stats.nfev.max()


@pytest.mark.parametrize("name", METHODS)
def test_backward_in_time_and_back(name: str) -> None:
    options = {"rtol": 1e-8, "atol": 1e-10}
    there = integrate(autonomous(kepler), METHODS[name], perihelion(0.3), 0.0, 2.0, **options).y_end
    back = integrate(autonomous(kepler), METHODS[name], there, 2.0, 0.0, **options).y_end
    torch.testing.assert_close(back, perihelion(0.3), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_single_precision_reaches_its_tolerance(dtype: torch.dtype) -> None:
    def f(t: Tensor, y: Tensor) -> Tensor:
        return torch.cos(t).to(y.dtype).unsqueeze(1) * y

    y_end = integrate(autonomous(f), ABM, torch.ones(2, 3, dtype=dtype), 0.0, 5.0, rtol=1e-5, atol=1e-6).y_end
    assert y_end.dtype == dtype
    torch.testing.assert_close(y_end, torch.full_like(y_end, float(np.exp(np.sin(5.0)))), rtol=1e-3, atol=0)


@pytest.mark.parametrize("mode", ["direct", "checkpointed"])
@pytest.mark.parametrize("options", [{"dt": 0.06}, {"rtol": 1e-5, "atol": 1e-6}], ids=["fixed", "adaptive"])
@pytest.mark.parametrize("name", METHODS)
def test_gradients_are_those_of_the_discrete_solution(name: str, options: dict, mode: str) -> None:
    def f(parameters: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        return torch.tanh(y @ parameters[0]) + torch.cos(3 * t).unsqueeze(1) * y

    torch.manual_seed(3)
    y0, weight = torch.randn(3, 2, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    y0[2] *= 8.0
    inputs = (y0.requires_grad_(), weight.requires_grad_())
    saves = numbers(0.0, 0.31, 1.0)
    trajectory = solve_with_gradient(
        mode, VectorField(f, (weight,)), METHODS[name], y0, 0.0, 1.0, save_at=saves, **options
    )

    def loss(trajectory: Trajectory) -> Tensor:
        return trajectory.saved[1].square().sum() + trajectory.y_end.pow(3).sum()

    gradients = torch.autograd.grad(loss(trajectory), inputs)
    direction = [torch.randn_like(x) for x in inputs]
    moved = []
    for sign in (1, -1):
        a, b = (x.detach() + sign * 1e-5 * d for x, d in zip(inputs, direction, strict=True))
        again = integrate(VectorField(f, (b,)), METHODS[name], a, 0.0, 1.0, save_at=saves, replay=trajectory.steps)
        moved.append(float(loss(again)))
    expected = (moved[0] - moved[1]) / 2e-5
    found = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_tensors_as_control_arrays_give_the_same_solution(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on a device, run on the host: masks instead of decisions of Python."""

    def solve() -> Trajectory:
        return integrate(autonomous(kepler), METHODS[name], perihelion(0.1, 0.6), 0.0, 3.0, rtol=1e-6, atol=1e-8)

    host = solve()
    monkeypatch.setattr("fieldsolver.stepping.loop.arithmetic_on", lambda device: tensor_ops)
    monkeypatch.setattr("fieldsolver.methods.adams_coefficients.can_be_read", lambda values: False)
    monkeypatch.setattr("fieldsolver.methods.adams_bashforth.can_be_read", lambda values: False)
    device = solve()
    torch.testing.assert_close(device.y_end, host.y_end, rtol=1e-12, atol=1e-12)
    assert device.stats.accepted.tolist() == host.stats.accepted.tolist()
