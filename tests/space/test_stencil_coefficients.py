"""Coefficients: moment conditions in exact arithmetic, and the tables of the literature."""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import numpy as np
import pytest
import torch

from fieldsolver.errors import GridError
from fieldsolver.space import Dirichlet, Grid, Neumann
from fieldsolver.space.closure import extend, ghost_rule
from fieldsolver.space.fornberg import fornberg_weights
from fieldsolver.space.laplacian import laplacian
from fieldsolver.space.operators import (
    Wall,
    derivative,
    derivative_weights,
    diffusion,
    diffusion_half_width,
    diffusion_weights,
    stencil_half_width,
)
from fieldsolver.space.stencils import SPACE_ORDERS, central_stencil, check_space_order, staggered_stencil, symbol

# Fornberg, Math. Comp. 51 (1988) 699, tables 1 and 2.
TABLE = {
    (1, 2): [Fraction(-1, 2), 0, Fraction(1, 2)],
    (1, 4): [Fraction(1, 12), Fraction(-2, 3), 0, Fraction(2, 3), Fraction(-1, 12)],
    (2, 2): [1, -2, 1],
    (2, 4): [Fraction(-1, 12), Fraction(4, 3), Fraction(-5, 2), Fraction(4, 3), Fraction(-1, 12)],
    (3, 2): [Fraction(-1, 2), 1, 0, -1, Fraction(1, 2)],
    (3, 4): [Fraction(1, 8), -1, Fraction(13, 8), 0, Fraction(-13, 8), 1, Fraction(-1, 8)],
    (4, 2): [1, -4, 6, -4, 1],
    (4, 4): [Fraction(-1, 6), 2, Fraction(-13, 2), Fraction(28, 3), Fraction(-13, 2), 2, Fraction(-1, 6)],
}
# Orders 6 and 8: the coefficients at offsets 0, 1, 2 ...; those on the other side follow by symmetry.
HALVES = {
    (1, 6): "0 3/4 -3/20 1/60",
    (1, 8): "0 4/5 -1/5 4/105 -1/280",
    (2, 6): "-49/18 3/2 -3/20 1/90",
    (2, 8): "-205/72 8/5 -1/5 8/315 -1/560",
    (3, 6): "0 -61/30 169/120 -3/10 7/240",
    (3, 8): "0 -1669/720 4369/2520 -541/1120 1261/15120 -41/6048",
    (4, 6): "91/8 -122/15 169/60 -2/5 7/240",
    (4, 8): "1529/120 -1669/180 4369/1260 -541/840 1261/15120 -41/7560",
}
for (m, order), text in HALVES.items():
    half = [Fraction(c) for c in text.split()]
    TABLE[m, order] = [(-1) ** m * c for c in half[:0:-1]] + half

# Fornberg, table 2: first derivative half-way between points, at the offsets 1/2, 3/2 ...
STAGGERED = {
    2: "1",
    4: "9/8 -1/24",
    6: "75/64 -25/384 3/640",
    8: "1225/1024 -245/3072 49/5120 -5/7168",
}


@pytest.mark.parametrize(("m", "order"), TABLE)
def test_central_coefficients_are_those_of_fornberg(m, order):
    assert list(central_stencil(m, order)) == TABLE[m, order]


@pytest.mark.parametrize("order", SPACE_ORDERS)
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_moments_hold_to_the_order_and_fail_beyond(m, order):
    stencil = central_stencil(m, order)
    half = len(stencil) // 2

    def moment(n):
        return sum(c * Fraction(j) ** n for j, c in zip(range(-half, half + 1), stencil, strict=True))

    for n in range(m + order):
        assert moment(n) == (factorial(m) if n == m else 0)
    assert moment(m + order) != 0


@pytest.mark.parametrize("order", SPACE_ORDERS)
def test_staggered_moments(order):
    slope, mean = staggered_stencil(order)
    offsets = [Fraction(2 * j + 1, 2) for j in range(-order // 2, order // 2)]
    for n in range(order):
        assert sum(c * x**n for c, x in zip(mean, offsets, strict=True)) == (n == 0)
    for n in range(order + 1):
        assert sum(c * x**n for c, x in zip(slope, offsets, strict=True)) == (n == 1)
    half = [Fraction(c) for c in STAGGERED[order].split()]
    assert list(slope) == [-c for c in half[::-1]] + half


@pytest.mark.parametrize(("m", "order"), TABLE)
def test_the_recursion_on_arbitrary_points_gives_the_same_fractions(m, order):
    half = len(TABLE[m, order]) // 2
    offsets = np.array([Fraction(j) for j in range(-half, half + 1)], dtype=object)
    assert list(fornberg_weights(offsets, m)) == TABLE[m, order]


@pytest.mark.parametrize("m", [0, 1, 2, 3, 4])
def test_the_recursion_is_exact_for_polynomials_on_uneven_points(m):
    offsets = np.array([Fraction(n, 7) for n in (-9, -5, -2, 0, 1, 4, 11)], dtype=object)
    weights = fornberg_weights(offsets, m)
    for n in range(len(offsets)):
        assert sum(c * d**n for c, d in zip(weights, offsets, strict=True)) == (factorial(m) if n == m else 0)


@pytest.mark.parametrize("order", SPACE_ORDERS)
def test_composed_staggered_slopes_are_a_second_derivative_of_the_order(order):
    """Constant coefficients: the moments of the composition are those of u'' up to h^order, and no further."""
    slope, _ = staggered_stencil(order)
    composed: dict[int, Fraction] = {}
    for i, a in enumerate(slope):
        for j, b in enumerate(slope):
            composed[i + j] = composed.get(i + j, Fraction(0)) + a * b
    middle = len(slope) - 1
    assert len(composed) == 2 * diffusion_half_width(order) + 1
    moments = [sum(c * Fraction(k - middle) ** n for k, c in composed.items()) for n in range(order + 3)]
    assert moments[: order + 2] == [2 * (n == 2) for n in range(order + 2)]
    assert moments[order + 2] != 0


@pytest.mark.parametrize("order", SPACE_ORDERS)
def test_diffusion_with_a_coefficient_that_varies_has_the_order(order):
    errors = []
    for points in (24, 48):
        x = torch.arange(points, dtype=torch.float64) * (2 * torch.pi / points)
        D, u = 2 + torch.sin(x), torch.exp(torch.cos(x) / 2)
        rate = diffusion(D, u, -1, diffusion_weights(order, 2 * torch.pi / points), walls=None)
        du = -torch.sin(x) / 2 * u
        exact = torch.cos(x) * du + D * (-torch.cos(x) / 2 * u - torch.sin(x) / 2 * du)
        errors.append((rate - exact).abs().max().item())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


@pytest.mark.parametrize("order", SPACE_ORDERS)
@pytest.mark.parametrize("on_node", [False, True])
@pytest.mark.parametrize("held", [False, True])
def test_diffusion_between_walls_is_symmetric_and_conserves_mass(order, on_node, held):
    points, width = 12, diffusion_half_width(order)
    grid = Grid(points, extent=1.3, centring="node" if on_node else "cell")
    rules = ghost_rule(Dirichlet(0) if held else Neumann(0), width, grid.spacing[0], on_node=on_node)
    even = ghost_rule(Neumann(0), width, grid.spacing[0], on_node=on_node)
    D = torch.rand(points, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.2
    basis = torch.eye(points, dtype=torch.float64)
    if held and on_node:
        basis[0], basis[-1] = 0, 0
    rates = diffusion(
        extend(D, -1, (even, even), on_node=on_node), extend(basis, -1, (rules, rules), on_node=on_node), -1,
        diffusion_weights(order, grid.spacing[0]), walls=(Wall(on_node, held),) * 2,
    )  # fmt: skip
    A = rates * grid.weights()
    if held and on_node:
        A = A[1:-1, 1:-1]
    torch.testing.assert_close(A, A.T, atol=1e-12 * A.abs().max(), rtol=0)
    assert torch.linalg.eigvalsh(A).max() < 1e-12 * A.abs().max()
    if not held:
        assert A.sum(1).abs().max() < 1e-12 * A.abs().max()


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("order", SPACE_ORDERS)
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_derivatives_are_the_stencil_applied_naively_with_its_gradient(m, order, periodic):
    weights, half = derivative_weights(m, order, 0.3), stencil_half_width(m, order)
    values = torch.randn(2, 13 + (0 if periodic else 2 * half), 3, dtype=torch.float64, requires_grad=True)
    got = derivative(values, -2, weights, periodic=periodic)
    naive = torch.stack([
        sum(w * values[:, (i + j) % values.shape[1]] for j, w in enumerate(weights, start=-half if periodic else 0))
        for i in range(13)
    ], dim=1)  # fmt: skip
    torch.testing.assert_close(got, naive, rtol=1e-12, atol=1e-11 * max(map(abs, weights)))
    cotangent = torch.randn_like(got)
    torch.testing.assert_close(*(torch.autograd.grad(out, values, cotangent)[0] for out in (got, naive)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
@pytest.mark.parametrize("order", SPACE_ORDERS)
def test_the_laplacian_is_the_sum_of_its_axes(order, dtype):
    """One axis periodic, one between walls; also mapped over a batch, differentiated twice, and forwards."""
    weights, half = [derivative_weights(2, order, h) for h in (0.3, 0.4)], stencil_half_width(2, order)
    rules = (ghost_rule(Neumann(0), half, 0.4, on_node=False), ghost_rule(Dirichlet(0), half, 0.4, on_node=False))

    def fused(u):
        return laplacian(u, [None, extend(u, -1, rules, on_node=False)], weights)

    u = torch.randn(3, 11, 9, dtype=dtype)
    kept = u.clone()
    along = derivative(u, -2, weights[0], periodic=True)
    across = derivative(extend(u, -1, rules, on_node=False), -1, weights[1], periodic=False)
    expected = along + across
    got = fused(u)
    assert got.dtype == dtype
    assert torch.equal(u, kept)
    tolerance = {"atol": 100 * torch.finfo(dtype).eps * expected.abs().max().item(), "rtol": 0}
    torch.testing.assert_close(got, expected, **tolerance)
    torch.testing.assert_close(torch.func.vmap(fused)(u), expected, **tolerance)
    torch.testing.assert_close(torch.func.jvp(fused, (u,), (u,))[1], expected, **tolerance)
    if dtype == torch.float64:
        small = torch.randn(9, 9, dtype=dtype, requires_grad=True)
        assert torch.autograd.gradgradcheck(lambda v: fused(v) ** 2, (small[None],), check_fwd_over_rev=False)


def test_symbols_are_the_closed_forms():
    theta = np.linspace(-np.pi, np.pi, 41)
    closed = {
        (1, 2): 1j * np.sin(theta),
        (1, 4): 1j * (8 * np.sin(theta) - np.sin(2 * theta)) / 6,
        (2, 2): -4 * np.sin(theta / 2) ** 2,
        (2, 4): (-30 + 32 * np.cos(theta) - 2 * np.cos(2 * theta)) / 12,
        (4, 2): 16 * np.sin(theta / 2) ** 4,
    }
    for (m, order), expected in closed.items():
        np.testing.assert_allclose(symbol(m, order, theta), expected, atol=1e-14)


def test_extremes_of_the_symbols():
    """analysis.md section 2: min of d2 is -4 and -16/3; max |d1| is 1 and 1.37222197980336."""
    theta = np.linspace(0, np.pi, 200_001)
    assert symbol(2, 2, theta).real.min() == pytest.approx(-4, abs=1e-12)
    assert symbol(2, 4, theta).real.min() == pytest.approx(-16 / 3, abs=1e-12)
    assert np.abs(symbol(1, 2, theta)).max() == pytest.approx(1, abs=1e-9)
    assert np.abs(symbol(1, 4, theta)).max() == pytest.approx(1.37222197980336, abs=1e-9)


@pytest.mark.parametrize("order", [0, 1, 3, 10, "2", None])
def test_orders_that_do_not_exist(order):
    with pytest.raises(GridError, match=r"space_order is one of \(2, 4, 6, 8\), got"):
        check_space_order(order)


@pytest.mark.parametrize("order", [2, 4])
def test_mapping_over_the_data_of_a_wall_alone(order):
    weights, half = derivative_weights(2, order, 0.3), stencil_half_width(2, order)
    rules = (ghost_rule(Neumann(0), half, 0.3, on_node=False),) * 2
    u, data = torch.randn(8, 9, dtype=torch.float64), torch.randn(4, dtype=torch.float64)

    def rate(g):
        return laplacian(u, [None, extend(u, -1, rules, (g, None), on_node=False)], [weights, weights])

    expected = torch.stack([rate(g) for g in data])
    torch.testing.assert_close(torch.func.vmap(rate)(data), expected)
    torch.testing.assert_close(torch.func.jacfwd(rate)(data[0]), torch.func.jacrev(rate)(data[0]))
