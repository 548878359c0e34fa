"""Manufactured solutions: exact sources, honest refusals, and studies that see a wrong sign."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings

import fieldsolver as fs
from fieldsolver.equations import FieldEquation, Parameter, PerSample, Signal, Spatial
from fieldsolver.errors import EquationError
from fieldsolver.space import Dirichlet, Grid, Kernel, Neumann, Periodic, Robin
from fieldsolver.testing import equations

OPERATORS = "D*laplacian(u) + diffusion(1 + u**2, u) - advection(w, u) + 0.7*d_dx(u) - gradient_squared(u) + u*(1 - u)"
SOLUTIONS = {
    "walls": ("exp(-t)*cos(2*x + 0.3)", "exp(-t)*cos(2*x + 0.3)*sin(y + t)", "cos(2*x - t)*sin(y + 1)*exp(z/2)"),
    "periodic": (
        "exp(-t)*cos(2*pi*x) + 2",
        "2 + exp(-t)*cos(2*pi*x)*sin(2*pi*y)",
        "2 + cos(2*pi*x - t)*sin(2*pi*y)*cos(2*pi*z)",
    ),
}
WALLS = {"dirichlet": Dirichlet(0), "neumann": Neumann(0), "robin": Robin(1.0, 0.5, 0.0)}


def operators_in(dimension: int, points: int, kind: str, order: int, centring: str = "cell") -> FieldEquation:
    """Every operator of the first and second order, on the unit cube."""
    periodic = tuple("xyz"[:dimension]) if kind == "periodic" and centring == "node" else ()
    return FieldEquation(
        f"du/dt = {OPERATORS}",
        grid=Grid((points,) * dimension, extent=1.0, centring=centring, periodic=periodic),
        boundary=Periodic() if kind == "periodic" else WALLS[kind],
        parameters={"D": 0.3, "w": [0.5] if dimension == 1 else [0.5, -0.4, 0.8][:dimension]},
        space_order=order,
    )


def solution_in(dimension: int, kind: str) -> dict[str, str]:
    return {"u": SOLUTIONS["periodic" if kind == "periodic" else "walls"][dimension - 1]}


def interior_error(made, t: float = 0.3) -> float:
    """Root mean square of the truncation error away from the walls, on the same part of the domain for every grid."""
    residual, grid = made.truncation(t), made.equation.grid
    for axis in range(grid.dimension):
        x = (grid.coordinate(axis) - grid.bounds[axis][0]) / grid.lengths[axis]
        residual = residual.index_select(axis - grid.dimension, torch.nonzero((x > 0.3) & (x < 0.7)).flatten())
    return float(residual.abs().square().mean().sqrt())


def slope(errors: list[float], spacings: list[float]) -> float:
    return math.log(errors[0] / errors[-1]) / math.log(spacings[0] / spacings[-1])


# -- order of the discrete residual ------------------------------------------------------------------------------------

CASES = [(d, kind, order) for d in (1, 2, 3) for kind in ("periodic", *WALLS) for order in (2, 4)]
POINTS = {1: (64, 128), 2: (32, 64), 3: (20, 32)}


@pytest.mark.parametrize(("dimension", "kind", "order"), CASES)
def test_the_discrete_residual_has_the_order_of_the_stencils(dimension, kind, order):
    errors, spacings = [], []
    for points in POINTS[dimension]:
        equation = operators_in(dimension, points, kind, order)
        made = equation.manufactured(solution_in(dimension, kind))
        errors.append(interior_error(made))
        spacings.append(equation.grid.spacing[0])
    assert abs(slope(errors, spacings) - order) <= 0.15


@pytest.mark.parametrize("kind", ["periodic", *WALLS])
def test_node_centred_grids_converge_too(kind):
    errors, spacings = [], []
    for points in (49, 97):
        equation = operators_in(1, points, kind, 2, "node")
        made = equation.manufactured(solution_in(1, kind))
        errors.append(interior_error(made))
        spacings.append(equation.grid.spacing[0])
    assert abs(slope(errors, spacings) - 2) <= 0.15
    if kind == "dirichlet":  # unknowns on the wall are held there
        assert made.truncation(0.3)[0, [0, -1]].abs().max() == 0


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("+ 0.7*d_dx(u)", "- 0.7*d_dx(u)"), ("D*lap", "-D*lap"), ("- grad", "+ grad"), ("u*(1 - u)", "u*(1 + u)")],
)
def test_a_wrong_sign_is_caught(right, wrong):
    errors, good, spacings = [], [], []
    for points in (32, 64):
        equation = operators_in(2, points, "periodic", 2)
        made = equation.manufactured(solution_in(2, "periodic"))
        assert right in str(made.equation)
        faulty = FieldEquation(
            str(made.equation).replace(right, wrong, 1),
            grid=equation.grid,
            boundary=Periodic(),
            parameters=equation.given.parameters,
        )
        good.append(interior_error(made))
        errors.append(interior_error(replace(made, equation=faulty)))
        spacings.append(equation.grid.spacing[0])
    assert slope(good, spacings) > 1.85
    assert slope(errors, spacings) < 0.1
    assert errors[-1] > 10 * good[-1]


# -- space and time together -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "walls",
    [Dirichlet(0), {"x-": Neumann(0), "x+": Robin(2.0, 1.0, 0)}],
    ids=["dirichlet", "neumann and robin"],
)
def test_a_solve_converges_to_the_exact_solution(walls):
    errors, spacings = [], []
    for points in (16, 32, 64):
        equation = FieldEquation(
            "du/dt = diffusion(0.1 + 0.1*u**2, u) - 0.5*d_dx(u) + u - u**3",
            grid=Grid(points, extent=1.0),
            boundary=walls,
        )
        made = equation.manufactured({"u": "cos(3*x + t)*exp(-t/2)"})
        end = 0.2
        solution = fs.solve(made.equation, made.initial, t_span=(0.0, end), method="tsit5", rtol=1e-8, atol=1e-10)
        errors.append(float((solution["u"][-1] - made.exact(end)["u"]).abs().max()))
        spacings.append(equation.grid.spacing[0])
    assert abs(slope(errors[1:], spacings[1:]) - 2) <= 0.15


# -- the symbolic residual ---------------------------------------------------------------------------------------------

SHAPE, TAU = Grid((16, 16), extent=1.0), 2 * math.pi
EXAMPLES = {
    "gray-scott": (
        lambda: FieldEquation(
            "du/dt = Du*laplacian(u) - u*v**2 + F*(1 - u); dv/dt = Dv*laplacian(v) + u*v**2 - (F + k)*v",
            grid=SHAPE,
            boundary={
                "u": {"x": Periodic(), "y-": Dirichlet(0), "y+": Robin(1, 2, 0)},
                "v": {"x": Periodic(), "y": Neumann(0)},
            },
            parameters={"Du": 0.2, "Dv": 0.1, "F": Parameter(0.04, positive=True), "k": 0.06},
        ),
        {"u": "1 + exp(-F*t)*cos(2*pi*x)*sin(y)", "v": "sin(2*pi*x)*cos(y - k*t)**2"},
    ),
    "sine-gordon": (
        lambda: FieldEquation(
            "d2u/dt2 = c**2*laplacian(u) - sin(u) - 0.1*d_dt(u) + d_dx(d_dt(u))",
            grid=SHAPE,
            boundary=Dirichlet(0),
            parameters={"c": 1.3},
        ),
        {"u": "sin(2*t)*cos(x + y/2)"},
    ),
    "ginzburg-landau": (
        lambda: FieldEquation(
            "dA/dt = A + (1 + 0.5j)*laplacian(A) - (1 - 1.2j)*abs(A)**2*A + gradient_squared(real(A))"
            " + laplacian(abs(A)) + d_dx(conj(A)*imag(A))",
            grid=SHAPE,
            boundary={"x": Periodic(), "y": Neumann(0)},
            complex_fields=("A",),
        ),
        {"A": "(2 + cos(2*pi*x)*y + 0.3j*sin(y))*exp(1j*t)"},
    ),
    "components": (
        lambda: FieldEquation(
            "dphi/dt = D*laplacian(phi) + K @ phi - w*tanh(phi) + dot(phi, w)*phi + laplacian(K @ phi)",
            grid=SHAPE,
            boundary={"phi": {"x": Periodic(), "y": Dirichlet(0)}},
            parameters={"D": 0.2, "w": [0.5, -0.3], "K": [[0.0, 1.0], [-1.0, 0.5]]},
            components={"phi": 2},
        ),
        {"phi": ["sin(pi*y)*cos(2*pi*x)*exp(-t)", "sin(pi*y)*cos(2*pi*x + t)*y"]},
    ),
    "vector calculus": (
        lambda: FieldEquation(
            "dphi/dt = gradient(p) - advection(phi, phi); dp/dt = -divergence(phi) + curl(phi) + biharmonic(p)",
            grid=SHAPE,
            boundary=Periodic(),
            components={"phi": 2},
        ),
        {"phi": ["sin(2*pi*x)*cos(2*pi*y + t)", "cos(2*pi*x)*sin(2*pi*y)"], "p": "cos(2*pi*(x + y) - t)"},
    ),
    "definitions, signals, samples": (
        lambda: FieldEquation(
            "du/dt = diffusion(kappa, u) + I[0]*u + I[1] + r*u + implicit(d2_dy2(u)) + where(x < 0.5, u, 2*u)",
            grid=SHAPE,
            boundary={"x": Neumann("kappa*t"), "y": Dirichlet("old")},
            parameters={
                "kappa": "1 + a*x**2 + sin(t)/4", "a": 0.5, "old": 3.0, "r": PerSample([0.1, 0.2, 0.3]),
                "I": Signal([0.0, 1.0], [[0.5, 1.0], [2.0, -1.0]]),
            },
        ),
        {"u": "kappa*cos(x + 2*y)*exp(-a*t)"},
    ),
    "no grid": (
        lambda: FieldEquation(
            "dx/dt = sigma*(y - x); dy/dt = x*(rho - z) - y; dz/dt = x*y - beta*z",
            parameters={"sigma": 10.0, "rho": 28.0, "beta": 8 / 3},
        ),
        {"x": "sin(t)", "y": "cos(t)*exp(-t)", "z": "log(2 + t)"},
    ),
    "every smooth function": (
        lambda: FieldEquation(
            "du/dt = laplacian(sin(u) + cos(u) + tan(u/4) + asin(u/4) + acos(u/4) + atan(u) + sinh(u) + cosh(u)"
            " + tanh(u) + exp(u) + log(3 + u) + sqrt(3 + u) + sigmoid(u) + softplus(u) + erf(u) + u**3/(2 + u)"
            " + (2 + u)**u + abs(2 + u) + max(u, 3) + where(u < 5, u**2, 1))",
            grid=SHAPE,
            boundary=Periodic(),
        ),
        {"u": "cos(2*pi*x)*sin(2*pi*y)*cos(t)"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_sympy_finds_no_residual(name):
    declare, solution = EXAMPLES[name]
    made = declare().manufactured(solution)  # checks the residual in double precision, to 1e-12
    assert made.symbolic_residual(points=2) <= 1e-29
    again = FieldEquation(str(made.equation), **arguments_of(made.equation))
    assert again.statements == made.equation.statements


def arguments_of(equation: FieldEquation) -> dict:
    given = equation.given
    return {
        name: getattr(given, name)
        for name in ("grid", "boundary", "parameters", "components", "complex_fields", "space_order")
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_truncation_shrinks_with_the_grid(name):
    declare, solution = EXAMPLES[name]
    equation = declare()
    made = equation.manufactured(solution)
    if equation.grid is None:
        assert made.truncation(0.4).abs().max() <= 1e-13
        return
    finer = FieldEquation(str(equation), **{**arguments_of(equation), "grid": Grid((32, 32), extent=1.0)})
    assert interior_error(finer.manufactured(solution)) <= 0.3 * interior_error(made)


@settings(max_examples=40)
@given(equations(depth=3))
def test_random_equations_have_right_sources(equation):
    wave = "*".join(f"cos({n}*{name} + {n}*t/3 + 0.4)" for n, name in enumerate(equation.grid.axes, 1))
    made = equation.manufactured({"u": f"0.7*{wave} + D/3", "v": f"0.2 + 0.5*exp(-t)*{wave}"}, check=False)
    assert made.symbolic_residual(points=1) <= 1e-29


@pytest.mark.parametrize("order", [2, 4])
def test_fine_grids_are_no_null_space(order):
    heat(grid=Grid({2: 4096, 4: 256}[order], extent=1.0), space_order=order).manufactured({"u": "cos(3*x)"})


def test_the_proof_sees_a_wrong_source():
    declare, solution = EXAMPLES["gray-scott"]
    made = declare().manufactured(solution)
    wrong = {**made.forcing, "u": (made.forcing["u"][0] + 1e-12,)}
    assert replace(made, forcing=wrong).symbolic_residual(points=1) > 1e-14


# -- what it returns ---------------------------------------------------------------------------------------------------


def test_boundary_values_are_those_of_the_solution():
    made = operators_in(1, 16, "robin", 2).manufactured({"u": "exp(-t)*cos(2*x)"})
    conditions = made.equation.given.boundary["u"]
    assert isinstance(conditions["x-"], Robin)
    assert (conditions["x-"].a, conditions["x-"].b) == (1.0, 0.5)
    assert isinstance(conditions["x-"].value, str)
    flux = operators_in(1, 16, "neumann", 2).manufactured({"u": "exp(-t)*sin(2*x)"}).equation.given.boundary["u"]
    assert flux["x-"].value == "-(2*exp(-t))"
    assert flux["x+"].value == "2*exp(-t)*cos(2)"


def test_walls_where_the_solution_vanishes_are_homogeneous():
    equation = FieldEquation("du/dt = -biharmonic(u)", grid=Grid(16, bounds=(0, TAU)), boundary=Dirichlet(0))
    made = equation.manufactured({"u": "exp(-t)*sin(x)"})  # only Dirichlet(0) has ghosts for a biharmonic
    assert {condition.value for condition in made.equation.given.boundary["u"].values()} == {0}


def test_parameters_of_old_boundaries_alone_are_dropped():
    equation = FieldEquation(
        "du/dt = D*laplacian(u)", grid=Grid(16, extent=1.0), boundary=Dirichlet("g*t"), parameters={"D": 1.0, "g": 2.0}
    )
    made = equation.manufactured({"u": "cos(x)"})
    assert set(made.equation.given.parameters) == {"D"}


def test_values_on_the_grid():
    declare, solution = EXAMPLES["sine-gordon"]
    made = declare().manufactured(solution, t0=0.5)
    x, y = made.equation.grid.coordinates()
    assert set(made.initial) == {"u", "du/dt"}
    assert made.initial["u"].dtype == torch.float64
    torch.testing.assert_close(made.initial["u"], math.sin(1.0) * torch.cos(x + y / 2))
    torch.testing.assert_close(made.initial["du/dt"], 2 * math.cos(1.0) * torch.cos(x + y / 2))
    times = torch.tensor([0.0, 0.3, 0.5])
    assert made.packed(times).shape == (3, 2, 16, 16)
    torch.testing.assert_close(made.exact(times)["u"][2], made.initial["u"])
    torch.testing.assert_close(made.rate(0.5)[0], made.initial["du/dt"])
    assert made.equation.pack(made.initial).shape == made.equation.state_shape


def test_complex_and_many_component_states():
    for name, dtype in (("ginzburg-landau", torch.complex128), ("components", torch.float64)):
        declare, solution = EXAMPLES[name]
        made = declare().manufactured(solution)
        assert made.packed(0.1).dtype == dtype
        assert made.equation.pack(made.initial).shape == made.equation.state_shape
    assert "unit_0_of_2" in made.sources["phi"]


def test_trained_values_are_kept():
    equation = FieldEquation(
        "du/dt = D*laplacian(u)", grid=Grid(16, extent=1.0), boundary=Dirichlet(0), parameters={"D": Parameter(1.0)}
    )
    with torch.no_grad():
        equation.raw["D"].fill_(2.5)
    made = equation.manufactured({"u": "cos(x)"})
    assert made.equation.parameter_values()["D"].item() == 2.5
    assert made.truncation(0.0).abs().max() < 1.0  # the source holds the symbol D, not a number


def test_an_exact_solution_needs_no_source():
    equation = FieldEquation("du/dt = laplacian(u)", grid=Grid(16, extent=1.0), boundary=Periodic())
    made = equation.manufactured({"u": "exp(-4*pi**2*t)*cos(2*pi*x)"})
    assert made.sources == {"u": "0"}
    assert made.equation.statements["u"] is equation.statements["u"]


def test_three_dimensional_biharmonic_of_a_gaussian_stays_small():
    equation = FieldEquation("du/dt = -biharmonic(u)", grid=Grid((8, 8, 8), extent=1.0), boundary=Neumann(0))
    with pytest.raises(fs.BoundaryError):  # it does not vanish on the walls, and nothing else is known beyond them
        equation.manufactured({"u": "exp(-(x**2 + y**2 + z**2)/(1 + t))"})
    equation = FieldEquation("du/dt = -laplacian(u)*d4_dx4(u)", grid=Grid((8, 8, 8), extent=1.0), boundary=Neumann(0))
    made = equation.manufactured({"u": "exp(-((x - 0.3)**2 + y**2 + z**2)/(1 + t))"})
    assert len(made.sources["u"]) < 5000


# -- what it refuses ---------------------------------------------------------------------------------------------------


def heat(**options) -> FieldEquation:
    given = {"grid": Grid(16, extent=1.0), "boundary": Dirichlet(0), "parameters": {"D": 0.5}, **options}
    return FieldEquation(given.pop("text", "du/dt = D*laplacian(u)"), **given)


@pytest.mark.parametrize(
    ("solution", "message"),
    [
        ("exp(-t)", "to round-off"),
        ("x", "to round-off"),
        ("t*x**2 + 1", "to round-off"),
        ("3.7*x**3 - x", "to round-off"),
        ("abs(x - 0.5)", "not smooth at abs"),
        ("where(x < 0.5, x, 1)", "not smooth at where"),
        ("max(x, t)", "not smooth at max"),
        ("u*x", "unknown name 'u'"),
        ("laplacian(x**4)", "explicit formula"),
        ("integral(x)", "explicit formula"),
        ("white_noise(0)*x", "explicit formula"),
        ("1j*cos(x)", "complex, but the field is real"),
        ("x < 1", "must be a scalar"),
        ("log(x - 2)", "no finite real value"),
        ("log(x - 0.5)", "no finite real value"),
        ("log(abs(x - 0.5 + 0.1j) - 0.2)", "not finite on the grid"),
        ("cos(", "never closed"),
        (["cos(x)", "sin(x)"], "must be one text"),
        (3.0, "must be one text"),
    ],
)
def test_solutions_that_are_refused(solution, message):
    with pytest.raises(EquationError, match=message):
        heat().manufactured({"u": solution})


def test_fourth_order_stencils_are_exact_for_higher_polynomials():
    heat(space_order=2).manufactured({"u": "x**4"})
    with pytest.raises(EquationError, match="to round-off"):
        heat(space_order=4).manufactured({"u": "x**4"})
    heat(space_order=4).manufactured({"u": "x**6"})


@pytest.mark.parametrize("text", ["x", "cos(3*x)", "sin(pi*x)**2*x", "cos(2*pi*x)*(1 + 1e-6*x*(1 - x))"])
def test_periodic_axes_need_periodic_solutions(text):
    with pytest.raises(EquationError, match="is periodic, but the exact solution of 'u' is not"):
        heat(boundary=Periodic()).manufactured({"u": text})
    heat(boundary=Periodic()).manufactured({"u": "cos(2*pi*x) + sin(4*pi*x + t)"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": "du/dt = D*laplacian(u) + white_noise(0)", "calculus": "ito"}, "noise"),
        ({"text": "du/dt = D*laplacian(u) + net(u)", "modules": {"net": torch.nn.Identity()}}, "module 'net'"),
        (
            {
                "text": "du/dt = D*laplacian(u) + convolve(w, u)",
                "kernels": {"w": Kernel(lambda x: torch.exp(-(x**2)), edge="zero")},
            },
            "whole domain",
        ),
        ({"text": "du/dt = D*laplacian(u) - mean(u)"}, "whole domain"),
        ({"parameters": {"D": Spatial(torch.ones(16))}}, "Spatial parameter 'D'"),
    ],
)
def test_equations_that_are_refused(options, message):
    with pytest.raises(EquationError, match=message):
        heat(**options).manufactured({"u": "cos(x)"})


def test_solutions_that_do_not_fit_the_fields_are_refused():
    with pytest.raises(EquationError, match="lacks the field 'u'"):
        heat().manufactured({})
    with pytest.raises(EquationError, match="no field 'v'"):
        heat().manufactured({"u": "cos(x)", "v": "1"})
    with pytest.raises(EquationError, match="as a dict"):
        heat().manufactured("cos(x)")


@pytest.mark.parametrize(
    ("place", "value"), [("fs.PerSample", PerSample([1.0, 2.0])), ("fs.Signal", Signal([0, 1], [0, 1]))]
)
def test_parameters_that_are_no_plain_numbers_stay_out_of_the_solution(place, value):
    equation = heat(text="du/dt = D*laplacian(u) + q*u", parameters={"D": 1.0, "q": value})
    with pytest.raises(EquationError, match=place):
        equation.manufactured({"u": "q*cos(x)"})


def test_components_share_a_boundary_value():
    equation = heat(text="dphi/dt = D*laplacian(phi)", components={"phi": 2})
    with pytest.raises(EquationError, match="one for all of them"):
        equation.manufactured({"phi": ["cos(x)", "sin(x)"]})
    made = equation.manufactured({"phi": ["cos(x)", "cos(x) + sin(pi*x)"]})
    assert made.equation.given.boundary["phi"]["x+"].value == "cos(1)"


def test_names_that_text_would_take_for_something_else_are_refused():
    equation = FieldEquation("dx/dt = laplacian(x)", grid=Grid(16, extent=1.0), boundary=Neumann(0))
    with pytest.raises(EquationError, match="written as text"):
        equation.manufactured({"x": "cos(x)"})


@pytest.mark.parametrize("depth", [60, 190])
def test_sources_too_long_to_be_written_are_refused_soon(depth):
    with pytest.raises(EquationError, match="choose a simpler one"):
        heat().manufactured({"u": "sin(" * depth + "x + t" + ")" * depth})


def test_without_checks_anything_explicit_goes():
    made = heat().manufactured({"u": "x*(1 - x)*exp(-t)"}, check=False)
    assert made.truncation(0.3)[0, 3:-3].abs().max() <= 1e-11
    heat(boundary=Periodic()).manufactured({"u": "x"}, check=False)
