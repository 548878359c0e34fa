"""The iterations behind implicit gradients, against dense solves and SciPy's GMRES."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fieldsolver.gradients.steady.anderson import anderson
from fieldsolver.gradients.steady.gmres import LinearSolution, gmres
from fieldsolver.gradients.steady.implicit_solver import LinearSolver

SOLVERS = pytest.mark.parametrize("solver", [gmres, anderson])
Solver = Callable[..., LinearSolution]


def matrices(samples: int, n: int, seed: int = 0, spread: float = 0.4) -> Tensor:
    """Not symmetric, with eigenvalues left of -1, as at a stable steady state."""
    noise = torch.randn(samples, n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return spread * noise / n**0.5 - 2.0 * torch.eye(n, dtype=torch.float64)


def right_sides(samples: int, n: int, seed: int = 1) -> Tensor:
    return torch.randn(samples, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def times(A: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda v: (A @ v.unsqueeze(2)).squeeze(2)


@SOLVERS
@pytest.mark.parametrize("vectors", [5, 40])
def test_solutions_are_those_of_a_dense_solve(solver: Solver, vectors: int) -> None:
    A, b = matrices(4, 30), right_sides(4, 30) * torch.tensor([[1.0], [1e-12], [1e12], [0.0]], dtype=torch.float64)
    found = solver(times(A), b, 1e-12, 500, vectors)
    torch.testing.assert_close(found.x, torch.linalg.solve(A, b), rtol=1e-9, atol=1e-24)
    assert (found.residual <= 1e-12).all()
    assert (found.x[3] == 0).all()
    assert found.iterations[3] == 0
    residual = torch.linalg.vector_norm(b - times(A)(found.x), dim=1)[:3] / torch.linalg.vector_norm(b, dim=1)[:3]
    torch.testing.assert_close(found.residual[:3], residual, rtol=0.1, atol=1e-15)


@pytest.mark.parametrize("vectors", [4, 10, 60])
def test_gmres_takes_the_iterations_of_scipy(vectors: int) -> None:
    A, b = matrices(1, 60, spread=1.2), right_sides(1, 60)
    found = gmres(times(A), b, 1e-8, 1000, vectors)
    seen: list[float] = []
    expected, _ = scipy.sparse.linalg.gmres(
        A[0].numpy(), b[0].numpy(), rtol=1e-8, restart=vectors, callback=seen.append, callback_type="pr_norm"
    )
    assert abs(int(found.iterations[0]) - len(seen)) <= 1
    np.testing.assert_allclose(found.x[0], expected, rtol=0, atol=1e-7 * np.abs(expected).max())


@SOLVERS
def test_a_full_space_ends_after_as_many_iterations_as_there_are_unknowns(solver: Solver) -> None:
    A, b = matrices(3, 12, spread=3.0), right_sides(3, 12)
    found = solver(times(A), b, 1e-10, 100, 50)
    assert (found.residual <= 1e-10).all()
    assert (found.iterations <= 14).all()


@SOLVERS
@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 12), seed=st.integers(0, 10**6), scale=st.floats(1e-8, 1e8))
def test_scaling_the_right_side_scales_the_solution(solver: Solver, n: int, seed: int, scale: float) -> None:
    A, b = matrices(2, n, seed), right_sides(2, n, seed)
    one, other = (solver(times(A), factor * b, 1e-11, 200, 20) for factor in (1.0, scale))
    torch.testing.assert_close(other.x / scale, one.x, rtol=1e-8, atol=1e-10)
    assert other.iterations.tolist() == one.iterations.tolist()


@SOLVERS
def test_neighbours_change_nothing(solver: Solver) -> None:
    A, b = matrices(5, 20), right_sides(5, 20)
    A[1] *= 1e4  # stiff beside mild
    A[2] = torch.diag(torch.logspace(0, 5, 20, dtype=torch.float64))
    together = solver(times(A), b, 1e-10, 300, 30)
    for i in range(5):
        alone = solver(times(A[i : i + 1]), b[i : i + 1], 1e-10, 300, 30)
        assert alone.iterations[0] == together.iterations[i]
        torch.testing.assert_close(alone.x[0], together.x[i], rtol=1e-8 if i == 2 else 1e-12, atol=1e-14)


@SOLVERS
def test_an_ill_conditioned_system_is_solved_as_well_as_round_off_allows(solver: Solver) -> None:
    Q = torch.linalg.qr(right_sides(30, 30))[0]
    A = (Q @ torch.diag(-torch.logspace(0, 8, 30, dtype=torch.float64)) @ Q.T).unsqueeze(0)
    b = right_sides(1, 30)
    found = solver(times(A), b, 1e-11, 1000, 60)
    trusted = LinearSolver(solver.__name__, 1e-11, 1000, 60)
    assert not trusted.unsolved(found, b).any()
    torch.testing.assert_close(found.x, torch.linalg.solve(A, b), rtol=0, atol=1e-7)


@SOLVERS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_singular_system_is_told_from_one_that_has_a_solution(solver: Solver, dtype: torch.dtype) -> None:
    n = 16
    laplacian = torch.zeros(n, n, dtype=dtype)  # no flux: columns and rows sum to zero
    for i in range(n - 1):
        laplacian[i : i + 2, i : i + 2] += torch.tensor([[-1.0, 1.0], [1.0, -1.0]], dtype=dtype)
    A, b = laplacian.repeat(2, 1, 1), right_sides(2, n).to(dtype)
    b[1] -= b[1].mean()
    judge = LinearSolver(solver.__name__, None, 400, 30)
    found = judge.solve(times(A), b)
    assert judge.unsolved(found, b).tolist() == [True, False]
    assert found.applications < 300  # it does not go on for ever


@SOLVERS
def test_running_out_of_iterations_is_no_solution(solver: Solver) -> None:
    A, b = matrices(1, 40, spread=1.5), right_sides(1, 40)
    judge = LinearSolver(solver.__name__, 1e-12, 5, 40)
    assert judge.unsolved(judge.solve(times(A), b), b).all()


def test_the_number_of_vectors_follows_from_one_state_alone() -> None:
    default = LinearSolver("gmres", None, 100, None)
    assert default.kept(torch.zeros(1, 64)) == default.kept(torch.zeros(512, 64)) == 200
    assert default.kept(torch.zeros(1, 16384)) == 64
    assert default.kept(torch.zeros(1, 10**6)) == 20
    assert LinearSolver("anderson", None, 100, None).kept(torch.zeros(1, 64)) == 20
