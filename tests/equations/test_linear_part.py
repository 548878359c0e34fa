"""What is derived from the declaration: the split into linear part and rest, and where its spectrum lies."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings

from fieldsolver.equations import FieldEquation, PerSample, Spatial
from fieldsolver.equations.knowledge import linear_part
from fieldsolver.equations.knowledge.varying_coefficients import Box, Varying, divided, term_box
from fieldsolver.errors import BoundaryError
from fieldsolver.space import Dirichlet, Grid, Neumann, Periodic, Robin
from fieldsolver.testing import boundaries, equations, grids

SMALL = grids(dimensions=(1, 2), points=(7, 8))


def free_jacobian(equation):
    """Jacobian at the zero state with respect to the unknowns that are not held by a wall."""
    y = torch.zeros(equation.state_shape, dtype=torch.complex128 if equation.is_complex else torch.float64)
    size = y.numel()
    basis = torch.eye(size, dtype=y.dtype).reshape(size, *y.shape)
    with torch.no_grad():
        columns = (equation(0.0, basis) - equation(0.0, torch.zeros_like(basis))).reshape(size, size)
    free = torch.ones(y.shape, dtype=torch.bool)
    for name, (start, count) in equation.layout.fields.items():
        for (axis, end), condition in equation.layout.conditions[name].items():
            if isinstance(condition, Dirichlet) and equation.grid.has_end_nodes(axis):
                free[start : start + count].select(1 + axis, -1 if end else 0).fill_(False)
    kept = free.flatten()
    return columns.T[kept][:, kept].numpy()


def assert_bound_holds(equation):
    part = linear_part(equation)
    eigenvalues = np.linalg.eigvals(free_jacobian(equation))
    slack = 1e-7 * (1 + np.abs(eigenvalues).max())  # defective matrices: eigenvalues to the square root of round-off
    bound = part.bound
    assert eigenvalues.real.min() >= bound.lowest - slack
    assert eigenvalues.real.max() <= bound.highest + slack
    assert np.abs(eigenvalues.imag).max() <= bound.imaginary + slack
    if bound.kind == "exact":
        assert eigenvalues.real.min() == pytest.approx(bound.lowest, abs=slack)
        assert eigenvalues.real.max() == pytest.approx(bound.highest, abs=slack)
        assert np.abs(eigenvalues.imag).max() == pytest.approx(bound.imaginary, abs=slack)
        gaps = np.abs(eigenvalues[:, None] - part.eigenvalues[None, :])
        assert gaps.min(axis=1).max() <= slack  # every one is predicted,
        assert gaps.min(axis=0).max() <= slack  # and every prediction is one
    else:
        assert bound.kind == "upper"
        assert bound.reason
    return part


TERMS = ["laplacian({})", "{}", "d2_dx2({})", "diffusion(D, {})", "d_dx({})", "d3_dx3({})", "d4_dx4({})",
         "laplacian(laplacian({}))", "d_dx(d_dx({}))", "laplacian(2*{})",
         "diffusion(1 + x**2, {})", "x*{}"]  # fmt: skip
COEFFICIENTS = ["1", "-2", "D", "-D*0.5", "3/D", "D**2", "(1 - D)"]


@st.composite
def linear_systems(draw, terms=TERMS):
    grid = draw(SMALL)
    boundary = draw(boundaries(grid, "uv"))
    lines = []
    for row in "uv":
        parts = [
            f"{draw(st.sampled_from(COEFFICIENTS))}*{draw(st.sampled_from(terms)).format(draw(st.sampled_from('uv')))}"
            for _ in range(draw(st.integers(1, 3)))
        ]
        lines.append(f"d{row}/dt = " + " + ".join(parts))
    text = "\n".join(lines) + " + D*u"
    return text, grid, boundary, draw(st.sampled_from((2, 4)))


@settings(max_examples=250)
@given(linear_systems())
def test_bounds_of_random_linear_systems(system):
    text, grid, boundary, order = system
    try:
        equation = FieldEquation(text, grid=grid, boundary=boundary, parameters={"D": 0.7}, space_order=order)
    except BoundaryError as refusal:
        if "beyond the wall" not in str(refusal):
            raise
        return
    assert_bound_holds(equation)


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kind", ["P", "N", "D", "DN"])
def test_exact_where_a_transform_exists(kind, centring, order):
    boundary = {
        "P": Periodic(),
        "N": Neumann(0),
        "D": Dirichlet(0),
        "DN": {"x-": Dirichlet(0), "x+": Neumann(0), "y": Neumann(0)},
    }
    closed = "xy" if kind == "P" and centring == "node" else ()
    grid = Grid((8, 9), extent=1.5, centring=centring, periodic=closed)
    text = "du/dt = D*laplacian(u) - laplacian(laplacian(u)) + 2*u - v; dv/dt = 3*diffusion(D, v) + u"
    equation = FieldEquation(text, grid=grid, boundary=boundary[kind], parameters={"D": 0.7}, space_order=order)
    part = assert_bound_holds(equation)
    assert part.bound.kind == "exact"
    expected = {"P": "fourier", "N": "cosine", "D": "sine"}.get(kind)
    assert part.transform == ((expected,) * 2 if expected else ("sine-cosine", "cosine"))


def test_every_eigenvalue_of_a_coupled_system_is_found():
    grid = Grid(8, extent=1.0)
    equation = FieldEquation(
        "du/dt = laplacian(u) - 4*d_dx(v) + u; dv/dt = 4*d_dx(u) + 0.5*laplacian(v)", grid=grid, boundary=Periodic()
    )
    part = assert_bound_holds(equation)
    eigenvalues = np.linalg.eigvals(free_jacobian(equation))
    cost = np.abs(eigenvalues[:, None] - np.repeat(part.eigenvalues, 8)[None, :])
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    assert cost[rows, columns].max() < 1e-9


def rand(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("dA/dt = (1 + 2j)*laplacian(A) + (1 - 1j)*A", {"complex_fields": ("A",)}),
        ("dA/dt = c*laplacian(A) + 1j*A", {"complex_fields": ("A",), "parameters": {"c": 0.5j}}),
        ("dA/dt = 1j*d_dx(A) + 1j*x*A", {"complex_fields": ("A",)}),
        (
            "dphi/dt = D*laplacian(phi) + w*phi",
            {"components": {"phi": 3}, "parameters": {"D": 0.5, "w": rand(3)}},
        ),
        ("dphi/dt = diffusion(w, phi)", {"components": {"phi": 2}, "parameters": {"w": torch.tensor([0.5, 2.0])}}),
        ("du/dt = K*laplacian(u) + diffusion(K, u) - K*u", {"parameters": {"K": Spatial(rand(9) + 0.1)}}),
        ("du/dt = diffusion(K, u)", {"parameters": {"K": Spatial(rand(9) - 0.5)}}),
        ("du/dt = -diffusion(K, u)", {"parameters": {"K": Spatial(rand(9) + 0.1)}}),
        ("du/dt = laplacian(u)*0 + 1", {}),
        ("du/dt = 1 + x", {}),
    ],
)
@pytest.mark.parametrize("boundary", [Periodic(), Neumann(0), Dirichlet(0), Robin(1.0, 1.0, 0)])
def test_bounds_of_particular_equations(text, options, boundary):
    for order in (2, 4):
        assert_bound_holds(
            FieldEquation(text, grid=Grid(9, extent=1.0), boundary=boundary, space_order=order, **options)
        )


VARYING = ["diffusion({K}, u)", "{a}*laplacian(u)", "{a}*d2_dx2(u)", "{a}*u", "{a}*d_dx(u)", "{a}*diffusion({K}, u)",
           "0.7*laplacian(u)", "-0.01*laplacian(laplacian(u))", "d_dx(u)", "{a}*d3_dx3(u)", "mean(u)"]  # fmt: skip
FACTORS = ["K", "M", "x", "(x + 2)", "P", "(K - 3*P)", "sin(6*x)", "-K", "K**2"]


def random_varying_equation(seed):
    """One or two fields, rough or smooth coefficients of either sign, any walls; None where a stencil does not fit."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(7, 13)), 7)[: int(rng.integers(1, 3))]
    smooth = 1 + 0.5 * np.sin(2 * np.pi * np.arange(shape[0]) / shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    K = rng.random(shape) + 0.01 if rng.random() < 0.5 else smooth * np.ones(shape)
    values = {"K": K, "P": rng.random(shape), "M": rng.standard_normal(shape)}

    def term(field):
        text = VARYING[rng.integers(len(VARYING))].replace("{K}", ("K", "P", "(1 + x**2)")[rng.integers(3)])
        text = text.replace("{a}", FACTORS[rng.integers(len(FACTORS))])
        return text.replace("u)", f"{field})").replace("*u", f"*{field}")

    text = "du/dt = " + " + ".join(term("u") for _ in range(rng.integers(1, 4)))
    if rng.random() < 0.25:
        text += f" + {term('v')}\ndv/dt = {term('v')} + 0.5*u"
    wall = (Periodic(), Neumann(0), Dirichlet(0), Robin(1.0, 1.0, 0))[rng.integers(4)]
    centring = ("cell", "node")[rng.integers(2)]
    closed = "xy"[: len(shape)] if isinstance(wall, Periodic) and centring == "node" else ()
    used = {name: Spatial(torch.as_tensor(value)) for name, value in values.items() if _appears(name, text)}
    order = int(rng.choice([2, 4]))
    grid = Grid(shape, extent=1.0, centring=centring, periodic=closed)
    try:
        return FieldEquation(text, grid=grid, boundary=wall, parameters=used, space_order=order)
    except BoundaryError as refusal:
        if "beyond the wall" not in str(refusal):
            raise
        return None


@pytest.mark.parametrize("block", range(4))
def test_bounds_of_sums_with_varying_coefficients_enclose(block):
    equations = [random_varying_equation(seed) for seed in range(60 * block, 60 * block + 60)]
    complex_ones = 0
    for equation in filter(None, equations):
        assert_bound_holds(equation)
        eigenvalues = np.linalg.eigvals(free_jacobian(equation))
        complex_ones += np.abs(eigenvalues.imag).max() > 1e-3 * np.abs(eigenvalues).max()
    assert complex_ones > 15  # bounds that say "real" would not pass


def test_symmetric_operators_that_do_not_commute_leave_the_real_line():
    """Sums of two operators with real spectra: some have complex pairs, all of them lie within the bounds."""
    leaving = 0
    for seed in range(60):
        values = {"K": Spatial(rand(9, seed=seed) + 0.1), "P": Spatial(rand(9, seed=1000 + seed) + 0.1)}
        text, grid = "du/dt = K*laplacian(u) + diffusion(P, u)", Grid(9, extent=1.0)
        equation = FieldEquation(text, grid=grid, boundary=Periodic(), parameters=values, space_order=4)
        part = linear_part(equation)
        eigenvalues = np.linalg.eigvals(free_jacobian(equation))
        size = np.abs(eigenvalues).max()
        leaving += np.abs(eigenvalues.imag).max() > 1e-6 * size
        assert np.abs(eigenvalues.imag).max() <= part.bound.imaginary
    assert leaving > 3


@pytest.mark.parametrize(
    "text",
    [
        "K*laplacian(u) - K*u",  # symmetric in the norm divided by K
        "K*laplacian(u) + 2*K*d2_dx2(u) + x*u",
        "K*laplacian(u) + laplacian(u)",  # one operator with one coefficient
        "diffusion(K, u) + laplacian(u) + K*u",  # symmetric in the norm of the grid
        "(K - 0.5)*laplacian(u)",  # a definite operator needs no sign of its coefficient
    ],
)
def test_sums_that_are_symmetric_in_some_norm_stay_real(text):
    K = {"K": Spatial(rand(9) + 0.1)}
    equation = FieldEquation(f"du/dt = {text}", grid=Grid(9, extent=1.0), boundary=Periodic(), parameters=K)
    assert assert_bound_holds(equation).bound.imaginary == 0.0


def test_nonlocal_terms_are_added_in_one_norm():
    """``K laplacian`` is symmetric in the norm divided by K, a mean in that of the grid, their sum in neither."""
    for seed in range(12):
        K = {"K": Spatial(rand(9, seed=seed) ** 4 + 1e-3)}
        text = "du/dt = K*laplacian(u) - 200*mean(u)"
        assert_bound_holds(FieldEquation(text, grid=Grid(9, extent=1.0), boundary=Dirichlet(0), parameters=K))


@pytest.mark.parametrize("operator", ["laplacian", "d_dx", "d3_dx3"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_box_of_a_term_contains_its_numerical_range(operator, weighted):
    """Also where eigenvalues would not show it: in the norm of the grid, and divided by a weight."""
    grid, missed = Grid(12, extent=1.0), []
    for seed in range(20):
        K, weight = rand(12, seed=seed).numpy() - 0.3 * (seed % 2), 4 + 9 * rand(12, seed=100 + seed).numpy()
        equation = FieldEquation(f"du/dt = {operator}(u)", grid=grid, boundary=Periodic())
        plain = free_jacobian(equation)
        bound = linear_part(equation).bound
        box = Box(bound.lowest, bound.highest, bound.imaginary)
        term = Varying(K, (operator,), box, varies=True)
        found = term_box(term, equation.layout, "u")
        matrix = K[:, None] * plain
        if weighted:
            found = term_box(divided(term, weight), equation.layout, "u", weight)
            matrix = matrix * np.sqrt(weight) / np.sqrt(weight)[:, None]
        real = np.linalg.eigvalsh((matrix + matrix.T) / 2)
        imaginary = np.abs(np.linalg.eigvalsh((matrix - matrix.T) / 2j)).max()
        slack = 1e-9 * np.abs(plain).max()
        assert found.lowest <= real.min() + slack
        assert found.highest >= real.max() - slack
        assert found.imaginary >= imaginary - slack
        missed.append((found.highest - found.lowest) / (real.max() - real.min()))
    # In the norm of the grid it is not much larger; a weight that no term asks for only loosens it.
    assert weighted or np.median(missed) < 3


@pytest.mark.parametrize("points", [32, 128])
def test_a_smooth_coefficient_costs_little(points):
    """Commutators see the change between neighbours: the imaginary part grows as 1/h, the operator as 1/h^2."""
    x = torch.arange(points, dtype=torch.float64) / points
    K = {"K": Spatial(1 + 0.5 * torch.sin(2 * torch.pi * x))}
    text = "du/dt = K*laplacian(u) + diffusion(K, u)"
    bound = linear_part(FieldEquation(text, grid=Grid(points, extent=1.0), boundary=Periodic(), parameters=K)).bound
    slope = np.pi  # of K
    assert bound.imaginary <= 1.05 * slope * points
    assert bound.lowest == pytest.approx(-12 * points**2, rel=0.01)
    assert 0 <= bound.highest < slope**2


def test_ordinary_equations():
    part = assert_bound_holds_ode("du/dt = v; dv/dt = -4*u - 0.2*v")
    assert part.bound.imaginary == pytest.approx(np.sqrt(4 - 0.01))
    assert_bound_holds_ode("du/dt = -k*u + u**2 + 1", parameters={"k": 3.0})


def assert_bound_holds_ode(text, **options):
    equation = FieldEquation(text, **options)
    part = linear_part(equation)
    y = torch.zeros(equation.state_shape, dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda y: equation(0.0, y))(y)
    eigenvalues = np.linalg.eigvals(jacobian.numpy())
    assert part.bound.kind == "exact"
    ordered = [sorted(z, key=lambda value: (value.imag, value.real)) for z in (part.eigenvalues, eigenvalues)]
    np.testing.assert_allclose(*ordered, atol=1e-12)
    return part


def test_a_parameter_per_sample_is_bounded_over_the_batch():
    equation = FieldEquation(
        "du/dt = k*laplacian(u)", grid=Grid(8, extent=1.0), boundary=Periodic(), parameters={"k": PerSample([0.5, 2.0])}
    )
    bound = linear_part(equation).bound
    assert bound.kind == "upper"
    assert bound.lowest == pytest.approx(-2.0 * 4 * 64)
    assert bound.highest == pytest.approx(0.0)


# -- the parts add up -------------------------------------------------------------------------------------------------


def sum_of_the_printed_terms(equation):
    """The same equation, written as the sum of what `linear_part` reports."""
    part = linear_part(equation)
    lines = []
    for row in equation.fields:
        texts = [f"({term.text})" for term in part.terms if term.row == row]
        lines.append(f"d{row}/dt = " + (" + ".join(texts) or "0"))
    return "\n".join(lines), part


@settings(max_examples=500)
@given(SMALL.flatmap(lambda grid: equations(grid=grid, depth=4)))
def test_linear_terms_and_rest_are_the_right_hand_side(equation):
    text, _ = sum_of_the_printed_terms(equation)
    again = FieldEquation(
        text, grid=equation.grid, boundary={n: _by_side(equation, n) for n in equation.fields},
        parameters={name: value for name, value in equation.parameter_values().items() if _appears(name, text)},
        space_order=equation.layout.space_order,
    )  # fmt: skip
    y = 0.5 * torch.randn(2, *equation.state_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = equation(0.7, y)
    scale = 1 + expected.abs().max() + 1 / min(equation.grid.spacing) ** 4
    assert (again(0.7, y) - expected).abs().max() < 1e-12 * scale


def _by_side(equation, field):
    axes = equation.grid.axes
    sides = equation.layout.conditions[field].items()
    return {axes[axis] + ("" if isinstance(c, Periodic) else "-+"[end]): c for (axis, end), c in sides}


def _appears(name, text):
    import re

    return re.search(rf"\b{name}\b", text) is not None


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("D*laplacian(u) - u**3 + 1", {"D*laplacian(u)": "linear", "-u**3": "nonlinear", "1": "source"}),
        ("-(u - u*v)", {"-1*u": None, "-u": "linear", "u*v": "nonlinear"}),
        ("(D*u + v)/2", {}),
        ("2*(u + sin(x))", {"2*u": "linear", "2*sin(x)": "source"}),
        ("diffusion(1 + u**2, u)", {"diffusion(1 + u**2, u)": "nonlinear"}),
        ("gradient_squared(u)", {"gradient_squared(u)": "nonlinear"}),
        ("laplacian(u**2)", {"laplacian(u**2)": "nonlinear"}),
        ("x*d_dx(u)", {"x*d_dx(u)": "linear"}),
        ("d_dx(x*u)", {}),
        ("u/v", {"u/v": "nonlinear"}),
        ("laplacian(D*u - laplacian(u))", {"D*laplacian(u)": "linear", "-laplacian(laplacian(u))": "linear"}),
    ],
)
def test_terms_are_sorted(text, kinds):
    equation = FieldEquation(
        f"du/dt = {text} + D*u; dv/dt = -v", grid=Grid(9, extent=1.0), boundary=Periodic(), parameters={"D": 0.3}
    )
    terms = {term.text: term.kind for term in linear_part(equation).terms if term.row == "u"}
    for expected, kind in kinds.items():
        if kind is not None:
            assert terms[expected] == kind
