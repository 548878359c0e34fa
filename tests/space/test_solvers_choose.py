"""Which solver is chosen, and that the reason says why."""

from __future__ import annotations

import pytest
import scipy.sparse
import torch

from fieldsolver.errors import OptionError
from fieldsolver.space.solvers import (
    BandedSolve,
    ConjugateGradient,
    CoupledTransformSolve,
    DiagonalisedSolve,
    LinearOperator,
    SparseSolve,
    TransformSolve,
    shifted_solver,
)

DOUBLE = torch.float64


class Identity:
    def forward(self, values, dim):
        return values

    def inverse(self, coefficients, dim):
        return coefficients


def laplacian(points):
    ones = torch.ones(points - 1, dtype=DOUBLE)
    return torch.diag(ones, 1) + torch.diag(ones, -1) - 2 * torch.eye(points, dtype=DOUBLE)


def apply(v):
    return -v


BAND = laplacian(256)
DEFECTIVE = torch.tensor([[-1.0, 1.0], [0.0, -1.0]], dtype=DOUBLE)
λ = -torch.ones(4, dtype=DOUBLE)
SPARSE = scipy.sparse.eye_array(4)
CHOICES = [
    (LinearOperator((4,), transforms=[Identity()], eigenvalues=[λ], matrix=SPARSE), TransformSolve, "transforms"),
    (
        LinearOperator((2, 4), transforms=[Identity()], symbols=torch.ones(4, 2, 2, dtype=DOUBLE)),
        CoupledTransformSolve, "2 components",
    ),
    (LinearOperator((256,), axis_matrices=[BAND]), BandedSolve, "no transforms are known"),
    (LinearOperator((4,), axis_matrices=[laplacian(4)]), DiagonalisedSolve, "3 diagonals is wide for 4 points"),
    (LinearOperator((256, 4), axis_matrices=[BAND, laplacian(4)]), DiagonalisedSolve, "not the matrix of one axis"),
    (LinearOperator((2, 2), axis_matrices=[DEFECTIVE] * 2, matrix=SPARSE), SparseSolve, "cannot be diagonalised"),
    (LinearOperator((4,), matrix=lambda: SPARSE, apply=apply, symmetric=True), SparseSolve, "few enough"),
    (LinearOperator((2, 2, 2), apply=apply, symmetric=True), ConjugateGradient, "no matrix is known"),
    (
        LinearOperator((64, 64, 64), matrix=lambda: pytest.fail("never made"), apply=apply, symmetric=True),
        ConjugateGradient, "not a sum of one-dimensional",
    ),
    (LinearOperator((600, 500), matrix=lambda: scipy.sparse.eye_array(300_000), apply=apply), SparseSolve,
     "not known to be symmetric"),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "kind", "because"), CHOICES)
def test_the_fastest_that_applies_is_chosen(operator, kind, because):
    solver, reason = shifted_solver(operator)
    assert type(solver) is kind
    assert because in reason
    assert reason.startswith(solver.name)


def test_other_devices_get_no_solver_of_the_cpu():
    operator = LinearOperator((4,), matrix=SPARSE, apply=apply, symmetric=True)
    assert type(shifted_solver(operator, device="cuda").solver) is ConjugateGradient


def test_nothing_known_is_an_error_that_says_what_to_give():
    with pytest.raises(OptionError, match=r"no matrix is known.*give the LinearOperator a matrix"):
        shifted_solver(LinearOperator((4, 4)))
    with pytest.raises(OptionError, match="without eigenvalues"):
        shifted_solver(LinearOperator((4,), transforms=[Identity()]))


@pytest.mark.parametrize("kind", ["transform", "axes", "matrix", "apply"])
def test_every_way_gives_the_same_solution(kind):
    A = laplacian(6)
    values, V = torch.linalg.eigh(A)

    class Basis:
        def forward(self, v, dim):
            return (v.movedim(dim, -1) @ V).movedim(-1, dim)

        def inverse(self, v, dim):
            return (v.movedim(dim, -1) @ V.mT).movedim(-1, dim)

    eye = torch.eye(6, dtype=DOUBLE)
    known = {
        "transform": {"transforms": [Basis(), Basis()], "eigenvalues": [values, values]},
        "axes": {"axis_matrices": [A, A]},
        "matrix": {"matrix": (torch.kron(A, eye) + torch.kron(eye, A)).numpy()},
        "apply": {"apply": lambda v: A @ v + v @ A, "symmetric": True},
    }
    b = torch.randn(2, 6, 6, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    x = shifted_solver(LinearOperator((6, 6), **known[kind])).solver.solve(b, 0.7)
    torch.testing.assert_close(x - 0.7 * (A @ x + x @ A), b, rtol=1e-9, atol=1e-9)
