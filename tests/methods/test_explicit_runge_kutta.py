"""One step of every explicit Runge-Kutta method: dtype, batch, linearity, dense output, differentiability."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from fieldsolver.errors import OptionError
from fieldsolver.methods import METHODS, ButcherTableau, ExplicitRungeKutta, Method

RUNGE_KUTTA = [name for name, method in METHODS.items() if isinstance(method, ExplicitRungeKutta)]
DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]


def field(t: Tensor, y: Tensor) -> Tensor:
    return torch.cos(t).to(y.dtype).view(-1, *[1] * (y.dim() - 1)) * y - y * y / 4


def start(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    y = torch.randn(shape, dtype=dtype).to(device)
    t = torch.linspace(0, 1, shape[0], dtype=torch.float64, device=device)
    return t, torch.linspace(0.01, 0.1, shape[0], dtype=torch.float64, device=device), y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_the_dtype_of_the_state_is_kept_and_time_stays_float64(
    name: str, dtype: torch.dtype, device: torch.device
) -> None:
    times = []

    def watched(t: Tensor, y: Tensor) -> Tensor:
        times.append(t.dtype)
        assert y.dtype == dtype
        return field(t, y)

    t, dt, y = start((3, 2, 4), dtype, device)
    step = METHODS[name].step(watched, t, dt, y)
    assert step.y_new.dtype == dtype
    assert step.y_new.shape == y.shape
    assert step.error is None or step.error.dtype == dtype
    inside = METHODS[name].interpolate(METHODS[name].extend(watched, step), torch.full_like(t, 0.3))
    assert inside.dtype == dtype
    assert set(times) == {torch.float64}


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 2, 3, 4)])
@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_a_batch_is_its_samples_bit_for_bit(name: str, shape: tuple[int, ...], device: torch.device) -> None:
    t, dt, y = start(shape, torch.float64, device)
    whole = METHODS[name].step(field, t, dt, y)
    for i in range(shape[0]):
        alone = METHODS[name].step(field, t[i : i + 1], dt[i : i + 1], y[i : i + 1])
        assert torch.equal(alone.y_new[0], whole.y_new[i])


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_one_step_is_the_stability_polynomial(name: str) -> None:
    method = METHODS[name]
    z = torch.tensor([0.3 + 0.4j, -1.0, 2j], dtype=torch.complex128)
    y, t, dt = (
        torch.ones(3, dtype=torch.complex128),
        torch.zeros(3, dtype=torch.float64),
        torch.full((3,), 0.5).double(),
    )
    step = method.step(lambda t, y: (z / 0.5) * y, t, dt, y)
    expected = sum(float(c) * z**k for k, c in enumerate(method.tableau.stability_polynomial()))
    torch.testing.assert_close(step.y_new, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_stages_are_evaluated_once(name: str) -> None:
    method, calls = METHODS[name], []
    t, dt, y = start((1, 2), torch.float64, torch.device("cpu"))

    def counted(t: Tensor, y: Tensor) -> Tensor:
        calls.append(1)
        return field(t, y)

    step = method.step(counted, t, dt, y)
    assert len(calls) == method.stages
    method.extend(counted, step)
    assert len(calls) == method.stages + method.extra_stages
    calls.clear()
    method.step(counted, t, dt, y, (field(t, y),))
    assert len(calls) == method.stages - 1


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_the_last_stage_of_fsal_methods_is_the_derivative_at_the_end(name: str) -> None:
    t, dt, y = start((3, 2), torch.float64, torch.device("cpu"))
    step = METHODS[name].step(field, t, dt, y)
    if METHODS[name].fsal:
        assert torch.equal(step.k[-1], field(t + dt, step.y_new))


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_the_interpolant_meets_both_ends(name: str) -> None:
    t, dt, y = start((3, 2), torch.float64, torch.device("cpu"))
    step = METHODS[name].extend(field, METHODS[name].step(field, t, dt, y))
    assert torch.equal(METHODS[name].interpolate(step, torch.zeros(3).double()), y)
    largest = max(abs(float(c)) for row in METHODS[name].tableau.interpolant for c in row)  # they cancel at the end
    at_end = METHODS[name].interpolate(step, torch.ones(3).double())
    torch.testing.assert_close(at_end, step.y_new, rtol=0, atol=max(1e-14, 1e-16 * largest))


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_a_step_is_differentiable_twice(name: str, dtype: torch.dtype) -> None:
    t, dt, y = start((2, 2), dtype, torch.device("cpu"))
    y.requires_grad_()

    def advance(y: Tensor) -> Tensor:
        step = METHODS[name].extend(field, METHODS[name].step(field, t, dt, y))
        return step.y_new + METHODS[name].interpolate(step, torch.full((2,), 0.4).double())

    assert torch.autograd.gradcheck(advance, y)
    assert torch.autograd.gradgradcheck(advance, y)


def test_without_an_interpolant_interpolating_is_refused() -> None:
    method: Method = ExplicitRungeKutta(ButcherTableau(name="bare", order=1, source="none", c=(0,), a=((),), b=(1,)))
    t, dt, y = start((1, 2), torch.float64, torch.device("cpu"))
    with pytest.raises(OptionError, match="no interpolant"):
        method.interpolate(method.step(field, t, dt, y), t)


def test_interpolating_without_the_extra_stages_is_refused() -> None:
    t, dt, y = start((1, 2), torch.float64, torch.device("cpu"))
    step = METHODS["dop853"].step(field, t, dt, y)
    with pytest.raises(OptionError, match=r"13 stages, the interpolant of 'dop853' needs 16; call extend\(f, step\)"):
        METHODS["dop853"].interpolate(step, t)


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_a_step_on_cuda_touches_no_cpu_tensor_and_never_waits(name: str) -> None:
    """Fake tensors know their device but hold no numbers: a stray CPU tensor or a host read raises."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        y = torch.ones(3, 2, device="cuda", dtype=torch.float32)
        t, dt, theta = (torch.ones(3, device="cuda", dtype=torch.float64) for _ in range(3))
        step = METHODS[name].extend(field, METHODS[name].step(field, t, dt, y))
        inside = METHODS[name].interpolate(step, theta)
    assert step.y_new.device.type == inside.device.type == "cuda"
    assert step.y_new.dtype == inside.dtype == torch.float32


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_a_step_compiles_without_graph_breaks_to_the_same_numbers(name: str) -> None:
    t, dt, y = start((3, 2), torch.float64, torch.device("cpu"))

    def advance(t: Tensor, dt: Tensor, y: Tensor) -> Tensor:
        return METHODS[name].step(field, t, dt, y).y_new

    torch.compiler.reset()  # one function compiled for more than eight methods would run into the limit of variants
    compiled = torch.compile(advance, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(t, dt, y), advance(t, dt, y), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_forward_mode_and_vmap_go_through_a_step(name: str) -> None:
    t, dt, y = start((3, 2), torch.float64, torch.device("cpu"))

    def advance(y: Tensor) -> Tensor:
        return METHODS[name].step(field, t, dt, y).y_new

    direction = torch.ones_like(y)
    _, tangent = torch.func.jvp(advance, (y,), (direction,))
    assert torch.allclose(tangent, torch.func.jacrev(advance)(y).flatten(2).sum(-1), rtol=1e-12)
    stacked = torch.stack([y, 2 * y])
    torch.testing.assert_close(torch.func.vmap(advance)(stacked)[1], advance(2 * y), rtol=1e-14, atol=0)
