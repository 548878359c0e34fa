"""Non-uniform axes: positions, weights, orders, symmetry, mass, spectra, and every way to declare them wrongly."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch

from fieldsolver.errors import GridError
from fieldsolver.space import Dirichlet, Grid, Neumann, Robin
from fieldsolver.space.boundary import Condition
from fieldsolver.space.closure import extend, ghost_rule_at
from fieldsolver.space.laplacian import laplacian
from fieldsolver.space.nonuniform import axis_derivative_weights, axis_diffusion_weights
from fieldsolver.space.operators import Wall, derivative, diffusion, stencil_half_width
from fieldsolver.space.spacing import Clustered

NO_FLUX = (Neumann(0), Neumann(0))
SMOOTH = [
    Clustered("chebyshev"),
    Clustered("polynomial", power=2, towards="low"),
    Clustered("polynomial", power=1.5, towards="both"),
    Clustered("polynomial", power=2, towards="high"),
]
ROUGH = [0.0, 0.07, 0.1, 0.22, 0.25, 0.41, 0.6, 0.66, 0.83, 0.9, 1.0]


def line(points, rule, centring, bounds=(0.0, 1.0)):
    return Grid(points, bounds=bounds, centring=centring, nodes={"x": rule})


def ghosts(grid, u, axis, width, conditions, data=(None, None)):
    on_node = grid.has_end_nodes(axis)
    rules = tuple(
        ghost_rule_at(condition, grid.mirror_distances(axis, end, width), on_node=on_node)
        for end, condition in enumerate(conditions)
    )
    return extend(u, axis - grid.dimension, rules, data, on_node=on_node)


def apply(grid, u, m=2, order=2, conditions=NO_FLUX, data=(None, None), axis=0):
    weights = axis_derivative_weights(grid, axis, m, order, periodic=False)
    extended = ghosts(grid, u, axis, stencil_half_width(m, order), conditions, data)
    return derivative(extended, axis - grid.dimension, weights, periodic=False)


# -- positions --------------------------------------------------------------------------------------------------------


def test_chebyshev_points_are_gauss_lobatto_and_gauss():
    i = np.arange(8)
    nodes = line(8, Clustered("chebyshev"), "node", (-1, 1)).coordinate(0)
    np.testing.assert_allclose(nodes, -np.cos(np.pi * i / 7), atol=1e-15)
    roots = np.polynomial.chebyshev.chebroots([0] * 8 + [1])
    np.testing.assert_allclose(line(8, Clustered("chebyshev"), "cell", (-1, 1)).coordinate(0), roots, atol=1e-14)


def test_polynomial_clusterings():
    low = line(5, Clustered("polynomial", 2, "low"), "node")
    assert low.coordinate(0).tolist() == [0, 1 / 16, 1 / 4, 9 / 16, 1]
    assert line(5, Clustered("polynomial", 2, "high"), "node").coordinate(0).tolist() == [0, 7 / 16, 3 / 4, 15 / 16, 1]
    assert line(5, Clustered("polynomial"), "node").coordinate(0).tolist() == [0, 1 / 8, 1 / 2, 7 / 8, 1]
    even = line(6, Clustered("polynomial", 1), "cell")
    torch.testing.assert_close(even.coordinate(0), Grid(6, extent=1).coordinate(0), atol=1e-15, rtol=0)


def test_ghosts_are_mirror_images_or_one_period_away():
    cells = Grid(3, bounds=(1, 2), nodes={"x": [1.1, 1.5, 1.7]})
    expected = [0.5, 0.9, 1.1, 1.5, 1.7, 2.3, 2.5]
    np.testing.assert_allclose(cells.coordinate(0, below=2, above=2), expected, atol=1e-15)
    nodes = Grid(4, bounds=(1, 2), centring="node", nodes={"x": [1.0, 1.1, 1.5, 2.0]})
    np.testing.assert_allclose(nodes.coordinate(0, below=2, above=1), [0.5, 0.9, 1.0, 1.1, 1.5, 2.0, 2.5], atol=1e-15)
    ring = Grid(3, bounds=(1, 2), centring="node", periodic="x", nodes={"x": [1.0, 1.1, 1.5]})
    np.testing.assert_allclose(ring.coordinate(0, below=2, above=1), [0.1, 0.5, 1.0, 1.1, 1.5, 2.0], atol=1e-15)
    assert cells.mirror_distances(0, 0, 2) == pytest.approx((0.2, 1.0))
    assert nodes.mirror_distances(0, 1, 2) == pytest.approx((1.0, 1.8))
    uniform = Grid(4, extent=2)
    assert uniform.mirror_distances(0, 0, 2) == (0.5, 1.5)
    with pytest.raises(GridError, match="3 points, too few for 4 ghosts"):
        cells.coordinate(0, below=4)


@pytest.mark.parametrize("centring", ["cell", "node"])
def test_weights_sum_to_the_length_and_are_dual_widths(centring):
    rough = ROUGH if centring == "node" else [0.5 * (a + b) for a, b in pairwise(ROUGH)]
    grid = Grid((len(rough), 5), extent=(1, 3), centring=centring, nodes={"x": rough})
    assert grid.weights().sum().item() == pytest.approx(3, rel=1e-15)
    if centring == "node":
        gaps = np.diff(ROUGH)
        trapezoid = (np.append(gaps, 0) + np.insert(gaps, 0, 0)) / 2
        np.testing.assert_allclose(grid.weights()[:, 2], trapezoid * 0.75, atol=1e-15)
        x, _ = grid.coordinates()
        assert (grid.weights() * x).sum().item() == pytest.approx(1.5, rel=1e-14)  # the trapezoid is exact for lines


def test_spacings_and_identity():
    grid = Grid((5, 4), extent=(1, 2), nodes={"x": Clustered("chebyshev")})
    assert (grid.is_uniform(0), grid.is_uniform(1)) == (False, True)
    assert grid.spacing == (0.2, 0.5)
    x = grid.coordinate(0)
    assert grid.smallest_spacing(0) == pytest.approx(2 * x[0].item())  # a cell and its image beyond the wall
    assert grid.smallest_spacing(1) == 0.5
    same = Grid((5, 4), extent=(1, 2), nodes={"x": x})
    assert grid == same
    assert hash(grid) == hash(same)
    assert grid != Grid((5, 4), extent=(1, 2))
    assert grid != Grid((5, 4), extent=(1, 2), nodes={"x": x + 0.001})
    assert grid == copy.deepcopy(grid) == pickle.loads(pickle.dumps(grid))
    assert grid.nodes == {"x": Clustered("chebyshev")}
    assert same.nodes == {"x": tuple(x.tolist())}
    assert "nodes={'x': Clustered(kind='chebyshev'" in repr(grid)
    assert "nodes={'x': (0, 0.25, 1)}" in repr(line(3, [0, 0.25, 1], "node"))
    assert "nodes={'x': (0, 0.07, 0.1, ..., 0.9, 1)}" in repr(line(11, ROUGH, "node"))
    low, high = line(11, ROUGH, "node").coordinate(0)[[0, -1]].tolist()
    assert (low, high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nodes": {"y": [0.1] * 4}}, "nodes names the axis 'y', but the grid has x"),
        ({"nodes": [0.1, 0.2, 0.3, 0.4]}, "nodes is a dict of axes"),
        ({"nodes": {"x": [0.1, 0.2, 0.3]}}, r"have the shape \(3,\), but the axis has 4 points"),
        ({"nodes": {"x": [[0.1, 0.2, 0.3, 0.4]]}}, r"shape \(1, 4\)"),
        ({"nodes": {"x": [0.1, 0.3, 0.2, 0.4]}}, r"must increase strictly, got 0\.3 and then 0\.2 \(index 1\)"),
        ({"nodes": {"x": [0.1, 0.2, 0.2, 0.4]}}, "increase strictly"),
        ({"nodes": {"x": [0.1, 0.2, float("nan"), 0.4]}}, "NaN or infinity"),
        ({"nodes": {"x": [0.0, 0.2, 0.3, 0.4]}}, r"must lie strictly between the bounds \(0, 1\)"),
        ({"nodes": {"x": [0.1, 0.2, 0.3, 1.4]}}, r"from 0\.1 to 1\.4, but they must lie strictly between"),
        ({"nodes": {"x": "chebyshev"}}, r"are positions or fs\.Clustered\('chebyshev'\), got 'chebyshev'"),
        ({"nodes": {"x": ["a", 1, 2, 3]}}, "are positions or"),
        ({"nodes": {"x": [0.1, 0.2, 0.3, 1.0]}, "centring": "node"}, r"first node of 'x' is the wall at 0, got 0\.1"),
        ({"nodes": {"x": [0.0, 0.2, 0.3, 0.9]}, "centring": "node"}, r"last node of 'x' is the wall at 1, got 0\.9"),
        ({"nodes": {"x": [0, 0.2, 0.3, 1]}, "centring": "node", "periodic": "x"}, "give no node at the high end"),
        ({"nodes": {"x": Clustered("polynomial", 500)}}, "increase strictly|strictly between"),
    ],
)
def test_positions_that_cannot_be(arguments, message):
    with pytest.raises(GridError, match=message):
        Grid(4, extent=1, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tanh",), "clustered by one of"),
        (("chebyshev", 2), "neither power nor towards"),
        (("polynomial", 0.5), "at least 1, got 0.5"),
        (("polynomial", "2"), "at least 1, got '2'"),
        (("polynomial", 2, "left"), "towards one of"),
    ],
)
def test_clusterings_that_cannot_be(arguments, message):
    with pytest.raises(GridError, match=message):
        Clustered(*arguments)


# -- operators --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_even_positions_give_the_uniform_operator(m, order, centring):
    uniform = Grid(12, bounds=(-1, 2), centring=centring)
    placed = line(12, uniform.coordinate(0), centring, (-1, 2))
    u = torch.randn(12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    walls = (Robin(1.0, 2.0, 0.3), Dirichlet(0.7))
    one, other = (apply(grid, u, m, order, walls, (0.3, 0.7)) for grid in (uniform, placed))
    torch.testing.assert_close(one, other, atol=1e-10 * one.abs().max().item(), rtol=0)


@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_polynomials_through_the_stencil_are_exact(m, order):
    """Away from the walls, on positions without any regularity."""
    grid, half = line(11, ROUGH, "node"), stencil_half_width(m, order)
    x = grid.coordinate(0, below=half, above=half)
    weights = axis_derivative_weights(grid, 0, m, order, periodic=False)
    for n in range(2 * half + 1):
        polynomial = np.polynomial.Polynomial([-0.4, 1.0]) ** n
        exact = polynomial.deriv(m)(x.numpy()[half:-half])
        got = derivative(torch.from_numpy(polynomial(x.numpy())), -1, weights, periodic=False)
        scale = max(weights.values.abs().max().item(), 1.0)
        np.testing.assert_allclose(got, exact, atol=1e-13 * scale)


@pytest.mark.parametrize("rule", SMOOTH, ids=str)
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("m", [1, 2])
def test_orders_of_functions_that_reflect(m, order, centring, rule):
    """cos(pi x) continues evenly beyond its walls: the largest error, walls included, has the order of the stencil."""
    counts = {2: (40, 80, 160), 4: (20, 40, 80), 6: (14, 28, 56)}[order]
    errors = []
    for points in counts:
        grid = line(points + (centring == "node"), rule, centring)
        x = grid.coordinate(0)
        exact = -torch.pi * torch.sin(torch.pi * x) if m == 1 else -(torch.pi**2) * torch.cos(torch.pi * x)
        errors.append((apply(grid, torch.cos(torch.pi * x), m, order) - exact).abs().max().item())
    # The map of `both` has a kink of its second derivative half-way, power 1.5 one of its own at the walls.
    slope = np.log2(errors[-2] / errors[-1])
    smooth = rule.kind == "chebyshev" or rule.towards != "both"
    assert slope == pytest.approx(order, abs=0.3) if smooth else slope > order - 1.2


def steady(grid, u, kinds, forcing):
    """Largest error of the solution of ``u'' - u = forcing`` with conditions that `u` meets."""
    x = grid.coordinate(0)
    conditions, data = [], []
    for end, kind in enumerate(kinds):
        wall = torch.tensor(grid.bounds[0][end], dtype=torch.float64, requires_grad=True)
        value = u(wall)
        slope = (2 * end - 1) * torch.autograd.grad(value, wall)[0].item()
        condition, datum = {"D": (Dirichlet(), value.item()), "N": (Neumann(), slope),
                            "R": (Robin(1.0, 0.5), value.item() + slope / 2)}[kind]  # fmt: skip
        conditions.append(condition)
        data.append(datum)

    def rate(v):
        return apply(grid, v, conditions=conditions, data=data) - v - forcing(x)

    constant = rate(torch.zeros_like(x))
    A = (rate(torch.eye(len(x), dtype=torch.float64)) - constant).T
    right = -constant
    for end, kind in ((0, kinds[0]), (-1, kinds[1])):
        if kind == "D" and grid.has_end_nodes(0):
            A[end], right[end] = 0, data[end]
            A[end, end] = 1
    return (torch.linalg.solve(A, right) - u(x)).abs().max().item()


@pytest.mark.parametrize("rule", SMOOTH, ids=str)
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kinds", ["DD", "DN", "ND", "RD", "NR", "RR"])
def test_steady_states_are_of_second_order_walls_included(kinds, centring, rule):
    def u(x):
        return torch.exp(x) * torch.sin(2 * x + 0.3) + x

    def forcing(x):  # u'' - u
        return torch.exp(x) * (4 * torch.cos(2 * x + 0.3) - 4 * torch.sin(2 * x + 0.3)) - x

    errors = [steady(line(n, rule, centring, (0.2, 1.4)), u, kinds, forcing) for n in (41, 81, 161)]
    assert np.log2(errors[-2] / errors[-1]) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("centring", ["cell", "node"])
def test_the_plane_is_of_second_order(centring):
    """One axis clustered, the other uniform; -lap u with no-flux walls, by the fused Laplacian."""
    errors = []
    for n in (20, 40, 80):
        grid = Grid((n, n + 3), extent=(1, 2), centring=centring, nodes={"x": Clustered("chebyshev")})
        x, y = grid.coordinates()
        u = torch.cos(torch.pi * x) * torch.cos(torch.pi * y / 2)
        weights = [axis_derivative_weights(grid, axis, 2, 2, periodic=False) for axis in (0, 1)]
        extended = [ghosts(grid, u, axis, 1, (Neumann(0), Neumann(0))) for axis in (0, 1)]
        got = laplacian(u, extended, weights)
        torch.testing.assert_close(got, apply(grid, u, axis=0) + apply(grid, u, axis=1))
        errors.append((got + 1.25 * torch.pi**2 * u).abs().max().item())
    assert np.log2(errors[-2] / errors[-1]) == pytest.approx(2, abs=0.15)


COEFFICIENTS = [None, torch.rand(11, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.2]


def operator(grid, walls, coefficient):
    """Rows: the rate of every unit vector; second derivative, or diffusion with a coefficient."""
    basis = torch.eye(grid.size, dtype=torch.float64)
    held = [isinstance(wall, Dirichlet) for wall in walls]
    on_node = grid.has_end_nodes(0)
    kept = torch.ones(grid.size, dtype=torch.bool)
    for end, is_held in zip((0, -1), held, strict=True):
        kept[end] = not (is_held and on_node)
    basis = basis * kept
    if coefficient is None:
        rates = apply(grid, basis, conditions=walls)
    else:
        rates = diffusion(
            ghosts(grid, coefficient, 0, 1, (Neumann(0), Neumann(0))), ghosts(grid, basis, 0, 1, walls), -1,
            axis_diffusion_weights(grid, 0, 2, periodic=False), walls=tuple(Wall(on_node, h) for h in held),
        )  # fmt: skip
    return (rates * grid.weights())[kept][:, kept]


@pytest.mark.parametrize("coefficient", COEFFICIENTS, ids=["plain", "coefficient"])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("rough", [True, False])
@pytest.mark.parametrize("walls", [(Neumann(0), Neumann(0)), (Dirichlet(0), Neumann(0)), (Dirichlet(0), Dirichlet(0))])
def test_symmetry_sign_and_mass(walls, rough, centring, coefficient):
    cells = [0.04, *ROUGH[1:-1], 0.97]
    rule = (ROUGH if centring == "node" else cells) if rough else Clustered("chebyshev")
    A = operator(line(11, rule, centring), walls, coefficient)
    torch.testing.assert_close(A, A.T, atol=1e-12 * A.abs().max(), rtol=0)
    assert torch.linalg.eigvalsh(A).max() < 1e-12 * A.abs().max()
    if all(isinstance(wall, Neumann) for wall in walls):
        assert A.sum(1).abs().max() < 1e-12 * A.abs().max()  # mass
        assert A.sum(0).abs().max() < 1e-12 * A.abs().max()  # constants


def test_diffusion_is_the_divergence_of_the_flux_to_second_order():
    errors = []
    for n in (40, 80, 160):
        grid = line(n, Clustered("chebyshev"), "cell")
        x = grid.coordinate(0)
        D, u, k = 2 + torch.cos(torch.pi * x), torch.cos(torch.pi * x), torch.pi
        rate = diffusion(
            ghosts(grid, D, 0, 1, (Neumann(0), Neumann(0))), ghosts(grid, u, 0, 1, (Neumann(0), Neumann(0))), -1,
            axis_diffusion_weights(grid, 0, 2, periodic=False), walls=(Wall(False, False),) * 2,
        )  # fmt: skip
        errors.append((rate - k**2 * (torch.sin(k * x) ** 2 - D * u)).abs().max().item())
    assert np.log2(errors[-2] / errors[-1]) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("rule", SMOOTH, ids=str)
def test_dirichlet_eigenvalues_approach_those_of_the_interval(rule, centring):
    errors = []
    for points in (33, 65, 129):
        grid = line(points, rule, centring, (0, 1.7))
        A = operator(grid, (Dirichlet(0), Dirichlet(0)), None)
        root = grid.weights()[1:-1] if centring == "node" else grid.weights()
        scaled = A / torch.sqrt(root[:, None] * root)
        lowest = torch.linalg.eigvalsh(scaled).flip(0)[:3].numpy()
        errors.append(np.abs(lowest / -((np.pi * np.arange(1, 4) / 1.7) ** 2) - 1))
    assert (errors[-1] < 5e-3).all()
    np.testing.assert_allclose(np.log2(errors[-2] / errors[-1]), 2, atol=0.15)


def test_a_periodic_axis_wraps_its_spacing():
    errors = []
    for n in (32, 64, 128):
        s = torch.arange(n, dtype=torch.float64) / n
        x = s + 0.1 * torch.sin(2 * torch.pi * s)
        grid = Grid(n, extent=1, centring="node", periodic="x", nodes={"x": x})
        u, k = torch.sin(2 * torch.pi * x), 2 * torch.pi
        weights = axis_derivative_weights(grid, 0, 2, 2, periodic=True)
        rate = derivative(u, -1, weights, periodic=True)
        assert (rate * grid.weights()).sum().abs() < 1e-12 * (rate * grid.weights()).abs().sum()
        faces = axis_diffusion_weights(grid, 0, 2, periodic=True)
        torch.testing.assert_close(diffusion(torch.ones(()).double(), u, -1, faces, walls=None), rate)
        torch.testing.assert_close(diffusion(torch.ones(n).double(), u, -1, faces, walls=None), rate)
        errors.append((rate + k**2 * u).abs().max().item())
    assert np.log2(errors[-2] / errors[-1]) == pytest.approx(2, abs=0.15)


def test_what_non_uniform_axes_refuse():
    cells, nodes = line(8, Clustered("chebyshev"), "cell"), line(11, ROUGH, "node")
    with pytest.raises(GridError, match=r"disagree about periodicity; write Grid\(\.\.\., periodic=\('x',\)\)"):
        axis_derivative_weights(cells, 0, 2, 2, periodic=True)
    with pytest.raises(GridError, match=r"diffusion\(D, u\) of order 4 needs uniform spacing.*use space_order=2"):
        axis_diffusion_weights(nodes, 0, 4, periodic=False)
    with pytest.raises(GridError, match="8 points, too few for 9 ghosts"):
        cells.coordinate(0, above=9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
@pytest.mark.parametrize("order", [2, 4])
def test_transforms_and_precisions(order, dtype):
    grid = Grid((11, 3), extent=1, centring="node", nodes={"x": ROUGH})
    u = torch.randn(2, 11, 3, dtype=dtype)
    walls: tuple[Condition, Condition] = (Dirichlet(0), Neumann(0))
    weights = axis_derivative_weights(grid, 0, 2, order, periodic=False)

    def function(u):
        return derivative(ghosts(grid, u, 0, order // 2, walls), -2, weights, periodic=False)

    got = function(u)
    assert got.dtype == dtype
    exact = apply(grid, u.to(torch.complex128 if dtype.is_complex else torch.float64), 2, order, walls)
    tolerance = {"atol": 30 * torch.finfo(dtype).eps * exact.abs().max().item(), "rtol": 0}
    torch.testing.assert_close(got, exact.to(dtype), **tolerance)
    torch.testing.assert_close(torch.func.vmap(function)(u), got, **tolerance)
    torch.testing.assert_close(torch.func.jvp(function, (u,), (u,))[1], got, **tolerance)
    if dtype == torch.float64:
        small = u[:1].clone().requires_grad_()
        assert torch.autograd.gradcheck(function, (small,), check_forward_ad=True)
        assert torch.autograd.gradgradcheck(lambda v: (function(v) / 1000) ** 2, (small,))
