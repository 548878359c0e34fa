"""Save points and dense output never change the steps, and are exact where they can be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import METHODS, get_method
from fieldsolver.stepping import StepLog, VectorField, integrate

TSIT5 = get_method("tsit5")


def swing(p: tuple, t: Tensor, y: Tensor) -> Tensor:
    return torch.stack((y[:, 1], -torch.sin(y[:, 0]) + 0.1 * torch.cos(t)), -1)


Y0 = torch.tensor([[1.0, 0.0], [0.1, 2.0], [3.0, -1.0]], dtype=torch.float64)


def same_steps(a: StepLog, b: StepLog) -> bool:
    pairs = [*zip(a.t, b.t, strict=True), *zip(a.dt, b.dt, strict=True)]
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("options", [{}, {"dt": 0.13}], ids=["adaptive", "fixed"])
def test_save_points_and_dense_output_change_nothing(options: dict) -> None:
    bare = integrate(VectorField(swing), TSIT5, Y0, 0.0, 5.0, **options)
    times = torch.sort(torch.rand(333, generator=torch.Generator().manual_seed(0)).double() * 5).values
    full = integrate(VectorField(swing), TSIT5, Y0, 0.0, 5.0, save_at=times, dense=True, **options)
    assert same_steps(bare.steps, full.steps)
    assert torch.equal(bare.y_end, full.y_end)
    assert torch.equal(bare.stats.nfev, full.stats.nfev)


@pytest.mark.parametrize("direction", [1.0, -1.0])
@pytest.mark.parametrize("name", METHODS)
def test_both_ends_and_every_step_end_are_exact(name: str, direction: float) -> None:
    end = 2.0 * direction
    states = []
    options = {"dt": 0.25, "callback": lambda t, y: states.append(y)}
    times = torch.linspace(0, end, 9, dtype=torch.float64)
    trajectory = integrate(VectorField(swing), METHODS[name], Y0, 0.0, end, save_at=times, **options)
    assert torch.equal(trajectory.saved, torch.stack([Y0, *states]))
    assert torch.equal(trajectory.saved[-1], trajectory.y_end)


def test_several_save_points_in_one_step_repeated_ones_and_both_ends() -> None:
    times = torch.tensor([0.0, 0.0, 0.01, 0.02, 0.02, 3.0, 3.0], dtype=torch.float64)
    trajectory = integrate(VectorField(swing), TSIT5, Y0, 0.0, 3.0, save_at=times, dense=True)
    assert torch.equal(trajectory.saved[0], Y0)
    assert torch.equal(trajectory.saved[1], Y0)
    assert torch.equal(trajectory.saved[3], trajectory.saved[4])
    assert torch.equal(trajectory.saved[6], trajectory.y_end)
    assert torch.equal(trajectory.dense(times), trajectory.saved)


def test_saved_values_are_accurate_at_the_tolerance() -> None:
    times = torch.linspace(0, 4, 101, dtype=torch.float64)
    rough = integrate(VectorField(swing), TSIT5, Y0, 0.0, 4.0, save_at=times, rtol=1e-6, atol=1e-6)
    fine = integrate(VectorField(swing), TSIT5, Y0, 0.0, 4.0, save_at=times, rtol=1e-12, atol=1e-12)
    assert float((rough.saved - fine.saved).abs().max()) < 2e-5


def test_a_backward_run_saves_in_its_own_order() -> None:
    times = torch.linspace(0, -1, 5, dtype=torch.float64)
    trajectory = integrate(VectorField(swing), TSIT5, Y0, 0.0, -1.0, save_at=times, dense=True)
    assert torch.isfinite(trajectory.saved).all()
    assert torch.equal(trajectory.dense(times.flip(0)), trajectory.saved.flip(0))


def test_dense_output_takes_numbers_and_times_in_any_order() -> None:
    dense = integrate(VectorField(swing), TSIT5, Y0, 0.0, 4.0, dense=True).dense
    times = torch.tensor([3.3, 0.0, 4.0, 1.7], dtype=torch.float64)
    values = dense(times)
    assert values.shape == (4, 3, 2)
    assert torch.equal(dense(3.3), values[0])
    assert torch.equal(dense(torch.tensor(1.7)), dense(float(torch.tensor(1.7))))
    assert torch.equal(values[1], Y0)


@pytest.mark.parametrize("t", [-0.1, 4.1, float("nan")])
def test_dense_output_refuses_to_extrapolate(t: float) -> None:
    dense = integrate(VectorField(swing), TSIT5, Y0, 0.0, 4.0, dense=True).dense
    with pytest.raises(OptionError, match=r"within \[0.0, 4.0\]"):
        dense(t)


def test_dense_output_is_nan_where_a_sample_had_ended() -> None:
    y0 = torch.tensor([[0.1], [1.0]], dtype=torch.float64)
    field = VectorField(lambda p, t, y: y * y, (), ())
    dense = integrate(field, TSIT5, y0, 0.0, 2.0, dense=True).dense
    assert torch.isfinite(dense(0.9)).all()
    assert torch.isnan(dense(1.5)[1]).all()
    assert dense(1.5)[0].item() == pytest.approx(1 / (10 - 1.5), rel=1e-6)


def test_without_save_points_nothing_is_saved() -> None:
    trajectory = integrate(VectorField(swing), TSIT5, Y0, 0.0, 1.0)
    assert trajectory.saved.shape == (0, 3, 2)
    assert trajectory.dense is None


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.0, 2.0], r"leaves the time span \[0.0, 1.0\]"),
        ([0.5, 0.2], "not ordered from t0 towards t1"),
        ([[0.5]], r"expected \(T,\)"),
        ([float("nan")], "leaves the time span"),
    ],
)
def test_impossible_save_points_are_refused(times: list, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        integrate(VectorField(swing), TSIT5, Y0, 0.0, 1.0, save_at=torch.tensor(times))


def test_saved_values_carry_the_graph() -> None:
    y0 = Y0.clone().requires_grad_()
    times = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    trajectory = integrate(VectorField(swing), TSIT5, y0, 0.0, 1.0, dt=0.25, save_at=times)
    for i, expected in enumerate((1.0, None, None)):
        (gradient,) = torch.autograd.grad(trajectory.saved[i, 0, 0], y0, retain_graph=True)
        assert gradient[1:].abs().max().item() == 0.0
        assert expected is None or gradient[0, 0].item() == expected
