"""Observed orders: operators on periodic smooth functions, and solutions of boundary value problems."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy as sp
import torch

from fieldsolver.equations import FieldEquation, Spatial
from fieldsolver.equations.lowering import held_sides
from fieldsolver.space import Clustered, Dirichlet, FiniteDifference, Grid, Neumann, Periodic, Robin, Spectral

x, y, z = sp.symbols("x y z")
SYMBOLS = (x, y, z)


def sample(expression, grid):
    values = sp.lambdify(SYMBOLS[: grid.dimension], expression, "numpy")(*[c.numpy() for c in grid.coordinates()])
    return torch.as_tensor(np.broadcast_to(values, grid.shape).copy(), dtype=torch.float64)


def slopes(errors, ratio=2.0):
    return np.log(np.array(errors[:-1]) / np.array(errors[1:])) / np.log(ratio)


def exact(word, u):
    variables = SYMBOLS[:2]
    match word:
        case "laplacian(u)":
            return sum(sp.diff(u, s, 2) for s in variables)
        case "diffusion(2 + sin(x)*cos(y), u)":
            D = 2 + sp.sin(x) * sp.cos(y)
            return sum(sp.diff(D * sp.diff(u, s), s) for s in variables)
        case "diffusion(1 + u**2, u)":
            return sum(sp.diff((1 + u**2) * sp.diff(u, s), s) for s in variables)
        case "gradient_squared(u)":
            return sum(sp.diff(u, s) ** 2 for s in variables)
        case "laplacian(u**2)":
            return sum(sp.diff(u**2, s, 2) for s in variables)
        case "d_dx(d_dy(u))":
            return sp.diff(u, x, y)
    order = 1 if word.startswith("d_d") else int(word[1])
    return sp.diff(u, {"x": x, "y": y}[word.split("_d")[1][0]], order)


WORDS = [
    "d_dx(u)", "d_dy(u)", "d2_dx2(u)", "d2_dy2(u)", "d3_dx3(u)", "d3_dy3(u)", "d4_dx4(u)", "d4_dy4(u)", "laplacian(u)",
    "diffusion(2 + sin(x)*cos(y), u)", "diffusion(1 + u**2, u)", "gradient_squared(u)", "laplacian(u**2)",
    "d_dx(d_dy(u))",
]  # fmt: skip


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize("word", WORDS)
def test_operators_on_periodic_grids(word, order, centring):
    if order > 4 and word.startswith(("d3", "d4")):
        pytest.skip("rounding hides the order; the coefficients are tested in exact arithmetic")
    u = sp.exp(sp.sin(x) / 2) * sp.cos(y) + sp.sin(y) / 3
    errors = []
    for points in (48, 96) if order < 6 else (32, 64):
        grid = Grid(
            (points, points * 5 // 4), extent=2 * np.pi, centring=centring, periodic="xy" if centring == "node" else ()
        )
        equation = FieldEquation(f"du/dt = {word}", grid=grid, boundary=Periodic(), space_order=order)
        rate = equation(0.0, sample(u, grid)[None])[0]
        errors.append((rate - sample(exact(word, u), grid)).abs().max().item())
    assert slopes(errors)[0] == pytest.approx(order, abs=0.15 if order < 6 else 0.6)


# -- boundary value problems ------------------------------------------------------------------------------------------


def text(expression):
    return sp.printing.sstr(sp.nsimplify(expression).evalf(17))


def wall_condition(kind, u, axis, end, D=1):
    """A condition that `u` fulfils: data written in the language, from the outward derivative."""
    normal = (1 if end else -1) * sp.diff(u, SYMBOLS[axis])
    match kind:
        case "D":
            return Dirichlet(text(u))
        case "N":
            return Neumann(text(normal))
        case "R":
            return Robin(1.0, 0.5, text(u + normal / 2))
    raise ValueError


def solve_steady(rate, u, kinds, shape, centring, order, bounds, *, scheme=None, nodes=None, **parameters):
    """Largest error of the discrete solution of ``0 = rate``, by a dense solve of the assembled affine operator."""
    if scheme is not None:
        order = None
    axes = "xyz"[: len(shape)]
    if "P" in kinds and centring == "node":
        periodic = tuple(name for name, kind in zip(axes, kinds, strict=True) if kind == "P")
    else:
        periodic = ()
    grid = Grid(shape, bounds=bounds, centring=centring, periodic=periodic, nodes=nodes)
    boundary = {}
    for axis, (name, kind) in enumerate(zip(axes, kinds, strict=True)):
        if kind == "P":
            boundary[name] = Periodic()
        else:
            boundary |= {name + "-+"[end]: wall_condition(kind[end], u, axis, end) for end in (0, 1)}
    parameters = {name: Spatial(sample(value, grid)) for name, value in parameters.items()}
    equation = FieldEquation(
        f"du/dt = {rate}", grid=grid, boundary=boundary, space_order=order, scheme=scheme, parameters=parameters
    )
    size = grid.size
    with torch.no_grad():
        constant = equation(0.0, torch.zeros(1, *shape, dtype=torch.float64))
        basis = torch.eye(size, dtype=torch.float64).reshape(size, 1, *shape)
        A = (equation(0.0, basis) - constant).reshape(size, size).T
        free = torch.ones(shape, dtype=torch.bool)
        for axis, end in held_sides(equation.layout, "u"):
            free.select(axis, -1 if end else 0).fill_(False)
        free = free.flatten()
        solution = torch.linalg.solve(A[free][:, free], -constant.flatten()[free])
    return (solution - sample(u, grid).flatten()[free]).abs().max().item()


KINDS_1D = ["".join(pair) for pair in itertools.product("DNR", repeat=2)]
U1 = sp.exp(x) * sp.sin(2 * x + sp.Rational(3, 10)) + x


@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kind", KINDS_1D)
def test_steady_states_on_a_line(kind, centring, order):
    rate = f"laplacian(u) - u - ({text(sp.diff(U1, x, 2) - U1)})"
    errors = [solve_steady(rate, U1, [kind], (n,), centring, order, [(0.2, 1.4)]) for n in (40, 80, 160)]
    assert slopes(errors)[-1] == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kind", KINDS_1D)
def test_steady_states_with_a_coefficient_that_varies(kind, centring, order):
    """Where nothing is symmetric at the wall: D' != 0, u' != 0, and data that do not vanish."""
    D = 1 + x + x**2
    rate = f"diffusion({text(D)}, u) - u - ({text(sp.diff(D * sp.diff(U1, x), x) - U1)})"
    errors = [solve_steady(rate, U1, [kind], (n,), centring, order, [(0.2, 1.4)]) for n in (80, 160, 320)]
    assert slopes(errors)[-1] == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kinds", [("DN", "RD"), ("P", "NR"), ("DD", "DD"), ("NN", "P"), ("RR", "DN")])
def test_steady_states_in_the_plane(kinds, centring):
    v = sp.cos(2 * sp.pi * x) if kinds[0] == "P" else sp.exp(x) + x**2
    w = sp.sin(2 * sp.pi * y) if kinds[1] == "P" else sp.sin(2 * y) + y**3
    u = v * w + v / 2
    rate = f"laplacian(u) - u - ({text(sp.diff(u, x, 2) + sp.diff(u, y, 2) - u)})"
    bounds = [(0, 1), (0, 1)]
    shapes = [(n, n) for n in ((12, 24) if centring == "cell" else (13, 25))]
    shapes = [tuple(n - (centring == "node" and k == "P") for n, k in zip(s, kinds, strict=True)) for s in shapes]
    errors = [solve_steady(rate, u, kinds, shape, centring, 2, bounds) for shape in shapes]
    assert slopes(errors)[-1] == pytest.approx(2, abs=0.25)


@pytest.mark.slow
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kinds", [("DN", "RD", "NN"), ("P", "NR", "DD")])
def test_steady_states_in_space(kinds, centring):
    v = sp.cos(2 * sp.pi * x) if kinds[0] == "P" else sp.exp(x) + x**2
    u = v * (1 + sp.sin(y)) * sp.cos(z + sp.Rational(1, 2))
    rate = f"laplacian(u) - u - ({text(sum(sp.diff(u, s, 2) for s in SYMBOLS) - u)})"
    shapes = [(n, n, n) for n in ((8, 16) if centring == "cell" else (9, 17))]
    shapes = [tuple(n - (centring == "node" and k == "P") for n, k in zip(s, kinds, strict=True)) for s in shapes]
    errors = [solve_steady(rate, u, kinds, shape, centring, 2, [(0, 1)] * 3) for shape in shapes]
    assert slopes(errors)[-1] == pytest.approx(2, abs=0.3)


def test_steady_state_in_space_is_close():
    """The fast sibling of the test above: one grid, an error that a wrong ghost would exceed many times."""
    u = sp.exp(x) * (1 + sp.sin(y)) * sp.cos(z + sp.Rational(1, 2))
    rate = f"laplacian(u) - u - ({text(sum(sp.diff(u, s, 2) for s in SYMBOLS) - u)})"
    assert solve_steady(rate, u, ("DN", "RD", "NR"), (9, 8, 7), "cell", 2, [(0, 1)] * 3) < 6e-3


LINE_RATE = f"laplacian(u) - u - ({text(sp.diff(U1, x, 2) - U1)})"


@pytest.mark.parametrize(("order", "expected", "sizes"), [(2, 2, (40, 80)), (4, 4, (40, 80)), (6, 5, (48, 96))])
@pytest.mark.parametrize("kind", KINDS_1D)
def test_summation_by_parts_is_of_high_order_up_to_the_walls(kind, order, expected, sizes):
    """At least the order that is proven, ``min(2p, p + 2)``; some pairs of walls do better."""
    scheme = FiniteDifference(order, closure="summation_by_parts")
    errors = [solve_steady(LINE_RATE, U1, [kind], (n + 1,), "node", None, [(0.2, 1.4)], scheme=scheme) for n in sizes]
    assert slopes(errors)[-1] > expected - 0.2
    if order == 2:
        assert slopes(errors)[-1] < expected + 0.2


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("kind", ["DD", "NR", "RD"])
def test_summation_by_parts_with_a_coefficient_that_varies(kind, order):
    D = 1 + x + x**2
    rate = f"diffusion({text(D)}, u) - u - ({text(sp.diff(D * sp.diff(U1, x), x) - U1)})"
    scheme = FiniteDifference(order, closure="summation_by_parts")
    errors = [solve_steady(rate, U1, [kind], (n,), "node", None, [(0.2, 1.4)], scheme=scheme) for n in (81, 161)]
    assert slopes(errors, 160 / 80)[-1] > order - 0.2


@pytest.mark.parametrize("kind", KINDS_1D)
def test_collocation_converges_faster_than_any_power(kind):
    nodes = {"x": Clustered("chebyshev")}
    errors = [
        solve_steady(LINE_RATE, U1, [kind], (n,), "node", None, [(0.2, 1.4)], scheme=Spectral(), nodes=nodes)
        for n in (6, 9, 12, 18)
    ]
    assert errors[1] < errors[0] / 20
    assert errors[2] < errors[1] / 20
    assert errors[3] < 1e-11


@pytest.mark.parametrize("nodes", [Clustered("polynomial", power=1.5), Clustered("polynomial", 2.0, "low")])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kind", ["DD", "NR", "RD", "DN"])
def test_clustered_points_keep_the_second_order(kind, centring, nodes):
    errors = [
        solve_steady(LINE_RATE, U1, [kind], (n,), centring, 2, [(0.2, 1.4)], nodes={"x": nodes}) for n in (80, 160, 320)
    ]
    assert slopes(errors)[-1] > 1.85


@pytest.mark.parametrize("points", [8, 12])
def test_spectral_steady_states_are_exact_for_smooth_periods(points):
    """Poisson with a screening term: twice the points square the error, nearly."""
    u = sp.exp(sp.sin(2 * sp.pi * x))
    rate = f"laplacian(u) - u - ({text(sp.diff(u, x, 2) - u)})"
    errors = [
        solve_steady(rate, u, ["P"], (n,), "cell", None, [(0, 1)], scheme=Spectral()) for n in (points, 2 * points)
    ]
    assert errors[1] < errors[0] ** 1.7
    assert errors[1] < 1e-5


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kinds", [("DN", "RD"), ("P", "NR"), ("DD", "DD")])
def test_isotropic_steady_states_in_the_plane(kinds, centring):
    v = sp.cos(2 * sp.pi * x) if kinds[0] == "P" else sp.exp(x) + x**2
    u = v * (sp.sin(2 * y) + y**3) + v / 2
    rate = f"laplacian(u) - u - ({text(sp.diff(u, x, 2) + sp.diff(u, y, 2) - u)})"
    scheme = FiniteDifference(laplacian="isotropic")
    errors = []
    for n in (12, 24):
        shape = tuple(n + int(centring == "node" and kind != "P") for kind in kinds)
        errors.append(solve_steady(rate, u, kinds, shape, centring, None, [(0, 1), (0, 1)], scheme=scheme))
    assert slopes(errors)[-1] == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize("kinds", [("DN", "RD"), ("NR", "DD")])
def test_steady_states_with_one_scheme_per_axis(kinds):
    """Collocation along x leaves the error of the differences along y."""
    u = (sp.exp(x) + x**2) * (sp.sin(2 * y) + y**3)
    rate = f"laplacian(u) - u - ({text(sp.diff(u, x, 2) + sp.diff(u, y, 2) - u)})"
    schemes = {"x": Spectral(), "y": FiniteDifference(2)}
    nodes = {"x": Clustered("chebyshev")}
    bounds = [(0, 1), (0, 1)]
    errors = [
        solve_steady(rate, u, kinds, (12, n), "node", None, bounds, scheme=schemes, nodes=nodes) for n in (17, 33)
    ]
    assert slopes(errors)[-1] == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("order", [2, 4, 6, 8])
def test_reflected_solutions_keep_the_order_of_the_stencil(centring, order):
    """cos(pi x) has the symmetry of no-flux walls, sin(pi x) of absorbing ones: the closure costs nothing then."""
    for u, condition in ((sp.cos(sp.pi * x), Neumann(0)), (sp.sin(sp.pi * x), Dirichlet(0))):
        errors = []
        for points in (13, 25):
            points -= centring == "cell"
            grid = Grid(points, extent=1, centring=centring)
            equation = FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=condition, space_order=order)
            rate = equation(0.0, sample(u, grid)[None])[0]
            errors.append((rate - sample(sp.diff(u, x, 2), grid)).abs().max().item())
        assert slopes(errors)[0] == pytest.approx(order, abs=0.15)
