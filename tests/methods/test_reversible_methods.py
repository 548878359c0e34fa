"""Steps that can be undone: their formulas, their inverses, and where they are stable."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import METHODS, ReversibleMethod
from fieldsolver.methods.bosh3 import BOSH3
from fieldsolver.methods.dop853 import DOP853
from fieldsolver.methods.mccallum_foster import McCallumFoster
from fieldsolver.stepping import VectorField, integrate

REVERSIBLE = [name for name, method in METHODS.items() if isinstance(method, ReversibleMethod)]
COUPLED = [name for name in REVERSIBLE if name != "reversible_heun"]
T0 = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)
SIZES = torch.tensor([0.05, -0.11, 0.2], dtype=torch.float64)


def field(t: Tensor, y: Tensor) -> Tensor:
    """A driven pendulum with a friction that changes its sign."""
    angle, speed = y.unbind(-1)
    return torch.stack((speed, -torch.sin(angle) + torch.cos(2 * t) * (0.4 - 0.1 * speed)), -1)


def states(samples: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(samples, 2, generator=torch.Generator().manual_seed(3), dtype=dtype)


def close(ours: object, expected: object, tolerance: float) -> None:
    torch.testing.assert_close(ours, expected, rtol=tolerance, atol=tolerance)


def test_which_methods_are_reversible() -> None:
    assert REVERSIBLE == ["reversible_heun", "reversible_bosh3", "reversible_rk4", "reversible_tsit5"]


def test_two_steps_of_reversible_heun_by_hand() -> None:
    """y' = t y from y = 1 at t = 1, h = 1/2, with exact fractions."""
    y, z, t, h = Fraction(1), Fraction(1), Fraction(1), Fraction(1, 2)
    v = t * z
    method, times = METHODS["reversible_heun"], torch.ones(1, dtype=torch.float64)
    state, memory = torch.ones(1, 1, dtype=torch.float64), ()
    for _ in range(2):
        z_new = 2 * y - z + h * v
        v_new = (t + h) * z_new
        estimate, y = h * (v_new - v) / 2, y + h * (v + v_new) / 2
        z, v, t = z_new, v_new, t + h
        step = method.step(lambda t, y: t[:, None] * y, times, times.new_full((1,), 0.5), state, memory)
        state, memory, times = step.y_new, step.memory, times + 0.5
        assert [state.item(), memory[0].item(), memory[1].item()] == [float(y), float(z), float(v)]
        assert step.error is not None
        assert step.error.item() == float(estimate)


@pytest.mark.parametrize("name", COUPLED)
def test_a_coupled_step_is_two_steps_of_its_base(name: str) -> None:
    method, y, z = METHODS[name], states(), states().flip(0) * 0.3
    forth = method.base.step(field, T0, SIZES, z).y_new - z
    y_new = 0.999 * y + 0.001 * z + forth
    back = method.base.step(field, T0 + SIZES, -SIZES, y_new).y_new - y_new
    step = method.step(field, T0, SIZES, y, (z,))
    close((step.y_new, step.memory[0]), (y_new, z - back), 1e-14)


@pytest.mark.parametrize("name", ["reversible_bosh3", "reversible_tsit5"])
def test_the_error_estimate_is_that_of_the_base(name: str) -> None:
    """Along the step from z; of y only the last stage knows, by a difference that the order makes small."""
    method, z = METHODS[name], states()
    base = method.base.step(field, T0, SIZES, z).error
    assert base is not None
    close(method.step(field, T0, SIZES, z).error, base, 1e-14)
    apart = method.step(field, T0, SIZES, z + 1e-3, (z,)).error
    assert apart is not None
    assert 0 < float((apart - base).abs().max()) < 1e-3 * float(SIZES.abs().max())


def test_a_method_without_an_estimate_stays_one() -> None:
    assert METHODS["reversible_rk4"].error_order is None
    assert METHODS["reversible_rk4"].step(field, T0, SIZES, states()).error is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("name", REVERSIBLE)
def test_the_inverse_undoes_a_step(name: str, dtype: torch.dtype) -> None:
    method, generator = METHODS[name], torch.Generator().manual_seed(4)
    f = field if dtype == torch.float64 else (lambda t, y: 1j * y.abs() ** 2 * y + torch.cos(t)[:, None])
    y, memory = states(dtype=dtype), (0.9 * states(dtype=dtype) + 0.1,)
    if name == "reversible_heun":
        memory = (*memory, f(T0, memory[0]))
    for _ in range(3):
        dt = torch.randn(3, generator=generator, dtype=torch.float64) * 0.1
        step = method.step(f, T0, dt, y, memory)
        close(method.reverse(f, T0, dt, step.y_new, step.memory), (y, memory), 1e-14)
        y, memory = step.y_new, step.memory
        if name == "reversible_heun":  # its derivative belongs to another time now
            memory = (memory[0], f(T0, memory[0]))


@pytest.mark.parametrize("steps", [500, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", REVERSIBLE)
def test_many_steps_are_undone_to_nine_digits(name: str, steps: int) -> None:
    method, y0 = METHODS[name], torch.tensor([[1.0, 0.0], [0.3, -0.5]], dtype=torch.float64)

    def swing(t: Tensor, y: Tensor) -> Tensor:
        return torch.stack((y[:, 1], -torch.sin(y[:, 0]) + 0.1 * torch.cos(0.3 * t)), -1)

    t, dt = torch.zeros(2, dtype=torch.float64), torch.tensor([0.01, 0.013], dtype=torch.float64)
    start = method.start(swing, t, y0, swing(t, y0))
    y, memory = y0, start
    with torch.no_grad():
        for n in range(steps):
            step = method.step(swing, n * dt, dt, y, memory, estimate=False)
            y, memory = step.y_new, step.memory
        assert float((y - y0).abs().min()) > 1e-3
        for n in reversed(range(steps)):
            y, memory = method.reverse(swing, n * dt, dt, y, memory)
    close((y, memory), (y0, start), 1e-9)


@pytest.mark.parametrize("name", REVERSIBLE)
def test_samples_without_a_step_stay_in_both_directions(name: str) -> None:
    method, y, dt = METHODS[name], states(), torch.tensor([0.1, 0.0, -0.1], dtype=torch.float64)
    z = states().flip(0)
    memory = (z, field(T0, z)) if name == "reversible_heun" else (z,)
    step = method.step(field, T0, dt, y, memory)
    back, memory_back = method.reverse(field, T0, dt, y, memory)
    for moved, carried in ((step.y_new, step.memory), (back, memory_back)):
        assert all(torch.equal(a[1], b[1]) for a, b in zip((moved, *carried), (y, *memory), strict=True))
        assert not torch.equal(moved[0], y[0])


@pytest.mark.parametrize("name", REVERSIBLE)
def test_both_directions_cost_the_evaluations_that_are_counted(name: str) -> None:
    method, calls = METHODS[name], []

    def counted(t: Tensor, y: Tensor) -> Tensor:
        calls.append(t)
        return field(t, y)

    y = states()
    memory = method.start(counted, T0, y, field(T0, y))
    assert not calls
    step = method.step(counted, T0, SIZES, y, memory)
    cost = method.stages - method.saved_evaluations(memory)
    assert len(calls) == cost == method.describe().evaluations
    method.reverse(counted, T0, SIZES, step.y_new, step.memory)
    assert len(calls) == 2 * cost
    method.step(counted, T0, SIZES, y)
    assert len(calls) == 2 * cost + method.stages - method.saved_evaluations(())


@pytest.mark.parametrize("name", REVERSIBLE)
def test_dense_output_meets_the_ends_of_a_later_step(name: str) -> None:
    method, zero, one = METHODS[name], torch.zeros(3).double(), torch.ones(3).double()
    first = method.step(field, T0, SIZES, states())
    step = method.step(field, T0 + SIZES, SIZES, first.y_new, first.memory)
    assert torch.equal(method.interpolate(step, zero), step.y)
    close(method.interpolate(step, one), step.y_new, 1e-14)


def amplification(name: str, zeta: np.ndarray) -> np.ndarray:
    """Spectral radii (M,) of a step for y' = zeta y, h = 1, as a matrix acting on (y, z)."""
    method, rate = METHODS[name], torch.from_numpy(zeta).to(torch.complex128)[:, None]
    t, dt = (torch.full((zeta.size,), value, dtype=torch.float64) for value in (0.0, 1.0))
    columns = []
    for y, z in ((1.0, 0.0), (0.0, 1.0)):
        start, other = torch.full_like(rate, y), torch.full_like(rate, z)
        memory = (other, rate * other) if name == "reversible_heun" else (other,)
        step = method.step(lambda t, y: rate * y, t, dt, start, memory)
        columns.append(torch.cat((step.y_new, step.memory[0]), dim=1))
    return torch.linalg.eigvals(torch.stack(columns, dim=-1)).abs().amax(-1).numpy()


@pytest.mark.parametrize("name", COUPLED)
def test_the_stability_region_ends_where_steps_begin_to_grow(name: str) -> None:
    stability = METHODS[name].stability
    angles = np.geomspace(1e-6, np.pi / 2, 40)
    rays = (-np.sin(angles) + 1j * np.cos(angles)) * stability.exit_radii(angles)
    ends = np.concatenate([rays, [-stability.real_interval, 1j * stability.imaginary_interval]])
    assert (amplification(name, (1 - 1e-3) * ends) <= 1 + 1e-10).all()
    assert (amplification(name, (1 + 1e-3) * ends) > 1 + 1e-10).all()
    inside = np.linspace(0.02, 0.98, 49)[:, None] * ends
    assert (amplification(name, inside.ravel()) <= 1 + 1.1e-10).all()


def test_the_stability_region_of_reversible_heun_is_a_part_of_the_imaginary_axis() -> None:
    """[-i, i]: Kidger et al. 2021."""
    stability = METHODS["reversible_heun"].stability
    assert (stability.real_interval, stability.imaginary_interval) == (0.0, 1.0)
    assert amplification("reversible_heun", np.array([0.999j, 0.5j])) == pytest.approx(1.0, abs=1e-12)
    assert (amplification("reversible_heun", np.array([1.001j, -0.01, -0.01 + 0.5j])) > 1.001).all()


@pytest.mark.parametrize("name", REVERSIBLE)
def test_what_decays_leaves_a_partner_that_grows(name: str) -> None:
    """y' = -y: the price of an inverse, which `stability` tells: the error grows like e^t, the solution does not."""
    decay = VectorField(lambda p, t, y: -y)
    y0 = torch.ones(1, 1, dtype=torch.float64)
    options = {"dt": 0.125, "save_at": torch.tensor([20.0, 24.0], dtype=torch.float64)}
    errors = integrate(decay, METHODS[name], y0, 0.0, 24.0, **options).saved.flatten().abs()
    assert errors[0] > 100 * np.exp(-20.0)
    growth = 4.0 if name == "reversible_heun" else 4.0 - 32 * 1e-3  # the coupling damps a little
    assert float(torch.log(errors[1] / errors[0])) == pytest.approx(growth, rel=0.02)


@pytest.mark.parametrize("coupling", [Fraction(0), Fraction(1), Fraction(3, 2)])
def test_couplings_that_cannot_be_are_refused(coupling: Fraction) -> None:
    with pytest.raises(OptionError, match="expected a number between 0 and 1"):
        McCallumFoster(BOSH3, coupling)


def test_bases_that_need_more_are_refused() -> None:
    with pytest.raises(OptionError, match="'dop853' cannot be made reversible"):
        McCallumFoster(DOP853)
