"""States, functions and arguments that users passed and that cannot be, or that one sample of a batch spoils."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.errors import OptionError, SolveFailed, StateError

F64 = torch.float64
SPAN = (0.0, 1.0)
ONE = torch.ones(1, dtype=F64)
NAN = float("nan")


def decay(t: Tensor, y: Tensor) -> Tensor:
    return -y


def scaled(t: Tensor, y: Tensor, k: Any) -> Tensor:
    return -k * y


@pytest.mark.parametrize(
    ("y0", "said"),
    [
        ((ONE, torch.ones(2)), r"y0 is tuple.*torch\.cat"),
        (None, "y0 is NoneType"),
        ("one", "y0 is str"),
        (torch.eye(2).to_sparse(), "sparse_coo.*to_dense"),
        (torch.ones(2, device="meta"), "meta"),
    ],
)
def test_what_is_no_state_is_refused(y0: Any, said: str) -> None:
    for batch_dims in (0, 1):
        with pytest.raises(StateError, match=said):
            fs.solve(decay, y0, t_span=SPAN, batch_dims=batch_dims)
    with pytest.raises(StateError):
        fs.solve(fs.FieldEquation("du/dt = -u"), y0, t_span=SPAN)


@pytest.mark.parametrize("value", [torch.eye(2).to_sparse(), torch.ones(2, device="meta")])
def test_fields_hold_numbers(value: Tensor) -> None:
    with pytest.raises(StateError, match="field 'u'"):
        fs.solve(fs.FieldEquation("du/dt = -u"), {"u": value}, t_span=SPAN)


@pytest.mark.parametrize(
    ("f", "args", "said"),
    [
        (nn.Linear(1, 1), (), r"f must take \(t, y\): got Linear\.forward\(input"),
        (lambda y: -y, (), r"f must take \(t, y\): got <lambda>\(y\)"),
        (scaled, (), r"f must take \(t, y\): got scaled\(t"),
        (scaled, (1.0, 2.0), r"f must take \(t, y, \*args\), with 2 value\(s\).*scaled\(t"),
        (scaled, (ONE, ONE), r"f must take \(t, y, \*args\), with 2 value\(s\).*scaled\(t"),
        (scaled, 3, r"args is a tuple.*got int.*args=\(value,\)"),
        (scaled, ONE, r"args is a tuple.*got Tensor"),
        (scaled, "k", "args is a tuple.*got str"),
    ],
)
def test_functions_of_other_arguments(f: Any, args: Any, said: str) -> None:
    y0 = torch.ones(1)
    with pytest.raises(OptionError, match=said):
        fs.solve(f, y0, t_span=SPAN, args=args)
    with pytest.raises(OptionError, match=said):
        fs.init(f, y0, args=args)


def test_errors_of_the_function_itself_pass_through() -> None:
    def wrong(t: Tensor, y: Tensor) -> Tensor:
        return y + None

    with pytest.raises(TypeError, match="NoneType"):
        fs.solve(wrong, ONE, t_span=SPAN)
    with pytest.raises(TypeError, match="bad operand"):
        fs.solve(scaled, ONE, t_span=SPAN, args=([2.0],))


def test_a_signature_may_be_wrong() -> None:
    @wraps(lambda y: y)
    def function(t: Tensor, y: Tensor) -> Tensor:
        return -y

    torch.testing.assert_close(fs.solve(function, ONE, t_span=SPAN).y, fs.solve(decay, ONE, t_span=SPAN).y)


@pytest.mark.parametrize("name", ["rtol", "atol"])
def test_tolerances_do_not_enlarge_the_state(name: str) -> None:
    with pytest.raises(OptionError, match=rf"{name} has shape \(2,\)"):
        fs.solve(decay, ONE, t_span=SPAN, **{name: torch.tensor([1e-3, 1e-4])})


@pytest.mark.parametrize("t", ["a", None, 1j, torch.tensor([0.5j])])
def test_dense_output_is_asked_for_times(t: Any) -> None:
    solution = fs.solve(decay, ONE, t_span=SPAN, dense=True)
    with pytest.raises(OptionError, match=r"solution\(t\) takes a time"):
        solution(t)


@pytest.mark.parametrize("times", [[0.5j], torch.tensor([0.5j])])
def test_save_points_are_real(times: Any) -> None:
    with pytest.raises(OptionError, match="save_at is a list of times"):
        fs.solve(decay, ONE, t_span=SPAN, save_at=times)


STARTS = torch.tensor([1.0, NAN, 2.0, float("inf")], dtype=F64)


@pytest.mark.parametrize("steps", [{"method": name} for name in ("tsit5", "abm", "ab3", "dop853")] + [{"dt": 0.1}])
@pytest.mark.filterwarnings("ignore:2 of 4 sample")
def test_a_start_that_is_no_number_ends_its_own_sample_alone(steps: dict[str, Any]) -> None:
    found = fs.solve(decay, STARTS[:, None], t_span=SPAN, batch_dims=1, on_failure="keep", **steps)
    alone = fs.solve(decay, STARTS[[0, 2], None], t_span=SPAN, batch_dims=1, **steps)
    non_finite = int(fs.Status.NON_FINITE)
    assert found.status.tolist() == [1, non_finite, 1, non_finite]
    assert found.t_end.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert torch.equal(found.y[:, [0, 2]], alone.y)
    assert found.y[1, [1, 3]].isnan().all()


def test_raising_waits_for_the_others_and_names_the_sample() -> None:
    equation = fs.FieldEquation("du/dt = -u")
    with pytest.raises(SolveFailed, match=r"1 of 3 sample\(s\) ended early; sample 1 at t = 0") as caught:
        fs.solve(equation, {"u": STARTS[:3]}, t_span=SPAN)
    torch.testing.assert_close(
        caught.value.solution["u"][-1, [0, 2]], STARTS[[0, 2]] * torch.exp(-ONE), rtol=1e-5, atol=0
    )


@pytest.mark.filterwarnings("ignore:1 of 3 sample")
@pytest.mark.parametrize("gradient", ["direct", "checkpointed"])
def test_gradients_of_the_other_samples_stay_numbers(gradient: str) -> None:
    equation = fs.FieldEquation("du/dt = -k*u", parameters={"k": fs.Parameter(2.0)})
    start = STARTS[:3].clone().requires_grad_()
    run = fs.solve(equation, {"u": start}, t_span=SPAN, on_failure="keep", gradient=gradient)
    run["u"][-1, [0, 2]].sum().backward()
    slope = equation.raw["k"].grad
    assert slope is not None
    assert slope.item() == pytest.approx(-3 * torch.exp(torch.tensor(-2.0)).item(), rel=1e-5)
    assert start.grad is not None
    assert start.grad[[0, 2]].tolist() == pytest.approx([torch.exp(torch.tensor(-2.0)).item()] * 2, rel=1e-5)


@pytest.mark.filterwarnings("ignore:1 of 2 sample")
def test_events_of_the_other_samples() -> None:
    event = fs.Event(lambda t, y: y[:, 0] - 1.5, name="falls")
    starts = torch.tensor([[NAN], [2.0]], dtype=F64)
    run = fs.solve(decay, starts, t_span=SPAN, batch_dims=1, on_failure="keep", events=[event])
    assert run.events is not None
    assert run.events.sample.tolist() == [1]


def test_a_single_system_without_numbers_is_refused() -> None:
    with pytest.raises(StateError, match="NaN or infinity"):
        fs.solve(decay, torch.tensor([1.0, NAN]), t_span=SPAN, on_failure="keep")
    with pytest.raises(StateError, match="'u' contains NaN"):
        fs.solve(fs.FieldEquation("du/dt = -u"), {"u": NAN}, t_span=SPAN, on_failure="keep")
    with pytest.raises(StateError, match="'u' contains NaN"):
        fs.FieldEquation("du/dt = -u").pack({"u": STARTS})
    with pytest.raises(StateError, match="finite"):
        fs.init(decay, STARTS[:, None], batch_dims=1)


def test_a_sample_without_numbers_does_not_hide_tolerances_below_round_off() -> None:
    with pytest.raises(OptionError, match="round-off"):
        fs.solve(decay, STARTS[:, None], t_span=SPAN, batch_dims=1, rtol=1e-17, atol=0.0)
