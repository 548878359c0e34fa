"""`solve(..., until=SteadyState(...))`: what comes back, in which combinations, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import fieldsolver as fs

CAPACITY = torch.tensor([[1.0], [2.0], [5.0]], dtype=torch.float64)
START = torch.tensor([[0.1], [3.0], [0.5]], dtype=torch.float64)
SOON = fs.SteadyState(max_time=1e3)


def logistic(t: Tensor, y: Tensor, capacity: Tensor = CAPACITY) -> Tensor:
    return y * (1.0 - y / capacity)


def solved(**options: Any) -> fs.Solution:
    return fs.solve(logistic, START, **{"batch_dims": 1, "until": SOON, **options})


def fisher(n: int = 24, growth: float = 1.0, boundary: Any = None) -> fs.FieldEquation:
    return fs.FieldEquation(
        "du/dt = D*laplacian(u) + r*u*(1 - u) - 0.2*u*sin(x)",
        grid=fs.Grid(shape=(n,), extent=6.0),
        boundary=fs.Neumann(0) if boundary is None else boundary,
        parameters={"D": fs.Parameter(0.3, positive=True), "r": fs.Parameter(growth)},
    ).double()


def hump(equation: fs.FieldEquation, batch: tuple[int, ...] = ()) -> dict[str, Tensor]:
    n = equation.grid_of("u").shape[0]
    return {"u": 0.5 + 0.1 * torch.cos(torch.arange(n, dtype=torch.float64)).expand(*batch, n)}


def test_the_last_state_is_the_steady_one_and_the_statistics_say_when_and_how_well() -> None:
    solution = solved()
    assert solution.t.tolist() == [0.0, 1e3]
    torch.testing.assert_close(solution.y[0], START)
    torch.testing.assert_close(solution.y[-1], CAPACITY, rtol=1e-5, atol=0)
    assert solution.success
    assert solution.status.tolist() == [fs.Status.STEADY] * 3
    assert solution.stats.residual is not None
    assert solution.stats.residual.shape == (3,)
    assert (solution.stats.residual <= 1.0).all()
    assert solution.stats.time_to_converge is not None
    torch.testing.assert_close(solution.stats.time_to_converge, solution.t_end)
    assert (solution.t_end > 5.0).all()
    assert solution.ponder is None


def test_without_until_nothing_is_said_of_rest() -> None:
    solution = fs.solve(logistic, START, t_span=(0, 1), batch_dims=1)
    assert solution.stats.residual is None
    assert solution.stats.time_to_converge is None


def test_the_span_may_be_given_instead_of_the_time() -> None:
    late = solved(t_span=(10.0, 500.0), until=fs.SteadyState())
    assert late.t.tolist() == [10.0, 500.0]
    torch.testing.assert_close(late.stats.time_to_converge, solved().stats.time_to_converge, rtol=1e-6, atol=0)
    assert (late.t_end > 15.0).all()


def test_the_past_may_be_steady_too() -> None:
    back = fs.solve(
        lambda t, y: y - 2.0, START, batch_dims=1, t_span=(0.0, -100.0), backward=True, until=fs.SteadyState()
    )
    torch.testing.assert_close(back.y[-1], torch.full_like(START, 2.0), rtol=1e-5, atol=0)
    assert (back.stats.time_to_converge > 0).all()
    implied = fs.solve(lambda t, y: y - 2.0, START, batch_dims=1, backward=True, until=fs.SteadyState(max_time=100.0))
    assert torch.equal(implied.t_end, back.t_end)


def test_save_points_behind_the_end_hold_the_steady_state() -> None:
    times = torch.linspace(0, 1e3, 201, dtype=torch.float64)
    solution = solved(save_at=times, gradient="none")
    assert torch.isfinite(solution.y).all()
    for sample in range(3):
        behind = times > solution.t_end[sample]
        assert (solution.y[behind, sample] == solution.y[-1, sample]).all()
        assert (solution.y[~behind, sample].diff(dim=0) != 0).all()
    free = fs.solve(logistic, START, t_span=(0, 10), batch_dims=1, save_at=times[:2], rtol=1e-8)
    torch.testing.assert_close(solution.y[1], free.y[1], rtol=1e-5, atol=0)


def test_dense_output_behind_the_end_holds_the_steady_state() -> None:
    solution = solved(dense=True)
    before, after = 0.5 * float(solution.t_end.min()), 900.0
    assert torch.equal(solution(after), solution.y[-1])
    assert (solution(before) != solution.y[-1]).all()
    both = solution(torch.tensor([before, after], dtype=torch.float64))
    assert torch.equal(both[0], solution(before))
    assert torch.equal(both[1], solution(after))


def test_failing_samples_stay_nan_and_are_told() -> None:
    with pytest.raises(fs.SolveFailed, match=r"3 of 3 sample.*not at rest when its time was over; raise max_time"):
        solved(until=fs.SteadyState(max_time=2.0))
    with pytest.warns(fs.FieldSolverWarning, match="2 of 3"):
        kept = solved(until=fs.SteadyState(max_time=14.0), on_failure="keep")
    failed = kept.status != fs.Status.STEADY
    assert kept.stats.time_to_converge[failed].isnan().all()
    assert torch.isfinite(kept.y[-1]).all()  # they did arrive at max_time


def test_a_fixed_step() -> None:
    solution = solved(dt=0.1)
    torch.testing.assert_close(solution.y[-1], CAPACITY, rtol=1e-5, atol=0)
    torch.testing.assert_close((solution.t_end / 0.1).round() * 0.1, solution.t_end, rtol=1e-12, atol=0)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_declared_equations_and_their_batches(batch: tuple[int, ...]) -> None:
    equation = fisher()
    solution = fs.solve(equation, hump(equation, batch), until=SOON, gradient="none")
    assert solution.status.shape == solution.stats.residual.shape == batch
    y = solution.y[-1].reshape(-1, 1, 24)
    with torch.no_grad():
        rate = equation(torch.zeros((), dtype=torch.float64), y)
    residual = (rate / (1e-8 + 1e-6 * y.abs())).pow(2).flatten(1).mean(1).sqrt()
    torch.testing.assert_close(solution.stats.residual.reshape(-1), residual, rtol=1e-6, atol=0)


def test_tolerances_per_field() -> None:
    text = "da/dt = -a + 1; db/dt = -0.1*(b - 1)"
    state = {"a": torch.zeros((), dtype=torch.float64), "b": torch.zeros((), dtype=torch.float64)}
    equation = fs.FieldEquation(text).double()
    blind = fs.SteadyState(atol={"a": 1e-8, "b": 1e3}, rtol=0.0, max_time=1e3)
    early = fs.solve(equation, state, until=blind)
    late = fs.solve(equation, state, until=fs.SteadyState(atol=1e-8, rtol=0.0, max_time=1e3))
    assert early.t_end < 25.0 < 100.0 < late.t_end
    with pytest.raises(fs.OptionError, match=r"of SteadyState: atol names 'c'"):
        fs.solve(equation, state, until=fs.SteadyState(atol={"c": 1.0}, max_time=1.0))


def test_float32_and_complex_states() -> None:
    single = fs.solve(
        lambda t, y: y * (1 - y / CAPACITY.float()), START.float(), batch_dims=1,
        until=fs.SteadyState(atol=1e-6, rtol=1e-5, max_time=1e3), rtol=1e-5, atol=1e-6,
    )  # fmt: skip
    assert single.y.dtype == torch.float32
    torch.testing.assert_close(single.y[-1], CAPACITY.float(), rtol=1e-4, atol=0)
    spin = torch.tensor([[1.0 + 1.0j], [0.2 - 0.5j]], dtype=torch.complex128)
    turned = fs.solve(lambda t, y: (2j - 1.0) * (y - (3 - 1j)), spin, batch_dims=1, until=SOON)
    torch.testing.assert_close(turned.y[-1], torch.full_like(spin, 3 - 1j), rtol=1e-5, atol=0)


def test_rates_below_round_off_are_refused_by_name() -> None:
    with pytest.raises(fs.OptionError, match=r"of SteadyState: .* round-off of torch\.float32"):
        fs.solve(lambda t, y: -y, START.float(), batch_dims=1, until=fs.SteadyState(0.0, 1e-9, max_time=1.0), rtol=1e-4)


def test_events_on_the_way_are_no_rest() -> None:
    kick = fs.Event(lambda t, y: y[0] - 0.5, direction="up", reset=lambda t, y: y - 0.2, max_events=3)
    free = fs.solve(lambda t, y: 1.0 - y, torch.zeros(1, dtype=torch.float64), until=SOON)
    kicked = fs.solve(
        lambda t, y: 1.0 - y, torch.zeros(1, dtype=torch.float64), until=SOON, on_failure="keep",
        events=[fs.Event(lambda t, y: y[0] - 0.5, direction="up", reset=lambda t, y: 0.9 + 0 * y)],
    )  # fmt: skip
    assert free.success
    assert kicked.success
    assert kicked.t_end < free.t_end
    assert len(kicked.events.t) == 1
    ended = fs.solve(
        lambda t, y: 1.0 - y, torch.zeros(1, dtype=torch.float64), until=SOON,
        events=[fs.Event(kick.condition, direction="up", terminal=True)],
    )  # fmt: skip
    assert ended.status == fs.Status.EVENT
    assert ended.stats.time_to_converge.isnan()


def test_a_signal_that_still_comes_is_waited_for_only_as_long_as_something_moves() -> None:
    """f at the end of a step is all that is judged: the docstring says so, this pins it."""
    late = fs.Signal(torch.tensor([0.0, 500.0, 501.0, 1000.0]), [0.0, 0.0, 1.0, 1.0])
    equation = fs.FieldEquation("du/dt = -u + s", parameters={"s": late}).double()
    solution = fs.solve(equation, {"u": torch.ones((), dtype=torch.float64)}, until=SOON)
    assert solution.t_end < 30.0


def test_an_interrupted_solve_goes_on_from_its_file(tmp_path: Path) -> None:
    seen = [0]

    def stop(t: Tensor, y: Tensor) -> None:
        seen[0] += 1
        if seen[0] == 12:
            raise KeyboardInterrupt

    path = fs.Checkpoint(tmp_path / "run.safetensors", every=1e-9)
    with pytest.raises(KeyboardInterrupt):
        solved(checkpoint=path, callback=stop)
    with pytest.raises(fs.FileFormatError, match="until"):
        solved(checkpoint=path, callback=lambda t, y: None, until=fs.SteadyState(atol=1e-3, max_time=1e3))
    resumed = solved(checkpoint=path, callback=lambda t, y: None)
    whole = solved(callback=lambda t, y: None)
    assert torch.equal(resumed.y, whole.y)
    assert torch.equal(resumed.stats.residual, whole.stats.residual)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until": fs.SteadyState}, "until is a condition such as fs.SteadyState"),
        ({"until": 10.0}, "until is a condition such as fs.SteadyState"),
        ({"until": fs.SteadyState()}, "when does a sample that does not come to rest give up"),
        ({"t_span": (0.0, 1.0)}, "both say when to give up"),
        ({"until": None}, "t_span is missing; give start and end"),
        ({"until": fs.SteadyState(0.0, 0.0, max_time=1.0)}, "of SteadyState: rtol and atol cannot both be zero"),
        ({"until": fs.SteadyState(-1.0, max_time=1.0)}, "of SteadyState: atol is a number that is not negative"),
        ({"until": None, "t_span": (0.0, 1.0), "gradient": "implicit"}, "add until=fs.SteadyState"),
        ({"gradient": "implicit", "save_at": [0.0, 1.0, 2.0]}, "save_at has t = 1 on it"),
        ({"gradient": "implicit", "events": [fs.Event(lambda t, y: y[:, 0] - 7)]}, "knows nothing of events"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(fs.OptionError, match=message):
        solved(**options)


def test_the_default_gradient_is_implicit_where_only_the_end_is_looked_at() -> None:
    capacity = CAPACITY.clone().requires_grad_()

    def mode(**options: Any) -> str:
        return solved(args=(capacity,), **options).stats.gradient

    assert mode() == "implicit"
    assert mode(save_at=[1.0]) == "direct"
    assert mode(events=[fs.Event(lambda t, y: y[:, 0] - 7)]) == "direct"
    assert solved().stats.gradient == "none"
    with torch.no_grad():
        assert mode() == "none"
    equation = fisher()
    assert fs.solve(equation, hump(equation), until=SOON).stats.gradient == "implicit"
    assert fs.solve(equation, hump(equation), until=SOON, save_at=[1.0]).stats.gradient == "checkpointed"


@pytest.mark.parametrize("gradient", ["direct", "checkpointed"])
def test_gradients_of_the_run_reach_the_steady_state(gradient: str) -> None:
    capacity = CAPACITY.clone().requires_grad_()
    tight = fs.SteadyState(1e-12, 1e-11, max_time=1e3)
    solution = solved(args=(capacity,), until=tight, gradient=gradient, rtol=1e-10, atol=1e-12)
    (found,) = torch.autograd.grad(solution.y[-1].sum(), capacity)
    torch.testing.assert_close(found, torch.ones_like(found), rtol=0, atol=1e-8)


# --- the ponder cost ---------------------------------------------------------------------------------------------


def ponder(
    gradient: str | None = None, rate: float | Tensor = 0.7, start: Tensor = START, **options: Any
) -> fs.Solution:
    def f(t: Tensor, y: Tensor, k: Tensor) -> Tensor:
        return -k * (y - 1.0)

    k = torch.as_tensor(rate, dtype=torch.float64)
    until = fs.SteadyState(max_time=1e3, ponder=True)
    return fs.solve(f, start, args=(k,), batch_dims=1, until=until, gradient=gradient, **options)


def test_the_ponder_cost_is_the_length_of_the_path() -> None:
    solution = ponder(rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(solution.ponder, (START - solution.y[-1]).abs()[:, 0], rtol=1e-12, atol=0)
    wide = ponder(start=torch.tensor([[0.0, 3.0], [1.0, 5.0]], dtype=torch.float64), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(wide.ponder, torch.tensor([2.5, 8.0]).double().sqrt(), rtol=3e-6, atol=0)


@pytest.mark.parametrize("gradient", [None, "direct", "checkpointed", "implicit"])
def test_the_ponder_cost_has_the_gradient_of_the_discrete_path(gradient: str | None) -> None:
    rate, start = torch.tensor(0.7, dtype=torch.float64, requires_grad=True), START.clone().requires_grad_()
    solution = ponder(gradient, rate, start)
    found = torch.autograd.grad(solution.ponder.sum(), (rate, start), retain_graph=True)
    h = 1e-5
    for sign_rate, sign_start, expected in ((1, 0, found[0]), (0, 1, found[1].sum())):
        ends = [
            ponder("none", 0.7 + s * h * sign_rate, START + s * h * sign_start, replay=solution.steps).ponder.sum()
            for s in (1, -1)
        ]
        assert float(expected) == pytest.approx(float(ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-9)
    solution.y[-1].sum().backward()  # beside it, the state has a gradient of its own


def test_a_loss_can_hold_the_state_and_the_ponder_cost_together() -> None:
    rate = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    solution = ponder(None, rate)
    (solution.y[-1].sum() + 0.1 * solution.ponder.sum()).backward()
    assert torch.isfinite(rate.grad)


def test_the_ponder_cost_of_grids_complex_states_resets_and_float32() -> None:
    equation = fisher()
    state = hump(equation, (2,))
    solution = fs.solve(equation, state, until=fs.SteadyState(max_time=1e3, ponder=True))
    assert solution.ponder.shape == (2,)
    least = (solution.y[-1] - solution.y[0]).flatten(1).pow(2).mean(1).sqrt()
    assert (solution.ponder >= least * (1 - 1e-6)).all()
    assert (solution.ponder < 3 * least).all()
    (slope,) = torch.autograd.grad(solution.ponder.sum(), list(equation.parameters())[1])
    assert slope != 0
    spin = torch.tensor([[1.0 + 1.0j]], dtype=torch.complex128)
    until = fs.SteadyState(max_time=1e3, ponder=True)
    turned = fs.solve(lambda t, y: (2j - 1.0) * y, spin, batch_dims=1, until=until, rtol=1e-9)
    assert turned.ponder.item() == pytest.approx(math.sqrt(5) * math.sqrt(2), rel=1e-6)
    jump = [fs.Event(lambda t, y: y[0] - 0.5, direction="up", reset=lambda t, y: 0.9 + 0 * y)]
    kicked = fs.solve(lambda t, y: 1 - y, torch.zeros(1).double(), until=until, events=jump, rtol=1e-9, atol=1e-12)
    assert kicked.ponder.item() == pytest.approx(0.6, rel=3e-6)
    single = fs.solve(
        lambda t, y: 1 - y, torch.zeros(1), until=fs.SteadyState(1e-5, 1e-4, max_time=1e3, ponder=True), rtol=1e-5
    )
    assert single.ponder.dtype == torch.float32
    assert single.ponder.item() == pytest.approx(1.0, rel=1e-3)
