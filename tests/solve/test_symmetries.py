"""What a solver must not see: the origin and direction of time, the unit and phase of a linear state, its dtype."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import fieldsolver as fs
from fieldsolver.methods import METHODS, adaptive_methods
from fieldsolver.solve import Solution
from fieldsolver.testing import REFERENCE_PROBLEMS

DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]
MATRIX = torch.tensor([[-0.2, 3.0], [-2.0, -0.1]], dtype=torch.float64)
START = torch.tensor([1.0, -0.5], dtype=torch.float64)


def tolerance(method: str) -> float:
    order = METHODS[method].order
    return 1e-4 if order <= 2 else 1e-5 if order == 3 else 1e-8


def accumulated(method: str) -> float:
    """How the error bounds of some methods are wider.

    Adams-Bashforth methods go on with the solution that they estimate, reversible ones do not damp what went wrong.
    """
    return 4.0 if method in ("ab2", "ab3", "ab4", "reversible_bosh3") else 1.0


def linear(t: Tensor, y: Tensor) -> Tensor:
    return y @ MATRIX.to(y.dtype).T


def run(f: object, y0: Tensor, method: str, span: tuple[float, float] = (0.0, 2.0), **options: object) -> Solution:
    given = {"rtol": tolerance(method), "atol": tolerance(method), **options}
    return fs.solve(f, y0, t_span=span, method=method, gradient="none", **given)


def same_steps(one: Solution, other: Solution) -> bool:
    return one.stats.accepted == other.stats.accepted and one.stats.rejected == other.stats.rejected


@pytest.mark.parametrize("method", adaptive_methods())
@settings(max_examples=3)
@given(shift=st.integers(-200, 200).map(lambda n: n / 2))
def test_time_has_no_origin(method: str, shift: float) -> None:
    """An explicit clock that is moved along: the same steps, and the same state at their end."""

    def clocked(t: Tensor, y: Tensor, start: float = 0.0) -> Tensor:
        return torch.stack((y[1] * torch.cos(t - start), -y[0] + torch.sin(2 * (t - start))))

    # The first step of order 9 that is chosen here has no error but rounding, which does have an origin.
    base = run(clocked, START, method, first_step=0.2)
    moved = run(lambda t, y: clocked(t, y, shift), START, method, (shift, shift + 2.0), first_step=0.2)
    assert same_steps(base, moved)
    torch.testing.assert_close(moved.y[-1], base.y[-1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", adaptive_methods())
@settings(max_examples=3)
@given(exponent=st.integers(-30, 30), angle=st.sampled_from([0.0, math.pi]))
def test_a_linear_equation_knows_no_unit(method: str, exponent: int, angle: float) -> None:
    """Powers of two and signs are exact: the same bits."""
    factor = math.cos(angle) * 2.0**exponent
    base = run(linear, START, method)
    scaled = run(linear, factor * START, method, atol=tolerance(method) * abs(factor))
    assert same_steps(base, scaled)
    torch.testing.assert_close(scaled.y / factor, base.y, rtol=1e-12, atol=0)


@pytest.mark.parametrize("method", adaptive_methods())
@settings(max_examples=3)
@given(angle=st.floats(-math.pi, math.pi))
def test_a_linear_equation_knows_no_phase(method: str, angle: float) -> None:
    phase = complex(math.cos(angle), math.sin(angle))
    base = run(linear, START, method)
    turned = run(linear, phase * START, method)
    assert same_steps(base, turned)
    torch.testing.assert_close(turned.y / phase, base.y.to(torch.complex128), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", adaptive_methods())
@settings(max_examples=3)
@given(mirror=st.sampled_from(["swapped", "reflected"]))
def test_coordinates_have_no_order(method: str, mirror: str) -> None:
    """y -> P y with a permutation or a reflection commutes with solving y' = A y as P A P^T."""
    P = torch.tensor([[0.0, 1.0], [1.0, 0.0]] if mirror == "swapped" else [[-1.0, 0.0], [0.0, 1.0]]).double()
    base = run(linear, START, method)
    seen = run(lambda t, y: y @ (P @ MATRIX @ P.T).T, P @ START, method)
    assert same_steps(base, seen)
    torch.testing.assert_close(seen.y[-1], P @ base.y[-1], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["Kepler, eccentricity 0.6", "y' = y cos t"])
@pytest.mark.parametrize("method", adaptive_methods())
def test_forward_and_backward_returns_to_the_start(method: str, name: str) -> None:
    problem = REFERENCE_PROBLEMS[name]
    span = (problem.t_span[0], 2.0)
    there = run(problem.f, problem.y0, method, span)
    back = run(problem.f, there.y[-1], method, span[::-1], backward=True)
    assert float((there.y[-1] - problem.y0).abs().max()) > 0.1
    assert float((back.y[-1] - problem.y0).abs().max()) < 300 * accumulated(method) * tolerance(method)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", adaptive_methods())
def test_every_dtype_is_kept_and_accurate_to_its_digits(method: str, dtype: torch.dtype) -> None:
    factor = 1 + 0.5j if dtype.is_complex else 1.0
    single = dtype in (torch.float32, torch.complex64)
    tight = max(tolerance(method), 1e-6 if single else 0.0)
    y0 = (factor * START).to(dtype)
    times = torch.linspace(0, 2, 5, dtype=torch.float64)
    solution = run(linear, y0, method, rtol=tight, atol=tight, save_at=times, dense=True)
    assert solution.y.dtype == solution(0.7).dtype == dtype
    assert solution.t.dtype == solution.t_end.dtype == torch.float64
    exact = torch.stack([torch.matrix_exp(MATRIX * t) @ START for t in times]) * factor
    torch.testing.assert_close(solution.y, exact.to(dtype), rtol=0, atol=100 * accumulated(method) * tight)
    assert solution.status.item() == fs.Status.SUCCESS


@pytest.mark.parametrize("method", adaptive_methods())
def test_a_complex_state_takes_the_steps_of_a_real_one(method: str) -> None:
    real, complex_ = run(linear, START, method), run(linear, START.to(torch.complex128), method)
    assert same_steps(real, complex_)
    torch.testing.assert_close(complex_.y.real, real.y, rtol=1e-13, atol=1e-14)
    assert float(complex_.y.imag.abs().max()) == 0.0
