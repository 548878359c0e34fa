"""Wrong options that once ended in a raw traceback, or in silence: each is answered by one sentence."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.stepping.targets import checked_times

F64 = torch.float64
Y0 = torch.tensor([2.0, 0.5], dtype=F64)


def decay(t: Tensor, y: Tensor) -> Tensor:
    return -y


def solved(**options: Any) -> fs.Solution:
    return fs.solve(decay, Y0, **{"t_span": (0, 3), **options})


@pytest.mark.parametrize("name", ["land_at", "restart_at", "save_at"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3.0, r"is a list of finite times, got 3; write \[3\]"),
        ("a", "is a list of times or a tensor, got 'a'"),
        (["1"], r"is a list of times or a tensor, got \['1'\]"),
        ({"t": 1.0}, "is a list of times or a tensor, got {'t': 1.0}"),
        ([[1.0]], r"is a list of finite times, got shape \(1, 1\)"),
        ([1.0, math.nan], "is a list of finite times, got NaN"),
        ([1.0, 3.5], r"has the time 3.5 outside the span \[0, 3\]"),
        ([-1.0], r"has the time -1 outside the span \[0, 3\]"),
        ([math.inf], "has the time inf outside the span"),
    ],
)
def test_times_that_cannot_be_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(fs.OptionError, match=f"{name} {message}"):
        solved(**{name: value})


def test_times_to_land_on_may_be_none_or_unordered_or_beside_the_end_by_round_off() -> None:
    expected = solved()
    for times in ([], torch.linspace(0, 3, 7)[-1:] * (1 + 1e-7)):
        assert torch.equal(solved(land_at=times).y, expected.y)
    run = solved(land_at=[2.0, 1.0], restart_at=torch.tensor([1.5]))
    assert run.steps is not None
    ends = torch.cat([t.reshape(-1) + dt.reshape(-1) for t, dt in zip(run.steps.t, run.steps.dt, strict=True)])
    assert all(bool((ends - time).abs().min() < 1e-14) for time in (1.0, 1.5, 2.0))
    backwards = solved(t_span=(3, 0), backward=True, land_at=[1.0])
    assert backwards.success


def test_knots_of_a_signal_outside_the_span_are_no_fault() -> None:
    signal = fs.Signal(torch.linspace(-5, 5, 11, dtype=F64), torch.ones(11, dtype=F64))
    equation = fs.FieldEquation("du/dt = s - u", parameters={"s": signal})
    start = {"u": torch.tensor(0.0, dtype=F64)}
    assert fs.solve(equation, start, t_span=(0, 3)).success
    with pytest.raises(fs.OptionError, match="land_at has the time 5 outside"):
        fs.solve(equation, start, t_span=(0, 3), land_at=[5.0])


def test_the_lower_level_answers_in_a_sentence_too() -> None:
    for value in ("a", ["1"], {"t": 1.0}):
        with pytest.raises(fs.OptionError, match="land_at is a list of finite times"):
            checked_times("land_at", value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_steps": 1.5}, "max_steps = 1.5, expected a whole number"),
        ({"max_steps": "a"}, "max_steps = 'a', expected a whole number"),
        ({"max_steps": True}, "max_steps = True, expected a whole number"),
        ({"dt_max": "a"}, "dt_max is the size of the largest step, a number, got 'a'"),
        ({"dt_min": "a"}, "dt_min is the size of the smallest step, a number, got 'a'"),
        ({"dt_min": [1.0]}, "dt_min is the size of the smallest step"),
        ({"first_step": "a"}, "first_step is the size of the first step, a number, got 'a'"),
        ({"first_step": math.nan}, "first_step is the size of the first step"),
        ({"dt_max": True}, "dt_max is the size of the largest step"),
        ({"dt_min": 4.0}, "dt_min = 4 is longer than the whole span, 3"),
        ({"norm": "max"}, "norm is a function .* got 'max'; leave it out"),
        ({"norm": lambda error: 1.0}, "norm is a function .* it returned float"),
        ({"norm": lambda error: error.abs().max()}, r"norm is a function .* it returned \(\), torch.float64"),
        ({"norm": lambda error: error}, r"norm is a function .* it returned \(1, 2\)"),
        ({"norm": lambda error: error[:, 0] > 0}, "norm is a function .* torch.bool"),
        ({"callback": 3}, r"callback is a function \(t, y\) .* got 3"),
        ({"atol": torch.ones(3, 2)}, r"atol has shape \(3, 2\), expected one that broadcasts against a state, \(2,\)"),
    ],
)
def test_options_of_other_kinds_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(fs.OptionError, match=message):
        solved(**options)


def test_numbers_of_numpy_and_torch_are_numbers() -> None:
    expected = solved(dt_max=0.25, dt_min=1e-9, first_step=0.125, max_steps=1000)
    found = solved(
        dt_max=torch.tensor(0.25), dt_min=np.float64(1e-9), first_step=np.float32(0.125), max_steps=np.int64(1000)
    )
    assert torch.equal(found.y, expected.y)


def test_a_norm_is_what_decides() -> None:
    loose = solved(norm=lambda error: error.abs().flatten(1).amax(1) * 1e-3)
    assert int(loose.stats.accepted) < int(solved().stats.accepted)


@pytest.fixture(scope="module")
def heat() -> tuple[fs.FieldEquation, dict[str, Tensor]]:
    equation = fs.FieldEquation(
        "du/dt = 0.1*laplacian(u) - u; dv/dt = u", grid=fs.Grid(8, extent=1.0), boundary=fs.Periodic()
    )
    u = torch.sin(2 * math.pi * torch.arange(8, dtype=F64) / 8)
    return equation, {"u": u, "v": 0 * u}


def test_a_tolerance_per_field_may_be_a_tensor(heat: tuple[fs.FieldEquation, dict[str, Tensor]]) -> None:
    equation, start = heat
    expected = fs.solve(equation, start, t_span=(0, 1), atol={"u": 1e-7, "v": 1e-5})
    for u in (torch.full((8,), 1e-7, dtype=F64), torch.tensor([1e-7], dtype=F64), torch.tensor(1e-7, dtype=F64)):
        found = fs.solve(equation, start, t_span=(0, 1), atol={"u": u, "v": 1e-5})
        assert torch.equal(found.y, expected.y)
    varied = torch.full((8,), 1e-7, dtype=F64)
    varied[2] = 1e-11
    tighter = fs.solve(equation, start, t_span=(0, 1), atol={"u": varied, "v": 1e-5})
    assert int(tighter.stats.accepted) > int(expected.stats.accepted)
    with pytest.raises(fs.OptionError, match=r"atol for 'u' has shape \(5,\), expected .* one sample, \(8,\)"):
        fs.solve(equation, start, t_span=(0, 1), atol={"u": torch.ones(5), "v": 1e-5})


def test_init_takes_the_tolerances_of_solve(heat: tuple[fs.FieldEquation, dict[str, Tensor]]) -> None:
    equation, start = heat
    for dtype in (F64, torch.float32):
        given = {name: field.to(dtype) for name, field in start.items()}
        tolerances = {"rtol": {"u": 1e-4, "v": 1e-3}, "atol": torch.full((2, 8), 1e-5, dtype=F64)}
        state = fs.init(equation, given, until=1.0, **tolerances)
        while not state.arrived:
            state = fs.step(state)
        solution = fs.solve(equation, given, t_span=(0, 1), **tolerances)
        assert state.y.dtype == dtype
        assert int(state.accepted) == int(solution.stats.accepted)
        torch.testing.assert_close(state.y, solution.y[-1], rtol=1e-5, atol=1e-6)
        again = state.with_state(state.y).until(1.5)
        while not again.arrived:
            again = fs.step(again)
        assert again.y.dtype == dtype
    with pytest.raises(fs.OptionError, match="names no number for v"):
        fs.init(equation, start, atol={"u": 1e-3})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until": "1"}, "until is a time to head for, a number, got '1'"),
        ({"until": math.nan}, "until is a time to head for"),
        ({"t0": "0"}, "t0 is the time of y0, a number, got '0'"),
        ({"dt_max": "a"}, "dt_max is the size of the largest step"),
        ({"until": 1.0, "dt_min": 2.0}, "dt_min = 2 is longer than the whole span, 1"),
        ({"rtol": "a"}, "rtol is a number"),
        ({"dt_max": -1.0}, "expected 0 <= dt_min <= dt_max"),
        ({"first_step": 0.0}, "first_step = 0.0, expected a positive size"),
    ],
)
def test_init_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(fs.OptionError, match=message):
        fs.init(decay, Y0, **options)


def test_a_state_refuses(heat: tuple[fs.FieldEquation, dict[str, Tensor]]) -> None:
    state = fs.init(*heat, until=1.0)
    for wrong in ("x", math.nan, None, True):
        with pytest.raises(fs.OptionError, match="until is the time that steps do not pass, a number"):
            state.until(wrong)
    with pytest.raises(fs.OptionError, match="on_failure is 'raise' or 'keep'"):
        state.until(2.0, on_failure="ignore")
    with pytest.raises(fs.OptionError, match="there is no field 'nofield'; fields: u"):
        state["nofield"]
    for other in (3, [state], Y0):
        with pytest.raises(fs.OptionError, match=f"step takes a state from fs.init .* got {type(other).__name__}"):
            fs.step(other)


def test_a_failed_sample_does_not_hide_in_the_loop() -> None:
    y0 = torch.tensor([[1.0], [0.1]], dtype=F64)
    state = fs.init(lambda t, y: y**2, y0, until=2.0, batch_dims=1)  # the first one blows up at t = 1
    while not state.arrived:
        state = fs.step(state)
    assert state.t[1].item() == 2.0
    with pytest.raises(fs.OptionError, match=r"1 of 2 sample\(s\) failed; sample 0 at t = (1|0\.9+).* state.status"):
        state.until(3.0)
    state = state.until(3.0, on_failure="keep")
    while not state.arrived:
        state = fs.step(state)
    torch.testing.assert_close(state.y[1], torch.tensor([1 / 7], dtype=F64), rtol=1e-5, atol=0)
    assert state.t[0].item() < 1.1


def test_a_checkpoint_is_a_file(tmp_path: Path) -> None:
    for path in (tmp_path, str(tmp_path)):
        with pytest.raises(fs.OptionError, match=r"is a folder; name a file in it, such as .*run\.safetensors"):
            solved(checkpoint=path)
    with pytest.raises(fs.OptionError, match=r"checkpoint '' .*name a file"):
        solved(checkpoint="")
    with pytest.raises(fs.OptionError, match="is in a folder that does not exist; create"):
        solved(checkpoint=tmp_path / "nowhere" / "run")


def stop(t: Tensor, y: Tensor) -> None:
    raise ArithmeticError


def test_another_end_is_named_and_not_the_save_points_that_follow_from_it(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with torch.no_grad(), pytest.raises(ArithmeticError):
        solved(save_at=torch.linspace(0, 3, 5), checkpoint=path, callback=stop)
    with torch.no_grad(), pytest.raises(fs.FileFormatError, match="of a solve with t_span = "):
        solved(t_span=(0, 4), save_at=torch.linspace(0, 4, 5), checkpoint=path, callback=stop)


def test_no_flipped_bit_of_a_checkpoint_is_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "run"

    def solve() -> fs.Solution:
        with torch.no_grad():
            return solved(checkpoint=path, callback=stop)

    with pytest.raises(ArithmeticError):
        solve()
    whole = path.read_bytes()
    data = 8 + int.from_bytes(whole[:8], "little")
    for place in [*range(0, data, 97), *range(data, len(whole), 7)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(fs.FileFormatError, match="delete it"):
            solve()


def test_pictures_show_spikes_between_the_save_points() -> None:
    neurons = fs.FieldEquation(
        "dv/dt = (I - v)/10",
        parameters={"I": fs.PerSample(torch.tensor([1.5, 2.0], dtype=F64))},
        events=[fs.Event("v - 1", direction="up", reset={"v": "0"}, name="spike")],
    )
    run = fs.solve(neurons, {"v": torch.zeros(2, dtype=F64)}, t_span=(0, 60), save_at=torch.linspace(0, 60, 5))
    (curve, *_) = run.plot().axes[0].lines
    t, v = np.asarray(curve.get_xdata()), np.asarray(curve.get_ydata())
    assert run.events is not None
    spikes = run.events.times("spike").numpy()
    assert len(t) == 5 + 2 * len(spikes)
    assert (np.diff(t) >= 0).all()
    for time in spikes:
        np.testing.assert_allclose(v[t == time], [1.0, 0.0], atol=1e-9)


def test_pictures_of_a_plain_batch_give_each_sample_its_own_events() -> None:
    crossing = fs.Event(lambda t, y: y[:, 0] - 1, direction="up", reset=lambda t, y: 0 * y, name="one")
    speed = torch.tensor([[1.0], [2.0]], dtype=F64)
    run = fs.solve(lambda t, y: speed + 0 * y, 0 * speed, t_span=(0, 0.9), batch_dims=1, events=[crossing])
    slow, fast = run.plot().axes[0].lines
    assert len(slow.get_xdata()) == 2
    np.testing.assert_allclose(fast.get_xdata(), [0, 0.5, 0.5, 0.9])
    np.testing.assert_allclose(fast.get_ydata(), [0, 1, 0, 0.8], atol=1e-9)
