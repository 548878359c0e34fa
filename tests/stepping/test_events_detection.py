"""Events found in steps that are taken by hand: closed forms for when they happen, and what is no event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import get_method
from fieldsolver.stepping import VectorField
from fieldsolver.stepping.events import Batched, EventDetector, EventFunction, EventLog
from fieldsolver.stepping.events.crossing import hidden_crossings, read_signs, sign_changes

DIRECTIONS = {"up": 1, "down": -1, "both": 0}


@dataclass
class Outcome:
    """Where the samples ended, and what happened on the way."""

    t: np.ndarray
    y: Tensor
    log: EventLog
    zeno: np.ndarray
    terminal: np.ndarray
    smallest: float


def event(
    condition: Callable[..., Tensor], direction: str = "both", *, reset: Callable[..., Tensor] | None = None,
    name: str = "event", **options: object,
) -> EventFunction:  # fmt: skip
    return EventFunction(name, condition, DIRECTIONS[direction], reset=reset, **options)


def march(
    field: VectorField, y0: Tensor, t1: float, dt: float | Tensor, events: Sequence[EventFunction], *, t0: float = 0.0,
    method: str = "tsit5", limit: int = 10_000,
) -> Outcome:  # fmt: skip
    """Steps of size dt that end at events and at t1; no error control."""
    scheme, samples = get_method(method), y0.shape[0]
    detector = EventDetector(events, scheme, samples=samples, span=abs(t1 - t0))
    t, y, rows = np.full(samples, t0), y0, np.arange(samples)
    zeno, terminal, size = np.zeros(samples, bool), np.zeros(samples, bool), np.full(samples, float(dt))
    detector.start(field, t, y)
    smallest = np.inf
    for _ in range(limit):
        going = ~(zeno | terminal) & (t != t1)
        if not going.any():
            break
        left = np.where(going, t1 - t, 0.0)
        step_size = np.sign(t1 - t0) * np.minimum(np.abs(left), size)
        t_new = np.where(np.abs(step_size) == np.abs(left), t1, t + step_size)
        step = scheme.step(field, torch.from_numpy(t), torch.from_numpy(step_size), y)
        moved = torch.from_numpy(going).view(-1, *[1] * (y.dim() - 1))
        stretch = SimpleNamespace(rows=rows, t=t, t_new=t_new, dt=step_size, accepted=going, step=step, field=field)
        stops, _ = detector.examine(stretch)
        y, t, size = torch.where(moved, step.y_new, y), np.where(going, t_new, t), np.full(samples, float(dt))
        if stops is not None:
            landing = detector.apply(stretch, stops)
            y = y.index_copy(0, torch.from_numpy(landing.places), landing.y)
            t[landing.places], size[landing.places] = landing.t, np.minimum(float(dt), landing.largest_dt)
            zeno[landing.places], terminal[landing.places] = landing.zeno, landing.terminal
            smallest = min(smallest, size.min())
    else:
        raise AssertionError("the march did not arrive")
    return Outcome(t, y, detector.log(), zeno, terminal, smallest)


def batch(function: Callable[[Tensor, Tensor], Tensor], **options: object) -> VectorField:
    """A right-hand side without parameters, which can be called with some of the samples."""
    return VectorField(lambda p, t, y: function(t, y), (), (), **options)


def falling(t: Tensor, y: Tensor) -> Tensor:
    """y = (height, velocity) with g = 10."""
    return torch.stack([y[:, 1], torch.full_like(y[:, 1], -10.0)], dim=1)


def bounce(restitution: float) -> Callable[..., Tensor]:
    return lambda p, t, y: torch.stack([y[:, 0], -restitution * y[:, 1]], dim=1)


def height(p: object, t: Tensor, y: Tensor) -> Tensor:
    return y[:, 0]


def impacts(h: np.ndarray, e: float, number: int) -> np.ndarray:
    """(number, B) times of a ball dropped from h: t_1 = sqrt(2 h/g), then flights of 2 e^k sqrt(2 h/g)."""
    first = np.sqrt(2 * h / 10.0)
    return first * (1 + 2 * np.concatenate([[0.0], np.cumsum(e ** np.arange(1, number))])[:, None])


@pytest.mark.parametrize("direction", ["down", "both"])
@pytest.mark.parametrize("dt", [0.05, 0.7, 10.0])
@pytest.mark.parametrize("method", ["tsit5", "rk4", "dop853"])
def test_bouncing_ball(direction: str, dt: float, method: str) -> None:
    """It sits on zero after each bounce, does not fire again there, and fires at the next impact, however large dt."""
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    ball = [event(height, direction, reset=bounce(0.8))]
    times = impacts(np.ones(1), 0.8, 10)[:, 0]
    out = march(batch(falling), start, times[-1] + 0.01, dt, ball, method=method)
    np.testing.assert_allclose(out.log.t.numpy(), times, rtol=0, atol=1e-11)
    assert (out.log.direction == -1).all()
    torch.testing.assert_close(out.log.y_after[:, 1], -0.8 * out.log.y_before[:, 1])


def test_a_thousand_balls_at_once_as_each_alone() -> None:
    heights = np.linspace(1.0, 5.0, 1000)
    start = torch.stack([torch.from_numpy(heights), torch.zeros(1000, dtype=torch.float64)], dim=1)
    out = march(batch(falling), start, 3.0, 0.37, [event(height, "down", reset=bounce(0.9))])
    times = impacts(heights, 0.9, 30)
    count = (times < 3.0).sum(axis=0)
    assert (np.bincount(out.log.sample) == count).all()
    for sample in (0, 17, 500, 999):
        got = out.log.times("event", sample).numpy()
        np.testing.assert_allclose(got, times[: count[sample], sample], rtol=0, atol=1e-11)
        alone = march(batch(falling), start[[sample]], 3.0, 0.37, [event(height, "down", reset=bounce(0.9))])
        np.testing.assert_allclose(alone.log.t.numpy(), got, rtol=1e-13)


def test_zeno_is_told_and_its_time_is_right() -> None:
    """A ball with e = 1/2 comes to rest at 3 sqrt(2 h/g); the march ends there, and does not fall through."""
    start = torch.tensor([[1.0, 0.0], [0.2, 0.0]], dtype=torch.float64)
    out = march(batch(falling), start, 10.0, 0.3, [event(height, "down", reset=bounce(0.5))])
    assert out.zeno.all()
    np.testing.assert_allclose(out.t, 3 * np.sqrt(2 * np.array([1.0, 0.2]) / 10), rtol=1e-8)
    assert out.y[:, 0].abs().max() < 1e-12


def test_max_events() -> None:
    ball = [event(height, "down", reset=bounce(1.0), max_events=3)]
    out = march(batch(falling), torch.tensor([[1.0, 0.0]], dtype=torch.float64), 100.0, 0.3, ball)
    assert out.zeno.all()
    assert len(out.log) == 4


@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_zeros_of_the_cosine(direction: str) -> None:
    """cos(t) as an oscillator: zeros at pi/2 + k pi, falling first; several in one step of size 9, forward and back."""
    field = batch(lambda t, y: torch.stack([torch.cos(t), -torch.sin(t)], dim=1))
    watch = [event(lambda p, t, y: torch.cos(t), direction)]
    for dt, sign in ((0.1, 1), (1.1, 1), (1.1, -1)):
        out = march(field, torch.zeros(1, 2, dtype=torch.float64), sign * 40.0, dt, watch)
        zeros = np.pi / 2 + np.pi * np.arange(13)
        falls = np.arange(13) % 2 == 0  # cos is even: backward in time it falls first, too
        wanted = {"up": ~falls, "down": falls, "both": falls | True}[direction]
        zeros = zeros[zeros < 40.0]
        np.testing.assert_allclose(out.log.t.numpy(), sign * zeros[wanted[: zeros.size]], rtol=0, atol=1.1e-12 * 1.2)


def line(t: Tensor, y: Tensor) -> Tensor:
    return torch.ones_like(y)


def test_two_events_in_one_large_step_in_time_order() -> None:
    """y = t up to 1, then 10 + (t - 1): the second condition is met at t = 2 only because of the first reset."""
    jump = event(lambda p, t, y: y[:, 0] - 1.0, "up", reset=lambda p, t, y: y + 9.0, name="jump")
    late = event(lambda p, t, y: y[:, 0] - 11.0, "up", reset=lambda p, t, y: y - 11.0, name="late")
    out = march(batch(line), torch.zeros(1, 1, dtype=torch.float64), 2.5, 2.5, [late, jump])
    assert [out.log.names[e] for e in out.log.event] == ["jump", "late"]
    np.testing.assert_allclose(out.log.t.numpy(), [1.0, 2.0], rtol=1e-12)
    torch.testing.assert_close(out.y, torch.full((1, 1), 0.5, dtype=torch.float64))


def test_simultaneous_events_fire_in_declared_order() -> None:
    double = event(lambda p, t, y: y[:, 0] - 1.0, "up", reset=lambda p, t, y: 2 * y, name="double")
    add = event(lambda p, t, y: 3 * y[:, 0] - 3.0, "up", reset=lambda p, t, y: y + 5, name="add")
    start = torch.zeros(1, 1, dtype=torch.float64)
    for order, end in (((double, add), 7.0), ((add, double), 12.0)):
        out = march(batch(line), start, 1.7, 0.4, order)
        np.testing.assert_allclose(out.y.item(), end + 0.7, rtol=1e-12)
        assert list(out.log.event) == [0, 1]
        assert out.log.y_before[1] == out.log.y_after[0]


def test_watching_changes_no_step() -> None:
    seen = march(batch(falling), torch.tensor([[1.0, 0.0]], dtype=torch.float64), 1.0, 0.13, [event(height)])
    never = event(lambda p, t, y: y[:, 0] + 100.0)
    blind = march(batch(falling), torch.tensor([[1.0, 0.0]], dtype=torch.float64), 1.0, 0.13, [never])
    assert torch.equal(seen.y, blind.y)
    assert len(seen.log) == 1


@pytest.mark.parametrize("dt", [0.1, 1.0, 0.513, 0.0513])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_grazing(dt: float, sign: float) -> None:
    """Touching and just missing are no events; just crossing are two, which no sample point lies between."""
    start = torch.zeros(1, 1, dtype=torch.float64)
    for depth, times in ((0.0, []), (-1e-9, []), (1e-9, [0.513 - 1e-9**0.5, 0.513 + 1e-9**0.5])):
        watch = event(lambda p, t, y, d=depth: sign * ((y[:, 0] - 0.513) ** 2 - d))
        out = march(batch(line), start, 1.0, dt, [watch])
        np.testing.assert_allclose(out.log.t.numpy(), times, rtol=0, atol=1e-9)
        assert list(out.log.direction) == [-sign, sign][: len(times)]


@pytest.mark.parametrize("offset", [1e-8, 1e-5, 1e-3, 0.03])
@pytest.mark.parametrize("depth", [1e-10, 1e-7])
def test_a_dip_beside_the_end_of_a_step(offset: float, depth: float) -> None:
    """Both crossings are found when the dip lies close before or behind a step's end, or across it."""
    for centre in (0.5 - offset, 0.5 + offset):
        watch = event(lambda p, t, y, c=centre: (y[:, 0] - c) ** 2 - depth)
        out = march(batch(line), torch.zeros(1, 1, dtype=torch.float64), 1.0, 0.5, [watch])
        half = depth**0.5
        np.testing.assert_allclose(out.log.t.numpy(), [centre - half, centre + half], rtol=0, atol=1e-9)


def test_an_inflection_is_a_crossing_and_an_even_contact_is_not() -> None:
    start = torch.zeros(1, 1, dtype=torch.float64)
    for power, count in ((3, 1), (4, 0)):
        for centre in (0.5, 0.3333, 0.2):  # at the end of a step, inside one, and on a sample point
            watch = event(lambda p, t, y, c=centre, n=power: (y[:, 0] - c) ** n)
            assert len(march(batch(line), start, 1.0, 0.5, [watch]).log) == count


@pytest.mark.parametrize("value", [0.0, 1e-14, -1e-14])
def test_zero_at_the_start_is_no_event(value: float) -> None:
    """sin-like: g(0) = 0, leaves upward, comes back down at t = 1: one event, and none at 0."""
    watch = event(lambda p, t, y: y[:, 0] * (1.0 - y[:, 0]) + value)
    for dt in (0.3, 5.0, 1.0):
        out = march(batch(line), torch.zeros(1, 1, dtype=torch.float64), 5.0, dt, [watch])
        np.testing.assert_allclose(out.log.t.numpy(), [1.0], atol=1e-11)


def test_crossing_exactly_at_the_end_of_a_step() -> None:
    """It is found once, at the end of the step or at the start of the next."""
    for direction, count in (("up", 1), ("down", 0)):
        watch = event(lambda p, t, y: y[:, 0] - 0.5, direction)
        out = march(batch(line), torch.zeros(1, 1, dtype=torch.float64), 1.0, 0.25, [watch])
        np.testing.assert_allclose(out.log.t.numpy(), [0.5] * count, atol=1e-12)


def test_a_reset_across_zero_is_no_crossing() -> None:
    jump = event(lambda p, t, y: y[:, 0] - 0.3, "up", reset=lambda p, t, y: y + 1.0, name="jump")
    watch = event(lambda p, t, y: y[:, 0] - 0.7, name="watch")
    out = march(batch(line), torch.zeros(1, 1, dtype=torch.float64), 1.0, 0.25, [jump, watch])
    assert [out.log.names[e] for e in out.log.event] == ["jump"]


def test_a_reset_that_leaves_the_condition_alone_fires_once() -> None:
    """y counts; the clock t = 1 goes through zero and on."""
    tick = event(lambda p, t, y: t - 1.0, reset=lambda p, t, y: y + 1.0)
    out = march(batch(lambda t, y: torch.zeros_like(y)), torch.zeros(1, 1, dtype=torch.float64), 3.0, 0.3, [tick])
    assert len(out.log) == 1
    assert out.y.item() == 1.0


def test_integrate_and_fire_spikes() -> None:
    """tau v' = I - v, spike at 1, reset to 0: period tau log(I / (I - 1)), per sample by its own current."""
    current = torch.tensor([1.5, 3.0, 0.9], dtype=torch.float64)
    field = VectorField(lambda p, t, y: p[0][:, None] - y, (current,), (True,))
    spike = event(lambda p, t, y: y[:, 0] - 1.0, "up", reset=lambda p, t, y: torch.zeros_like(y))
    out = march(field, torch.zeros(3, 1, dtype=torch.float64), 5.0, 0.02, [spike], method="dop853")
    for sample, i in enumerate(current.tolist()):
        period = np.log(i / (i - 1)) if i > 1 else np.inf
        times = out.log.times("event", sample).numpy()
        assert times.size == int(5.0 // period)
        np.testing.assert_allclose(times, period * np.arange(1, times.size + 1), rtol=1e-12)


def test_conditions_that_need_the_whole_batch() -> None:
    """Thresholds captured in a closure, one per sample: nobody may call it with some samples alone."""
    thresholds = torch.tensor([0.3, 0.9, 0.5], dtype=torch.float64)
    watch = event(lambda p, t, y: (y[:, 0] - thresholds) * (y[:, 0] - 0.95), selectable=False)
    stop = event(
        lambda p, t, y: y[:, 0] - 2 * thresholds, reset=lambda p, t, y: y + thresholds[:, None], selectable=False,
        terminal=True, name="stop",
    )  # fmt: skip
    out = march(batch(line), torch.zeros(3, 1, dtype=torch.float64), 2.0, 0.4, [watch, stop])
    for sample, (own, times) in enumerate(((0.3, [0.3]), (0.9, [0.9, 0.95]), (0.5, [0.5, 0.95]))):
        np.testing.assert_allclose(out.log.times("event", sample).numpy(), times, rtol=1e-12)
        np.testing.assert_allclose(out.t[sample], 2 * own, rtol=1e-12)
        np.testing.assert_allclose(out.y[sample].item(), 3 * own, rtol=1e-12)
    assert out.terminal.all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.complex128])
def test_other_dtypes(dtype: torch.dtype) -> None:
    """The ball in the precision of the state: no double bounce from coarser round-off."""
    start = torch.tensor([[1.0, 0.0]], dtype=dtype)
    real = event(lambda p, t, y: y[:, 0].real if y.is_complex() else y[:, 0], "both", reset=bounce(0.8))
    times = impacts(np.ones(1), 0.8, 8)[:, 0]
    out = march(batch(falling), start, times[-1] + 0.01, 0.21, [real])
    accuracy = 1e-11 if dtype == torch.complex128 else 2e-5
    np.testing.assert_allclose(out.log.t.numpy(), times, rtol=0, atol=accuracy)


def test_where_the_condition_is_not_defined_it_has_no_side() -> None:
    watch = event(lambda p, t, y: torch.log(y[:, 0] - 0.5))
    out = march(batch(line), torch.zeros(1, 1, dtype=torch.float64), 3.0, 0.4, [watch])
    np.testing.assert_allclose(out.log.t.numpy(), [1.5], rtol=1e-12)


def test_large_states_are_sampled_position_by_position(monkeypatch: pytest.MonkeyPatch) -> None:
    start = torch.tensor([[1.0, 0.0], [2.0, 0.1]], dtype=torch.float64)
    ball = [event(height, "down", reset=bounce(0.8))]
    together = march(batch(falling), start, 2.0, 0.3, ball)
    monkeypatch.setattr("fieldsolver.stepping.events.sampling.STACKED", 0)
    apart = march(batch(falling), start, 2.0, 0.3, ball)
    torch.testing.assert_close(apart.log.t, together.log.t, rtol=1e-13, atol=0)


def test_a_method_without_interpolant_is_refused() -> None:
    scheme = SimpleNamespace(name="bare", interpolant_order=None)
    with pytest.raises(OptionError, match="no interpolant"):
        EventDetector([event(height)], scheme, samples=1, span=1.0)


def test_log_as_xarray() -> None:
    ball = [event(height, "down", reset=bounce(0.8), name="impact")]
    out = march(batch(falling), torch.tensor([[1.0, 0.0], [2.0, 0.0]], dtype=torch.float64), 1.0, 0.3, ball)
    data = out.log.to_xarray()
    assert set(data["name"].values) == {"impact"}
    assert data["y_before"].dims == ("event", "y_0")
    np.testing.assert_allclose(data["y_after"].values[:, 1], -0.8 * data["y_before"].values[:, 1])
    named = out.log.named(lambda y: {"h": y[:, 0], "v": y[:, 1]}, {}).to_xarray()
    np.testing.assert_allclose(named["h_before"].values, 0.0, atol=1e-11)
    never = event(lambda p, t, y: y[:, 0] + 100.0)
    nothing = march(batch(falling), torch.zeros(1, 2, dtype=torch.float64), 1.0, 0.3, [never])
    assert nothing.log.to_xarray().sizes["event"] == 0
    assert len(nothing.log) == 0


def test_signs_through_zeros() -> None:
    """Columns: through an exact zero, a touch at one, a side changed before the step, zeros from the start, NaN."""
    theta = np.array([0.0, 0.25, 0.5, 1.0])
    values = np.array([
        [-1.0, -1.0, 2.0, 0.0, -1.0],
        [0.0, 0.0, 2.0, 0.0, np.nan],
        [0.0, -1.0, 2.0, 3.0, np.nan],
        [2.0, -2.0, 2.0, 3.0, 1.0],
    ])  # fmt: skip
    side = np.array([-1.0, -1.0, -1.0, 0.0, -1.0])
    signs = read_signs(theta, values, side)
    assert signs.filled.T.tolist() == [[-1, -1, -1, 1], [-1] * 4, [1] * 4, [0, 0, 1, 1], [-1, -1, -1, 1]]
    found = sign_changes(theta, signs, side)
    order = np.argsort(found.column)
    assert found.column[order].tolist() == [0, 2, 4]
    assert found.low[order].tolist() == [0.25, 0.0, 0.25]
    assert found.high[order].tolist() == [0.25, 0.0, 0.25]
    assert (found.direction == 1).all()


@pytest.mark.parametrize(("depth", "crossings"), [(1e-14, 0), (1e-9, 2)])
def test_dips_of_round_off_are_touches(depth: float, crossings: int) -> None:
    def parabola(column: np.ndarray, theta: np.ndarray) -> np.ndarray:
        return (theta - 0.51) ** 2 - depth

    theta = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    values = parabola(np.zeros(5), theta)[:, None]
    signs = read_signs(theta, values, np.ones(1))
    assert hidden_crossings(theta, values, signs, parabola).column.size == crossings


def test_a_reset_close_to_zero_is_not_on_it() -> None:
    """y = t is set back by 1/1000 whenever it reaches 1: it does so every 1/1000."""
    tick = event(lambda p, t, y: y[:, 0] - 1.0, "up", reset=lambda p, t, y: y - 1e-3)
    out = march(batch(line), torch.zeros(1, 1, dtype=torch.float64), 1.0105, 0.4, [tick])
    np.testing.assert_allclose(out.log.t.numpy(), 1 + 1e-3 * np.arange(11), rtol=0, atol=1e-12)


def test_functions_of_the_whole_batch_answer_for_any_picks() -> None:
    t, y = torch.arange(3, dtype=torch.float64), torch.zeros(3, 1, dtype=torch.float64)
    own = torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64)
    whole = Batched(batch(line), t, y, selectable=False)
    places = np.array([2, 0, 2, 1, 2])
    at, states = torch.arange(5, dtype=torch.float64), torch.arange(5, dtype=torch.float64)[:, None] * 100
    got = whole.call(lambda p, t, y: y[:, 0] + t + own, places, at, states)
    assert got.tolist() == [30.0, 111.0, 232.0, 323.0, 434.0]
