"""Adams-Bashforth steps: orders on equal and unequal steps, starts, dense output, samples, dtypes, gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from fieldsolver.methods.ab2 import AB2
from fieldsolver.methods.ab3 import AB3
from fieldsolver.methods.ab4 import AB4
from fieldsolver.methods.adams_bashforth import AdamsBashforth
from fieldsolver.methods.protocol import Memory, Step

METHODS = {"ab2": AB2, "ab3": AB3, "ab4": AB4}
DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]
SPAN = 2.0


class Problem(NamedTuple):
    f: Callable[[Tensor, Tensor], Tensor]
    exact: Callable[[Tensor], Tensor]


def rotation(t: Tensor, y: Tensor) -> Tensor:
    """y = (cos t^2, sin t^2) and more: not linear in y, so a derivative at a wrong y is seen."""
    u, v = y.unbind(1)
    pull = 1.0 - u * u - v * v
    return torch.stack([-2.0 * t * v + pull * u, 2.0 * t * u + pull * v], dim=1)


PROBLEMS = {
    "scalar, autonomous": Problem(lambda t, y: y * (1.0 - y), lambda t: 1.0 / (1.0 + 4.0 * torch.exp(-t))),
    "vector, non-autonomous": Problem(
        rotation, lambda t: torch.stack([torch.cos(t * t), torch.sin(t * t)], dim=-1)
    ),
    "complex, non-autonomous": Problem(
        lambda t, y: 1j * (1.0 + torch.cos(t)) * y * y / torch.exp(1j * (t + torch.sin(t))),
        lambda t: torch.exp(1j * (t + torch.sin(t))),
    ),
}  # fmt: skip


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def field(t: Tensor, y: Tensor) -> Tensor:
    return torch.cos(t).to(y.dtype).view(-1, *[1] * (y.dim() - 1)) * y - y * y / 4


def march(
    method: AdamsBashforth, f: Callable[[Tensor, Tensor], Tensor], y: Tensor, sizes: Sequence[Tensor], t0: float = 0.0
) -> list[Step]:
    """The steps of the given sizes (n,), one after the other."""
    t = torch.full((y.shape[0],), t0, dtype=torch.float64)
    memory, steps = method.start(f, t, y, f(t, y)), []
    for dt in sizes:
        steps.append(method.step(f, t, dt, y, memory))
        t, y, memory = t + dt, steps[-1].y_new, steps[-1].memory
    return steps


def times(count: int, kind: str) -> Tensor:
    """(count + 1,) from 0 to SPAN."""
    x = torch.linspace(0.0, 1.0, count + 1, dtype=torch.float64)
    return SPAN * (x + (0.1 * torch.sin(2 * np.pi * x) if kind == "varying" else 0.0))


def errors_at_ends(method: AdamsBashforth, problem: Problem, count: int, kind: str) -> tuple[float, list[Step]]:
    ends = times(count, kind)
    dt = ends.diff()
    if kind == "equal":
        dt = torch.full_like(dt, SPAN / count)
    steps = march(method, problem.f, problem.exact(torch.zeros(1).double()), list(dt.unsqueeze(1)))
    found = torch.cat([step.y_new for step in steps])
    return float((found - problem.exact(ends[1:])).abs().max()), steps


def slope(counts: list[int], errors: list[float]) -> float:
    return float(-np.polyfit(np.log(counts), np.log(errors), 1)[0])


@pytest.mark.parametrize("kind", ["equal", "varying"])
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", METHODS)
def test_the_method_converges_with_its_order_from_the_first_step_on(name: str, problem: str, kind: str) -> None:
    counts = [192, 256, 384, 512]
    errors = [errors_at_ends(METHODS[name], PROBLEMS[problem], count, kind)[0] for count in counts]
    assert slope(counts, errors) == pytest.approx(METHODS[name].order, abs=0.15)


@pytest.mark.parametrize("kind", ["equal", "varying"])
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", METHODS)
def test_dense_output_converges_with_the_order_off_the_grid(name: str, problem: str, kind: str) -> None:
    method, counts, errors = METHODS[name], [192, 256, 384, 512], []
    for count in counts:
        _, steps = errors_at_ends(method, PROBLEMS[problem], count, kind)
        worst = 0.0
        for theta in (0.21, 0.5, 0.83):
            inside = torch.cat([method.interpolate(step, numbers(theta)) for step in steps])
            at = torch.cat([step.t + theta * step.dt for step in steps])
            worst = max(worst, float((inside - PROBLEMS[problem].exact(at)).abs().max()))
        errors.append(worst)
    assert slope(counts, errors) == pytest.approx(method.order, abs=0.15)


@pytest.mark.parametrize(("name", "orders"), [("ab2", [3]), ("ab3", [3, 3]), ("ab4", [5, 5, 5])])
def test_the_steps_of_the_start_are_as_accurate_as_said(name: str, orders: list[int]) -> None:
    """The error after n steps is that of the first one or better: O(h^3) for ab2 and ab3, O(h^5) for ab4."""
    problem, counts = PROBLEMS["vector, non-autonomous"], [40, 57, 80, 113]
    errors = []
    for count in counts:
        steps = march(METHODS[name], problem.f, problem.exact(numbers(0.7)), [numbers(1 / count)] * len(orders), t0=0.7)
        errors.append([float((step.y_new - problem.exact(step.t + step.dt)).abs().max()) for step in steps])
    for n, order in enumerate(orders):
        assert slope(counts, [row[n] for row in errors]) == pytest.approx(order, abs=0.3)


def exact_history(method: AdamsBashforth, problem: Problem, h: float, t: float) -> Memory:
    """What the method would remember of exact steps, each 0.9 of the next one."""
    past = h * 0.9 ** torch.arange(1, method.order, dtype=torch.float64)
    at = t - torch.cat([torch.zeros(1).double(), past.cumsum(0)])
    derivatives = problem.f(at, problem.exact(at))
    return *(d.unsqueeze(0) for d in derivatives), past.unsqueeze(0), torch.full((1,), method.order - 1)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", METHODS)
def test_one_step_from_an_exact_history(name: str, problem: str) -> None:
    """Local errors of order p + 1, at the end and inside, and an estimate that is the error to leading order."""
    method, (f, exact) = METHODS[name], PROBLEMS[problem]
    counts, ends, insides, ratios = [20, 28, 40, 57], [], [], []
    t = numbers(0.7)
    for count in counts:
        h = numbers(1.0 / count)
        step = method.step(f, t, h, exact(t), exact_history(method, PROBLEMS[problem], 1.0 / count, 0.7))
        ends.append(float((step.y_new - exact(t + h)).abs().max()))
        theta = numbers(0.6)
        insides.append(float((method.interpolate(step, theta) - exact(t + theta * h)).abs().max()))
        ratios.append(float((step.y_new + step.error - exact(t + h)).abs().max()) / ends[-1])
        assert float(step.error_order) == method.order
    assert slope(counts, ends) == pytest.approx(method.order + 1, abs=0.3)
    assert slope(counts, insides) == pytest.approx(method.order + 1, abs=0.3)
    assert ratios[-1] < 0.5
    assert slope(counts, ratios) > 0.6  # what is left is of one order more


@pytest.mark.parametrize("name", METHODS)
def test_the_step_meets_both_ends(name: str) -> None:
    sizes = [numbers(s, 0.7 * s) for s in (0.1, 0.1, 0.07, 0.12, 0.1, 0.1, 0.1, 0.1)]
    y = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for step in march(METHODS[name], field, y, sizes):
        zero, one = torch.zeros(2).double(), torch.ones(2).double()
        assert torch.equal(METHODS[name].interpolate(step, zero), step.y)
        torch.testing.assert_close(METHODS[name].interpolate(step, one), step.y_new, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", METHODS)
def test_a_step_costs_one_evaluation_and_the_books_know_of_the_others(name: str) -> None:
    method, calls = METHODS[name], []

    def counted(t: Tensor, y: Tensor) -> Tensor:
        calls.append(t)
        return field(t, y)

    t, y, dt = torch.zeros(2).double(), torch.ones(2, 3).double(), numbers(*[0.1] * 2)
    memory: Memory = ()
    for n in range(8):
        calls.clear()
        predicted = method.stages - np.asarray(method.saved_evaluations(memory))
        step = method.step(counted, t, dt, y, memory)
        assert np.all(predicted == len(calls))
        assert len(calls) == 1 + (n == 0) + 3 * (name == "ab4" and n < 3)
        t, y, memory = t + dt, step.y_new, step.memory


@pytest.mark.parametrize("name", METHODS)
def test_equal_steps_take_the_classical_coefficients_to_the_same_numbers(name: str) -> None:
    """With a second sample on unequal steps the general formulas are used for both."""
    equal = [numbers(0.05)] * 12
    y = torch.tensor([[0.3, 1.2], [1.0, -0.5]], dtype=torch.float64)
    alone = march(METHODS[name], field, y[:1], equal)
    both = march(METHODS[name], field, y, [torch.cat([dt, dt * (1 + 0.1 * n)]) for n, dt in enumerate(equal)])
    for a, b in zip(alone, both, strict=True):
        torch.testing.assert_close(b.y_new[:1], a.y_new, rtol=1e-14, atol=0)
        torch.testing.assert_close(b.error[:1], a.error, rtol=1e-9, atol=1e-15)
        theta = numbers(*[0.4] * 2)
        inside = METHODS[name].interpolate(b, theta)[:1], METHODS[name].interpolate(a, theta[:1])
        torch.testing.assert_close(*inside, rtol=1e-14, atol=0)


@pytest.mark.parametrize("name", METHODS)
def test_a_sample_does_not_depend_on_the_others(name: str) -> None:
    """Other steps, other phases: the third sample starts anew half way, the fourth one rests now and then."""
    method, generator = METHODS[name], torch.Generator().manual_seed(1)
    y0 = torch.randn(4, 2, 3, dtype=torch.float64, generator=generator)
    sizes = [0.02 + 0.05 * torch.rand(4, dtype=torch.float64, generator=generator) for _ in range(12)]

    def run(rows: list[int]) -> Tensor:
        picked = torch.tensor(rows)
        t, y = torch.zeros(len(rows)).double(), y0[picked]
        memory = method.start(field, t, y, field(t, y))
        for n, size in enumerate(sizes):
            dt = torch.where((picked == 3) & (n % 3 == 1), 0.0, size[picked])
            step = method.step(field, t, dt, y, memory)
            assert all(torch.isfinite(x).all() for x in (step.y_new, step.error, *step.memory))
            t, y = t + dt, step.y_new
            memory = tuple(
                torch.where((dt != 0).view(-1, *[1] * (a.dim() - 1)), a, b)
                for a, b in zip(step.memory, memory, strict=True)
            )
            if n == 6:
                fresh = method.start(field, t, y, field(t, y))
                memory = tuple(
                    torch.where((picked == 2).view(-1, *[1] * (a.dim() - 1)), a, b)
                    for a, b in zip(fresh, memory, strict=True)
                )
        return y

    together = run([0, 1, 2, 3])
    for row in range(4):
        torch.testing.assert_close(run([row])[0], together[row], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", METHODS)
def test_a_new_start_half_way_keeps_the_order(name: str) -> None:
    problem, counts, errors = PROBLEMS["vector, non-autonomous"], [128, 192, 256, 384], []
    for count in counts:
        halves = [numbers(SPAN / count)] * (count // 2)
        first = march(METHODS[name], problem.f, problem.exact(torch.zeros(1).double()), halves)[-1]
        last = march(METHODS[name], problem.f, first.y_new, halves, t0=SPAN / 2)[-1]
        errors.append(float((last.y_new - problem.exact(numbers(SPAN))).abs().max()))
    assert slope(counts, errors) == pytest.approx(METHODS[name].order, abs=0.15)


@pytest.mark.parametrize("name", METHODS)
def test_a_resting_sample_stays_and_gives_no_nan_to_gradients(name: str) -> None:
    y = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    sizes = [numbers(0.1, 0.0)] * 6
    last = march(METHODS[name], lambda t, y: scale * field(t, y), y, sizes)[-1]
    assert torch.equal(last.y_new[1], y[1])
    gradients = torch.autograd.grad(last.y_new.sum() + last.error.abs().sum(), (y, scale))
    assert all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3,), (3, 2, 4), (3, 10, 9)])
@pytest.mark.parametrize("name", METHODS)
def test_the_dtype_of_the_state_is_kept_and_time_stays_float64(
    name: str, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    seen = []

    def watched(t: Tensor, y: Tensor) -> Tensor:
        seen.append((t.dtype, y.dtype, y.shape))
        return field(t, y)

    torch.manual_seed(0)
    y, sizes = torch.randn(shape, dtype=dtype), [numbers(0.01, 0.02, 0.03 + 0.01 * n) for n in range(6)]
    for step in march(METHODS[name], watched, y, sizes):
        inside = METHODS[name].interpolate(step, numbers(*[0.3] * 3))
        assert {x.dtype for x in (step.y_new, step.error, inside)} == {dtype}
        assert inside.shape == step.y_new.shape == shape
    assert set(seen) == {(torch.float64, dtype, torch.Size(shape))}


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("name", METHODS)
def test_gradients_flow_through_the_history(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    y, scale = torch.randn(2, 2, dtype=dtype, requires_grad=True), torch.ones((), dtype=dtype, requires_grad=True)
    sizes = [numbers(0.1, 0.07 + 0.02 * n) for n in range(6)]

    def solve(y: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        last = march(METHODS[name], lambda t, y: scale * field(t, y), y, sizes)[-1]
        return last.y_new + METHODS[name].interpolate(last, numbers(*[0.4] * 2)), last.error

    assert torch.autograd.gradcheck(solve, (y, scale))


@pytest.mark.parametrize("name", METHODS)
def test_steps_on_cuda_touch_no_cpu_tensor_and_never_wait(name: str) -> None:
    before = set(METHODS[name]._tables._on)  # what other tests of this process left
    with FakeTensorMode(allow_non_fake_inputs=True):
        y, memory = torch.ones(3, 2, device="cuda", dtype=torch.float32), ()
        t, dt = (torch.ones(3, device="cuda", dtype=torch.float64) for _ in range(2))
        for _ in range(2):
            step = METHODS[name].step(field, t, dt, y, memory)
            memory = step.memory
        rows = torch.arange(2, device="cuda")
        inside = METHODS[name].interpolate(step.select(rows), dt.index_select(0, rows))
    assert step.y_new.device.type == inside.device.type == "cuda"
    assert set(METHODS[name]._tables._on) == before


@pytest.mark.parametrize("name", METHODS)
def test_a_step_compiles_without_graph_breaks_to_the_same_numbers(name: str) -> None:
    y, sizes = torch.rand(3, 2).double(), [numbers(0.1, 0.07 + 0.02 * n, 0.1) for n in range(5)]
    steps = march(METHODS[name], field, y, sizes)

    def advance(t: Tensor, dt: Tensor, y: Tensor, memory: Memory) -> Tensor:
        return METHODS[name].step(field, t, dt, y, memory).y_new

    torch.compiler.reset()
    compiled = torch.compile(advance, fullgraph=True, backend="aot_eager")
    for n in (0, 1, 4):
        memory = steps[n - 1].memory if n else METHODS[name].start(field, steps[0].t, y, field(steps[0].t, y))
        found = compiled(steps[n].t, sizes[n], steps[n].y, memory)
        torch.testing.assert_close(found, steps[n].y_new, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", METHODS)
def test_forward_mode_and_vmap_go_through_steps(name: str) -> None:
    sizes, y = [numbers(0.1, 0.07 + 0.02 * n) for n in range(5)], torch.rand(2, 2).double()

    def solve(y: Tensor) -> Tensor:
        return march(METHODS[name], field, y, sizes)[-1].y_new

    _, tangent = torch.func.jvp(solve, (y,), (torch.ones_like(y),))
    assert torch.allclose(tangent, torch.func.jacrev(solve)(y).flatten(2).sum(-1), rtol=1e-12)
    torch.testing.assert_close(torch.func.vmap(solve)(torch.stack([y, 2 * y]))[1], solve(2 * y), rtol=1e-13, atol=0)
