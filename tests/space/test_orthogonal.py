"""Finite volumes in curved coordinates against eigenvalues from the literature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from fieldsolver.errors import GridError
from fieldsolver.space import Dirichlet, Grid, Neumann
from fieldsolver.space.closure import ghost_block, ghost_rule
from fieldsolver.space.coordinate_systems import SYSTEMS
from fieldsolver.space.orthogonal import (
    OrthogonalCells,
    orthogonal_diffusion,
    orthogonal_laplacian,
    orthogonal_outflow,
    orthogonal_slope,
)

TAU = 2 * math.pi
N0, D0 = Neumann(0), Dirichlet(0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=generator(seed))


def extended(values, grid, conditions, *, on_node=False):
    """Ghosts; `conditions` per axis, None if periodic."""
    for axis, ends in enumerate(conditions):
        if ends is not None:
            dim = axis - grid.dimension
            low, high = (
                ghost_block(values, dim, end, ghost_rule(ends[end], 1, grid.spacing[axis], on_node=on_node),
                            None, on_node=on_node)
                for end in (0, 1)
            )  # fmt: skip
            values = torch.cat([low, values, high], dim)
    return values


def matrix(apply, grid):
    basis = torch.eye(grid.size, dtype=torch.float64).reshape(grid.size, *grid.shape)
    return apply(basis).reshape(grid.size, grid.size).T


CASES = {  # grid of a given resolution, periodic axes, conditions per axis
    "disk": (lambda n: Grid((n, 2 * n), bounds=((0, 1), (0, TAU)), coordinates="polar"), ("theta",), [(N0, N0), None]),
    "ring": (
        lambda n: Grid((n, 2 * n), bounds=((0.5, 1), (0, TAU)), coordinates="polar"),
        ("theta",),
        [(N0, N0), None],
    ),
    "wedge": (lambda n: Grid((n, n), bounds=((0, 1), (0, 1.1)), coordinates="polar"), (), [(N0, N0), (N0, N0)]),
    "pipe": (lambda n: Grid((n, n), bounds=((0, 1), (0, 2)), coordinates="cylindrical"), ("z",), [(N0, N0), None]),
    "can": (lambda n: Grid((n, n), bounds=((0, 1), (0, 2)), coordinates="cylindrical"), (), [(N0, N0), (N0, N0)]),
    "ball": (lambda n: Grid(n, extent=1, coordinates="spherical"), (), [(N0, N0)]),
    "shell": (lambda n: Grid(n, bounds=(1, 2), coordinates="spherical"), (), [(N0, N0)]),
    "sphere": (
        lambda n: Grid((n, 2 * n), bounds=((0, math.pi), (0, TAU)), coordinates="sphere"),
        ("phi",),
        [(N0, N0), None],
    ),
}


def build(name, points, outer=N0):
    make, periodic, conditions = CASES[name]
    grid = make(points)
    conditions = [(conditions[0][0], outer), *conditions[1:]]
    return grid, OrthogonalCells(grid, periodic=periodic), conditions


def spectrum(name, points, outer=N0):
    """Eigenvalues of minus the Laplacian, ascending."""
    grid, cells, conditions = build(name, points, outer)
    A = matrix(lambda u: orthogonal_laplacian(extended(u, grid, conditions), cells), grid)
    V = cells.volumes.expand(grid.shape).flatten()
    return scipy.linalg.eigvalsh((-(V[:, None] * A)).numpy(), np.diag(V.numpy()))


@pytest.mark.parametrize(
    ("name", "outer", "expected", "resolutions"),
    [
        ("disk", D0, [2.40482556, 3.83170597, 3.83170597, 5.13562230, 5.13562230, 5.52007811], (10, 20)),
        ("disk", N0, [0, 1.84118378, 1.84118378, 3.05423693, 3.05423693, 3.83170597], (10, 20)),
        ("ball", D0, [math.pi, 2 * math.pi, 3 * math.pi], (32, 64)),
        ("pipe", D0, [2.40482556, *2 * [math.hypot(2.40482556, math.pi)], 5.52007811], (14, 28)),
    ],
)
def test_radial_eigenvalues_converge_with_second_order(name, outer, expected, resolutions):
    """Disk: zeros of J_m and J'_m; ball: n pi; pipe: a disk times a circle (pde.md, section 0; DLMF 10.21)."""
    frequencies = [np.sqrt(np.abs(spectrum(name, n, outer)))[: len(expected)] for n in resolutions]
    errors = [np.abs(found - expected) for found in frequencies]
    moving = np.array(expected) > 0
    assert (errors[-1] < 0.012 * np.array(expected) + 1e-5).all()
    assert (errors[-1][~moving] < 1e-5).all()
    np.testing.assert_allclose(np.log2(errors[0] / errors[-1])[moving], 2, atol=0.25)


def test_sphere_eigenvalues_and_their_multiplicities():
    """l (l + 1), each 2 l + 1 times."""
    exact = np.concatenate([[l * (l + 1.0)] * (2 * l + 1) for l in range(4)])
    errors = [np.abs(spectrum("sphere", n)[: len(exact)] - exact) for n in (10, 20)]
    assert (errors[-1] < 0.03 * exact + 1e-10).all()
    np.testing.assert_allclose(np.log2(errors[0][1:] / errors[1][1:]), 2, atol=0.3)


@pytest.mark.parametrize("name", CASES)
def test_finite_volumes_are_conservative_and_symmetric(name):
    grid, cells, conditions = build(name, 5)
    D = extended(torch.rand(grid.shape, dtype=torch.float64, generator=generator(1)) + 0.2, grid, conditions)
    V = cells.volumes.expand(grid.shape).flatten()
    u = randn(3, *grid.shape)
    for apply in (orthogonal_laplacian, lambda u, cells: orthogonal_diffusion(D, u, cells)):
        rate = apply(extended(u, grid, conditions), cells)
        assert (cells.integral(rate).abs() < 1e-12 * cells.integral(rate.abs())).all()
        A = V[:, None] * matrix(lambda u, apply=apply: apply(extended(u, grid, conditions), cells), grid)
        torch.testing.assert_close(A, A.T, atol=1e-13 * A.abs().max().item(), rtol=0)
        assert torch.linalg.eigvalsh((A + A.T) / 2).max() < 1e-12 * A.abs().max()
        constants = apply(extended(torch.full(grid.shape, 1.7, dtype=torch.float64), grid, conditions), cells)
        assert not constants.any()
    ones = extended(torch.ones(grid.shape, dtype=torch.float64), grid, conditions)
    laplacian = orthogonal_laplacian(extended(u, grid, conditions), cells)
    torch.testing.assert_close(orthogonal_diffusion(ones, extended(u, grid, conditions), cells), laplacian)


def test_volumes_and_areas_are_exact():
    for name, volume, area in (("disk", math.pi, TAU), ("ball", 2 * TAU / 3, 2 * TAU),
                               ("shell", 14 * TAU / 3, 8 * TAU), ("can", TAU, 2 * TAU),
                               ("ring", math.pi * 0.75, TAU), ("sphere", 2 * TAU, 0)):  # fmt: skip
        grid, cells, _ = build(name, 4)
        assert cells.integral(torch.ones(grid.shape).double()).item() == pytest.approx(volume, rel=1e-14)
        assert torch.equal(grid.weights(), cells.volumes.expand(grid.shape))
        outer = cells.areas[0].expand(-1, *grid.shape[1:])[-1].sum().item()
        assert outer == pytest.approx(area, rel=1e-14)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_table_of_systems(name):
    """Volumes are integrals of the density, sides of density over scale."""
    system = SYSTEMS[name]
    q = torch.linspace(0.1, 2.9, 17, dtype=torch.float64)
    slope = torch.func.vmap(torch.func.grad(system.volume))(q)
    torch.testing.assert_close(slope, system.density(q))
    if len(system.axes) == 2:
        slope = torch.func.vmap(torch.func.grad(system.side))(q)
        torch.testing.assert_close(slope, system.density(q) / system.scale(q))


@pytest.mark.parametrize(
    ("name", "closed"),
    [("disk", (True, False)), ("wedge", (True, False)), ("can", (True, False)), ("ball", (True, False)),
     ("sphere", (True, True))],
)  # fmt: skip
def test_poles_need_no_condition(name, closed):
    """Ghosts at a face without area may be anything, and get no gradient."""
    grid, cells, conditions = build(name, 4)
    assert cells.closed[0] == closed
    D = extended(torch.rand(grid.shape, dtype=torch.float64, generator=generator(1)) + 0.2, grid, conditions)
    clean = extended(randn(*grid.shape), grid, conditions)
    poisoned, bad_D = clean.clone(), D.clone()
    for ends in range(2):
        if cells.closed[0][ends]:
            poisoned.select(0, -ends).fill_(math.nan)
            bad_D.select(0, -ends).fill_(math.nan)
    assert poisoned.isnan().any()
    assert torch.equal(orthogonal_laplacian(poisoned, cells), orthogonal_laplacian(clean, cells))
    poisoned.requires_grad_()
    rate = orthogonal_diffusion(bad_D, poisoned, cells)
    assert torch.equal(rate, orthogonal_diffusion(D, clean, cells))
    (gradient,) = torch.autograd.grad(rate.square().sum(), poisoned)
    assert gradient.isfinite().all()


def test_diffusion_of_second_order_in_the_ball():
    """``1/r^2 (r^2 D u')'`` with ``u = cos(r^2)``, ``D = 1 + r^2``, away from the wall."""
    errors = []
    for points in (40, 80):
        grid = Grid(points, extent=1, coordinates="spherical")
        cells = OrthogonalCells(grid)
        r = grid.coordinate(0, below=1, above=1)
        rate = orthogonal_diffusion(1 + r**2, (r**2).cos(), cells)
        r = r[1:-1]
        s, c = (r**2).sin(), (r**2).cos()
        exact = -2 * (3 * (1 + r**2) * s + 2 * r**2 * s + 2 * r**2 * (1 + r**2) * c)
        errors.append(((rate - exact).abs() * cells.volumes).sum().item())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("name", ["disk", "can", "ball"])
def test_gradients_of_orthogonal_diffusion(name):
    grid, cells, conditions = build(name, 3)
    u = randn(*grid.shape).requires_grad_()
    D = (randn(*grid.shape, seed=1) ** 2 + 0.1).requires_grad_()

    def rate(u, D):
        return orthogonal_diffusion(extended(D, grid, conditions), extended(u, grid, conditions), cells)

    assert torch.autograd.gradcheck(rate, (u, D), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(rate, (u, D), fast_mode=True)
    batch = extended(randn(3, *grid.shape), grid, conditions)
    mapped = torch.func.vmap(lambda u: orthogonal_laplacian(u, cells))(batch)
    torch.testing.assert_close(mapped, orthogonal_laplacian(batch, cells))


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.complex128])
def test_precision_is_kept(dtype):
    grid, cells, conditions = build("disk", 4)
    u = extended(randn(*grid.shape, dtype=dtype), grid, conditions)
    assert orthogonal_laplacian(u, cells).dtype == dtype


def test_gradients_after_a_first_call_without():
    grid, cells, conditions = build("disk", 4)
    with torch.inference_mode():
        orthogonal_laplacian(extended(randn(*grid.shape), grid, conditions), cells)
    u = randn(*grid.shape).requires_grad_()
    orthogonal_laplacian(extended(u, grid, conditions), cells).square().sum().backward()
    assert u.grad.isfinite().all()


@pytest.mark.parametrize(
    ("system", "shape", "bounds", "message"),
    [
        ("pollar", (4, 4), ((0, 1), (0, 1)), "did you mean 'polar'"),
        ("polar", (4, 4, 4), ((0, 1),) * 3, r"polar coordinates are \(r\) or \(r, theta\), got a grid with 3 axes"),
        ("cylindrical", 4, (0, 1), r"cylindrical coordinates are \(r, z\), got a grid with 1 axes"),
        ("spherical", 4, (-1, 1), r"r lies between 0 and inf, got bounds \(-1, 1\)"),
        ("sphere", (4, 4), ((0, 4), (0, 4)), r"theta lies between 0 and 3.14159, got bounds \(0, 4\)"),
        ("polar", (4, 4), ((0, 1), (0, 7)), "theta runs over one turn, 2 pi, at most, got 7"),
    ],
)
def test_grids_that_cannot_be(system, shape, bounds, message):
    with pytest.raises(GridError, match=message):
        Grid(shape, bounds=bounds, coordinates=system)


def test_curved_grids_are_uniform_and_cell_centred():
    for options in ({"centring": "node"}, {"nodes": {"r": [0.2, 0.4, 0.5, 0.9]}}):
        with pytest.raises(GridError, match="polar coordinates need a uniform, cell-centred grid"):
            Grid(4, extent=1, coordinates="polar", **options)


def test_cells_that_cannot_be():
    with pytest.raises(GridError, match="finite volumes need a grid with coordinates=polar, cylindrical"):
        OrthogonalCells(Grid((4, 4), extent=1))
    with pytest.raises(GridError, match="periodic names 'r'; in polar coordinates it can name theta"):
        OrthogonalCells(Grid((4, 4), extent=1, coordinates="polar"), periodic=("r",))
    with pytest.raises(GridError, match="in spherical coordinates it can name none"):
        OrthogonalCells(Grid(4, extent=1, coordinates="spherical"), periodic=("r",))


def test_a_curved_grid_knows_its_name_and_itself():
    grid = Grid((4, 8), bounds=((0, 1), (0, TAU)), coordinates="polar")
    assert "coordinates='polar'" in repr(grid)
    assert (grid.axes, grid.poles) == (("r", "theta"), {(0, 0)})
    assert grid != Grid((4, 8), bounds=((0, 1), (0, TAU)))
    assert Grid(4, bounds=(0.5, 1), coordinates="polar").poles == frozenset()
    torch.testing.assert_close(grid.coordinate(0, below=2), torch.tensor([3, 1, 1, 3, 5, 7]) / 8, check_dtype=False)


# -- slopes and outflow -----------------------------------------------------------------------------------------------


def along(values, grid, conditions, axis):
    """Ghosts along one axis."""
    return extended(values, grid, [ends if other == axis else None for other, ends in enumerate(conditions)])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("outer", [N0, D0])
def test_the_gradient_is_minus_the_adjoint_of_the_divergence(name, outer):
    """Integration by parts without a boundary term: what is even for u is odd for the flux."""
    grid, cells, conditions = build(name, 5, outer)
    opposite = [None if ends is None else tuple(D0 if end is N0 else N0 for end in ends) for ends in conditions]
    u = randn(*grid.shape)
    for axis in range(grid.dimension):
        w = randn(*grid.shape, seed=1 + axis)
        slope = orthogonal_slope(along(u, grid, conditions, axis), cells, axis)
        outflow = orthogonal_outflow(along(w, grid, opposite, axis), cells, axis)
        left, right = cells.integral(u * outflow), cells.integral(w * slope)
        assert abs(left + right) < 1e-13 * cells.integral((w * slope).abs())


def test_slopes_and_outflow_of_simple_fields_are_exact():
    """``x`` on the disk has the gradient (cos, -sin); ``r`` in all directions has a divergence."""
    grid = Grid((6, 12), bounds=((0, 1), (0, TAU)), coordinates="polar")
    cells = OrthogonalCells(grid, periodic=("theta",))
    r, theta = grid.coordinates()
    wide = grid.coordinate(0, below=1, above=1)[:, None]
    radial = orthogonal_slope(wide * theta[:1].cos(), cells, 0)
    torch.testing.assert_close(radial, theta.cos())
    around = orthogonal_slope(r * theta.cos(), cells, 1)
    torch.testing.assert_close(around, -theta.sin() * math.sin(TAU / 12) / (TAU / 12))
    torch.testing.assert_close(orthogonal_outflow(wide.expand(-1, 12), cells, 0), torch.full_like(r, 2.0))


@pytest.mark.parametrize("name", ["disk", "ring", "ball", "sphere"])
def test_slopes_and_outflow_have_gradients(name):
    grid, cells, conditions = build(name, 3)
    u = along(randn(2, *grid.shape), grid, conditions, 0).requires_grad_()
    for apply in (orthogonal_slope, orthogonal_outflow):
        assert torch.autograd.gradcheck(lambda u, apply=apply: apply(u, cells, 0), u, check_forward_ad=True)
