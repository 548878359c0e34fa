"""Isotropic Laplacians: coefficients, symbol, direction of the error, null space, symmetry."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import factorial, prod

import numpy as np
import pytest
import torch

from fieldsolver.errors import GridError
from fieldsolver.space import Dirichlet, Grid, Neumann
from fieldsolver.space.closure import extend, ghost_rule
from fieldsolver.space.isotropic import (
    ISOTROPIC_STENCILS,
    isotropic_laplacian,
    isotropic_symbol,
    isotropic_weights,
)
from fieldsolver.space.spacing import Clustered

POINTS = {9: 2, 19: 3, 27: 3}


def offsets(points):
    """``{offset: coefficient}`` of all neighbours, from the definition."""
    cube = itertools.product((-1, 0, 1), repeat=POINTS[points])
    stencil = ISOTROPIC_STENCILS[points]
    return {o: stencil[sum(map(abs, o))] for o in cube if stencil[sum(map(abs, o))] != 0}


def taylor(points, powers):
    """Coefficient of ``h^(n-2) d^n/dx^a dy^b dz^c`` in the operator, exactly."""
    total = sum(c * prod(Fraction(j) ** n for j, n in zip(o, powers, strict=True)) for o, c in offsets(points).items())
    return Fraction(total) / prod(map(factorial, powers))


def orders_of(points, degree):
    return (p for p in itertools.product(range(degree + 1), repeat=POINTS[points]) if sum(p) == degree)


@pytest.mark.parametrize("points", POINTS)
def test_the_stencil_has_its_number_of_points_and_the_expansion_of_the_paper(points):
    """lap u + h^2/12 lap^2 u, in exact arithmetic."""
    assert len(offsets(points)) == points
    for degree in range(6):
        for powers in orders_of(points, degree):
            expected = Fraction(0)
            if all(n % 2 == 0 for n in powers):
                expected = {0: Fraction(0), 2: Fraction(1), 4: Fraction(1, 12) * (1 if max(powers) == 4 else 2)}[degree]
            assert taylor(points, powers) == expected, powers


@pytest.mark.parametrize("points", [9, 27])
def test_the_next_term_vanishes_on_harmonic_functions(points):
    """h^4/360 (lap^3 + 2 lap S) with S the sum of all d^4/dx^2 dy^2: the Mehrstellen property."""
    expected = {(6,): Fraction(1), (2, 4): Fraction(5), (2, 2, 2): Fraction(12)}
    for powers in orders_of(points, 6):
        kind = tuple(sorted(n for n in powers if n))
        assert taylor(points, powers) == expected.get(kind, Fraction(0)) / 360, powers


def square(points, count, condition=None, centring="cell"):
    """Grid, weights and the operator with the same condition on all walls; None is periodic."""
    d = POINTS[points]
    periodic = "xyz"[:d] if condition is None and centring == "node" else ()
    grid = Grid((count,) * d, extent=1.7, centring=centring, periodic=periodic)
    weights, on_node = isotropic_weights(points, grid), grid.has_end_nodes(0)

    def apply(u):
        if condition is not None:
            rule = ghost_rule(condition, 1, grid.spacing[0], on_node=on_node)
            for dim in range(-d, 0):
                u = extend(u, dim, (rule, rule), on_node=on_node)
        return isotropic_laplacian(u, weights, periodic=[condition is None] * d)

    return grid, apply


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex128])
@pytest.mark.parametrize("points", POINTS)
def test_values_and_gradients_are_those_of_the_naive_sum(points, dtype):
    d = POINTS[points]
    grid, apply = square(points, 5)
    u = torch.randn(2, *grid.shape, dtype=dtype, requires_grad=True)
    kept, h = u.detach().clone(), grid.spacing[0]
    dims = tuple(range(-d, 0))
    naive = sum(float(c) / h**2 * u.roll([-j for j in o], dims) for o, c in offsets(points).items())
    got = apply(u)
    tolerance = {"atol": 50 * torch.finfo(dtype).eps * naive.abs().max().item(), "rtol": 0}
    torch.testing.assert_close(got, naive, **tolerance)
    cotangent = torch.randn_like(u)
    torch.testing.assert_close(*(torch.autograd.grad(out, u, cotangent)[0] for out in (got, naive)), **tolerance)
    assert torch.equal(u.detach(), kept)
    with torch.no_grad():
        torch.testing.assert_close(torch.func.vmap(apply)(u), got, **tolerance)
        torch.testing.assert_close(torch.func.jvp(apply, (u,), (u,))[1], got, **tolerance)


@pytest.mark.parametrize("points", POINTS)
def test_plane_waves_have_the_eigenvalue_of_the_symbol(points):
    grid, apply = square(points, 6)
    theta = 2 * np.pi * np.fft.fftfreq(6)
    thetas = np.meshgrid(*[theta] * POINTS[points], indexing="ij")
    delta = torch.zeros(grid.shape, dtype=torch.float64)
    delta[(0,) * POINTS[points]] = 1
    expected = isotropic_symbol(points, thetas) / grid.spacing[0] ** 2
    np.testing.assert_allclose(torch.fft.fftn(apply(delta)).numpy(), expected, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("points", POINTS)
def test_the_error_has_no_direction(points):
    """Plane waves of one |k| along an axis and along diagonals: errors of O(h^2) agree to O(h^4)."""
    d = POINTS[points]
    directions = [v for v in itertools.product((0, 1), repeat=d) if any(v)]
    spreads, errors = [], []
    for theta in (0.4, 0.2, 0.1):
        waves = [np.array(v) * theta / np.linalg.norm(v) for v in directions]
        error = np.array([isotropic_symbol(points, list(wave)) / theta**2 + 1 for wave in waves])
        errors.append(np.abs(error).max())
        spreads.append(np.ptp(error))
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 2, atol=0.05)
    np.testing.assert_allclose(np.log2(np.array(spreads[:-1]) / spreads[1:]), 4, atol=0.1)
    assert errors[-1] == pytest.approx(0.1**2 / 12, rel=0.01)


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("condition", [None, Neumann(0), Dirichlet(0)])
@pytest.mark.parametrize("points", POINTS)
def test_symmetric_negative_and_blind_to_constants(points, condition, centring):
    grid, apply = square(points, 6 if points == 9 else 4, condition, centring)
    basis = torch.eye(grid.size, dtype=torch.float64).reshape(grid.size, *grid.shape)
    A = apply(basis).reshape(grid.size, -1) * grid.weights().flatten()
    if isinstance(condition, Dirichlet) and centring == "node":
        inside = torch.zeros(grid.shape, dtype=torch.bool)
        inside[(slice(1, -1),) * grid.dimension] = True
        A = A[inside.flatten()][:, inside.flatten()]
    torch.testing.assert_close(A, A.T, atol=1e-12 * A.abs().max(), rtol=0)
    eigenvalues = torch.linalg.eigvalsh(A)
    assert eigenvalues.max() < 1e-12 * A.abs().max()
    if not isinstance(condition, Dirichlet):
        assert (eigenvalues.abs() < 1e-12 * A.abs().max()).sum() == 1  # constants, and nothing else
        assert A.sum(0).abs().max() < 1e-12 * A.abs().max()


@pytest.mark.parametrize(
    ("points", "grid", "message"),
    [
        (5, Grid((8, 8), extent=1), "in 2 dimensions has 9 points, got 5"),
        (9, Grid((8, 8, 8), extent=1), "in 3 dimensions has 19 or 27 points, got 9"),
        (9, Grid(8, extent=1), "a line has no directions"),
        (9, Grid((8, 9), extent=1), r"needs square cells, got the spacing \(0\.125, 0\.111111\)"),
        (9, Grid((8, 8), extent=1, nodes={"y": Clustered("chebyshev")}), "axis 'y' has nodes of its own"),
    ],
)
def test_grids_without_an_isotropic_laplacian(points, grid, message):
    with pytest.raises(GridError, match=message):
        isotropic_weights(points, grid)
