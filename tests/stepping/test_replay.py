"""Replaying a log of steps, and the log itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import METHODS, get_method
from fieldsolver.stepping import Status, VectorField, integrate

TSIT5 = get_method("tsit5")


def blow_up(p: tuple, t: Tensor, y: Tensor) -> Tensor:
    return y * y * torch.cos(t / 3)[:, None]


Y0 = torch.tensor([[0.1], [2.0], [0.5], [0.01]], dtype=torch.float64)
TIMES = torch.linspace(0, 1, 6, dtype=torch.float64)


@pytest.mark.parametrize("selectable", [False, True])
@pytest.mark.parametrize("name", METHODS)
def test_a_replay_repeats_the_numbers_and_the_outcome(name: str, selectable: bool) -> None:
    method = METHODS[name]
    options = {"dt": 0.03} if method.error_order is None else {"rtol": 1e-3, "atol": 1e-5}
    field = VectorField(blow_up, (), () if selectable else None)
    first = integrate(field, method, Y0, 0.0, 1.0, save_at=TIMES, **options)
    again = integrate(field, method, Y0, 0.0, 1.0, save_at=TIMES, replay=first.steps)
    torch.testing.assert_close(again.saved, first.saved, rtol=1e-14, atol=0, equal_nan=True)
    assert torch.equal(again.status, first.status)
    assert torch.equal(again.t_end, first.t_end)
    assert torch.equal(again.stats.accepted, first.stats.accepted)
    assert again.stats.rejected.sum().item() == 0
    assert all(torch.equal(a, b) for a, b in zip(again.steps.dt, first.steps.dt, strict=True))


def test_the_log_lists_the_nth_step_of_each_sample_in_row_n() -> None:
    trajectory = integrate(VectorField(blow_up), TSIT5, Y0, 0.0, 1.0)
    steps, accepted = trajectory.steps, trajectory.stats.accepted
    dt = torch.stack(steps.dt)
    assert len(steps) == accepted.max().item()
    assert torch.equal((dt != 0).sum(0), accepted)
    for i, count in enumerate(accepted.tolist()):
        assert (dt[:count, i] > 0).all()
        assert (dt[count:, i] == 0).all()
        t = torch.stack(steps.t)[:count, i]
        torch.testing.assert_close(t[1:], (t + dt[:count, i])[:-1], rtol=1e-15, atol=0)
    assert steps.status.tolist().count(Status.SUCCESS) == 3


def test_a_log_of_another_batch_or_span_is_refused() -> None:
    log = integrate(VectorField(blow_up), TSIT5, Y0, 0.0, 1.0).steps
    with pytest.raises(OptionError, match="replay has 4 samples, y0 has 2"):
        integrate(VectorField(blow_up), TSIT5, Y0[:2], 0.0, 1.0, replay=log)
    for span in ((0.0, 2.0), (0.5, 1.0)):
        with pytest.raises(OptionError, match="another time span"):
            integrate(VectorField(blow_up), TSIT5, Y0, *span, replay=log)


def test_samples_that_never_moved_stay_ended() -> None:
    y0 = torch.tensor([[float("nan")], [0.5]], dtype=torch.float64)
    log = integrate(VectorField(blow_up), TSIT5, y0, 0.0, 1.0).steps
    again = integrate(VectorField(blow_up), TSIT5, y0, 0.0, 1.0, replay=log)
    assert again.status.tolist() == [Status.NON_FINITE, Status.SUCCESS]
