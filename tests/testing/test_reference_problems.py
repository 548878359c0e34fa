"""The reference problems are what they say: solutions of their equations, at rest in their invariants."""

from __future__ import annotations

import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.testing import REFERENCE_PROBLEMS, ReferenceProblem, prothero_robinson

CLOSED = [p for p in REFERENCE_PROBLEMS.values() if p.exact is not None] + [prothero_robinson(-1e6)]
PRINTED = [p for p in REFERENCE_PROBLEMS.values() if p.exact is None]


def by_name(problem: ReferenceProblem) -> str:
    return problem.name


@pytest.mark.parametrize("problem", CLOSED, ids=by_name)
@settings(max_examples=20)
@given(part=st.floats(0, 1))
def test_the_derivative_of_the_solution_is_the_right_hand_side(problem: ReferenceProblem, part: float) -> None:
    start, end = problem.t_span
    t = torch.tensor([start + part * (end - start)], dtype=torch.float64)
    (y,), (rate,) = torch.func.jvp(problem.exact, (t,), (torch.ones_like(t),))
    torch.testing.assert_close(problem.f(t[0], y), rate, rtol=1e-11, atol=1e-9 if "1e+06" in problem.name else 1e-12)


def test_hairer_wanner_1_1_by_symbols() -> None:
    t = sympy.Symbol("t")
    exact = (2500 * sympy.cos(t) + 50 * sympy.sin(t) - 2500 * sympy.exp(-50 * t)) / sympy.Integer(2501)
    assert sympy.simplify(sympy.diff(exact, t) + 50 * (exact - sympy.cos(t))) == 0
    assert exact.subs(t, 0) == 0
    problem = REFERENCE_PROBLEMS["Hairer-Wanner 1.1"]
    assert float(problem.end) == pytest.approx(float(exact.subs(t, 1.5)), rel=1e-14)
    assert problem.y0.tolist() == [0.0]


@pytest.mark.parametrize("problem", CLOSED, ids=by_name)
def test_both_ends_are_on_the_solution(problem: ReferenceProblem) -> None:
    ends = problem.exact(torch.tensor(problem.t_span, dtype=torch.float64))
    assert torch.equal(ends, torch.stack((problem.y0, problem.end)))


def pleiades_energy(y: Tensor) -> float:
    masses = torch.arange(1, 8, dtype=torch.float64)
    places, speeds = y[:14].reshape(2, 7), y[14:].reshape(2, 7)
    apart = torch.cdist(places.T.contiguous(), places.T.contiguous(), compute_mode="donot_use_mm_for_euclid_dist")
    i, j = torch.triu_indices(7, 7, 1)
    return float((masses * speeds.square().sum(0)).sum() / 2 - (masses[i] * masses[j] / apart[i, j]).sum())


def test_the_end_of_the_pleiades_has_the_energy_and_the_momentum_of_the_start() -> None:
    problem = REFERENCE_PROBLEMS["Pleiades"]
    masses = torch.arange(1, 8, dtype=torch.float64)
    assert pleiades_energy(problem.end) == pytest.approx(pleiades_energy(problem.y0), rel=1e-13)
    momenta = [(masses * y[14:].reshape(2, 7)).sum(1) for y in (problem.y0, problem.end)]
    torch.testing.assert_close(momenta[1], momenta[0], rtol=0, atol=1e-13)
    centres = [(masses * y[:14].reshape(2, 7)).sum(1) for y in (problem.y0, problem.end)]
    torch.testing.assert_close(centres[1], centres[0] + 3 * momenta[0], rtol=0, atol=1e-12)


def test_keplers_orbit_keeps_energy_and_angular_momentum() -> None:
    q, p = REFERENCE_PROBLEMS["Kepler, eccentricity 0.6"].end.reshape(2, 2)
    assert float(p.square().sum() / 2 - 1 / q.norm()) == pytest.approx(-0.5, abs=1e-14)
    assert float(q[0] * p[1] - q[1] * p[0]) == pytest.approx(0.8, abs=1e-14)  # sqrt(1 - e^2)


def test_the_orbits_have_the_symmetry_of_their_equations() -> None:
    """Arenstorf's start crosses the axis at a right angle, AB visits its mirror image after half a period."""
    start = REFERENCE_PROBLEMS["Arenstorf orbit"].y0
    assert start[1] == start[2] == 0
    problem = REFERENCE_PROBLEMS["Lorenz orbit AB"]
    half = scipy_end(problem, problem.t_span[1] / 2)
    torch.testing.assert_close(half, problem.y0 * torch.tensor([-1.0, -1.0, 1.0]), rtol=0, atol=1e-9)


def scipy_end(problem: ReferenceProblem, end: float) -> Tensor:
    run = solve_ivp(
        lambda t, y: problem.f(t, torch.from_numpy(y)).numpy(),
        (problem.t_span[0], end), problem.y0.numpy(), method="DOP853", rtol=1e-13, atol=1e-13,
    )  # fmt: skip
    return torch.from_numpy(run.y[:, -1])


@pytest.mark.parametrize("problem", [*PRINTED, *CLOSED[:-1]], ids=by_name)
def test_another_solver_ends_there(problem: ReferenceProblem) -> None:
    stretched = {"Arenstorf orbit": 1e-8, "Pleiades": 1e-9}.get(problem.name, 2e-10)
    assert problem.error_of(scipy_end(problem, problem.t_span[1])) < stretched


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("problem", REFERENCE_PROBLEMS.values(), ids=by_name)
def test_a_batch_is_its_samples_in_their_dtype(problem: ReferenceProblem, dtype: torch.dtype) -> None:
    y = torch.stack((problem.y0 + 0.1, 2 * problem.y0 - 0.3)).to(dtype)
    t = torch.tensor([[0.3], [0.8]], dtype=dtype)
    rates = problem.f(t, y)
    assert rates.dtype == dtype
    for i in range(2):
        torch.testing.assert_close(problem.f(float(t[i]), y[i]), rates[i], rtol=1e-5, atol=1e-5)


def test_errors_are_absolute_and_largest() -> None:
    problem = REFERENCE_PROBLEMS["Brusselator"]
    assert problem.error_of(problem.end + torch.tensor([0.1, -0.25])) == pytest.approx(0.25)
    with pytest.raises(OptionError, match=r"Brusselator ends with shape \(2,\), got \(3,\)"):
        problem.error_of(torch.zeros(3))


def test_every_problem_names_its_source_and_keeps_its_numbers_in_float64() -> None:
    for name, problem in REFERENCE_PROBLEMS.items():
        assert problem.name == name
        assert problem.source
        assert problem.y0.dtype == problem.end.dtype == torch.float64
        assert problem.error > 0
