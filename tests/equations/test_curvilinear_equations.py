"""Equations on disks, cylinders, balls and spheres, against eigenmodes, each other and manufactured solutions."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from scipy.special import jn_zeros, jnp_zeros, jv

import fieldsolver as fs
from fieldsolver.equations.views.sympy_view import to_sympy

TAU = 2 * math.pi
AROUND = {"theta": fs.Periodic()}


def disk(n, inner=0.0, angle=TAU):
    return fs.Grid((n, 2 * n), bounds=((inner, 1), (0, angle)), coordinates="polar")


def radial(n):
    return fs.Grid(n, extent=1, coordinates="polar")


def ball(n):
    return fs.Grid(n, extent=1, coordinates="spherical")


def cylinder(n):
    return fs.Grid((n, n), extent=1, coordinates="cylindrical")


def sphere(n):
    return fs.Grid((n, 2 * n), bounds=((0, math.pi), (0, TAU)), coordinates="sphere")


def randn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rate(equation, *state):
    return equation(0.0, torch.stack(state) if len(state) > 1 else state[0][None])


def bessel(m, x):
    return torch.from_numpy(jv(m, x.numpy()))


# -- against the literature -------------------------------------------------------------------------------------------

J01, J11 = float(jn_zeros(0, 1)[0]), float(jnp_zeros(1, 1)[0])  # 2.40482556 and 1.84118378 of pde.md, section 0
MODES = {
    "disk, held, by its radius": (radial, fs.Dirichlet(0), lambda r: bessel(0, J01 * r), J01**2, (16, 32)),
    "disk, closed": (
        disk, {"r+": fs.Neumann(0)} | AROUND, lambda r, t: bessel(1, J11 * r) * t.cos(), J11**2, (8, 16),
    ),
    "ball, held": (ball, fs.Dirichlet(0), lambda r: torch.sin(2 * math.pi * r) / r, 4 * math.pi**2, (16, 32)),
    "cylinder": (
        cylinder, {"r+": fs.Dirichlet(0), "z": fs.Neumann(0)},
        lambda r, z: bessel(0, J01 * r) * torch.cos(math.pi * z), J01**2 + math.pi**2, (12, 24),
    ),
    "sphere": (sphere, fs.Periodic(), lambda t, p: t.sin() * t.cos() * p.cos(), 6.0, (8, 16)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODES)
def test_modes_decay_at_the_eigenvalues_of_the_literature(name):
    """j_{0,1}^2, j'_{1,1}^2, (2 pi)^2, l (l + 1) with l = 2: through solves, with second order in space."""
    make, boundary, mode, eigenvalue, resolutions = MODES[name]
    errors = []
    for n in resolutions:
        grid = make(n)
        equation = fs.FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=boundary)
        shape, duration = mode(*grid.coordinates()), 0.1 / eigenvalue
        solution = fs.solve(equation, {"u": shape}, t_span=(0.0, duration), rtol=1e-8, atol=1e-12)
        left = (solution["u"][-1] * shape * grid.weights()).sum() / (shape**2 * grid.weights()).sum()
        errors.append(abs(-math.log(left) / duration - eigenvalue))
    assert errors[-1] < 0.01 * eigenvalue
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.15)


def test_spectrum_of_a_ball_is_exact_and_near_the_literature():
    part = fs.FieldEquation("du/dt = laplacian(u)", grid=ball(64), boundary=fs.Dirichlet(0)).linear_part()
    assert part.bound.kind == "exact"
    assert part.transform == ("none",)
    slowest = np.sort(-part.eigenvalues.real)[:3]
    np.testing.assert_allclose(np.sqrt(slowest), math.pi * np.arange(1, 4), rtol=2e-3)


# -- against each other -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "right",
    ["laplacian(u)", "diffusion(1 + r**2, u)", "gradient_squared(u)", "divergence(u*gradient(u))",
     "advection(gradient(u), u)", "biharmonic(u)", "gradient(u)[0]", "u - mean(u)"],
)  # fmt: skip
def test_what_does_not_depend_on_the_angle_is_the_same_without_it(right):
    n, outer = 12, {"r+": fs.Neumann(0)}
    thin = fs.FieldEquation(f"du/dt = {right}", grid=radial(n), boundary=outer)
    full = fs.FieldEquation(f"du/dt = {right}", grid=disk(n), boundary=outer | AROUND)
    u = randn(n)
    one, many = rate(thin, u)[0], rate(full, u[:, None].expand(n, 2 * n))[0]
    torch.testing.assert_close(many, one[:, None].expand_as(many), rtol=1e-12, atol=1e-12 * one.abs().max().item())


def test_a_spot_in_the_plane_spreads_as_on_the_disk():
    """Far from the walls x, y and r tell the same story: the difference is of second order."""
    differences = []
    for n in (24, 48):
        plane = fs.Grid((n, n), bounds=((-1, 1), (-1, 1)))
        flat = fs.FieldEquation("du/dt = laplacian(u) - u**2", grid=plane, boundary=fs.Neumann(0))
        round_ = fs.FieldEquation("du/dt = laplacian(u) - u**2", grid=radial(n // 2), boundary=fs.Neumann(0))
        (x, y), r = plane.coordinates(), round_.grid.coordinate(0)
        options = {"t_span": (0.0, 0.01), "rtol": 1e-8, "atol": 1e-10}
        one = fs.solve(flat, {"u": torch.exp(-30 * (x**2 + y**2))}, **options)["u"][-1]
        two = fs.solve(round_, {"u": torch.exp(-30 * r**2)}, **options)["u"][-1]
        masses = [(u * g.weights()).sum().item() for u, g in ((one, plane), (two, round_.grid))]
        differences.append(abs(masses[0] - masses[1]))
    assert differences[1] < 0.01 * masses[0]
    assert np.log2(differences[0] / differences[1]) == pytest.approx(2, abs=0.3)


# -- laws -------------------------------------------------------------------------------------------------------------

CLOSED = {
    "disk": (disk(6), {"r+": fs.Neumann(0)} | AROUND),
    "wedge": (disk(6, angle=1.1), fs.Neumann(0)),
    "ring": (disk(6, 0.4), {"r": fs.Neumann(0)} | AROUND),
    "cylinder": (cylinder(6), fs.Neumann(0)),
    "ball": (ball(9), fs.Neumann(0)),
    "sphere": (sphere(6), fs.Periodic()),
}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_domains_conserve_the_total(name):
    grid, boundary = CLOSED[name]
    text = "du/dt = diffusion(1 + u**2, u) + divergence(u*gradient(u)) + 0.01*laplacian(u**3 - u - biharmonic(u))"
    equation = fs.FieldEquation(text, grid=grid, boundary=boundary)
    flow = rate(equation, randn(*grid.shape))[0] * grid.weights()
    assert abs(flow.sum()) < 1e-12 * flow.abs().sum()
    plain = fs.FieldEquation("du/dt = laplacian(u) + u - mean(u)", grid=grid, boundary=boundary)
    solution = fs.solve(plain, {"u": randn(*grid.shape)}, t_span=(0.0, 0.01))
    totals = (solution["u"] * grid.weights()).flatten(1).sum(1)
    assert abs(totals[1] - totals[0]) < 1e-12 * (solution["u"][0].abs() * grid.weights()).sum()
    assert equation.conserved().shape == (1, 1)


@pytest.mark.parametrize("name", CLOSED)
def test_integration_by_parts_to_round_off(name):
    """``integral(u div v + v . grad u) = 0`` where nothing leaves."""
    grid, boundary = CLOSED[name]
    d = grid.dimension
    sides = boundary if isinstance(boundary, dict) else {"all": boundary}
    held = {side: fs.Dirichlet(0) if isinstance(c, fs.Neumann) else c for side, c in sides.items()}
    equation = fs.FieldEquation(
        "du/dt = integral(u*divergence(v) + dot(v, gradient(u))); dv/dt = integral(abs(dot(v, gradient(u))))*v",
        grid=grid,
        boundary={"u": boundary, "v": held.get("all", held)},
        components={"v": d},
    )
    state = randn(1 + d, *grid.shape)
    state[1:] = 1 + state[1:] ** 2
    rates = equation(0.0, state)
    assert abs(rates[0]).max() < 1e-13 * (rates[1] / state[1]).max()


def test_a_ring_with_data_is_solved_to_second_order():
    text = (
        "du/dt = diffusion(1 + 0.3*r*cos(theta), u) + 0.2*gradient_squared(u) + advection(gradient(r*cos(theta)), u)"
        " + gradient(u)[1] - u"
    )
    errors = []
    for n in (12, 24):
        equation = fs.FieldEquation(
            text, grid=disk(n, 0.5), boundary={"r-": fs.Dirichlet(0), "r+": fs.Robin(1, 0.5)} | AROUND
        )
        made = equation.manufactured({"u": "exp(-t)*(2 + cos(2*theta)*sin(3*r))"})
        solution = fs.solve(made.equation, made.initial, t_span=(0.0, 0.05), rtol=1e-6, atol=1e-8)
        errors.append((solution["u"][-1] - made.exact(0.05)["u"]).abs().max().item())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.15)
    assert made.symbolic_residual(points=2) < 1e-25


@pytest.mark.parametrize(
    ("grid", "solution", "boundary"),
    [
        (ball(24), "exp(-t)*cos(r**2)", {"r+": fs.Dirichlet(0)}),
        (cylinder(12), "exp(-t)*cos(r**2)*cos(2*z)", {"r+": fs.Neumann(0), "z": fs.Neumann(0)}),
        (sphere(10), "exp(-t)*(cos(theta) + sin(theta)**2*cos(2*phi))", {"phi": fs.Periodic()}),
    ],
)
def test_sources_in_every_system(grid, solution, boundary):
    """The formulas of the graph against those of SymPy, and the truncation in the norm of the volumes."""
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + 0.1*gradient_squared(u) + diffusion(1 + u**2, u)", grid=grid, boundary=boundary
    )
    sizes = []
    for factor in (1, 2):
        fine = fs.Grid([factor * n for n in grid.shape], bounds=grid.bounds, coordinates=grid.system)
        made = fs.FieldEquation(str(equation), grid=fine, boundary=boundary).manufactured({"u": solution})
        inside = fine.weights().clone()
        if grid.system != "sphere":
            inside[-1] = 0.0  # the closure at walls is of lower order
        if grid.system == "cylindrical":
            inside[:, [0, -1]] = 0.0
        sizes.append((made.truncation(0.3)[0] ** 2 * inside).sum().sqrt().item())
    assert np.log2(sizes[0] / sizes[1]) == pytest.approx(2, abs=0.2)
    assert made.symbolic_residual(points=1) < 1e-25


def test_divergence_of_a_vector_has_its_formula():
    grid = disk(16, 0.5)
    equation = fs.FieldEquation(
        "dv/dt = -v; du/dt = divergence(v)",
        grid=grid,
        boundary={"v": {"r": fs.Dirichlet(0)} | AROUND, "u": {"r": fs.Neumann(0)} | AROUND},
        components={"v": 2},
    )
    made = equation.manufactured({"v": ["exp(-t)*sin(r)", "exp(-t)*sin(r)"], "u": "exp(-t)*cos(theta)"}, check=False)
    assert made.symbolic_residual(points=2) < 1e-25
    assert made.truncation(0.0)[2, 1:-1].abs().max() < 0.01


# -- knowledge --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize(
    "right",
    ["laplacian(u)", "-biharmonic(u)", "2*divergence(gradient(u))", "diffusion(1 + u**2, u) + laplacian(u)",
     "0.3*laplacian(u) - 3*gradient(u)[0]", "laplacian(u) + dot(gradient(u), gradient(u))"],
)  # fmt: skip
def test_bounds_and_patterns_hold_what_is_there(name, right):
    grid, boundary = CLOSED[name]
    equation = fs.FieldEquation(f"du/dt = {right}", grid=grid, boundary=boundary)
    jacobian = equation.jacobian()
    at_rest = np.linalg.eigvals(jacobian.dense(0.0, torch.zeros(equation.state_shape, dtype=torch.float64)).numpy())
    bound = equation.linear_part().bound
    slack = 1e-8 * bound.radius
    if "u**2" not in right:  # whose mobility is part of the Jacobian, but not of the linear part
        assert bound.lowest - slack <= at_rest.real.min()
        assert at_rest.real.max() <= bound.highest + slack
        assert np.abs(at_rest.imag).max() <= bound.imaginary + 10 * slack
    moving = jacobian.dense(0.0, randn(*equation.state_shape))
    torch.testing.assert_close(torch.from_numpy(jacobian.sparse(0.0, randn(*equation.state_shape)).toarray()), moving)


def test_fixed_steps_are_checked():
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=ball(16), boundary=fs.Dirichlet(0))
    lowest = -equation.linear_part().bound.lowest
    assert "is stable" in str(fs.explain(equation, dt=1.9 / lowest))
    with pytest.raises(fs.StabilityError):
        fs.solve(equation, {"u": randn(16)}, t_span=(0.0, 1.0), dt=2.1 / lowest, method="euler")
    plane = fs.FieldEquation("du/dt = laplacian(u)", grid=disk(8), boundary={"r+": fs.Dirichlet(0)} | AROUND)
    assert plane.linear_part().transform == ("none", "none")
    with pytest.raises(fs.EquationError, match="plane waves are no solutions in curved coordinates"):
        plane.symbol([1.0, 0.0])


# -- names and views --------------------------------------------------------------------------------------------------


def test_names_of_the_coordinates_reach_texts_results_and_symbols():
    grid = disk(4)
    boundary = {"r+": fs.Dirichlet("cos(theta)")} | AROUND
    equation = fs.FieldEquation("du/dt = laplacian(u) + r*cos(theta)*gradient(u)[0]", grid=grid, boundary=boundary)
    solution = fs.solve(equation, {"u": 0.0}, t_span=(0.0, 1e-3))
    assert solution.to_xarray()["u"].dims == ("time", "r", "theta")
    s = fs.Symbols(grid)
    u = s.field("u")
    built = s.laplacian(u) + s.r * s.cos(s.theta) * s.gradient(u)[0]
    assert fs.FieldEquation({u: built}, grid=grid, boundary=boundary).right_sides == equation.right_sides
    again = fs.FieldEquation(str(equation), grid=grid, boundary=boundary)
    assert again.right_sides["u"] is equation.right_sides["u"]
    for same in (pickle.loads(pickle.dumps(equation)), copy.deepcopy(equation)):
        assert torch.equal(rate(same, randn(4, 8)), rate(equation, randn(4, 8)))
    assert equation.pretty().startswith("∂u/∂t = ∇²u + r cos")
    with pytest.raises(fs.EquationError, match=r"make it with the words of fs.Symbols\(grid\)"):
        fs.FieldEquation({u: fs.Symbols(fs.Grid((4, 8), extent=1)).laplacian(u)}, grid=grid, boundary=boundary)


def test_the_laplacian_in_sympy_is_that_of_the_books():
    import sympy

    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=disk(4), boundary={"r+": fs.Neumann(0)} | AROUND)
    view = to_sympy(equation.right_sides["u"], ("r", "theta"))
    (u,) = view.atoms(sympy.core.function.AppliedUndef)
    _, r, theta = u.args
    assert sympy.simplify(view.doit() - (u.diff(r, 2) + u.diff(r) / r + u.diff(theta, 2) / r**2)) == 0


def test_linearisation_of_every_operator():
    grid, boundary = CLOSED["disk"]
    text = "du/dt = gradient_squared(u) + diffusion(u, u) + divergence(u**2*gradient(u)) + advection(gradient(u), u)"
    equation = fs.FieldEquation(text, grid=grid, boundary=boundary)
    block = equation.jacobian().blocks["u", "u"]
    u, v = randn(*grid.shape), randn(*grid.shape, seed=1)
    symbol = fs.Symbols(grid).field("delta_u")
    pair = fs.FieldEquation(
        {fs.Symbols(grid).field("u"): 0 * symbol, symbol: block}, grid=grid, boundary=boundary
    )  # fmt: skip
    expected = equation.jacobian().product(0.0, u[None], v[None])
    torch.testing.assert_close(rate(pair, u, v)[1:], expected, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex128])
def test_precision_and_transforms(dtype):
    grid, boundary = CLOSED["ring"]
    complex_fields = ("u",) if dtype.is_complex else ()
    text = "du/dt = laplacian(u) + divergence(u*gradient(u)) + gradient(u)[1] + r*u"
    equation = fs.FieldEquation(text, grid=grid, boundary=boundary, complex_fields=complex_fields)
    u = randn(3, 1, *grid.shape).to(dtype)
    rates = equation(0.0, u)
    assert rates.dtype == dtype
    mapped = torch.func.vmap(lambda state: equation(0.0, state))(u)
    torch.testing.assert_close(mapped, rates)


def test_coefficients_that_vanish_or_blow_up_at_the_pole_leave_finite_gradients():
    equation = fs.FieldEquation(
        "du/dt = diffusion(k*sqrt(r), u) + k*log(r)*u",
        grid=radial(6),
        boundary=fs.Neumann(0),
        parameters={"k": fs.Parameter(1.0, positive=True)},
    )
    rate(equation, randn(6)).square().sum().backward()
    assert equation.raw["k"].grad.isfinite().all()


# -- what cannot be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grid", "boundary", "message"),
    [
        (disk(4), {"r-": fs.Neumann(0), "r+": fs.Neumann(0)} | AROUND, "at 'r-', but the pole has no wall: drop 'r-'"),
        (disk(4), {"r": fs.Neumann(0)} | AROUND, "'r' means both ends; write \"r\\+\" for the other end"),
        (sphere(4), {"theta": fs.Neumann(0), "phi": fs.Periodic()}, "the pole has no wall: drop 'theta'"),
        (disk(4), AROUND, "side 'r\\+' of 'u' has no condition"),
        (disk(4, 0.5), {"r+": fs.Neumann(0)} | AROUND, "side 'r-' of 'u' has no condition"),
        (disk(4), fs.Periodic(), "axis 'r' ends at a pole and cannot close on itself"),
        (disk(4, 0.5), fs.Periodic(), "'r' of polar coordinates does not close on itself"),
        (disk(4, angle=1.0), {"r+": fs.Neumann(0), "theta": fs.Neumann(1)}, "at 'theta-' a condition on the slope"),
        (disk(4, angle=1.0), {"r+": fs.Neumann(0), "theta": fs.Robin(1, 1)}, "would have to follow the distance"),
    ],
)
def test_conditions_that_cannot_be(grid, boundary, message):
    with pytest.raises(fs.BoundaryError, match=message):
        fs.FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=boundary)


@pytest.mark.parametrize(
    ("right", "message"),
    [
        ("d_dx(u)", r"d_dx is not defined in polar coordinates; write gradient\(u\)\[0\] for du/dr"),
        ("d2_dy2(u)", r"write gradient\(u\)\[0\] for du/dr and gradient\(u\)\[1\] for the slope along theta"),
        ("curl(gradient(u))", "curl is not defined in polar coordinates, which have laplacian, diffusion"),
        ("fractional_laplacian(0.5, u)", "fractional_laplacian is not defined in polar coordinates"),
        ("diffusion(K, u)", "diffusion takes a scalar coefficient in polar coordinates, not a matrix"),
        ("convolve(w, u)", "convolve is not defined in polar coordinates"),
    ],
)
def test_words_that_cannot_be(right, message):
    options = {
        "parameters": {"K": [[1.0, 0.0], [0.0, 1.0]]} if "K" in right else {},
        "kernels": {"w": fs.Kernel(lambda x, y: torch.exp(-(x**2) - y**2), edge="zero")} if "(w" in right else {},
    }
    with pytest.raises(fs.EquationError, match=message):
        fs.FieldEquation(f"du/dt = {right}", grid=disk(4), boundary={"r+": fs.Neumann(0)} | AROUND, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"space_order": 4},
        {"scheme": fs.Spectral()},
        {"scheme": fs.FiniteDifference(advection="upwind1")},
        {"scheme": fs.FiniteDifference(laplacian="isotropic")},
    ],
)
def test_schemes_that_cannot_be(options):
    with pytest.raises(fs.GridError, match="polar coordinates are discretised by central differences of order 2"):
        fs.FieldEquation("du/dt = laplacian(u)", grid=disk(4), boundary={"r+": fs.Neumann(0)} | AROUND, **options)


def test_masks_and_several_grids_cannot_be():
    with pytest.raises(fs.GridError, match="mask= needs a grid in Cartesian coordinates"):
        fs.FieldEquation(
            "du/dt = laplacian(u)",
            grid=disk(4),
            boundary={"r+": fs.Neumann(0), "mask": fs.Neumann(0)} | AROUND,
            mask=torch.ones(4, 8, dtype=torch.bool),
        )
    with pytest.raises(fs.GridError, match="fields on grids of their own need Cartesian grids"):
        fs.FieldEquation(
            "du/dt = laplacian(u); dv/dt = -v",
            grid={"u": radial(8), "v": radial(4)},
            boundary=fs.Neumann(0),
        )
