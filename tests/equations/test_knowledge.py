"""What is derived from a declaration: Jacobians, sparsity, symbols, steady states, invariants."""

import dataclasses

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

import fieldsolver as fs
from fieldsolver.equations import build
from fieldsolver.equations.calculus.differentiate import variation
from fieldsolver.equations.knowledge import colour_columns
from fieldsolver.equations.lowering import Lowering, held_sides
from fieldsolver.testing.strategies import equations

F64 = torch.float64
COUPLED = """
du/dt = diffusion(1 + u**2, u) + advection(w, u) - u*w[0] + gradient_squared(u) + where(u > 0, u**3, sin(u))
dw/dt = D*laplacian(w) + gradient(u) - K @ w + tanh(w)
"""
BOUNDARIES = [
    fs.Periodic(),
    fs.Neumann(0),
    fs.Dirichlet(0),
    {"x": fs.Robin(1, 2, 0), "y": fs.Dirichlet(0)},
    {"x": fs.Periodic(), "y-": fs.Dirichlet("sin(t)"), "y+": fs.Neumann(1)},
]


def coupled(boundary, centring, order):
    periodic = ("x", "y") if isinstance(boundary, fs.Periodic) else ()
    if isinstance(boundary, dict) and isinstance(boundary.get("x"), fs.Periodic):
        periodic = ("x",)
    return fs.FieldEquation(
        COUPLED,
        grid=fs.Grid((7, 8), extent=2.0, centring=centring, periodic=periodic),
        boundary=boundary,
        components={"w": 2},
        parameters={"K": torch.tensor([[0.3, -0.2], [0.1, 0.5]]), "D": torch.tensor([0.1, 0.4])},
        space_order=order,
    )


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_symbolic_sparse_and_automatic_jacobians_agree(boundary, centring, order):
    equation = coupled(boundary, centring, order)
    jacobian = equation.jacobian()
    torch.manual_seed(0)
    y = torch.randn(equation.state_shape, dtype=F64)
    dense = jacobian.dense(0.3, y)
    sparse = jacobian.sparse(0.3, y)
    np.testing.assert_allclose(sparse.toarray(), dense.numpy(), rtol=0, atol=1e-10)
    v = torch.randn_like(y)
    torch.testing.assert_close(jacobian.product(0.3, y, v).reshape(-1), dense @ v.reshape(-1), rtol=0, atol=1e-10)


@pytest.mark.parametrize("boundary", [fs.Periodic(), fs.Neumann(0)])
def test_symbolic_blocks_equal_the_automatic_jacobian(boundary):
    equation = coupled(boundary, "cell", 2)
    torch.manual_seed(0)
    y, v = (torch.randn(equation.state_shape, dtype=F64) for _ in range(2))
    expected = equation.unpack(equation.jacobian().product(0.0, y, v))
    direction, total = equation.unpack(v), dict.fromkeys(equation.fields, 0.0)
    for (row, column), block in equation.jacobian().blocks.items():
        total[row] = total[row] + apply_block(equation, block, column, y, direction[column])
    for name in equation.fields:
        torch.testing.assert_close(total[name], expected[name], rtol=0, atol=1e-10)


def apply_block(equation, block, column, y, direction):
    """Evaluate a linearised block by declaring its perturbation as one more field."""
    size = equation.layout.fields[column][1]
    row_size = block.components
    # The block's rate may have another number of components than its perturbation, so it gets a field of its own.
    text = f"{equation}\nddelta_{column}/dt = 0*delta_{column}\ndresult/dt = {block}"
    extended = fs.FieldEquation(
        text,
        grid=equation.grid,
        boundary=fs.Periodic() if equation.layout.is_periodic(0) else fs.Neumann(0),
        components={"w": 2, f"delta_{column}": size, "result": row_size},
        parameters={"K": equation.get_buffer("constant_K"), "D": equation.get_buffer("constant_D")},
    )
    state = {**equation.unpack(y), f"delta_{column}": direction, "result": 0.0}
    return extended.unpack(extended(0.0, extended.pack(state)))["result"]


def test_blocks_read_as_mathematics():
    equation = fs.FieldEquation("du/dt = u - u**3 - v; dv/dt = 0.1*(u - v)")
    blocks = {key: str(block) for key, block in equation.jacobian().blocks.items()}
    assert blocks[("u", "v")] == "-delta_v"
    assert blocks[("u", "u")] == "delta_u - 3*u**2*delta_u"


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_linear_part_and_the_rest_reproduce_the_right_side(boundary):
    equation = coupled(boundary, "cell", 4)
    torch.manual_seed(0)
    y, t = torch.randn(equation.state_shape, dtype=F64), torch.tensor(0.3, dtype=F64)
    from fieldsolver.equations.knowledge import split

    parts = []
    for name, node in equation.right_sides.items():
        size = equation.layout.fields[name][1]
        linear, rest = split(name, node, equation.layout)
        assert linear or name == "u"  # every term of du/dt is nonlinear
        lowering = Lowering(equation.layout)
        nodes = [term.node(equation.dimension, size) for term in linear] + [term.node for term in rest]
        tape = lowering.finish([lowering.compile(part) for part in nodes])
        parts.append(sum(torch.as_tensor(v).expand(size, *equation.grid.shape) for v in equation.run_tape(tape, t, y)))
    torch.testing.assert_close(torch.cat(parts), equation(t, y), rtol=0, atol=1e-11)


def test_colours_never_clash():
    pattern = coupled(fs.Periodic(), "cell", 4).jacobian().pattern()
    colours = colour_columns(pattern)
    for colour in range(colours.max() + 1):
        rows = pattern[:, np.flatnonzero(colours == colour)].sum(axis=1)
        assert rows.max() <= 1


def test_tridiagonal_needs_three_colours():
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=fs.Grid(30, extent=1.0), boundary=fs.Neumann(0))
    assert colour_columns(equation.jacobian().pattern()).max() + 1 == 3


def test_dense_jacobians_are_said_to_be_dense():
    equation = fs.FieldEquation("du/dt = mean(u) - u", grid=fs.Grid(9, extent=1.0), boundary=fs.Neumann(0))
    with pytest.raises(fs.EquationError, match="dense"):
        equation.jacobian().pattern()


class TestSymbol:
    def test_discrete_symbols_are_the_eigenvalues_of_the_operator(self):
        grid = fs.Grid((6, 5), extent=(2.0, 1.0))
        equation = fs.FieldEquation(
            "du/dt = laplacian(u) - advection(c, u) + v; dv/dt = K2*laplacian(v) - u - biharmonic(v)/100",
            grid=grid,
            boundary=fs.Periodic(),
            parameters={"c": torch.tensor([1.0, -2.0]), "K2": 0.3},
            space_order=4,
        )
        k = [2 * np.pi * np.fft.fftfreq(n, d=h) for n, h in zip(grid.shape, grid.spacing, strict=True)]
        vectors = np.stack(np.meshgrid(*k, indexing="ij"), -1).reshape(-1, 2)
        from_symbol = np.linalg.eigvals(equation.symbol(vectors, discrete=True)).ravel()
        assembled = np.linalg.eigvals(
            equation.jacobian().dense(0.0, torch.zeros(equation.state_shape, dtype=F64)).numpy()
        )
        # Both are sets: match each to its nearest partner.
        distance = np.abs(from_symbol[:, None] - assembled[None])
        assert distance.min(axis=1).max() < 1e-9
        assert distance.min(axis=0).max() < 1e-9
        known = equation.linear_part().eigenvalues.real
        ends, expected = ([values.min(), values.max()] for values in (known, assembled.real))
        np.testing.assert_allclose(ends, expected, rtol=1e-10, atol=1e-10)

    def test_kuramoto_sivashinsky_growth_rate(self):
        equation = fs.FieldEquation(
            "du/dt = -d2_dx2(u) - d4_dx4(u) - u*d_dx(u)", grid=fs.Grid(64, extent=100.0), boundary=fs.Periodic()
        )
        k = np.array([0.0, 0.5, 1 / np.sqrt(2), 1.0])
        np.testing.assert_allclose(equation.symbol(k).ravel(), k**2 - k**4, atol=1e-14)

    def test_swift_hohenberg_and_gray_scott_of_order_two_approach_the_continuous_symbol(self):
        equation = fs.FieldEquation(
            "du/dt = r*u - u - 2*laplacian(u) - biharmonic(u) - u**3",
            grid=fs.Grid((64, 64), extent=40.0),
            boundary=fs.Periodic(),
            parameters={"r": 0.1},
        )
        k = np.array([[1.0, 0.0], [0.6, 0.8]])
        np.testing.assert_allclose(equation.symbol(k).ravel(), 0.1, atol=1e-12)  # r - (1 - k^2)^2
        assert np.abs(equation.symbol(k, discrete=True).ravel() - 0.1).max() < 0.02

    def test_refusals(self):
        equation = fs.FieldEquation("du/dt = x*u", grid=fs.Grid(8, extent=1.0), boundary=fs.Periodic())
        with pytest.raises(fs.EquationError, match="varies"):
            equation.symbol(np.array([1.0]))
        plane = fs.FieldEquation("du/dt = laplacian(u)", grid=fs.Grid((8, 8), extent=1.0), boundary=fs.Periodic())
        with pytest.raises(fs.EquationError, match="one entry per axis"):
            plane.symbol(np.ones((4, 3)))


class TestSteadyStates:
    def test_schnakenberg(self):
        equation = fs.FieldEquation(
            "du/dt = laplacian(u) + a - u + u**2*v; dv/dt = 10*laplacian(v) + b - u**2*v",
            grid=fs.Grid(16, extent=3.0),
            boundary=fs.Neumann(0),
            parameters={"a": 0.1, "b": 0.9},
        )
        np.testing.assert_allclose(equation.steady_states(), [[1.0, 0.9]], atol=1e-9)

    def test_all_three_of_allen_cahn(self):
        equation = fs.FieldEquation(
            "du/dt = laplacian(u) + u - u**3", grid=fs.Grid(9, extent=1.0), boundary=fs.Neumann(0)
        )
        np.testing.assert_allclose(equation.steady_states().ravel(), [-1, 0, 1], atol=1e-9)

    def test_none_are_invented(self):
        assert fs.FieldEquation("dx/dt = 1 + x**2").steady_states().shape == (0, 1)

    @pytest.mark.parametrize(
        ("text", "boundary", "message"),
        [
            ("du/dt = u + x", fs.Neumann(0), "varies in space"),
            ("du/dt = u + t", fs.Neumann(0), "changes with time"),
            ("du/dt = laplacian(u)", fs.Dirichlet(1), "not no-flux"),
        ],
    )
    def test_refusals(self, text, boundary, message):
        equation = fs.FieldEquation(text, grid=fs.Grid(8, extent=1.0), boundary=boundary)
        with pytest.raises(fs.EquationError, match=message):
            equation.steady_states()


class TestConserved:
    def test_mass_of_no_flux_diffusion_and_none_with_an_open_wall(self):
        options = {"grid": fs.Grid((8, 6), extent=1.0)}
        closed = fs.FieldEquation("du/dt = diffusion(1 + u**2, u)", boundary=fs.Neumann(0), **options)
        open_ = fs.FieldEquation("du/dt = diffusion(1 + u**2, u)", boundary=fs.Dirichlet(0), **options)
        assert closed.conserved().tolist() == [[1.0]]
        assert open_.conserved().shape == (0, 1)

    def test_reaction_network(self):
        text = "da/dt = -k*a*b + c; db/dt = -k*a*b + c; dc/dt = k*a*b - c"
        equation = fs.FieldEquation(text, parameters={"k": 3.0})
        np.testing.assert_allclose(equation.conserved(), [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], atol=1e-12)

    def test_lorenz_has_none(self):
        text = "dx/dt = 10*(y - x); dy/dt = x*(28 - z) - y; dz/dt = x*y - 8/3*z"
        assert fs.FieldEquation(text).conserved().shape == (0, 3)


def test_reasons_why_terms_resist():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + u**2 + x + net(u) + mean(u)",
        grid=fs.Grid(8, extent=1.0),
        boundary=fs.Neumann(0),
        modules={"net": torch.nn.Linear(1, 1)},
    )
    reasons = {str(term): term.reason for term in equation.nonlinear_part()["u"]}
    assert "nonlinear" in reasons["u**2"]
    assert "source" in reasons["x"]
    assert "module" in reasons["net(u)"]
    assert "integral" in reasons["mean(u)"]


@settings(max_examples=150)
@given(equation=equations(depth=3), seed=st.integers(0, 2**16))
def test_linearisation_of_random_equations_is_their_derivative(equation, seed):
    """The symbolic tangent, evaluated beside the state, equals forward differentiation of the lowered function."""
    torch.manual_seed(seed)
    y, v = (0.5 * torch.randn(equation.state_shape, dtype=F64) for _ in range(2))
    directions = {equation.state_symbol(name): build.field(f"delta_{name}") for name in equation.fields}
    tangents = {name: variation(node, directions, equation.dimension) for name, node in equation.right_sides.items()}
    expected = equation.jacobian().product(0.2, y, v)
    extended = dataclasses.replace(
        equation.layout,
        fields={**equation.layout.fields, **{f"delta_{n}": (0, 1) for n in equation.fields}},
        # A perturbation meets homogeneous walls of the same kind: the data of the wall do not vary with the state.
        conditions={
            **equation.layout.conditions,
            **{f"delta_{n}": equation.layout.conditions[n] for n in equation.fields},
        },
        wall_values={
            **equation.layout.wall_values,
            **{f"delta_{n}": dict.fromkeys(equation.layout.wall_values[n], build.number(0)) for n in equation.fields},
        },
    )
    lowering = Lowering(extended)
    tape = lowering.finish([lowering.compile(node) for node in tangents.values()])
    values = equation.parameter_values()
    inputs = [*equation.space.columns(y), *equation.space.columns(v), *(values[n] for n in extended.parameters)]
    results = tape.run([*inputs, torch.tensor(0.2, dtype=F64), y])
    for position, result in enumerate(results):
        result = torch.as_tensor(result, dtype=F64).expand(1, *equation.grid.shape).clone()
        for axis, end in held_sides(equation.layout, equation.fields[position]):
            result.select(1 + axis, -end).zero_()  # held nodes have no rate
        scale = 1 + expected.abs().max()
        torch.testing.assert_close(result[0] / scale, expected[position] / scale, rtol=0, atol=1e-10)
