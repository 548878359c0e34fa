"""``equation.shifted_solver()``: ``(1 - c L) x = b`` checked with the right-hand side of the equation itself."""

from __future__ import annotations

import pytest
import torch

import fieldsolver as fs
from fieldsolver.equations.knowledge.held_nodes import free_mask

DOUBLE = torch.float64


def linear(equation, x, t=0.0):
    """``L x = f(x) - f(0)`` of an equation whose terms are all linear, or sources."""
    return equation(t, x) - equation(t, torch.zeros_like(x))


def sample(equation, *batch, dtype=DOUBLE, seed=0):
    dtype = dtype.to_complex() if equation.is_complex else dtype
    return torch.randn(*batch, *equation.state_shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def free(equation):
    mask = free_mask(equation.layout, equation.fields)
    return torch.ones(equation.state_shape, dtype=DOUBLE) if mask is None else mask


def residual(equation, x, b, c, t=0.0):
    """``|b - x + c L x|`` on the unknowns, relative to the largest of the three terms."""
    Lx, mask = linear(equation, x, t), free(equation)
    sizes = [float((v.abs() * mask).max()) for v in (b, x, c * Lx)]
    return float(((b - x + c * Lx).abs() * mask).max()) / max(sizes)


def check(equation, name, c=0.3, t=0.0, tolerance=2e-12):
    solver = equation.shifted_solver(t)
    assert solver.name == name, solver.reason
    b = sample(equation, 2)
    x = solver.solve(b, c)
    assert x.dtype == b.dtype
    assert x.shape == b.shape
    assert residual(equation, x, b, c, t) < tolerance
    assert not (x * (1 - free(equation))).any()
    return solver


def grid(dimension, centring="cell", **options):
    shape, extent = ((14,), 1.3) if dimension == 1 else ((14, 12), (1.3, 0.9)) if dimension == 2 else ((9, 10, 8), 1.0)
    return fs.Grid(shape, extent=extent, centring=centring, **options)


ROBIN = fs.Robin(1.0, 0.4, 0.7)
WALLS = [fs.Dirichlet(1.0), fs.Neumann(0.5), ROBIN]
BOUNDARIES = {
    "periodic": fs.Periodic(),
    "anti-periodic": fs.AntiPeriodic(),
    "neumann": fs.Neumann(0.3),
    "dirichlet": fs.Dirichlet(-1.5),
    "mixed": {"x-": fs.Dirichlet(1.0), "x+": fs.Neumann(0.5), "y": fs.Periodic(), "z": fs.Neumann(0)},
    "mixed back": {"x-": fs.Neumann(1.0), "x+": fs.Dirichlet(0.5), "y": fs.AntiPeriodic(), "z": fs.Dirichlet(0)},
    "robin": {"x-": ROBIN, "x+": fs.Neumann(0.2), "y": fs.Periodic(), "z": fs.Dirichlet(0)},
}
SCHEMES = {
    "order 2": fs.FiniteDifference(),
    "order 4": fs.FiniteDifference(order=4),
    "order 8": fs.FiniteDifference(order=8),
    "spectral": fs.Spectral(),
}


def boundary_on(dimension, boundary):
    given = BOUNDARIES[boundary]
    return {k: v for k, v in given.items() if k[0] in "xyz"[:dimension]} if isinstance(given, dict) else given


def homogeneous_on(dimension, boundary):
    zero = {fs.Neumann: fs.Neumann(0), fs.Dirichlet: fs.Dirichlet(0), fs.Robin: fs.Robin(1.0, 0.4, 0)}
    given = boundary_on(dimension, boundary)
    if isinstance(given, dict):
        return {side: zero.get(type(condition), condition) for side, condition in given.items()}
    return zero.get(type(given), given)


def closed(boundary):
    return boundary in ("periodic", "anti-periodic")


def centred_grid(dimension, centring, boundary):
    names = "xyz"[:dimension]
    if centring == "cell" or not closed(boundary):
        periodic = ("y",) if dimension > 1 and boundary in ("mixed", "mixed back", "robin") else ()
    else:
        periodic = tuple(names)
    return grid(dimension, centring, periodic=periodic if centring == "node" else ())


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("centring", ["cell", "node"])
def test_every_boundary_scheme_dimension_and_centring(boundary, scheme, dimension, centring):
    if scheme == "spectral" and boundary == "robin":
        pytest.skip("a spectral axis takes no Robin wall")
    if dimension == 3 and scheme == "order 8":
        pytest.skip("eight points are too few for the stencil")
    conditions = (homogeneous_on if scheme == "spectral" else boundary_on)(dimension, boundary)
    first = " - 0.2*d_dx(u)" if closed(boundary) else ""
    equation = fs.FieldEquation(
        f"du/dt = 0.01*laplacian(u) - 0.5*u + 2{first}" if scheme != "spectral" or boundary in ("periodic", "neumann")
        else f"du/dt = 0.01*laplacian(u) - 0.5*u{first}",
        grid=centred_grid(dimension, centring, boundary),
        boundary=conditions,
        scheme=SCHEMES[scheme],
    )  # fmt: skip
    check(equation, "diagonalised" if boundary == "robin" else "transform")


@pytest.mark.parametrize("c", [0.0, 1e-3, -1e-3, 2.0, 1e6, 0.2 + 0.4j])
@pytest.mark.parametrize("boundary", ["periodic", "anti-periodic", "neumann", "mixed", "robin"])
@pytest.mark.parametrize("coupled", [False, True])
def test_shifts(c, boundary, coupled):
    text = "du/dt = 0.01*laplacian(u) - u"
    if coupled:
        text = "du/dt = 0.01*laplacian(u) - u + 0.3*v; dv/dt = 0.1*laplacian(v) - 2*v - 0.5*u"
    # With data, f(x) - f(0) would lose all digits of a small x.
    equation = fs.FieldEquation(text, grid=grid(2), boundary=homogeneous_on(2, boundary))
    solver = equation.shifted_solver()
    b = sample(equation, 2)
    x = solver.solve(b, c)
    assert x.is_complex() == isinstance(c, complex)
    mask, Lx = free(equation), linear(equation, x.real) + 1j * linear(equation, x.imag) if x.is_complex() else 0
    Lx = Lx if x.is_complex() else linear(equation, x)
    scale = max(float(b.abs().max()), float((c * Lx).abs().max()))
    assert float(((b - x + c * Lx).abs() * mask).max()) < 1e-11 * scale


COUPLED = "du/dt = 0.01*laplacian(u) - u + 0.3*v; dv/dt = 0.1*laplacian(v) + 0.2*laplacian(u)"
WAVE = "d2u/dt2 = laplacian(u) - 0.1*d_dt(u) - 2*u"


@pytest.mark.parametrize("text", [COUPLED, WAVE], ids=["coupled", "wave"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("centring", ["cell", "node"])
def test_coupled_fields(text, boundary, dimension, centring):
    equation = fs.FieldEquation(
        text, grid=centred_grid(dimension, centring, boundary), boundary=boundary_on(dimension, boundary), space_order=4
    )
    solver = check(equation, "coupled transform", c=0.05)
    assert ("eigenvectors" in solver.reason) == (boundary == "robin")


def test_components_coupled_by_a_matrix_and_by_name():
    K = torch.tensor([[-1.0, 0.4], [0.3, -2.0]], dtype=DOUBLE)
    texts = ["dw/dt = 0.1*laplacian(w) + K @ w", "dw/dt = 0.1*laplacian(w); du/dt = laplacian(u) - 0.3*w[1]"]
    for text in texts:
        equation = fs.FieldEquation(
            text, grid=grid(2), boundary=fs.Periodic(), components={"w": 2}, parameters={"K": K} if "K" in text else {}
        )
        check(equation, "coupled transform")


def test_components_with_coefficients_of_their_own():
    D = torch.tensor([0.1, 0.5], dtype=DOUBLE)
    for boundary, name in [(fs.Neumann(0), "transform"), (ROBIN, "diagonalised")]:
        equation = fs.FieldEquation(
            "dw/dt = D*laplacian(w) - w", grid=grid(2), boundary=boundary, components={"w": 2}, parameters={"D": D}
        )
        check(equation, name)


def test_groups_of_fields_have_their_own_solvers():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + v; dw/dt = laplacian(w); dv/dt = laplacian(v) - u; dz/dt = 0.5*laplacian(z)",
        grid=grid(2),
        boundary={"u": fs.Neumann(0), "v": fs.Neumann(0), "w": ROBIN, "z": fs.Dirichlet(1.0)},
    )
    check(equation, "coupled transform + transform + diagonalised")


def test_fields_with_equal_transforms_share_them():
    equation = fs.FieldEquation(
        "du/dt = 0.1*laplacian(u); dv/dt = 0.7*laplacian(v) - v", grid=grid(2), boundary=fs.Periodic()
    )
    assert len(check(equation, "transform").parts) == 1


def test_an_equation_without_a_grid():
    check(fs.FieldEquation("du/dt = -u + 2*v + 1; dv/dt = -3*u"), "coupled transform")
    check(fs.FieldEquation("du/dt = -u; dv/dt = -3*v"), "transform")


def test_a_complex_field():
    equation = fs.FieldEquation(
        "dpsi/dt = a*laplacian(psi)", grid=grid(2), boundary=fs.Periodic(), complex_fields=("psi",),
        parameters={"a": torch.tensor(0.5j, dtype=torch.complex128)},
    )  # fmt: skip
    check(equation, "transform")


@pytest.mark.parametrize("laplacian", ["isotropic", "isotropic19"])
@pytest.mark.parametrize("boundary", [fs.Periodic(), fs.Neumann(0.5), fs.Dirichlet(1.0)])
def test_isotropic_laplacians(laplacian, boundary):
    dimension = 3 if laplacian == "isotropic19" else 2
    domain = fs.Grid((9,) * dimension, extent=1.0)
    scheme = fs.FiniteDifference(laplacian=laplacian)
    equation = fs.FieldEquation("du/dt = 0.1*laplacian(u) - u", grid=domain, boundary=boundary, scheme=scheme)
    check(equation, "transform")


def test_an_isotropic_laplacian_without_a_transform():
    scheme = fs.FiniteDifference(laplacian="isotropic")
    equation = fs.FieldEquation(
        "du/dt = 0.1*laplacian(u) - u", grid=fs.Grid((9, 9), extent=1.0), boundary=ROBIN, scheme=scheme
    )
    check(equation, "sparse LU")


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize(
    "condition", [fs.Dirichlet(1.0), fs.Neumann(0.5), ROBIN], ids=["dirichlet", "neumann", "robin"]
)
@pytest.mark.parametrize("dimension", [1, 2])
def test_summation_by_parts(order, condition, dimension):
    domain = fs.Grid((20,) * dimension, extent=1.0, centring="node")
    scheme = fs.FiniteDifference(order=order, closure="summation_by_parts")
    options = {"grid": domain, "boundary": condition, "scheme": scheme}
    check(fs.FieldEquation("du/dt = 0.1*laplacian(u) - u", **options), "diagonalised", tolerance=1e-11)
    check(fs.FieldEquation(WAVE, **options), "coupled transform", c=0.05, tolerance=1e-10)
    name = "banded LU" if dimension == 1 else "sparse LU"
    check(fs.FieldEquation("du/dt = diffusion(1 + x, u) - u", **options), name, tolerance=1e-11)


@pytest.mark.parametrize(
    "condition", [fs.Dirichlet(1.0), fs.Neumann(0.5), ROBIN], ids=["dirichlet", "neumann", "robin"]
)
@pytest.mark.parametrize("dimension", [1, 2])
def test_chebyshev(condition, dimension):
    domain = fs.Grid(
        (12,) * dimension, extent=1.0, centring="node", nodes={n: fs.Clustered("chebyshev") for n in "xy"[:dimension]}
    )
    options = {"grid": domain, "boundary": condition, "scheme": fs.Spectral()}
    check(fs.FieldEquation("du/dt = 0.1*laplacian(u) - u", **options), "diagonalised", tolerance=1e-10)
    name = "banded LU" if dimension == 1 else "sparse LU"
    check(fs.FieldEquation("du/dt = (1 + x)*laplacian(u) - u", **options), name, tolerance=1e-10)


@pytest.mark.parametrize(
    "condition", [fs.Dirichlet(1.0), fs.Neumann(0.5), ROBIN], ids=["dirichlet", "neumann", "robin"]
)
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("dimension", [1, 2])
def test_nonuniform_axes(condition, centring, dimension):
    domain = fs.Grid((16,) * dimension, extent=1.0, centring=centring, nodes={"x": fs.Clustered("chebyshev")})
    options = {"grid": domain, "boundary": condition}
    check(fs.FieldEquation("du/dt = 0.1*laplacian(u) - u", **options), "diagonalised")
    check(fs.FieldEquation("du/dt = 0.1*laplacian(u) - 0.3*d_dx(u)", **options), "diagonalised", tolerance=1e-11)
    name = "banded LU" if dimension == 1 else "sparse LU"
    check(fs.FieldEquation("du/dt = diffusion(1 + x, u) - u", **options), name, tolerance=1e-11)


VARIABLE = {
    "diffusion": "du/dt = diffusion(1 + x**2, u) - u",
    "reaction": "du/dt = 0.1*laplacian(u) - cos(x)*u + x",
    "coupled": "du/dt = diffusion(1 + x, u) - u + 0.3*x*v; dv/dt = 0.1*laplacian(v) + u",
    "wave": "d2u/dt2 = diffusion(1 + x, u) - 0.1*d_dt(u)",
}


@pytest.mark.parametrize("text", VARIABLE)
@pytest.mark.parametrize("boundary", ["periodic", "anti-periodic", "neumann", "dirichlet", "mixed", "robin"])
@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize("centring", ["cell", "node"])
def test_variable_coefficients_on_one_axis(text, boundary, order, centring):
    periodic = ("x",) if centring == "node" and closed(boundary) else ()
    domain = fs.Grid(23, extent=1.3, centring=centring, periodic=periodic)
    equation = fs.FieldEquation(VARIABLE[text], grid=domain, boundary=boundary_on(1, boundary), space_order=order)
    check(equation, "banded LU", c=0.02)


def test_the_band_is_narrow():
    domain = fs.Grid(64, extent=1.0)
    for boundary, most in [(fs.Neumann(0), 2 * 2 + 1), (fs.Periodic(), 4 * 2 + 1)]:
        equation = fs.FieldEquation(VARIABLE["coupled"], grid=domain, boundary=boundary)
        band = equation.shifted_solver().parts[0].solver.solver
        assert band.lower + band.upper + 1 <= most + 2


@pytest.mark.parametrize("text", VARIABLE)
@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet", "mixed", "robin"])
@pytest.mark.parametrize("order", [2, 4])
def test_variable_coefficients_in_the_plane(text, boundary, order):
    equation = fs.FieldEquation(VARIABLE[text], grid=grid(2), boundary=boundary_on(2, boundary), space_order=order)
    check(equation, "sparse LU", c=0.02)


def test_held_nodes_of_a_variable_coefficient():
    equation = fs.FieldEquation(VARIABLE["diffusion"], grid=grid(2, "node"), boundary=fs.Dirichlet(1.0))
    check(equation, "sparse LU")


def test_a_matrix_of_diffusion():
    D = torch.tensor([[1.0, 0.4], [0.4, 0.6]], dtype=DOUBLE)
    for boundary in (fs.Periodic(), fs.Neumann(0)):
        equation = fs.FieldEquation("du/dt = diffusion(D, u)", grid=grid(2), boundary=boundary, parameters={"D": D})
        check(equation, "sparse LU")


def test_operators_one_after_the_other():
    text = "du/dt = -0.001*laplacian(laplacian(u)) - laplacian(u) + 0.1*d_dx(d_dx(u))"
    for boundary in (fs.Periodic(), fs.AntiPeriodic()):
        check(fs.FieldEquation(text, grid=grid(2), boundary=boundary), "transform", c=0.01)
    text = "du/dt = -0.001*laplacian(laplacian(u)) - laplacian(u)"
    check(fs.FieldEquation(text, grid=grid(2), boundary=fs.Neumann(0)), "transform", c=0.01)


def test_an_absorbing_wall():
    equation = fs.FieldEquation(
        "d2u/dt2 = laplacian(u)", grid=grid(1), boundary={"x-": fs.Neumann(0), "x+": fs.Absorbing(1.0)}
    )
    solver = check(equation, "banded LU", c=0.05)
    assert "absorbing" in solver.reason


def test_coefficients_that_change_with_time_are_those_of_the_time_given():
    equation = fs.FieldEquation("du/dt = (1 + t)*laplacian(u) + cos(t)", grid=grid(1), boundary=fs.Neumann(0))
    check(equation, "transform", t=0.0)
    check(equation, "transform", t=2.0)


def large(text="du/dt = diffusion(D, u) - u", contrast=1.0, **options):
    points = 26
    domain = fs.Grid((points,) * 3, extent=1.0)
    x, y, z = torch.meshgrid(*(torch.linspace(0, 6, points, dtype=DOUBLE),) * 3, indexing="ij")
    D = 1 + 0.3 * torch.sin(x) * torch.cos(y + z) if contrast == 1 else contrast ** torch.sin(x + y * z / 6)
    return fs.FieldEquation(text, grid=domain, parameters={"D": fs.Spatial(D)}, **options)


@pytest.mark.parametrize("boundary", [fs.Periodic(), fs.Neumann(0), fs.Dirichlet(0)])
@pytest.mark.parametrize(("contrast", "kind"), [(1.0, "TransformSolve"), (10.0, "Multigrid")])
def test_large_symmetric_systems_are_iterated(boundary, contrast, kind):
    equation = large(contrast=contrast, boundary=boundary)
    solver = check(equation, "conjugate gradients", c=0.01, tolerance=1e-9)
    assert type(solver.parts[0].solver.preconditioner).__name__ == kind
    assert int(solver.parts[0].solver.report.iterations.max()) < 25


def test_an_iteration_that_does_not_end_says_so():
    solver = large(boundary=fs.Neumann(0)).shifted_solver()
    solver.parts[0].solver.max_iterations = 2
    with pytest.raises(fs.ConvergenceError, match="relative residual") as error:
        solver.solve(torch.randn(1, 26, 26, 26, dtype=DOUBLE), 1.0)
    assert error.value.report.iterations.tolist() == [2]


# -- derivatives --------------------------------------------------------------------------------------------------

TRAINED = {
    "transform": ("du/dt = k*laplacian(u) - 0.3*d_dx(u) - r*u", fs.Periodic(), "transform"),
    "coupled": ("du/dt = k*laplacian(u) - u + r*v; dv/dt = laplacian(v) - r*u", fs.Neumann(0), "coupled transform"),
    "anti": ("du/dt = k*laplacian(u) - 0.3*d_dx(u) - r*u", fs.AntiPeriodic(), "transform"),
    "diagonalised": ("du/dt = k*laplacian(u) - r*u", ROBIN, "diagonalised"),
    "eigenvectors": ("du/dt = k*laplacian(u) + r*v; dv/dt = laplacian(v) - r*u", ROBIN, "coupled transform"),
    "banded": ("du/dt = diffusion(k + x, u) - r*u", fs.Neumann(0), "banded LU"),
    "sparse": ("du/dt = diffusion(k + x, u) - r*u", fs.Neumann(0), "sparse LU"),
}


@pytest.mark.parametrize("case", TRAINED)
def test_gradients(case):
    text, boundary, name = TRAINED[case]
    shape = (5, 4) if case in ("sparse", "transform") else (6,)
    parameters = {"k": fs.Parameter(0.4), "r": fs.Parameter(0.7)}
    equation = fs.FieldEquation(text, grid=fs.Grid(shape, extent=1.0), boundary=boundary, parameters=parameters)
    raw = dict(equation.named_parameters())
    assert equation.shifted_solver().name == name

    def solve(b, c, k, r):
        values = dict(zip(raw, (k, r), strict=True))
        return torch.func.functional_call(_Solved(equation), {f"equation.{n}": v for n, v in values.items()}, (b, c))

    b = sample(equation).requires_grad_()
    c = torch.tensor(0.03, dtype=DOUBLE, requires_grad=True)
    values = [p.detach().double().requires_grad_() for p in raw.values()]
    assert torch.autograd.gradcheck(solve, (b, c, *values))


class _Solved(torch.nn.Module):
    def __init__(self, equation):
        super().__init__()
        self.equation = equation

    def forward(self, b, c):
        return self.equation.shifted_solver().solve(b, c)


def test_gradients_of_coefficients_that_are_iterated():
    points = torch.linspace(0.5, 1.5, 26, dtype=DOUBLE)
    options = {"grid": fs.Grid((26, 26, 26), extent=1.0), "boundary": fs.Neumann(0)}
    equation = fs.FieldEquation(
        "du/dt = s*diffusion(D, u)",
        parameters={"s": fs.Parameter(0.8), "D": fs.Spatial(points.reshape(-1, 1, 1).expand(26, 26, 26).clone())},
        **options,
    )
    b, (raw,) = sample(equation), tuple(equation.parameters())

    def value():
        return (equation.shifted_solver().solve(b, 0.1) ** 2).sum()

    (gradient,) = torch.autograd.grad(value(), raw)
    with torch.no_grad():
        sides = []
        for step in (1e-4, -1e-4):
            raw += step
            sides.append(value())
            raw -= step
    torch.testing.assert_close(gradient, ((sides[0] - sides[1]) / 2e-4).to(gradient), rtol=1e-5, atol=0)


@pytest.mark.parametrize("case", ["transform", "coupled", "diagonalised"])
def test_derivatives_and_maps_over_right_hand_sides(case):
    text, boundary, _ = TRAINED[case]
    equation = fs.FieldEquation(
        text, grid=fs.Grid((6, 5), extent=1.0), boundary=boundary, parameters={"k": 0.4, "r": 0.7}
    )
    solver, b, v = equation.shifted_solver(), sample(equation, 3), sample(equation, 3, seed=1)
    wanted, slope = solver.solve(b, 0.1), solver.solve(v, 0.1)
    before = b.clone()
    torch.testing.assert_close(torch.func.vmap(lambda b: solver.solve(b, 0.1))(b), wanted)
    torch.testing.assert_close(torch.func.jvp(lambda b: solver.solve(b, 0.1), (b,), (v,))[1], slope)
    b.requires_grad_()
    (gradient,) = torch.autograd.grad((solver.solve(b, 0.1) * v).sum(), b)
    torch.testing.assert_close((gradient * v).sum(), (solver.solve(v, 0.1) * v).sum())
    assert torch.equal(b.detach(), before)


# -- precision, cost, refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("boundary", ["periodic", "anti-periodic", "dirichlet", "robin"])
@pytest.mark.parametrize("text", ["du/dt = 0.01*laplacian(u) - u", COUPLED, VARIABLE["diffusion"]])
def test_single_precision(boundary, text):
    equation = fs.FieldEquation(text, grid=grid(2), boundary=boundary_on(2, boundary))
    solver, b = equation.shifted_solver(), sample(equation, 2)
    x = solver.solve(b.float(), 0.05)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x.double(), solver.solve(b, 0.05), rtol=0, atol=2e-5)


def test_one_factorisation_for_every_shift():
    equation = fs.FieldEquation(VARIABLE["diffusion"], grid=grid(2), boundary=fs.Neumann(0))
    solver = equation.shifted_solver()
    for c in (0.1, 0.1, 0.2, 0.1):
        solver.solve(sample(equation), c)
    assert solver.parts[0].solver.factorisations == 2


@pytest.mark.parametrize("text", ["du/dt = 4*u", "du/dt = 4*u + v; dv/dt = 4*v", "du/dt = (4 + 0*x)*u"])
def test_a_singular_shift_is_refused_in_a_sentence(text):
    equation = fs.FieldEquation(text, grid=grid(1), boundary=fs.Periodic())
    with pytest.raises(fs.ParameterError, match=r"1 - c L is singular at c = 0\.25"):
        equation.shifted_solver().solve(sample(equation), 0.25)


def test_a_wrong_shape_is_refused():
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=grid(2), boundary=fs.Periodic())
    with pytest.raises(fs.StateError, match="must end in the axes"):
        equation.shifted_solver().solve(torch.ones(14, 12), 0.1)


def test_coefficients_of_samples_are_refused():
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u)", grid=grid(1), boundary=fs.Periodic(),
        parameters={"D": fs.PerSample(torch.tensor([0.1, 0.2]))},
    )  # fmt: skip
    with pytest.raises(fs.EquationError, match="'D' one value"):
        equation.shifted_solver()


def test_what_is_not_in_L_is_said():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) - u**3 + convolve(w, u)", grid=grid(1), boundary=fs.Periodic(),
        kernels={"w": fs.Kernel(lambda d: torch.exp(-(d**2)), edge="periodic")},
    )  # fmt: skip
    solver = equation.shifted_solver()
    assert solver.name == "transform"
    assert "not in L: -u**3, convolve(w, u)" in solver.reason


def test_sources_boundary_data_and_nonlinear_terms_are_not_in_L():
    options = {"grid": grid(1), "boundary": fs.Neumann(2.0)}
    full = fs.FieldEquation("du/dt = laplacian(u) - u**3 + sin(x)", **options)
    bare = fs.FieldEquation("du/dt = laplacian(u)", grid=grid(1), boundary=fs.Neumann(0))
    b = sample(full)
    assert torch.equal(full.shifted_solver().solve(b, 0.1), bare.shifted_solver().solve(b, 0.1))


@pytest.mark.parametrize("case", ["transform", "coupled", "diagonalised", "banded"])
def test_what_was_prepared_for_inference_serves_training(case):
    text, boundary, _ = TRAINED[case]
    equation = fs.FieldEquation(text, grid=grid(1), boundary=boundary, parameters={"k": 0.4, "r": 0.7})
    solver, b = equation.shifted_solver(), sample(equation)
    with torch.inference_mode():
        x = solver.solve(b, 0.1)
    b.requires_grad_()
    y = solver.solve(b, 0.1)
    torch.testing.assert_close(x, y.detach())
    y.sum().backward()
    assert b.grad is not None
