"""What `solve` takes beside the problem: tolerances, limits and landings of the steps, callbacks that raise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import fieldsolver as fs

Y0 = torch.tensor([1.0, 2.0], dtype=torch.float64)


def decay(t: Tensor, y: Tensor) -> Tensor:
    return -y


def starts(solution: fs.Solution) -> list[float]:
    assert solution.steps is not None
    return [row.item() for row in solution.steps.t]


def test_steps_end_on_the_times_they_must_land_on() -> None:
    wanted = [0.3, 1.0, 2.5, 2.5000001]
    solution = fs.solve(decay, Y0, t_span=(0, 3), land_at=wanted)
    assert set(wanted) <= set(starts(solution))
    free = fs.solve(decay, Y0, t_span=(0, 3))
    assert not set(wanted) & set(starts(free))
    assert solution.stats.accepted <= free.stats.accepted + 2 * len(
        wanted
    )  # a cut step does not make the next ones small


def test_steps_end_on_the_knots_of_a_signal() -> None:
    knots = torch.tensor([0.0, 0.7, 0.71, 2.0])
    pulse = fs.Signal(knots, [0.0, 0.0, 100.0, 0.0])
    equation = fs.FieldEquation("du/dt = -u + s", parameters={"s": pulse})
    solution = fs.solve(equation, {"u": torch.zeros(())}, t_span=(0.0, 3.0))
    assert {0.7, 0.71, 2.0} <= {round(t, 6) for t in starts(solution)}


def test_a_jump_of_f_costs_no_rejections_when_it_is_known() -> None:
    def switched(t: Tensor, y: Tensor) -> Tensor:
        return torch.where(t >= 1.0, 5.0, 1.0) * torch.cos(t) * torch.ones_like(y)

    exact = math.sin(1) + 5 * (math.sin(2) - math.sin(1))
    known = fs.solve(switched, Y0, t_span=(0, 2), restart_at=[1.0], rtol=1e-9, atol=1e-12, save_at=[1.0, 2.0])
    blind = fs.solve(switched, Y0, t_span=(0, 2), rtol=1e-9, atol=1e-12)
    assert known.y[-1, 0].item() - 1.0 == pytest.approx(exact, abs=1e-9)
    assert known.y[0, 0].item() - 1.0 == pytest.approx(math.sin(1.0), abs=1e-9)
    assert known.stats.rejected <= 2 < 10 < blind.stats.rejected


def test_the_size_of_steps_can_be_bounded() -> None:
    solution = fs.solve(decay, Y0, t_span=(0, 3), dt_max=0.05, first_step=0.01)
    assert solution.stats.largest_dt.item() <= 0.05
    assert np.diff(starts(solution))[0] == pytest.approx(0.01)
    with pytest.raises(fs.SolveFailed, match="step size fell to the smallest possible one"):
        fs.solve(lambda t, y: y * y, Y0, t_span=(0, 3), dt_min=1e-3)


def test_every_controller_solves_the_problem() -> None:
    counts = {}
    for name in fs.stepping.controllers.CONTROLLERS:
        solution = fs.solve(decay, Y0, t_span=(0, 3), controller=name)
        torch.testing.assert_close(solution.y[-1], Y0 * math.exp(-3), rtol=1e-4, atol=0)
        counts[name] = int(solution.stats.accepted)
    assert len(set(counts.values())) > 1


def test_tolerances_may_belong_to_fields_or_entries() -> None:
    equation = fs.FieldEquation("du/dt = v; dv/dt = -u")
    state = {"u": torch.tensor(1.0).double(), "v": torch.tensor(0.0).double()}
    tight = fs.solve(equation, state, t_span=(0, 5), rtol=1e-10, atol=1e-10)
    same = fs.solve(equation, state, t_span=(0, 5), rtol=1e-10, atol={"u": 1e-10, "v": 1e-10})
    loose = fs.solve(equation, state, t_span=(0, 5), rtol=1e-10, atol={"u": 1e-10, "v": 1e-1})
    entries = fs.solve(equation, state, t_span=(0, 5), rtol=1e-10, atol=torch.tensor([1e-10, 1e-1]))
    assert same.stats.accepted == tight.stats.accepted
    assert loose.stats.accepted < tight.stats.accepted
    assert loose.stats.accepted == entries.stats.accepted
    assert fs.solve(equation, state, t_span=(0, 5), atol={"u": 1e-9, "v": 1e-3}).to_xarray().attrs["atol"]


def test_the_norm_of_the_error_can_be_ones_own() -> None:
    def largest(error: Tensor) -> Tensor:
        return error.abs().reshape(error.shape[0], -1).amax(dim=1)

    usual = fs.solve(decay, Y0, t_span=(0, 3), rtol=1e-8)
    strict = fs.solve(decay, Y0, t_span=(0, 3), rtol=1e-8, norm=lambda e: 1000 * largest(e))
    assert strict.stats.accepted > usual.stats.accepted


def test_a_replay_makes_the_same_steps() -> None:
    first = fs.solve(decay, Y0, t_span=(0, 3))
    again = fs.solve(decay, Y0, t_span=(0, 3), replay=first.steps)
    assert torch.equal(again.y, first.y)
    nearby = fs.solve(decay, Y0 + 1e-3, t_span=(0, 3), replay=first.steps)
    assert starts(nearby) == starts(first)


def test_a_replay_takes_the_method_of_its_log_and_no_word_about_steps() -> None:
    first = fs.solve(decay, Y0, t_span=(0, 3), method="dop853")
    again = fs.solve(decay, Y0, t_span=(0, 3), replay=first.steps)
    assert again.stats.method == "dop853"
    assert torch.equal(again.y, first.y)
    with pytest.raises(fs.OptionError, match="leave dt, land_at out"):
        fs.solve(decay, Y0, t_span=(0, 3), replay=first.steps, dt=0.1, land_at=[1.0])
    with pytest.raises(fs.OptionError, match="earlier solve, got Solution"):
        fs.solve(decay, Y0, t_span=(0, 3), replay=first)


def test_what_a_callback_raises_passes_with_the_partial_solution() -> None:
    class Enough(Exception):
        pass

    times: list[float] = []

    def stop(t: Tensor, y: Tensor) -> None:
        times.append(t.item())
        if len(times) == 5:
            raise Enough

    save_at = torch.linspace(0, 3, 61)
    whole = fs.solve(decay, Y0, t_span=(0, 3), save_at=save_at)
    with pytest.raises(Enough) as caught:
        fs.solve(decay, Y0, t_span=(0, 3), save_at=save_at, callback=stop)
    partial: fs.Solution = caught.value.solution
    reached = save_at <= times[-1]
    assert 0 < int(reached.sum()) < 61
    assert torch.equal(partial.y[reached], whole.y[reached])
    assert partial.y[~reached].isnan().all()
    assert partial.t_end.item() == times[-1]
    assert partial.status.item() == fs.Status.INTERRUPTED


def test_an_interrupt_inside_f_keeps_what_was_solved() -> None:
    def interrupted(t: Tensor, y: Tensor) -> Tensor:
        if t > 1:
            raise KeyboardInterrupt
        return -y

    with pytest.raises(KeyboardInterrupt) as caught:
        fs.solve(interrupted, Y0, t_span=(0, 3), save_at=[0.0, 0.5, 2.0])
    partial: fs.Solution = caught.value.solution
    torch.testing.assert_close(partial.y[1], Y0 * math.exp(-0.5), rtol=1e-5, atol=0)
    assert partial.y[2].isnan().all()


def test_a_stiff_problem_is_found_and_named() -> None:
    def stiff(t: Tensor, y: Tensor) -> Tensor:
        return -1000.0 * (y - torch.cos(t))

    with pytest.warns(fs.FieldSolverWarning, match="became stiff"):
        solution = fs.solve(stiff, Y0, t_span=(0, 2), rtol=1e-3, atol=1e-6)
    assert "became stiff" in solution.stats.reason
    assert 0 < solution.stats.stiff_from.item() < 1
    assert solution.stats.stiffness_ratio.item() > 0.8
    calm = fs.solve(decay, Y0, t_span=(0, 30))
    assert calm.stats.stiff_from.isnan().all()


def test_a_stiff_sample_is_found_among_others() -> None:
    rates = torch.tensor([1.0, 1000.0, 2.0], dtype=torch.float64)[:, None]
    y0 = torch.ones(3, 1, dtype=torch.float64)
    options = {"batch_dims": 1, "method": "dopri5", "rtol": 1e-3, "atol": 1e-6}
    solution = fs.solve(lambda t, y: -rates * (y - torch.cos(t)), y0, t_span=(0, 2), **options)
    assert solution.stats.stiff_from.isfinite().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dt": 0.1, "method": "abm"}, "abm chooses its steps and its order; take ab4, or leave dt out"),
        ({"dt": 0.1, "dt_max": 0.2}, "dt_max belongs to adaptive steps"),
        ({"dt": 0.1, "land_at": [0.5]}, "land_at belongs to adaptive steps"),
        ({"land_at": [[0.5]]}, "land_at is a list of finite times"),
        ({"restart_at": [math.nan]}, "restart_at is a list of finite times"),
        ({"first_step": 0.0}, "first_step = 0.0, expected a positive size"),
        ({"dt_min": 0.2, "dt_max": 0.1}, "expected 0 <= dt_min <= dt_max"),
        ({"controller": "pidd"}, "did you mean 'pid'"),
        ({"rtol": 1e-18, "atol": 0.0}, "less than the round-off of torch.float64"),
        ({"rtol": torch.ones(3)}, "rtol has shape .3,., expected one that broadcasts"),
        ({"atol": {"u": 1.0}}, "needs a FieldEquation"),
        ({"rtol": "small"}, "rtol is a number that is not negative"),
        ({"save_at": [1.0, 0.5]}, "save_at is not ordered"),
        ({"max_steps": 0}, "max_steps = 0"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict, message: str) -> None:
    with pytest.raises(fs.OptionError, match=message):
        fs.solve(decay, Y0, t_span=(0, 3), **options)


def test_float32_cannot_meet_the_tolerances_of_float64() -> None:
    with pytest.raises(fs.OptionError, match=r"take rtol >= 1e-06, or pass y0.double\(\)"):
        fs.solve(decay, Y0.float(), t_span=(0, 1), rtol=1e-9, atol=1e-12)


def test_unknown_and_missing_fields_of_tolerances_are_named() -> None:
    equation = fs.FieldEquation("du/dt = v; dv/dt = -u")
    state = {"u": torch.tensor(1.0), "v": torch.tensor(0.0)}
    with pytest.raises(fs.OptionError, match="atol names 'w'; fields: u, v"):
        fs.solve(equation, state, t_span=(0, 1), atol={"u": 1e-6, "w": 1e-6})
    with pytest.raises(fs.OptionError, match="names no number for v"):
        fs.solve(equation, state, t_span=(0, 1), atol={"u": 1e-6})
