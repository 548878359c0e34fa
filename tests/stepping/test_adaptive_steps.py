"""Adaptive steps: outcomes, isolation of failing samples, batch independence, limits, costs."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import METHODS, get_method
from fieldsolver.methods.mccallum_foster import McCallumFoster
from fieldsolver.stepping import Status, Trajectory, VectorField, integrate

ADAPTIVE = [name for name, method in METHODS.items() if method.error_order is not None]
TSIT5 = get_method("tsit5")
LOOSE = {name: {"rtol": 1e-3, "atol": 1e-5} for name in ADAPTIVE if METHODS[name].order <= 3}


def lorenz(p: tuple, t: Tensor, y: Tensor) -> Tensor:
    a, b, c = y.unbind(-1)
    return torch.stack((10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c), -1)


def blow_up(p: tuple, t: Tensor, y: Tensor) -> Tensor:
    return y * y


def starts(samples: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(samples, 3, generator=generator, dtype=torch.float64).to(dtype) * 5


@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_blow_up_ends_with_its_status_and_its_neighbours_finish_unaltered(name: str) -> None:
    y0 = torch.tensor([[0.1], [2.0], [0.5], [-3.0]], dtype=torch.float64)  # 1 / (1/y0 - t): poles at 10, 0.5, 2, never
    times = torch.linspace(0, 1, 5, dtype=torch.float64)
    options = {"save_at": times, **LOOSE.get(name, {"rtol": 1e-7, "atol": 1e-9})}
    together = integrate(VectorField(blow_up), METHODS[name], y0, 0.0, 1.0, **options)
    assert together.status.tolist() == [Status.SUCCESS, Status.DT_UNDERFLOW, Status.SUCCESS, Status.SUCCESS]
    beyond = 0.01 if name in ("ab2", "ab3") else 1e-3  # they see of the pole what the past steps have seen of it
    assert together.t_end[1].item() == pytest.approx(0.5, abs=beyond)
    assert torch.isfinite(together.saved[:2]).all()
    assert torch.isnan(together.saved[3:, 1]).all()
    for i in (0, 2, 3):
        alone = integrate(VectorField(blow_up), METHODS[name], y0[i : i + 1], 0.0, 1.0, **options)
        torch.testing.assert_close(alone.saved[:, 0], together.saved[:, i], rtol=1e-12, atol=0)
        assert alone.stats.nfev.item() == together.stats.nfev[i].item()
        assert alone.stats.rejected.item() == together.stats.rejected[i].item()


@pytest.mark.parametrize("selectable", [False, True])
def test_samples_are_the_same_alone_in_a_batch_and_permuted(selectable: bool, device: torch.device) -> None:
    per_sample = () if selectable else None  # () lets the loop take ended samples out of the batch
    y0 = starts(9).to(device)
    y0[4:] *= 1e-3  # very different numbers of steps
    field = VectorField(lorenz, (), per_sample)
    times = torch.linspace(0, 2, 7, dtype=torch.float64)

    def solve(y0: Tensor) -> Trajectory:
        return integrate(field, TSIT5, y0, 0.0, 2.0, save_at=times, rtol=1e-6, atol=1e-8)

    whole, order = solve(y0), torch.randperm(9, generator=torch.Generator().manual_seed(0))
    permuted = solve(y0[order])
    torch.testing.assert_close(permuted.saved, whole.saved[:, order], rtol=1e-12, atol=1e-12)
    for i in range(9):
        alone = solve(y0[i : i + 1])
        torch.testing.assert_close(alone.saved[:, 0], whole.saved[:, i], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(alone.y_end[0], whole.y_end[i], rtol=1e-12, atol=1e-12)
        assert alone.stats.accepted.item() == whole.stats.accepted[i].item()
        assert alone.stats.nfev.item() == whole.stats.nfev[i].item()


def test_ended_samples_leave_the_batch_when_the_field_allows_it() -> None:
    rates = torch.tensor([[1.0], [1.0], [1.0], [200.0]], dtype=torch.float64)
    sizes = []

    def relax(parameters: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        sizes.append(y.shape[0])
        return -parameters[0] * y

    y0 = torch.ones(4, 1, dtype=torch.float64)
    compact = integrate(VectorField(relax, (rates,), (True,)), TSIT5, y0, 0.0, 1.0)
    assert sizes[-1] == 1
    sizes.clear()
    masked = integrate(VectorField(relax, (rates,)), TSIT5, y0, 0.0, 1.0)
    assert set(sizes) == {4}
    assert torch.equal(compact.y_end, masked.y_end)
    torch.testing.assert_close(masked.y_end, torch.exp(-rates), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_single_precision_stays_single(dtype: torch.dtype, device: torch.device) -> None:
    y0 = starts(2).to(device, dtype)
    tolerances = {"rtol": torch.tensor(1e-4).double(), "atol": torch.full((3,), 1e-5).double()}
    times = torch.linspace(0, 1, 3, dtype=torch.float64)
    trajectory = integrate(VectorField(lorenz), TSIT5, y0, 0.0, 1.0, save_at=times, dense=True, **tolerances)
    assert trajectory.y_end.dtype == trajectory.saved.dtype == trajectory.dense(0.3).dtype == dtype
    assert trajectory.t_end.dtype == torch.float64
    assert trajectory.status.tolist() == [Status.SUCCESS] * 2


def test_each_accepted_and_rejected_step_costs_what_it_should() -> None:
    calls, with_rejections = [], 0

    def counted(p: tuple, t: Tensor, y: Tensor) -> Tensor:
        calls.append(1)
        return lorenz(p, t, y)

    for name in ADAPTIVE:
        calls.clear()
        stats = integrate(VectorField(counted), METHODS[name], starts(1), 0.0, 1.0, **LOOSE.get(name, {})).stats
        attempts = (stats.accepted + stats.rejected).item()
        method = METHODS[name]
        # Two evaluations choose the first step; the first of them is also the first stage.
        expected = 2 + (method.stages - 1) * attempts if method.fsal else 1 + method.stages * attempts
        if name == "ab4":  # three more in its Runge-Kutta steps, of which three are accepted
            starting = (len(calls) - expected) / 3
            assert starting == int(starting)
            assert 3 <= starting <= 3 + stats.rejected.item()
            expected = len(calls)
        if isinstance(method, McCallumFoster):  # begins with a second state and without that derivative
            expected += 1
        assert stats.nfev.item() == len(calls) == expected
        with_rejections += stats.rejected.item() > 0
    assert with_rejections > len(ADAPTIVE) / 2


def test_the_cost_on_lorenz_is_competitive() -> None:
    stats = integrate(VectorField(lorenz), TSIT5, torch.ones(1, 3).double(), 0.0, 20.0, rtol=1e-6, atol=1e-9).stats
    assert stats.nfev.item() < 5000  # torchdiffeq's dopri5 takes 5258


@pytest.mark.parametrize("name", ADAPTIVE)
def test_an_undefined_region_beyond_a_step_is_only_a_rejection(name: str) -> None:
    # y' = -sqrt(y) ends at y = 0 for t = 2; a step that overshoots gives NaN and must be tried again, smaller. At the
    # end y is still larger than the tolerance: an approximation that reaches 0 before could not go on.
    field = VectorField(lambda p, t, y: -torch.sqrt(y))
    y0 = torch.ones(1, 1, dtype=torch.float64)
    end = 1.99 if name in ("heun", "tsit5") else 1.9  # these two do not reach 0 before their time
    if name in ("reversible_heun", "reversible_tsit5"):
        end = 1.7  # their errors grow the faster the closer y comes to 0
    trajectory = integrate(field, METHODS[name], y0, 0.0, end, rtol=1e-2, atol=1e-3)
    assert trajectory.status.item() == Status.SUCCESS
    assert trajectory.y_end.item() == pytest.approx((1 - end / 2) ** 2, abs=1e-2)


def test_a_wall_of_nan_ends_as_not_finite() -> None:
    field = VectorField(lambda p, t, y: torch.where(t > 0.5, math.nan, 1.0).view(-1, 1) * torch.ones_like(y))
    y0 = torch.zeros(1, 1, dtype=torch.float64)
    trajectory = integrate(field, TSIT5, y0, 0.0, 1.0)
    assert trajectory.status.item() == Status.NON_FINITE
    assert trajectory.t_end.item() == pytest.approx(0.5, abs=1e-9)
    assert trajectory.t_end.item() <= 0.5
    assert "finite" in Status(trajectory.status.item()).sentence


def test_an_overflow_hidden_by_the_scaled_error_is_not_accepted() -> None:
    # y_new overflows while the error stays finite: error / (rtol * inf) would be 0.
    field = VectorField(lambda p, t, y: torch.full_like(y, 1e308))
    y0 = torch.full((1, 1), 1.7e308, dtype=torch.float64)
    trajectory = integrate(field, get_method("heun"), y0, 0.0, 10.0)
    assert trajectory.status.item() == Status.NON_FINITE
    assert torch.isfinite(trajectory.y_end).all()


def test_max_steps_counts_attempts_per_sample() -> None:
    y0 = torch.tensor([[1e-6], [1.0]], dtype=torch.float64)
    field = VectorField(lambda p, t, y: 50 * torch.sin(40 * t)[:, None] * y * (y > 0.5))
    trajectory = integrate(field, TSIT5, y0, 0.0, 1.0, max_steps=30)
    assert trajectory.status.tolist() == [Status.SUCCESS, Status.MAX_STEPS]
    assert (trajectory.stats.accepted + trajectory.stats.rejected)[1].item() == 30


def test_dt_max_and_dt_min_hold() -> None:
    y0 = torch.ones(1, 1, dtype=torch.float64)
    field = VectorField(lambda p, t, y: -y)
    limited = integrate(field, TSIT5, y0, 0.0, 1.0, rtol=1e-3, atol=1e-3, dt_max=0.03)
    assert limited.stats.largest_dt.item() <= 0.03
    assert limited.status.item() == Status.SUCCESS
    coarse = integrate(VectorField(blow_up), TSIT5, y0, 0.0, 2.0, dt_min=1e-3)
    assert coarse.status.item() == Status.DT_UNDERFLOW
    assert coarse.stats.smallest_dt.item() >= 1e-3
    assert "blows up" in Status.DT_UNDERFLOW.sentence


def test_backward_then_forward_returns() -> None:
    y0 = starts(3)
    back = integrate(VectorField(lorenz), TSIT5, y0, 0.0, -0.2, rtol=1e-10, atol=1e-12)
    forth = integrate(VectorField(lorenz), TSIT5, back.y_end, -0.2, 0.0, rtol=1e-10, atol=1e-12)
    assert back.status.tolist() == forth.status.tolist() == [Status.SUCCESS] * 3
    torch.testing.assert_close(forth.y_end, y0, rtol=1e-6, atol=1e-6)


@settings(max_examples=25)
@given(shift=st.floats(-100, 100), scale=st.floats(1e-3, 1e3))
def test_time_shifts_and_scaled_linear_states_change_nothing(shift: float, scale: float) -> None:
    field = VectorField(lambda p, t, y: torch.stack((y[:, 1], -4 * y[:, 0] - 0.1 * y[:, 1]), -1))
    y0 = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    base = integrate(field, TSIT5, y0, 0.0, 2.0, rtol=1e-6, atol=1e-6)
    moved = integrate(field, TSIT5, scale * y0, shift, shift + 2.0, rtol=1e-6, atol=1e-6 * scale)
    torch.testing.assert_close(moved.y_end / scale, base.y_end, rtol=1e-8, atol=1e-8)


def test_a_random_field_is_refused() -> None:
    field = VectorField(lambda p, t, y: torch.nn.functional.dropout(-y, 0.5, training=True))
    with pytest.raises(OptionError, match=r"draws random numbers .* call .eval\(\)"):
        integrate(field, TSIT5, torch.ones(1, 4, dtype=torch.float64), 0.0, 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtol": -1.0}, "rtol = -1.0"),
        ({"rtol": math.nan}, "rtol = nan"),
        ({"rtol": 0.0, "atol": 0.0}, "at least one of them"),
        ({"dt_min": 1.0, "dt_max": 0.1}, "0 <= dt_min <= dt_max"),
        ({"dt_max": 0.0}, "dt_max > 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        integrate(VectorField(blow_up), TSIT5, torch.ones(1, 1).double(), 0.0, 0.5, **options)
