"""Every solver of ``(1 - c L) x = b`` against a dense NumPy solve: values, gradients, transformations, cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse
import torch

from fieldsolver.errors import OptionError, ParameterError, StateError
from fieldsolver.space.solvers import (
    BandedSolve,
    ConjugateGradient,
    CoupledTransformSolve,
    DiagonalisedSolve,
    Jacobi,
    ShiftedSolver,
    SparseMatrix,
    SparseSolve,
    TransformSolve,
)
from fieldsolver.space.solvers.banded_matrix import bands_of
from fieldsolver.space.solvers.banded_solve import _dense, _lapack

DOUBLE = torch.float64


class Orthogonal:
    """A transform by a dense orthogonal matrix with the eigenvectors in its columns."""

    def __init__(self, vectors):
        self.vectors = vectors

    def forward(self, values, dim):
        return (values.movedim(dim, -1) @ self.vectors.to(values)).movedim(-1, dim)

    def inverse(self, coefficients, dim):
        return (coefficients.movedim(dim, -1) @ self.vectors.to(coefficients).mT).movedim(-1, dim)


class Fourier:
    def forward(self, values, dim):
        return torch.fft.fft(values, dim=dim)

    def inverse(self, coefficients, dim):
        return torch.fft.ifft(coefficients, dim=dim)


class RealFourier:
    def __init__(self, points):
        self.points = points

    def forward(self, values, dim):
        return torch.fft.rfft(values, dim=dim)

    def inverse(self, coefficients, dim):
        return torch.fft.irfft(coefficients, self.points, dim=dim)


def no_flux_laplacian(points, extent=1.0):
    """Cell-centred, second order, no flux: symmetric, with a mode of eigenvalue zero."""
    A = np.diag(-2.0 * np.ones(points)) + np.diag(np.ones(points - 1), 1) + np.diag(np.ones(points - 1), -1)
    A[0, 0] = A[-1, -1] = -1
    return torch.from_numpy(A) * (points / extent) ** 2


def skewed(points, seed=0):
    """Tridiagonal, neither symmetric nor symmetrisable with positive weights: complex eigenvalues."""
    g = torch.Generator().manual_seed(seed)
    A = no_flux_laplacian(points) / 10 + torch.diag(torch.ones(points - 1, dtype=DOUBLE), 1) * 9
    A = A - torch.diag(torch.ones(points - 1, dtype=DOUBLE), -1) * 9
    return A + torch.diag(torch.rand(points, generator=g, dtype=DOUBLE))


def kronecker_sum(matrices):
    total = torch.zeros(1, 1, dtype=matrices[0].dtype)
    for A in matrices:
        total = torch.kron(total, torch.eye(len(A), dtype=A.dtype)) + torch.kron(
            torch.eye(len(total), dtype=A.dtype), A
        )
    return total


@dataclass
class Case:
    """How a solver is made, the dense L it stands for, and what a sample looks like."""

    make: Callable[[], ShiftedSolver]
    dense: torch.Tensor
    shape: tuple[int, ...]


def transform_case():
    A, B = no_flux_laplacian(4), no_flux_laplacian(3)
    pairs = [torch.linalg.eigh(M) for M in (A, B)]
    bases = [Orthogonal(V) for _, V in pairs]
    return Case(lambda: TransformSolve(bases, [λ for λ, _ in pairs]), kronecker_sum([A, B]), (4, 3))


def fourier_case():
    θ, φ = (torch.from_numpy(2 * np.pi * np.fft.fftfreq(n)) for n in (4, 5))
    φ = φ[:3]
    λ = -2 * (1 - torch.cos(θ))[:, None] - 3 * (1 - torch.cos(φ)) + 0.4j * torch.sin(θ)[:, None] + 0.2j * torch.sin(φ)

    def ring(points, second, first):
        eye = np.eye(points)
        up, down = np.roll(eye, 1, 1), np.roll(eye, -1, 1)
        return torch.from_numpy(second * (up - 2 * eye + down) + first * (up - down) / 2)

    dense = kronecker_sum([ring(4, 1, 0.4), ring(5, 1.5, 0.2)])
    return Case(lambda: TransformSolve([Fourier(), RealFourier(5)], λ), dense, (4, 5))


def coupled_case():
    λ, V = torch.linalg.eigh(no_flux_laplacian(5))
    D = torch.tensor([[1.0, 0.3], [-0.2, 0.7]], dtype=DOUBLE)
    K = torch.tensor([[-0.5, 2.0], [-2.0, 0.1]], dtype=DOUBLE)
    symbols = λ[:, None, None] * D + K
    dense = torch.kron(D, no_flux_laplacian(5)) + torch.kron(K, torch.eye(5, dtype=DOUBLE))
    return Case(lambda: CoupledTransformSolve([Orthogonal(V)], symbols), dense, (2, 5))


def diagonalised_case():
    A, B, C = skewed(4), no_flux_laplacian(3), no_flux_laplacian(2)
    w = torch.tensor([0.5, 1.0, 2.0], dtype=DOUBLE)
    weighted = B / w[:, None]  # symmetric in the weights w
    return Case(
        lambda: DiagonalisedSolve([A, weighted, C], [None, w, None]), kronecker_sum([A, weighted, C]), (4, 3, 2)
    )


def banded_case():
    A = skewed(7) + torch.diag(torch.ones(5, dtype=DOUBLE), 2)
    return Case(lambda: BandedSolve.from_matrix(A), A, (7,))


def sparse_case():
    L = kronecker_sum([skewed(3), no_flux_laplacian(4)])
    return Case(lambda: SparseSolve(SparseMatrix.from_torch(L), (3, 4)), L, (3, 4))


def symmetric_sparse_case():
    L = kronecker_sum([no_flux_laplacian(3), no_flux_laplacian(4)])
    return Case(lambda: SparseSolve(scipy.sparse.csr_array(L.numpy()), (3, 4)), L, (3, 4))


def conjugate_gradient_case():
    w = torch.tensor([[0.5], [1.0], [2.0]], dtype=DOUBLE)
    S = kronecker_sum([no_flux_laplacian(3), no_flux_laplacian(4)])
    L = S / w.expand(3, 4).reshape(-1, 1)

    def apply(v):
        return (v.flatten(-2) @ L.to(v).mT).reshape(v.shape)

    def make():
        preconditioner = Jacobi(L.diagonal().reshape(3, 4))
        return ConjugateGradient(apply, (3, 4), norm=w, preconditioner=preconditioner, tolerance=1e-13)

    return Case(make, L, (3, 4))


CASES = {
    case.__name__.removesuffix("_case"): case()
    for case in (
        transform_case, fourier_case, coupled_case, diagonalised_case, banded_case, sparse_case, symmetric_sparse_case,
        conjugate_gradient_case,
    )
}  # fmt: skip
COMPLEX_SHIFTS = [name for name in CASES if name not in ("conjugate_gradient", "fourier")]
FACTORED = [name for name in CASES if name != "conjugate_gradient"]


@pytest.fixture(params=CASES, name="case")
def _case(request):
    return CASES[request.param]


def sample(case, *batch, dtype=DOUBLE, seed=1):
    return torch.randn(*batch, *case.shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def dense_solve(case, b, c):
    """The definition."""
    M = np.eye(len(case.dense)) - c * case.dense.numpy()
    flat = b.reshape(-1, len(M)).numpy()
    return torch.from_numpy(np.linalg.solve(M.astype(complex), flat.T).T).reshape(b.shape)


def close(x, y, tolerance=1e-11):
    torch.testing.assert_close(x, y.to(x.dtype), rtol=tolerance, atol=tolerance * float(y.abs().max()))


# Values


@pytest.mark.parametrize("c", [0.013, 0.7, -0.003])
def test_equals_a_dense_solve(case, c):
    b = sample(case, 3, 2)
    x = case.make().solve(b, c)
    assert x.dtype == b.dtype
    close(x, dense_solve(case, b, c).real)


def test_zero_shift_is_the_identity(case):
    b = sample(case, 2)
    close(case.make().solve(b, 0.0), b, 1e-14)


@pytest.mark.parametrize("name", COMPLEX_SHIFTS)
def test_complex_shift(name):
    case, c = CASES[name], 0.03 + 0.4j
    b = sample(case, 2)
    x = case.make().solve(b, c)
    assert x.dtype == torch.complex128
    close(x, dense_solve(case, b, c))
    close(
        case.make().solve(b + 0.5j * b.flip(-1), torch.tensor(c, dtype=torch.complex128)),
        dense_solve(case, b + 0.5j * b.flip(-1), c),
    )


@pytest.mark.parametrize("name", COMPLEX_SHIFTS)
def test_complex_shift_without_imaginary_part(name):
    """The dtype of the result depends on types, not on values."""
    case, b = CASES[name], sample(CASES[name], 2)
    c = torch.tensor(0.2 + 0j, dtype=torch.complex128, requires_grad=True)
    x = case.make().solve(b, c)
    assert x.dtype == torch.complex128
    close(x.detach(), dense_solve(case, b, 0.2))
    (grad,) = torch.autograd.grad(x.real.sum(), c)
    assert grad.dtype == torch.complex128


@pytest.mark.parametrize("name", [name for name in CASES if name != "fourier"])
def test_complex_right_hand_side(name):
    case = CASES[name]
    b = sample(case, 2, dtype=torch.complex128)
    close(case.make().solve(b, 0.2), dense_solve(case, b, 0.2))


def test_complex_operator():
    A = torch.complex(no_flux_laplacian(5), skewed(5))
    b = torch.randn(2, 5, dtype=DOUBLE, generator=torch.Generator().manual_seed(3))
    expected = dense_solve(Case(None, A, (5,)), b, 0.1)
    for solver in (BandedSolve.from_matrix(A), SparseSolve(SparseMatrix.from_torch(A)), DiagonalisedSolve([A])):
        close(solver.solve(b, 0.1), expected)


def test_batched_equals_looped(case):
    b = sample(case, 2, 3)
    solver = case.make()
    looped = torch.stack([torch.stack([solver.solve(one, 0.3) for one in row]) for row in b])
    close(solver.solve(b, 0.3), looped)


def test_single_precision(case):
    b = sample(case, 2)
    x = case.make().solve(b.float(), 0.05) if case is not CASES["conjugate_gradient"] else None
    if x is None:
        solver = case.make()
        solver.tolerance = None
        x = solver.solve(b.float(), 0.05)
    assert x.dtype == torch.float32
    close(x, dense_solve(case, b, 0.05).real, 3e-5)


@pytest.mark.parametrize("c", [1e4, 1e8])
def test_stiff_shift_leaves_a_small_residual(case, c):
    """In the sense of backward error: ``|b - (1 - c L) x|`` is round-off of ``(1 + c |L|) |x|``."""
    solver = case.make()
    if isinstance(solver, ConjugateGradient):
        solver.tolerance = 1e-9
    b = sample(case, 2)
    x = solver.solve(b, c)
    residual = b.reshape(2, -1) - x.reshape(2, -1) + c * (x.reshape(2, -1) @ case.dense.T)
    size = (1 + c * torch.linalg.matrix_norm(case.dense, 2)) * x.abs().max()
    assert residual.abs().max() <= 1e-13 * size


@pytest.mark.parametrize("kind", ["banded", "sparse", "diagonalised", "transform"])
@pytest.mark.parametrize("points", [64, 250])
def test_stiff_shift_keeps_what_L_conserves(kind, points):
    """The mean of a field under no flux, at ``c |L| = 2e13``; plain LU keeps three digits of it."""
    A, c = no_flux_laplacian(points), 1e8
    if kind == "banded":
        solver = BandedSolve.from_matrix(A)
    elif kind == "sparse":
        solver = SparseSolve(SparseMatrix.from_torch(A))
    elif kind == "diagonalised":
        solver = DiagonalisedSolve([A])
    else:
        modes = torch.arange(points, dtype=DOUBLE)
        λ = -4 * points**2 * torch.sin(np.pi * modes / (2 * points)) ** 2
        V = torch.cos(np.pi * modes * (modes[:, None] + 0.5) / points)
        solver = TransformSolve([Orthogonal(V / V.norm(dim=0))], [λ])
    b = 1 + 0.3 * torch.randn(2, points, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    x = solver.solve(b, c)
    torch.testing.assert_close(x.mean(-1), b.mean(-1), rtol=1e-10, atol=0)
    torch.testing.assert_close(x, b.mean(-1, keepdim=True).expand_as(x), rtol=1e-7, atol=0)


# Gradients


def differentiable(case):
    solver = case.make()
    return lambda b, c: solver.solve(b, c)


def test_gradients_in_b_and_c(case):
    b = sample(case, 2).requires_grad_()
    c = torch.tensor(0.07, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(differentiable(case), (b, c), check_forward_ad=True)


def test_second_gradients_in_b_and_c(case):
    b = sample(case).requires_grad_()
    c = torch.tensor(0.07, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradgradcheck(differentiable(case), (b, c))


@pytest.mark.parametrize("name", COMPLEX_SHIFTS)
def test_gradients_with_complex_numbers(name):
    case = CASES[name]
    c = torch.tensor(0.03 + 0.1j, dtype=torch.complex128, requires_grad=True)
    for b in (sample(case, dtype=torch.complex128).requires_grad_(), sample(case).requires_grad_()):
        assert torch.autograd.gradcheck(differentiable(case), (b, c))
    assert torch.autograd.gradgradcheck(differentiable(case), (sample(case, dtype=torch.complex128), c))


def test_adjoint_identity(case):
    """``<w, S b> = <S^T w, b>`` with S^T from the backward pass, and S^T the dense transpose."""
    b, w = sample(case, 2).requires_grad_(), sample(case, 2, seed=2)
    (transposed,) = torch.autograd.grad(case.make().solve(b, 0.4), b, w)
    close(transposed, dense_solve(Case(None, case.dense.T, case.shape), w, 0.4).real, 1e-10)


def values_cases():
    A = skewed(5)
    bands = BandedSolve.from_matrix(A).bands
    sparse = SparseMatrix.from_torch(kronecker_sum([skewed(2), no_flux_laplacian(3)]))
    S = kronecker_sum([no_flux_laplacian(2), no_flux_laplacian(3)])
    λ, V = torch.linalg.eigh(no_flux_laplacian(6))
    symbols = torch.randn(6, 2, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(5))

    def conjugate_gradient(D):
        def apply(v, D):
            return D * (v @ S.mT)

        return ConjugateGradient(apply, (6,), norm=1 / D.detach(), parameters=[D], tolerance=1e-13)

    return {
        "banded": (lambda bands: BandedSolve(bands, 1, 1), bands, (5,)),
        "sparse": (
            lambda values: SparseSolve(SparseMatrix(values, sparse.rows, sparse.columns, 6)), sparse.values, (6,)
        ),
        "diagonalised": (lambda A: DiagonalisedSolve([A, no_flux_laplacian(2)]), A, (5, 2)),
        "transform": (lambda λ: TransformSolve([Orthogonal(V)], [λ]), λ, (6,)),
        "coupled": (lambda symbols: CoupledTransformSolve([Orthogonal(V)], symbols), symbols, (2, 6)),
        "conjugate_gradient": (conjugate_gradient, torch.tensor(1.3, dtype=DOUBLE), (6,)),
    }  # fmt: skip


VALUES = values_cases()


@pytest.mark.parametrize("name", VALUES)
def test_gradients_in_the_parameters_of_L(name):
    make, values, shape = VALUES[name]
    values = values.clone().requires_grad_()
    b = torch.randn(shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(1), requires_grad=True)
    c = torch.tensor(0.05, dtype=DOUBLE, requires_grad=True)

    def solve(values, b, c):
        return make(values).solve(b, c)

    assert torch.autograd.gradcheck(solve, (values, b, c))
    assert torch.autograd.gradgradcheck(solve, (values, b, c))
    tangent = torch.randn(values.shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(2))
    plain = values.detach()
    _, forward = torch.func.jvp(lambda v: solve(v, b.detach(), 0.05), (plain,), (tangent,))
    h = 1e-6
    difference = (solve(plain + h * tangent, b, 0.05) - solve(plain - h * tangent, b, 0.05)).detach() / (2 * h)
    torch.testing.assert_close(forward, difference, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["banded", "sparse", "diagonalised"])
def test_values_written_in_place_are_factored_again(name):
    make, values, shape = VALUES[name]
    values = values.clone()
    solver, b = make(values), torch.ones(shape, dtype=DOUBLE)
    solver.solve(b, 0.05)
    values.mul_(2)
    torch.testing.assert_close(solver.solve(b, 0.05), make(values).solve(b, 0.05))
    torch.testing.assert_close(solver.solve(b, 0.05), make(values / 2).solve(b, 0.1))


# torch.func


def test_vmap_over_right_hand_sides_and_shifts(case):
    solver, b = case.make(), sample(case, 3)
    close(torch.func.vmap(lambda b: solver.solve(b, 0.2))(b), solver.solve(b, 0.2))
    shifts = torch.tensor([0.1, 0.2, 0.3], dtype=DOUBLE)
    expected = torch.stack([solver.solve(one, float(c)) for one, c in zip(b, shifts, strict=True)])
    close(torch.func.vmap(solver.solve)(b, shifts), expected)
    close(torch.func.vmap(solver.solve, in_dims=(None, 0))(b[0], shifts)[2], solver.solve(b[0], 0.3))


def test_functional_gradients(case):
    solver, b = case.make(), sample(case)
    c = torch.tensor(0.2, dtype=DOUBLE)

    def energy(b, c):
        return solver.solve(b, c).square().sum()

    b_leaf, c_leaf = b.clone().requires_grad_(), c.clone().requires_grad_()
    expected = torch.autograd.grad(energy(b_leaf, c_leaf), (b_leaf, c_leaf))
    for found, wanted in zip(torch.func.grad(energy, argnums=(0, 1))(b, c), expected, strict=True):
        close(found, wanted, 1e-9)
    h = 1e-4
    curvature = torch.func.hessian(lambda c: energy(b, c))(c)
    difference = (energy(b, c + h) - 2 * energy(b, c) + energy(b, c - h)) / h**2
    torch.testing.assert_close(curvature, difference, rtol=1e-5, atol=1e-5)


# Factor once, solve many


@pytest.mark.parametrize("name", FACTORED)
def test_factors_once_for_each_shift(name):
    case = CASES[name]
    solver, b = case.make(), sample(case, 2).requires_grad_()
    for c in (0.1, 0.2, 0.1, 0.2):
        for _ in range(3):
            torch.autograd.grad(solver.solve(b, c).sum(), b)
    assert solver.factorisations == (1 if name == "diagonalised" else 2)


def test_the_least_recently_used_factor_leaves():
    case = CASES["banded"]
    solver, b = case.make(), sample(case)
    for c in (1.0, 2.0, 3.0, 4.0, 1.0, 5.0, 1.0):
        solver.solve(b, c)
    assert solver.factorisations == 5  # 1 stayed, 2 left
    solver.solve(b, 2.0)
    assert solver.factorisations == 6


# Devices


def test_the_device_gives_the_same(case, device):
    b, c = sample(case, 2), torch.tensor(0.3, dtype=DOUBLE, requires_grad=True)
    here = case.make().solve(b, c)
    (expected,) = torch.autograd.grad(here.square().sum(), c)
    there = c.detach().to(device).requires_grad_()
    x = case.make().solve(b.to(device), there)
    assert x.device.type == device.type
    close(x.detach().cpu(), here.detach(), 1e-9)
    (grad,) = torch.autograd.grad(x.square().sum(), there)
    close(grad.cpu(), expected, 1e-8)


def test_dense_factors_of_a_band_equal_those_of_lapack():
    """What other devices than the CPU use."""
    A = torch.complex(skewed(5), no_flux_laplacian(5))
    bands = bands_of(torch.eye(5) - 0.3 * A, 1, 1)
    for dtype, M in ((torch.complex128, bands), (DOUBLE, bands.real.contiguous())):
        b = torch.randn(3, 5, dtype=dtype, generator=torch.Generator().manual_seed(0))
        for transpose in (False, True):
            expected = _lapack(M.numpy(), 1, 1, 0.3)(b, transpose)
            torch.testing.assert_close(_dense(M, 1, 1, 0.3)(b, transpose), expected)
    with pytest.raises(ParameterError, match="zero pivot"):
        _dense(torch.zeros(1, 3, dtype=DOUBLE), 0, 0, 0.3)


# What is refused


def test_a_wrong_number_of_modes():
    λ = torch.ones(3, dtype=DOUBLE)
    with pytest.raises(StateError, match="must end in the axes"):
        TransformSolve([Fourier()], λ).solve(torch.ones(2, 4, dtype=DOUBLE), 0.1)
    with pytest.raises(StateError, match="must end in the axes"):
        CoupledTransformSolve([Fourier()], torch.ones(3, 2, 2, dtype=DOUBLE)).solve(torch.ones(3, 3, dtype=DOUBLE), 0.1)


@pytest.mark.parametrize("name", [name for name in CASES if name != "diagonalised"])
def test_a_singular_shift_is_refused_in_a_sentence(name):
    case = CASES[name]
    λ = np.linalg.eigvals(case.dense.numpy())
    real = λ[np.abs(λ.imag) < 1e-12 * np.abs(λ).max()].real
    real = real[real < -0.1]
    c = 1 / real.min()
    with pytest.raises(ParameterError, match=r"singular at c = -|not positive definite at c = -"):
        case.make().solve(sample(case, 2), float(c))


def test_a_singular_shift_of_diagonalised_axes():
    A, B = no_flux_laplacian(4), no_flux_laplacian(3)
    c = 1 / float(torch.linalg.eigvalsh(kronecker_sum([A, B]))[0])
    with pytest.raises(ParameterError, match="1/c is an eigenvalue"):
        DiagonalisedSolve([A, B]).solve(torch.ones(4, 3, dtype=DOUBLE), c)


def test_a_shift_that_is_not_finite(case):
    with pytest.raises(ParameterError, match="finite"):
        case.make().solve(sample(case), float("nan"))


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("transform", "fourier", "coupled")])
def test_a_wrong_shape(name):
    with pytest.raises(StateError, match="must end in the axes"):
        CASES[name].make().solve(torch.ones(2, 9, dtype=DOUBLE), 0.1)


def test_defective_and_unsymmetric_axes_are_refused():
    defective = torch.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=DOUBLE)
    with pytest.raises(OptionError, match="cannot be diagonalised safely"):
        DiagonalisedSolve([defective]).prepare()
    with pytest.raises(OptionError, match="not symmetric in the given norm"):
        DiagonalisedSolve([skewed(4)], [torch.ones(4, dtype=DOUBLE)]).prepare()


def test_wrong_constructions_are_refused():
    λ = torch.ones(3, dtype=DOUBLE)
    with pytest.raises(OptionError, match="transforms"):
        TransformSolve([Fourier()], [λ, λ])
    with pytest.raises(OptionError, match=r"\(\*modes, C, C\)"):
        CoupledTransformSolve([Fourier()], torch.ones(3, 2, dtype=DOUBLE))
    with pytest.raises(OptionError, match="bands must be"):
        BandedSolve(torch.ones(2, 5, dtype=DOUBLE), 1, 1)
    with pytest.raises(OptionError, match="negative"):
        BandedSolve(torch.ones(3, 5, dtype=DOUBLE), 1, 1, dim=0)
    with pytest.raises(OptionError, match="square"):
        DiagonalisedSolve([torch.ones(2, 3, dtype=DOUBLE)])
    with pytest.raises(OptionError, match="one entry for each"):
        DiagonalisedSolve([torch.eye(2, dtype=DOUBLE)], [None, None])
    with pytest.raises(OptionError, match="unknowns of the matrix"):
        SparseSolve(np.eye(4), (3,))
    with pytest.raises(OptionError, match="square"):
        SparseSolve(np.ones((2, 3)))
    with pytest.raises(OptionError, match="of one length"):
        SparseMatrix(λ, torch.arange(2), torch.arange(3), 3)
    with pytest.raises(OptionError, match=r"0 \.\. 1"):
        SparseMatrix(λ, torch.arange(3), torch.arange(3), 2)


def test_vmap_over_parameters_is_refused():
    make, bands, shape = VALUES["banded"]
    b = torch.ones(shape, dtype=DOUBLE)
    with pytest.raises(OptionError, match="vmap"):
        torch.func.vmap(lambda bands: make(bands).solve(b, 0.1))(torch.stack([bands, bands]))


# Layout


@pytest.mark.parametrize("dim", [-1, -2, -3])
def test_banded_along_any_axis(dim):
    A = skewed(4)
    b = torch.randn(4, 4, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    x = BandedSolve.from_matrix(A, dim=dim).solve(b, 0.2)
    M = torch.eye(4, dtype=DOUBLE) - 0.2 * A
    torch.testing.assert_close((x.movedim(dim, -1) @ M.mT).movedim(-1, dim), b)


def test_bands_in_the_layout_of_scipy_with_garbage_in_the_corners():
    bands = torch.tensor([[np.nan, 1, 2, 3], [-4, -5, -6, -7], [1, 2, 3, np.nan]], dtype=DOUBLE)
    A = torch.diag(bands[1]) + torch.diag(bands[0, 1:], 1) + torch.diag(bands[2, :-1], -1)
    b = torch.ones(4, dtype=DOUBLE)
    x = BandedSolve(bands, 1, 1).solve(b, 0.5)
    torch.testing.assert_close(x - 0.5 * A @ x, b)


def test_entries_given_twice_are_added():
    matrix = SparseMatrix(torch.ones(3, dtype=DOUBLE), torch.tensor([0, 0, 1]), torch.tensor([0, 0, 1]), 2)
    x = SparseSolve(matrix).solve(torch.ones(2, dtype=DOUBLE), 0.25)
    torch.testing.assert_close(x, torch.tensor([2.0, 4 / 3], dtype=DOUBLE))


def test_solvers_say_what_they_do(case):
    solver = case.make()
    assert isinstance(solver, ShiftedSolver)
    assert solver.name
    assert len(solver.reason.split()) > 4
