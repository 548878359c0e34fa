"""Masked domains: agreement with the unmasked operators, conservation, and that nothing outside is ever seen."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from fieldsolver.errors import GridError, ParameterError
from fieldsolver.space import Dirichlet, Grid, Neumann
from fieldsolver.space.closure import ghost_block, ghost_rule
from fieldsolver.space.mask import Mask, masked_derivative, masked_diffusion, masked_laplacian
from fieldsolver.space.operators import Wall, derivative, derivative_weights, diffusion, diffusion_weights

BOXES = {1: Grid(9, extent=1.3), 2: Grid((7, 8), extent=(1.3, 2.1)), 3: Grid((4, 5, 3), extent=(1.3, 2.1, 0.9))}
PERIODIC = ["", "x", "all"]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=generator(seed))


def holes(grid, seed=0, batch=()):
    return torch.rand(*batch, *grid.shape, generator=generator(seed)) < 0.6


def names(periodic, grid):
    return grid.axes if periodic == "all" else tuple(periodic)


def extended(values, grid, periodic=(), condition=Neumann(0)):  # noqa: B008 - immutable default
    for axis, name in enumerate(grid.axes):
        if name not in periodic:
            dim, rule = axis - grid.dimension, ghost_rule(condition, 1, grid.spacing[axis], on_node=False)
            data = getattr(condition, "value", None)
            low, high = (ghost_block(values, dim, end, rule, data, on_node=False) for end in (0, 1))
            values = torch.cat([low, values, high], dim)
    return values


def operators(grid, D):
    """Every operator as a function of ``(values, mask, held)``; `D` has ghosts."""
    table = {
        "laplacian": lambda u, mask, held=None: masked_laplacian(u, mask, held=held),
        "diffusion": lambda u, mask, held=None: masked_diffusion(D, u, mask, held=held),
    }
    for axis, m in itertools.product(range(grid.dimension), (1, 2)):
        table[f"d{m}_{axis}"] = lambda u, mask, held=None, axis=axis, m=m: masked_derivative(
            u, mask, axis, m, held=held
        )
    return table


def random_D(grid, periodic=(), seed=5, batch=()):
    return extended(torch.rand(*batch, *grid.shape, dtype=torch.float64, generator=generator(seed)) + 0.2,
                    grid, periodic)  # fmt: skip


def line(values, grid, periodic, axis):
    """Ghosts along one axis only, as operators.py wants them."""
    for other, name in enumerate(grid.axes):
        if other != axis and name not in periodic and values.shape[other - grid.dimension] > 1:
            values = values.narrow(other - grid.dimension, 1, grid.shape[other])
    return values


def unmasked(u, D, grid, periodic):
    results, laplacian, spread = {}, 0, 0
    for axis, h in enumerate(grid.spacing):
        dim, wraps = axis - grid.dimension, grid.axes[axis] in periodic
        along = line(u, grid, periodic, axis)
        for m in (1, 2):
            results[f"d{m}_{axis}"] = derivative(along, dim, derivative_weights(m, 2, h), periodic=wraps)
        laplacian = laplacian + results[f"d2_{axis}"]
        walls = None if wraps else (Wall(False, False),) * 2
        spread = spread + diffusion(line(D, grid, periodic, axis), along, dim, diffusion_weights(2, h), walls=walls)
    return results | {"laplacian": laplacian, "diffusion": spread}


@pytest.mark.parametrize("periodic", PERIODIC)
@pytest.mark.parametrize("dimension", BOXES)
def test_a_full_mask_changes_no_bit(dimension, periodic):
    grid = BOXES[dimension]
    periodic = names(periodic, grid)
    mask = Mask(torch.ones(grid.shape, dtype=torch.bool), grid, periodic=periodic)
    u = extended(randn(3, *grid.shape), grid, periodic, Dirichlet(0.7))
    D = random_D(grid, periodic)
    expected = unmasked(u, D, grid, periodic)
    for name, apply in operators(grid, D).items():
        assert torch.equal(apply(u, mask), expected[name]), name
        assert torch.equal(apply(u, mask, 3.0), expected[name]), name
    constant = torch.full((3,) + (1,) * dimension, 0.4, dtype=torch.float64)
    assert torch.equal(masked_diffusion(constant, u, mask), unmasked(u, constant, grid, periodic)["diffusion"])


# -- the specification ------------------------------------------------------------------------------------------------


def naive(name, u, D, inside, grid, periodic, held):
    """Cell by cell, from the definition; arrays without ghosts and walls without flux."""
    result = torch.zeros_like(u)

    def seen(array, cell, axis, step, value):
        there = list(cell)
        there[axis] += step
        if grid.axes[axis] in periodic:
            there[axis] %= grid.shape[axis]
        if not 0 <= there[axis] < grid.shape[axis]:
            return array[cell]
        if inside[tuple(there)]:
            return array[tuple(there)]
        return array[cell] if value is None else 2 * value - array[cell]

    for cell in itertools.product(*(range(n) for n in grid.shape)):
        if not inside[cell]:
            continue
        for axis, h in enumerate(grid.spacing):
            below, above = (seen(u, cell, axis, step, held) for step in (-1, 1))
            second = (below - 2 * u[cell] + above) / h**2
            if name == "laplacian" or name == f"d2_{axis}":
                result[cell] += second
            elif name == f"d1_{axis}":
                result[cell] += (above - below) / (2 * h)
            elif name == "diffusion":
                for step, other in ((-1, below), (1, above)):
                    result[cell] += (D[cell] + seen(D, cell, axis, step, None)) / 2 * (other - u[cell]) / h**2
    return result


@pytest.mark.parametrize("held", [None, 0.7])
@pytest.mark.parametrize("periodic", PERIODIC)
@pytest.mark.parametrize("dimension", BOXES)
def test_holes_against_the_definition(dimension, periodic, held):
    grid = BOXES[dimension]
    periodic = names(periodic, grid)
    inside = holes(grid)
    mask = Mask(inside, grid, periodic=periodic)
    u = randn(*grid.shape)
    D = torch.rand(grid.shape, dtype=torch.float64, generator=generator(5)) + 0.2
    for name, apply in operators(grid, extended(D, grid, periodic)).items():
        actual = apply(extended(u, grid, periodic), mask, held)
        expected = naive(name, u, D, inside, grid, periodic, held)
        torch.testing.assert_close(actual, expected, atol=1e-11, rtol=1e-12)
        assert not actual[~inside].any()


@pytest.mark.parametrize("name", ["laplacian", "diffusion", "d1_0"])
def test_held_values_belong_to_the_cell_inside(name):
    """Those of other cells may be anything, NaN too."""
    grid = BOXES[2]
    mask = Mask(holes(grid), grid)
    apply = operators(grid, random_D(grid))[name]
    u, g = extended(randn(*grid.shape), grid), torch.where(mask.inside, randn(*grid.shape, seed=1), math.nan)
    rate = apply(u, mask, g)
    assert not rate[~mask.inside].any()
    for cell in map(tuple, mask.inside.nonzero()[::5]):
        assert rate[cell] == apply(u, mask, g[cell].item())[cell]


# -- laws -------------------------------------------------------------------------------------------------------------


def matrix(apply, mask, grid, periodic):
    """On the cells inside."""
    basis = torch.eye(grid.size, dtype=torch.float64).reshape(grid.size, *grid.shape)
    columns = apply(extended(basis, grid, periodic), mask).reshape(grid.size, grid.size)
    kept = mask.inside.flatten()
    assert not columns[~kept].any()
    return columns[kept][:, kept].T


@pytest.mark.parametrize("periodic", PERIODIC)
@pytest.mark.parametrize("dimension", BOXES)
def test_no_flux_conserves_mass_and_is_symmetric(dimension, periodic):
    grid = BOXES[dimension]
    periodic = names(periodic, grid)
    mask = Mask(holes(grid), grid, periodic=periodic)
    table = operators(grid, random_D(grid, periodic))
    u = extended(randn(4, *grid.shape), grid, periodic)
    for name in ("laplacian", "diffusion"):
        rate = table[name](u, mask)
        assert (mask.integral(rate).abs() < 1e-12 * mask.integral(rate.abs())).all()
        A = matrix(table[name], mask, grid, periodic)
        torch.testing.assert_close(A, A.T, atol=1e-12 * A.abs().max().item(), rtol=0)
        assert torch.linalg.eigvalsh((A + A.T) / 2).max() < 1e-12 * A.abs().max()
        assert A.sum(1).abs().max() < 1e-12 * A.abs().max()  # constants stay
        held = matrix(lambda u, mask, apply=table[name]: apply(u, mask, 0.0), mask, grid, periodic)
        assert torch.linalg.eigvalsh((held + held.T) / 2).max() < 0


def test_components_do_not_exchange():
    grid = BOXES[2]
    inside = torch.ones(grid.shape, dtype=torch.bool)
    inside[3] = False
    mask, D = Mask(inside, grid), random_D(grid)
    for name in ("laplacian", "diffusion", "d1_0"):
        apply = operators(grid, D)[name]
        A = torch.func.jacrev(lambda u, apply=apply: apply(extended(u, grid), mask))(randn(*grid.shape))
        assert not A[:3, :, 4:].any()
        assert not A[4:, :, :3].any()
    rate = masked_diffusion(D, extended(randn(*grid.shape), grid), mask)
    for part in (slice(0, 3), slice(4, None)):
        assert abs(rate[part].sum().item()) < 1e-12 * rate.abs().sum().item()


@pytest.mark.parametrize("held", [None, 0.7])
def test_a_batch_of_masks_is_a_loop(held):
    grid = BOXES[2]
    inside = holes(grid, batch=(4,))
    batch = Mask(inside, grid)
    D = random_D(grid, batch=(4, 1))
    for name in operators(grid, D):
        u = extended(randn(4, 3, *grid.shape), grid)
        together = operators(grid, D)[name](u, batch, held)
        for k in range(4):
            alone = operators(grid, D[k])[name](u[k], Mask(inside[k], grid), held)
            assert torch.equal(together[k], alone)
    shared, u = random_D(grid), extended(randn(4, 4, *grid.shape), grid)  # as many channels as samples
    together = masked_diffusion(shared, u, batch, held=held)
    assert torch.equal(together[1], masked_diffusion(shared, u[1], Mask(inside[1], grid), held=held))
    u = randn(4, 3, *grid.shape)
    assert torch.allclose(batch.mean(u)[2], Mask(inside[2], grid).mean(u[2]))
    assert batch.integral(u).shape == (4, 3)


@pytest.mark.parametrize("held", [None, 0.7])
def test_a_padded_sequence_is_a_short_one(held):
    """Of 8 points from 13, bit by bit; what stands in the padding does not matter."""
    wall = Neumann(0) if held is None else Dirichlet(held)
    long, short = Grid(13, extent=13 * 0.375), Grid(8, extent=8 * 0.375)
    mask = Mask(torch.arange(13) < 8, long)
    u = randn(5, 13)
    D_long, D_short = random_D(long), extended(random_D(long)[1:9], short)
    for name in operators(long, D_long):
        padded = operators(long, D_long)[name](extended(u, long, condition=wall), mask, held)[:, :8]
        alone = unmasked(extended(u[:, :8], short, condition=wall), D_short, short, ())[name]
        assert torch.equal(padded, alone)


@pytest.mark.parametrize("held", [None, 0.7])
@pytest.mark.parametrize("periodic", PERIODIC)
def test_nan_outside_does_no_harm(periodic, held):
    """In values and gradients, through the ghosts as well."""
    grid = BOXES[2]
    periodic = names(periodic, grid)
    inside = holes(grid)
    mask, clean, D = Mask(inside, grid, periodic=periodic), randn(*grid.shape), random_D(grid, periodic)
    D_inside = torch.rand(grid.shape, dtype=torch.float64, generator=generator(5)) + 0.2

    def outcome(name, filler):
        u = torch.where(inside, clean, filler).requires_grad_()
        D = torch.where(inside, D_inside, filler).requires_grad_()
        apply = operators(grid, extended(D, grid, periodic))[name]
        rate = apply(extended(u, grid, periodic), mask, held)
        gradients = torch.autograd.grad(rate.square().sum() + mask.mean(u), (u, D), allow_unused=True)
        return [rate, *(g for g in gradients if g is not None)]

    for name in operators(grid, D):
        poisoned, zeroed = outcome(name, math.nan), outcome(name, 0.0)
        for bad, good in zip(poisoned, zeroed, strict=True):
            assert torch.equal(bad, good)
            assert not bad[~inside].any()


def test_integral_mean_and_projection():
    grid = BOXES[2]
    mask = Mask(holes(grid), grid)
    u = randn(3, *grid.shape)
    kept = u[:, mask.inside]
    torch.testing.assert_close(mask.mean(u), kept.mean(1))
    torch.testing.assert_close(mask.integral(u), kept.sum(1) * math.prod(grid.spacing))
    projected = mask.project(u)
    assert torch.equal(projected[:, mask.inside], kept)
    assert not projected[:, ~mask.inside].any()
    assert torch.equal(mask.project(projected), projected)


def hole_error(operator, points):
    """Largest error of a boundary value problem around the hole ``(1, 2)^2`` of ``(0, 3)^2``, u given on every wall."""

    def exact(x, y):
        return torch.sin(x) * torch.exp(y / 2) + x * y

    grid = Grid((points, points), extent=3.0)
    (X, Y), h = grid.coordinates(), grid.spacing[0]
    mask = Mask(~((X > 1) & (X < 2) & (Y > 1) & (Y < 2)), grid)
    kappa, source = torch.ones_like(X), -0.75 * torch.sin(X) * torch.exp(Y / 2)
    if operator == "diffusion":
        kappa, source = 1 + X / 2, (1 + X / 2) * source + (torch.cos(X) * torch.exp(Y / 2) + Y) / 2

    def towards_hole(position):
        """Half a cell, for the cells that touch the hole along this axis."""
        return torch.where((position > 1 - h) & (position < 1), h / 2, 0.0) - torch.where(
            (position > 2) & (position < 2 + h), h / 2, 0.0
        )

    beside = (Y > 1) & (Y < 2)
    on_hole = torch.where(beside, exact(X + towards_hole(X), Y), exact(X, Y + towards_hole(Y)))

    def apply(ghosted, held):
        if operator == "laplacian":
            return masked_laplacian(ghosted, mask, held=held)
        return masked_diffusion(extended(kappa, grid), ghosted, mask, held=held)

    data = torch.zeros(points + 2, points + 2, dtype=torch.float64)  # ghosts 2 g of a field of zeros
    centres = grid.coordinate(0)
    for end in (0, -1):
        place = torch.full_like(centres, 3.0 if end else 0.0)
        data[end, 1:-1], data[1:-1, end] = 2 * exact(place, centres), 2 * exact(centres, place)
    A = matrix(lambda u, mask: apply(extended(u[:, 1:-1, 1:-1], grid, condition=Dirichlet(0)), 0.0), mask, grid, ())
    solution = torch.linalg.solve(A, (source - apply(data, on_hole))[mask.inside])
    return (solution - exact(X, Y)[mask.inside]).abs().max().item()


@pytest.mark.parametrize("operator", ["laplacian", "diffusion"])
def test_second_order_around_a_square_hole(operator):
    """Where the staircase is the border."""
    errors = [hole_error(operator, points) for points in (9, 18, 36)]
    slopes = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert slopes[-1] == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("held", [None, 0.7])
def test_gradients(held):
    grid = Grid((3, 4), extent=1.0)
    mask = Mask(torch.tensor([[1, 1, 0, 1], [1, 0, 1, 1], [1, 1, 1, 0]], dtype=torch.bool), grid, periodic=("y",))
    u, D = randn(3, 4).requires_grad_(), (randn(3, 4, seed=1) ** 2 + 0.1).requires_grad_()

    def rates(u, D):
        table = operators(grid, extended(D, grid, ("y",)))
        return tuple(apply(extended(u, grid, ("y",)), mask, held) for apply in table.values())

    assert torch.autograd.gradcheck(rates, (u, D), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(rates, (u, D), fast_mode=True)


def test_vmap_over_fields():
    grid = BOXES[2]
    mask, D = Mask(holes(grid), grid), random_D(grid)
    u = extended(randn(3, *grid.shape), grid)
    for apply in operators(grid, D).values():
        torch.testing.assert_close(torch.func.vmap(lambda v, apply=apply: apply(v, mask))(u), apply(u, mask))


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.complex128])
def test_precision_is_kept(dtype):
    grid = BOXES[2]
    mask, u = Mask(holes(grid), grid), extended(randn(*grid.shape, dtype=dtype), grid)
    real = torch.float32 if dtype in (torch.float32, torch.complex64) else torch.float64
    for apply in operators(grid, random_D(grid).to(real)).values():
        assert apply(u, mask, 0.5).dtype == dtype


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grid": Grid((7, 8), extent=1, centring="node")}, "a mask needs a cell-centred grid"),
        ({"inside": torch.ones(7, 8)}, "a bool tensor, got torch.float32"),
        ({"inside": torch.ones(8, 7, dtype=torch.bool)}, r"the shape \(7, 8\) or \(B, \*\(7, 8\)\), got \(8, 7\)"),
        ({"inside": torch.ones(2, 2, 7, 8, dtype=torch.bool)}, "got .2, 2, 7, 8"),
        ({"inside": torch.stack([torch.ones(7, 8), torch.zeros(7, 8)]) > 0}, "sample 1 of the mask has no cell"),
        ({"periodic": ("z",)}, "periodic names the axis 'z', but the grid has x, y"),
    ],
)
def test_masks_that_cannot_be(arguments, message):
    given = {"inside": torch.ones(7, 8, dtype=torch.bool), "grid": BOXES[2]} | arguments
    with pytest.raises(GridError, match=message):
        Mask(**given)


def test_only_first_and_second_derivatives():
    grid = BOXES[1]
    with pytest.raises(ParameterError, match="the first or the second, got m=3"):
        masked_derivative(torch.zeros(11), Mask(torch.ones(9, dtype=torch.bool), grid), 0, 3)
