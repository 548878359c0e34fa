"""The variable-order Adams method: its steps at every order, the choice of the order, samples, dtypes, gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from fieldsolver.methods.abm import ABM, HIGHEST
from fieldsolver.methods.adams_order import next_order
from fieldsolver.methods.protocol import Memory, Step

DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]
OMEGA = 1.3
Field = Callable[[Tensor, Tensor], Tensor]


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def field(t: Tensor, y: Tensor) -> Tensor:
    return torch.cos(t).to(y.dtype).view(-1, *[1] * (y.dim() - 1)) * y - y * y / 4


def turning(t: Tensor, y: Tensor) -> Tensor:
    """Solved by exp(i omega t + i t^2 / 10)."""
    return 1j * (OMEGA + t / 5) * y


def turned(t: Tensor) -> Tensor:
    return torch.exp(1j * (OMEGA * t + t * t / 10))


def march(f: Field, y: Tensor, sizes: Sequence[Tensor]) -> list[Step]:
    """The steps of the given sizes (n,), one after the other."""
    t = torch.zeros(y.shape[0], dtype=torch.float64)
    memory, steps = ABM.start(f, t, y, f(t, y)), []
    for dt in sizes:
        steps.append(ABM.step(f, t, dt, y, memory))
        t, y, memory = t + dt, steps[-1].y_new, steps[-1].memory
    return steps


def orders(steps: list[Step]) -> list[int]:
    return [int(step.memory[-1][0, 1]) for step in steps]


def exact_history(order: int, h: float, t: float, ratio: float = 0.97) -> Memory:
    """What the method would remember of exact steps, each `ratio` of the next one."""
    past = h * ratio ** torch.arange(1, HIGHEST, dtype=torch.float64)
    at = t - torch.cat([torch.zeros(1, dtype=torch.float64), past.cumsum(0)])
    derivatives = turning(at, turned(at))
    return *(d.reshape(1) for d in derivatives), past.unsqueeze(0), torch.tensor([[HIGHEST - 1, order, 0, 0, 20]])


def slope(sizes: list[float], errors: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


@pytest.mark.parametrize("order", range(1, 7))
def test_one_step_from_an_exact_history(order: int) -> None:
    """Predictor k, corrector k + 1: local errors O(h^(k+2)) at the end and inside; the estimate is O(h^(k+1))."""
    largest = 0.02 if order < 4 else 0.08
    sizes, ends, insides, estimates = [largest * q for q in (1.0, 0.9, 0.8, 0.7)], [], [], []
    for h in sizes:
        t, dt, theta = numbers(0.4), numbers(h), numbers(0.6)
        step = ABM.step(turning, t, dt, turned(t), exact_history(order, h, 0.4))
        ends.append(float((step.y_new - turned(t + dt)).abs()))
        insides.append(float((ABM.interpolate(step, theta) - turned(t + theta * dt)).abs()))
        estimates.append(float(step.error.abs()))
        assert float(step.error_order) == order
    assert slope(sizes, ends) == pytest.approx(order + 2, abs=0.35)
    assert slope(sizes, insides) == pytest.approx(order + 2, abs=0.4)
    assert slope(sizes, estimates) == pytest.approx(order + 1, abs=0.3)


def integral(f: np.ndarray, x: np.ndarray, end: float) -> complex:
    """int_0^end of the polynomial through (x, f), by Newton's divided differences with many digits."""
    with mpmath.workdps(40):
        nodes, table, total = [mpmath.mpf(v) for v in x], [mpmath.mpc(v) for v in f], mpmath.mpc(0)
        basis = [mpmath.mpf(1)]  # coefficients of the product of the (s - node), highest power first
        for j in range(len(nodes)):
            powers = reversed(range(1, len(basis) + 1))
            total += table[0] * sum(c * mpmath.mpf(end) ** n / n for c, n in zip(basis, powers, strict=True))
            basis = [a - nodes[j] * b for a, b in zip([*basis, 0], [0, *basis], strict=True)]
            table = [(b - a) / (nodes[i + j + 1] - nodes[i]) for i, (a, b) in enumerate(pairwise(table))]
        return complex(total)


@pytest.mark.parametrize("order", range(1, HIGHEST + 1))
def test_every_order_is_what_its_polynomials_say(order: int) -> None:
    """Predict with k derivatives, evaluate, correct with one more; the naive way, in many digits."""
    h, t, theta = 0.23, 0.4, 0.37
    memory = exact_history(order, h, t)
    step = ABM.step(turning, numbers(t), numbers(h), turned(numbers(t)), memory)
    past = np.concatenate([[0.0], -memory[-2][0].numpy().cumsum()])
    f, y = np.array([complex(d) for d in memory[:HIGHEST]]), complex(turned(numbers(t)))

    def slope_at_end(y: complex) -> complex:
        return complex(turning(numbers(t + h), torch.tensor([y], dtype=torch.complex128)))

    predicted = slope_at_end(y + integral(f[:order], past[:order], h))
    f, x = np.concatenate([[predicted], f]), np.concatenate([[h], past])
    through = {k: y + integral(f[: k + 1], x[: k + 1], h) for k in (order - 1, order)}
    assert complex(step.y_new) == pytest.approx(through[order], rel=1e-13)
    assert complex(step.error) == pytest.approx(through[order] - through[order - 1], rel=1e-6, abs=1e-15)
    inside = y + integral(f[: order + 1], x[: order + 1], theta * h)
    assert complex(ABM.interpolate(step, numbers(theta))) == pytest.approx(inside, rel=1e-13)
    assert complex(step.memory[0]) == pytest.approx(slope_at_end(through[order]), rel=1e-13)


def test_the_first_step_is_heuns_and_its_estimate_half_a_difference() -> None:
    t, dt, y = numbers(0.3, 0.3), numbers(0.1, -0.2), torch.rand(2, 3, dtype=torch.float64)
    step, h = ABM.step(field, t, dt, y), dt.unsqueeze(1)
    k1 = field(t, y)
    k2 = field(t + dt, y + h * k1)
    torch.testing.assert_close(step.y_new, y + h / 2 * (k1 + k2), rtol=1e-15, atol=1e-15)
    torch.testing.assert_close(step.error, h / 2 * (k1 - k2) * -1 - h * (k2 - k1), rtol=1e-13, atol=1e-15)


def test_a_step_costs_two_evaluations() -> None:
    calls = []

    def counted(t: Tensor, y: Tensor) -> Tensor:
        calls.append(t)
        return field(t, y)

    memory: Memory = ()
    t, y, dt = numbers(0.0, 0.0), torch.ones(2, 3, dtype=torch.float64), numbers(0.1, 0.1)
    for n in range(4):
        calls.clear()
        predicted = ABM.stages - ABM.saved_evaluations(memory)
        memory = ABM.step(counted, t, dt, y, memory).memory
        assert len(calls) == predicted == 2 + (n == 0)


# known, order, starting, age, regular; growth; errors of orders k - 2 .. k + 1 -> order, starting, age, regular
CHOICES = {
    "the start raises": ((0, 1, 1, 0, 0), 1.0, (9, 9, 1, 9), (2, 1, 0, 1)),
    "the start raises even if the next order looks worse": ((4, 5, 1, 0, 4), 1.5, (4, 3, 2, 5), (6, 1, 0, 5)),
    "a shorter step ends the start": ((4, 5, 1, 0, 4), 0.9, (4, 3, 2, 1), (5, 0, 1, 5)),
    "a large growth makes the start wait": ((4, 5, 1, 0, 4), 1.6, (4, 3, 2, 1), (5, 1, 1, 1)),
    "until enough steps have followed": ((7, 5, 1, 2, 3), 1.2, (4, 3, 2, 1), (5, 1, 3, 4)),
    "and no longer": ((8, 5, 1, 3, 4), 1.2, (4, 3, 2, 1), (6, 1, 0, 5)),
    "a better lower order ends the start": ((4, 5, 1, 0, 4), 1.0, (1, 1, 2, 5), (4, 0, 0, 5)),
    "the highest order ends the start": ((11, 12, 1, 0, 11), 1.0, (4, 3, 2, 1), (12, 0, 1, 12)),
    "raised after k + 1 steps": ((9, 5, 0, 5, 9), 1.0, (4, 3, 2, 1), (6, 0, 0, 10)),
    "not raised before": ((9, 5, 0, 4, 9), 1.0, (4, 3, 2, 1), (5, 0, 5, 10)),
    "not raised to no avail": ((9, 5, 0, 9, 9), 1.0, (4, 3, 2, 2), (5, 0, 10, 10)),
    "not raised without a history": ((4, 5, 0, 9, 9), 1.0, (4, 3, 2, 1), (5, 0, 10, 10)),
    "not raised after a large growth": ((9, 5, 0, 9, 9), 3.0, (4, 3, 2, 1), (5, 0, 10, 1)),
    "not raised beyond the highest": ((11, 12, 0, 40, 50), 1.0, (4, 3, 2, 1), (12, 0, 41, 51)),
    "lowered if both lower orders are as good": ((9, 5, 0, 0, 9), 1.0, (2, 2, 2, 1), (4, 0, 0, 10)),
    "not lowered if only one of them is": ((9, 5, 0, 0, 9), 1.0, (3, 1.9, 2, 1), (5, 0, 1, 10)),
    "lowered if the next lower one is best": ((9, 5, 0, 0, 9), 1.0, (3, 1, 2, 1.5), (4, 0, 0, 10)),
    "order 2 is lowered by a factor of 2": ((9, 2, 0, 0, 9), 1.0, (0, 1, 2, 3), (1, 0, 0, 10)),
    "order 2 is lowered if order 1 is best": ((9, 2, 0, 0, 9), 1.0, (0, 1.5, 2, 3), (1, 0, 0, 10)),
    "order 2 is kept": ((9, 2, 0, 0, 9), 1.0, (0, 1.5, 2, 1.4), (2, 0, 1, 10)),
    "order 1 is never lowered": ((9, 1, 0, 0, 9), 1.0, (0, 0, 2, 3), (1, 0, 1, 10)),
    "order 1 is raised by a factor of 2": ((9, 1, 0, 1, 9), 1.0, (0, 0, 2, 0.9), (2, 0, 0, 10)),
    "order 1 is kept": ((9, 1, 0, 1, 9), 1.0, (0, 0, 2, 1.1), (1, 0, 2, 10)),
}


def test_the_choice_of_the_order() -> None:
    books, growth, errors, expected = zip(*CHOICES.values(), strict=True)
    errors = torch.tensor(errors, dtype=torch.float64)
    found = next_order(torch.tensor(books), numbers(*growth), errors, HIGHEST)
    for name, book, row, wanted in zip(CHOICES, books, found.tolist(), expected, strict=True):
        assert row == [min(book[0] + 1, HIGHEST - 1), *wanted], name


def test_nan_changes_no_order() -> None:
    errors = torch.full((1, 4), float("nan"), dtype=torch.float64)
    found = next_order(torch.tensor([[9, 5, 0, 9, 9]]), numbers(1.0), errors, HIGHEST)
    assert found.tolist() == [[10, 5, 0, 10, 10]]


def test_a_jump_within_a_shortened_step_is_not_underestimated() -> None:
    """f is 0 and jumps to 1: whatever the order, the estimate is at least half of h times the jump."""
    for order in (3, 7, 12):
        memory = (
            *[numbers(0.0)] * HIGHEST, torch.full((1, 11), 1.0, dtype=torch.float64),
            torch.tensor([[11, order, 0, 3, 20]]),
        )  # fmt: skip
        for h in (0.2, 1e-3, 1e-6):
            step = ABM.step(lambda t, y: (t > 0).to(y.dtype), numbers(0.0), numbers(h), numbers(0.0), memory)
            assert float(step.error.abs()) == pytest.approx(h / 2)
            assert float(step.y_new.abs()) <= h
        landing = ABM.step(turning, numbers(0.4), numbers(0.01), turned(numbers(0.4)), exact_history(order, 0.1, 0.4))
        assert float(landing.error.abs()) < 1e-7  # a smooth solution in a step as short


def test_a_smooth_solution_raises_the_order_and_a_jump_lowers_it() -> None:
    def f(t: Tensor, y: Tensor) -> Tensor:
        return torch.where(t < 3.05, torch.sin(t), 5.0 - torch.sin(t)).unsqueeze(1) * torch.ones_like(y)

    steps = march(f, torch.ones(1, 2, dtype=torch.float64), [numbers(0.1)] * 60)
    history = orders(steps)
    assert history[:11] == list(range(2, 13))
    assert max(history[:30]) == HIGHEST
    assert min(history[30:50]) <= HIGHEST - 5


def test_polynomials_are_integrated_exactly_once_the_order_suffices() -> None:
    sizes = [numbers(0.1 * 1.1**n) for n in range(10)]
    steps = march(lambda t, y: 7 * t**6, numbers(2.0), sizes)
    for step in steps[7:]:
        exact = (step.t + step.dt) ** 7 - step.t**7
        torch.testing.assert_close(step.y_new - step.y, exact, rtol=1e-12, atol=0)


def test_the_step_meets_both_ends() -> None:
    y, zero, one = torch.rand(2, 3, dtype=torch.float64), numbers(0.0, 0.0), numbers(1.0, 1.0)
    for step in march(field, y, [numbers(0.05 + 0.004 * n, 0.06) for n in range(20)]):
        assert torch.equal(ABM.interpolate(step, zero), step.y)
        torch.testing.assert_close(ABM.interpolate(step, one), step.y_new, rtol=1e-14, atol=1e-15)


def test_a_sample_does_not_depend_on_the_others() -> None:
    """Other steps, other orders: the third sample starts anew half way, the fourth one rests now and then."""
    generator = torch.Generator().manual_seed(1)
    y0 = torch.rand(4, 2, 3, dtype=torch.float64, generator=generator)
    sizes = [0.02 + 0.02 * torch.rand(4, dtype=torch.float64, generator=generator) for _ in range(24)]

    def run(rows: list[int]) -> tuple[Tensor, Tensor]:
        picked = torch.tensor(rows)
        t, y, history = torch.zeros(len(rows), dtype=torch.float64), y0[picked], []
        memory = ABM.start(field, t, y, field(t, y))
        for n, size in enumerate(sizes):
            dt = torch.where((picked == 3) & (n % 3 == 1), 0.0, size[picked])
            step = ABM.step(field, t, dt, y, memory)
            assert all(torch.isfinite(x).all() for x in (step.y_new, step.error, *step.memory))
            memory = mixed(dt != 0, step.memory, memory)
            t, y = t + dt, step.y_new
            if n == 12:
                memory = mixed(picked == 2, ABM.start(field, t, y, field(t, y)), memory)
            history.append(memory[-1][:, 1])
        return y, torch.stack(history, dim=1)

    together, histories = run([0, 1, 2, 3])
    assert len({tuple(row) for row in histories.tolist()}) > 1
    for row in range(4):
        alone, history = run([row])
        assert torch.equal(history[0], histories[row])
        torch.testing.assert_close(alone[0], together[row], rtol=1e-13, atol=1e-14)


def mixed(mask: Tensor, a: Memory, b: Memory) -> Memory:
    return tuple(torch.where(mask.view(-1, *[1] * (x.dim() - 1)), x, y) for x, y in zip(a, b, strict=True))


def test_a_resting_sample_stays_and_gives_no_nan_to_gradients() -> None:
    y = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    last = march(lambda t, y: scale * field(t, y), y, [numbers(0.1, 0.0)] * 14)[-1]
    assert torch.equal(last.y_new[1], y[1])
    gradients = torch.autograd.grad(last.y_new.sum() + last.error.abs().sum(), (y, scale))
    assert all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3,), (3, 2, 4), (3, 10, 9)])
def test_the_dtype_of_the_state_is_kept_and_time_stays_float64(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    seen = []

    def watched(t: Tensor, y: Tensor) -> Tensor:
        seen.append((t.dtype, y.dtype, y.shape))
        return field(t, y)

    torch.manual_seed(0)
    for step in march(
        watched, torch.randn(shape, dtype=dtype), [numbers(0.01, 0.02, 0.03 + 0.01 * n) for n in range(14)]
    ):
        inside = ABM.interpolate(step, numbers(0.3, 0.3, 0.3))
        assert {x.dtype for x in (step.y_new, step.error, inside)} == {dtype}
        assert inside.shape == step.y_new.shape == shape
    assert set(seen) == {(torch.float64, dtype, torch.Size(shape))}


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_gradients_flow_through_the_history(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    y, scale = torch.randn(2, 2, dtype=dtype, requires_grad=True), torch.ones((), dtype=dtype, requires_grad=True)
    sizes = [numbers(0.1, 0.07 + 0.005 * n) for n in range(14)]

    def solve(y: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        last = march(lambda t, y: scale * field(t, y), y, sizes)[-1]
        return last.y_new + ABM.interpolate(last, numbers(0.4, 0.4)), last.error

    assert torch.autograd.gradcheck(solve, (y, scale), rtol=1e-4)


def test_steps_on_cuda_touch_no_cpu_tensor_and_never_wait() -> None:
    with FakeTensorMode(allow_non_fake_inputs=True):
        y, memory = torch.ones(3, 2, device="cuda", dtype=torch.float32), ()
        t, dt = (torch.ones(3, device="cuda", dtype=torch.float64) for _ in range(2))
        for _ in range(2):
            step = ABM.step(field, t, dt, y, memory)
            memory = step.memory
        rows = torch.arange(2, device="cuda")
        inside = ABM.interpolate(step.select(rows), dt.index_select(0, rows))
    assert step.y_new.device.type == inside.device.type == "cuda"
    assert not ABM._tables._on


def test_a_step_compiles_without_graph_breaks_to_the_same_numbers() -> None:
    steps = march(field, torch.rand(3, 2, dtype=torch.float64), [numbers(0.1, 0.07 + 0.01 * n, 0.1) for n in range(9)])

    def advance(t: Tensor, dt: Tensor, y: Tensor, memory: Memory) -> Tensor:
        return ABM.step(field, t, dt, y, memory).y_new

    torch.compiler.reset()
    compiled = torch.compile(advance, fullgraph=True, backend="aot_eager")
    for n in (1, 8):
        found = compiled(steps[n].t, steps[n].dt, steps[n].y, steps[n - 1].memory)
        torch.testing.assert_close(found, steps[n].y_new, rtol=1e-13, atol=1e-15)


def test_forward_mode_and_vmap_go_through_steps() -> None:
    sizes, y = [numbers(0.1, 0.07 + 0.01 * n) for n in range(6)], torch.rand(2, 2, dtype=torch.float64)

    def solve(y: Tensor) -> Tensor:
        return march(field, y, sizes)[-1].y_new

    _, tangent = torch.func.jvp(solve, (y,), (torch.ones_like(y),))
    assert torch.allclose(tangent, torch.func.jacrev(solve)(y).flatten(2).sum(-1), rtol=1e-11)
    torch.testing.assert_close(torch.func.vmap(solve)(torch.stack([y, 2 * y]))[1], solve(2 * y), rtol=1e-13, atol=0)
