"""Conjugate gradients and multigrid on diffusion with variable coefficients, against sparse LU and theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse
import torch

from fieldsolver.errors import ConvergenceError, GridError, OptionError, ParameterError
from fieldsolver.space.solvers import (
    ConjugateGradient,
    Jacobi,
    Multigrid,
    SparseSolve,
    TransformSolve,
    faces_between_cells,
    robin_wall,
)

DOUBLE = torch.float64
CLOSED, HELD, PERIODIC, ROBIN = (0.0, 0.0), (2.0, 2.0), None, (0.3, 0.0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(shape):
    """A diffusion coefficient between 0.14 and 7.4."""
    axes = torch.meshgrid(*((torch.arange(n, dtype=DOUBLE) + 0.5) / n for n in shape), indexing="ij")
    return torch.exp(2 * math.prod(torch.sin(6 * x + k) for k, x in enumerate(axes)))


def disk(points, inside):
    x = (torch.arange(points, dtype=DOUBLE) + 0.5) / points - 0.5
    return torch.where(x[:, None] ** 2 + x**2 < 0.09, inside, 1.0)


def assembled(D, spacing, walls):
    """``div(D grad)`` cell by cell, from its definition."""
    shape, number = D.shape, np.arange(D.numel()).reshape(D.shape)
    L = np.zeros((D.numel(), D.numel()))
    for axis, (h, ends) in enumerate(zip(spacing, walls, strict=True)):
        for cell in np.ndindex(*shape):
            row = number[cell]
            for side in (-1, 1):
                other = list(cell)
                other[axis] += side
                outside = not 0 <= other[axis] < shape[axis]
                if outside and ends is not None:
                    L[row, row] -= ends[(side + 1) // 2] * float(D[cell]) / h**2
                    continue
                other[axis] %= shape[axis]
                k = float(D[cell] + D[tuple(other)]) / 2 / h**2
                L[row, row] -= k
                L[row, number[tuple(other)]] += k
    return torch.from_numpy(L)


def diffusion(v, D, spacing, walls):
    """``div(D grad v)`` in torch, differentiable in D."""
    total = torch.zeros_like(v)
    axes = len(spacing)
    for dim, k, h, ends in zip(range(-axes, 0), faces_between_cells(D, walls), spacing, walls, strict=True):
        cells = v.shape[dim]
        first, last = v.narrow(dim, 0, 1), v.narrow(dim, -1, 1)
        low = last if ends is None else (1 - ends[0]) * first
        high = first if ends is None else (1 - ends[1]) * last
        flux = k * torch.cat([low, v, high], dim).diff(dim=dim) / h**2
        total = total + flux.narrow(dim, 1, cells) - flux.narrow(dim, 0, cells)
    return total


def conjugate_gradient(D, spacing, walls, *, sweeps=2, **options):
    faces = faces_between_cells(D.detach(), walls)
    return ConjugateGradient(
        lambda v, D: diffusion(v, D, spacing, walls),
        D.shape[-len(spacing) :],
        parameters=[D],
        preconditioner=Multigrid(faces, spacing, walls, sweeps=sweeps),
        **options,
    )


def iterations(D, walls, c, spacing=None):
    spacing = spacing or [1 / n for n in D.shape]
    solver = conjugate_gradient(D, spacing, walls)
    b = torch.randn(D.shape, dtype=DOUBLE, generator=generator())
    x = solver.solve(b, c)
    residual = (b - x + c * diffusion(x, D, spacing, walls)).norm() / b.norm()
    assert residual < 1e-9
    return int(solver.report.iterations)


def convergence_factor(D, spacing, walls, c, sweeps=2):
    """Mean reduction of the residual by a V-cycle, after the first few."""
    multigrid = Multigrid(faces_between_cells(D, walls), spacing, walls, sweeps=sweeps)
    b = torch.randn(D.shape, dtype=DOUBLE, generator=generator())
    x, norms = torch.zeros_like(b), []
    for _ in range(8):
        residual = b - x + c * diffusion(x, D, spacing, walls)
        norms.append(float(residual.norm()))
        x = x + multigrid.solve(residual, c)
    return (norms[-1] / norms[2]) ** (1 / 5)


WALLS = [
    ((16,), [PERIODIC]), ((16,), [HELD]), ((8, 12), [CLOSED, HELD]), ((16, 8), [PERIODIC, ROBIN]),
    ((4, 6, 8), [HELD, PERIODIC, CLOSED]),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "walls"), WALLS)
@pytest.mark.parametrize("c", [1e-3, 0.2, 1e4])
def test_matches_sparse_lu(shape, walls, c):
    D, spacing = smooth(shape), [1.3 / n for n in shape]
    L = assembled(D, spacing, walls)
    b = torch.randn(3, *shape, dtype=DOUBLE, generator=generator())
    expected = SparseSolve(scipy.sparse.csr_array(L.numpy()), shape).solve(b, c)
    solver = conjugate_gradient(D, spacing, walls, tolerance=1e-12)
    torch.testing.assert_close(solver.solve(b, c), expected, rtol=1e-6, atol=1e-8)
    assert int(solver.report.iterations.max()) <= 12


@pytest.mark.parametrize(("shape", "walls"), WALLS)
def test_a_cycle_is_symmetric_and_positive(shape, walls):
    D = smooth(shape)
    multigrid = Multigrid(faces_between_cells(D, walls), [1 / n for n in shape], walls)
    B = multigrid.solve(torch.eye(D.numel(), dtype=DOUBLE).reshape(-1, *shape), 0.3).reshape(-1, D.numel())
    torch.testing.assert_close(B, B.T, rtol=1e-10, atol=1e-12)
    assert torch.linalg.eigvalsh((B + B.T) / 2).min() > 0


@pytest.mark.parametrize("walls", [CLOSED, HELD, PERIODIC, ROBIN], ids=["closed", "held", "periodic", "robin"])
def test_convergence_factor_of_the_poisson_equation(walls):
    for points in (32, 128):
        D = torch.ones(points, points, dtype=DOUBLE)
        assert convergence_factor(D, [1 / points] * 2, [walls] * 2, 10.0) < 0.16


@pytest.mark.parametrize(("shape", "aspect"), [((256,), (1,)), ((64, 64), (1, 10)), ((16, 16, 16), (1, 1, 5))])
def test_convergence_factor_on_lines_cubes_and_stretched_cells(shape, aspect):
    D = torch.ones(shape, dtype=DOUBLE)
    spacing = [a / n for a, n in zip(aspect, shape, strict=True)]
    assert convergence_factor(D, spacing, [HELD] * len(shape), 10.0) < 0.2


@pytest.mark.parametrize("walls", [CLOSED, HELD, PERIODIC], ids=["closed", "held", "periodic"])
def test_iterations_do_not_grow_with_the_grid(walls):
    counts = [iterations(smooth((n, n)), [walls] * 2, 1.0) for n in (16, 32, 64, 128)]
    assert max(counts) <= 1.3 * min(counts)
    assert max(counts) <= 10


def test_iterations_at_a_jump_of_a_thousand():
    for inside in (1e3, 1e-3):
        counts = [iterations(disk(n, inside), [CLOSED] * 2, 1.0) for n in (32, 128)]
        assert max(counts) <= 1.3 * min(counts)
        assert max(counts) <= 16


def test_multigrid_takes_fewer_iterations_than_jacobi_and_none():
    n = 32
    D, spacing, walls = smooth((n, n)), [1 / n] * 2, [CLOSED] * 2
    b = torch.randn(n, n, dtype=DOUBLE, generator=generator())
    faces = faces_between_cells(D, walls)
    diagonal = -sum((k.narrow(d, 0, n) + k.narrow(d, 1, n)) * n**2 for d, k in zip((-2, -1), faces, strict=True))
    helpers = {"multigrid": Multigrid(faces, spacing, walls), "jacobi": Jacobi(diagonal), "none": None}
    taken = {}
    for name, helper in helpers.items():
        solver = ConjugateGradient(lambda v: diffusion(v, D, spacing, walls), (n, n), preconditioner=helper)
        solver.solve(b, 0.1)
        taken[name] = int(solver.report.iterations)
    assert taken["multigrid"] <= 10 < taken["jacobi"] < taken["none"]


class Cosine:
    """The eigenvectors of no flux on cells."""

    def __init__(self, points):
        m = torch.arange(points, dtype=DOUBLE)
        V = torch.cos(math.pi * m * (m[:, None] + 0.5) / points)
        self.V, self.eigenvalues = V / V.norm(dim=0), -4 * points**2 * torch.sin(math.pi * m / (2 * points)) ** 2

    def forward(self, values, dim):
        return (values.movedim(dim, -1) @ self.V).movedim(-1, dim)

    def inverse(self, coefficients, dim):
        return (coefficients.movedim(dim, -1) @ self.V.mT).movedim(-1, dim)


def test_a_solver_with_constant_coefficients_as_preconditioner():
    n = 32
    D, spacing, walls = 1 + 0.3 * smooth((n, n)), [1 / n] * 2, [CLOSED] * 2
    cosine = Cosine(n)
    neighbour = TransformSolve([cosine, cosine], [D.mean() * cosine.eigenvalues] * 2)
    solver = ConjugateGradient(lambda v: diffusion(v, D, spacing, walls), (n, n), preconditioner=neighbour)
    b = torch.randn(4, n, n, dtype=DOUBLE, generator=generator())
    x = solver.solve(b, 10.0)
    torch.testing.assert_close(x - 10 * diffusion(x, D, spacing, walls), b, rtol=0, atol=1e-8)
    assert int(solver.report.iterations.max()) <= 30
    assert neighbour.factorisations == 1


def test_samples_do_not_disturb_each_other():
    """An easy, a hard and a zero sample: each ends as it does alone, at its own iteration."""
    n = 16
    D, spacing, walls = smooth((n, n)), [1 / n] * 2, [CLOSED] * 2
    b = torch.randn(3, n, n, dtype=DOUBLE, generator=generator())
    b[0], b[2] = 1.0, 0.0
    solver = ConjugateGradient(lambda v: diffusion(v, D, spacing, walls), (n, n))
    x = solver.solve(b, 0.03)
    together = solver.report.iterations.tolist()
    assert together[2] == 0
    assert 10 * together[0] < together[1]
    for one, number, found in zip(b, together, x, strict=True):
        torch.testing.assert_close(solver.solve(one, 0.03), found, rtol=1e-12, atol=1e-12)
        assert int(solver.report.iterations) == number


def test_coefficients_of_each_sample():
    shape, spacing, walls = (8, 8), [0.1, 0.1], [CLOSED, PERIODIC]
    D = torch.stack([smooth(shape), disk(8, 5.0)])[:, None]  # (B, 1, *grid)
    b = torch.randn(2, 3, *shape, dtype=DOUBLE, generator=generator())
    x = conjugate_gradient(D, spacing, walls, tolerance=1e-12).solve(b, 0.1)
    for i in range(2):
        alone = conjugate_gradient(D[i, 0], spacing, walls, tolerance=1e-12).solve(b[i], 0.1)
        torch.testing.assert_close(x[i], alone, rtol=1e-8, atol=1e-9)


def test_gradient_in_the_diffusion_coefficient():
    shape, spacing, walls = (4, 4), [0.25, 0.25], [CLOSED, HELD]
    D = smooth(shape).requires_grad_()
    b = torch.randn(2, *shape, dtype=DOUBLE, generator=generator(), requires_grad=True)
    c = torch.tensor(0.1, dtype=DOUBLE, requires_grad=True)

    def solve(D, b, c):
        return conjugate_gradient(D, spacing, walls, tolerance=1e-13).solve(b, c)

    assert torch.autograd.gradcheck(solve, (D, b, c))
    assert torch.autograd.gradgradcheck(solve, (D, b, c))


def test_total_is_kept_and_single_precision_is_enough():
    n = 64
    D, walls = smooth((n, n)).float(), [CLOSED, PERIODIC]
    b = 1 + torch.rand(2, n, n, generator=generator())
    solver = conjugate_gradient(D, [1 / n] * 2, walls)
    x = solver.solve(b, 0.01)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x.mean((-2, -1)), b.mean((-2, -1)), rtol=1e-5, atol=0)


def test_robin_wall_is_the_ghost_of_the_condition():
    a, b, h, u = 0.7, 1.9, 0.2, 1.3
    ghost = (1 - robin_wall(a, b, h)) * u
    assert a * (u + ghost) / 2 + b * (ghost - u) / h == pytest.approx(0, abs=1e-14)
    assert robin_wall(0, 1, h) == 0
    assert robin_wall(1, 0, h) == 2


# What is refused


def test_an_operator_that_is_not_symmetric():
    A = torch.tensor([[-1.0, 2.0], [0.0, -1.0]], dtype=DOUBLE)
    with pytest.raises(OptionError, match=r"L is not symmetric .* norm="):
        ConjugateGradient(lambda v: v @ A.T, (2,)).solve(torch.ones(2, dtype=DOUBLE), 0.1)


def test_an_indefinite_system():
    n = 16
    solver = conjugate_gradient(smooth((n, n)), [1 / n] * 2, [CLOSED] * 2)
    with pytest.raises(ParameterError, match=r"not positive definite at c = -0\.1.*SparseSolve"):
        solver.solve(torch.randn(n, n, dtype=DOUBLE, generator=generator()), -0.1)


def test_complex_shifts_and_weights_that_are_not_positive():
    with pytest.raises(ParameterError, match="real c"):
        ConjugateGradient(lambda v: -v, (2,)).solve(torch.ones(2, dtype=DOUBLE), 0.1j)
    with pytest.raises(OptionError, match="must be positive"):
        ConjugateGradient(lambda v: -v, (2,), norm=torch.tensor([1.0, 0.0]))


@pytest.mark.parametrize("bad", ["few iterations", "not a number"])
def test_no_convergence_is_an_error_with_the_remedy(bad):
    n = 32
    D, spacing, walls = smooth((n, n)), [1 / n] * 2, [CLOSED] * 2
    b = torch.randn(2, n, n, dtype=DOUBLE, generator=generator())
    if bad == "not a number":
        b[1, 0, 0] = math.nan
    most = 5 if bad == "few iterations" else 40
    solver = ConjugateGradient(lambda v: diffusion(v, D, spacing, walls), (n, n), max_iterations=most)
    with pytest.raises(ConvergenceError, match=r"of 2 samples .* give a preconditioner") as error:
        solver.solve(b, 1.0)
    assert error.value.report.iterations.max() == most


def test_grids_and_coefficients_that_multigrid_refuses():
    ones = torch.ones(91, 91, dtype=DOUBLE)
    with pytest.raises(GridError, match="powers of two"):
        Multigrid(faces_between_cells(ones, [CLOSED] * 2), [1.0, 1.0], [CLOSED] * 2)
    with pytest.raises(ParameterError, match="positive on every face"):
        Multigrid([torch.zeros(9)], [1.0], [CLOSED])
    with pytest.raises(OptionError, match="one entry for each axis"):
        Multigrid([torch.ones(9)], [1.0, 1.0], [CLOSED])
