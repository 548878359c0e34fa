"""Equations on graphs: the grid's where the graph is a grid, closed forms elsewhere, and what is known and refused."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.equations.graph import walk
from fieldsolver.errors import EquationTypeError, UnknownNameError
from fieldsolver.solve.stability_limit import step_limit

KINDS = ("combinatorial", "random-walk", "normalised")
EDGES = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (0, 2), (5, 1), (5, 3)]
WEIGHTS = [0.5, 1.0, 2.0, 0.7, 1.3, 0.4, 0.9, 1.1]
N = 6
EVERYTHING = "du/dt = D*laplacian(u) - biharmonic(u)/9 + diffusion(1 + u**2, u) + S*gradient_squared(u) - mean(u)*u"


def graph(kind: str = "combinatorial", *, directed: bool = False, weights: Any = WEIGHTS) -> fs.Graph:
    """Two cycles that share vertices, each edge with a weight of its own; directed, every vertex hears somebody."""
    edges = [(b, a) if directed and 5 in (a, b) else (a, b) for a, b in EDGES]
    return fs.Graph(edges, N, weights, directed=directed, laplacian=kind)


def field(*shape: int, seed: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def everything(kind: str = "combinatorial", **options: Any) -> fs.FieldEquation:
    parameters = {"D": fs.Parameter(0.3), "S": fs.Spatial(field(N, seed=8))}
    return fs.FieldEquation(EVERYTHING, grid=graph(kind, **options), parameters=parameters)


def dense(g: fs.Graph) -> Tensor:
    return torch.as_tensor(g.matrix().toarray())


# -- the graph of a grid --------------------------------------------------------------------------------------------

AS_GRID = {
    "linear": "du/dt = D*laplacian(u) - 0.01*biharmonic(u)",
    "diffusion of u": "du/dt = diffusion(D*(1 + u**2), u)",
    "diffusion in space": "du/dt = diffusion(S, u) + laplacian(S)*u + mean(u**2)",
    "reaction": "du/dt = D*laplacian(u) + v - u**3\ndv/dt = laplacian(u - 2*v) + S*u",
}


def as_grid_and_graph(text: str, boundary: Any) -> tuple[fs.FieldEquation, fs.FieldEquation]:
    grid = fs.Grid((4, 5), extent=(1.0, 2.0))
    S = 1 + field(4, 5, seed=9) ** 2
    uses = "S" in text
    periodic = [name for name, condition in boundary.items() if condition == fs.Periodic()]
    flat = fs.Graph.from_grid(grid, periodic=periodic)
    given: dict[str, Any] = {"D": fs.Parameter(0.2)} if "D" in text else {}
    on_grid = fs.FieldEquation(
        text, grid=grid, boundary=boundary, parameters=given | ({"S": fs.Spatial(S)} if uses else {})
    )
    on_graph = fs.FieldEquation(text, grid=flat, parameters=given | ({"S": fs.Spatial(S.flatten())} if uses else {}))
    return on_grid, on_graph


@pytest.mark.parametrize("walls", [("x",), ("x", "y"), ()])
@pytest.mark.parametrize("text", AS_GRID.values(), ids=AS_GRID)
def test_the_graph_of_a_grid_has_its_rates(text: str, walls: tuple[str, ...]) -> None:
    boundary = {axis: fs.Neumann(0) if axis in walls else fs.Periodic() for axis in ("x", "y")}
    on_grid, on_graph = as_grid_and_graph(text, boundary)
    y = field(3, *on_grid.state_shape)
    torch.testing.assert_close(on_graph(0.0, y.flatten(-2)), on_grid(0.0, y).flatten(-2), rtol=1e-12, atol=1e-11)


def test_the_graph_of_a_grid_has_its_solution_and_gradients() -> None:
    boundary = {"x": fs.Neumann(0), "y": fs.Periodic()}
    results = []
    for equation, flat in zip(as_grid_and_graph(AS_GRID["diffusion of u"], boundary), (False, True), strict=True):
        y0 = field(2, 1, 4, 5)
        y0 = (y0.flatten(-2) if flat else y0).requires_grad_()
        solution = fs.solve(
            equation, y0, t_span=(0, 0.05), method="rk4", dt=0.005, check="off", gradient="checkpointed"
        )
        solution.y[-1].square().sum().backward()
        results.append((solution.y[-1].detach().reshape(-1), y0.grad.reshape(-1), equation.raw["D"].grad))
    for on_grid, on_graph in zip(*results, strict=True):
        torch.testing.assert_close(on_graph, on_grid, rtol=1e-10, atol=1e-11)


# -- words against their definitions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_squared_is_the_carre_du_champ(kind: str, directed: bool) -> None:
    if directed and kind == "normalised":
        pytest.skip("a directed graph has no normalised Laplacian")
    g, u = graph(kind, directed=directed), field(2, N)
    L = dense(g)
    off = L - torch.diag(torch.diag(L))
    expected = (off * (u[:, None, :] - u[:, :, None]) ** 2).sum(-1) / 2
    equation = fs.FieldEquation("du/dt = gradient_squared(u)", grid=g)
    torch.testing.assert_close(equation(0.0, u[:, None])[:, 0], expected)
    if kind != "normalised":  # L(u^2) = 2 u L u + 2 Gamma(u)
        torch.testing.assert_close(expected, (g.laplacian(u**2) - 2 * u * g.laplacian(u)) / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_integral_and_mean_weigh_the_vertices(kind: str) -> None:
    g, u = graph(kind), field(2, 1, N)
    weight = g.degrees if kind == "random-walk" else torch.ones(N, dtype=torch.float64)
    equation = fs.FieldEquation("du/dt = integral(u**2) + 3*mean(u) + integral(2)*u", grid=g)
    total = lambda v: (weight * v).sum(-1, keepdim=True)  # noqa: E731  # one line of mathematics
    expected = total(u**2) + 3 * total(u) / weight.sum() + 2 * weight.sum() * u
    torch.testing.assert_close(equation(0.0, u), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_diffusion_with_one_coefficient_is_the_laplacian(kind: str) -> None:
    y = field(3, 2, N)
    coefficients = {
        "a number": ("diffusion(0.7, u)", {}, "0.7*laplacian(u)"),
        "per component": ("diffusion(D, u)", {"D": [0.7, 0.2]}, "D*laplacian(u)"),
        "per sample": ("diffusion(D, u)", {"D": fs.PerSample(torch.tensor([0.1, 0.2, 0.3]))}, "D*laplacian(u)"),
        "in space": ("diffusion(S, u)", {"S": fs.Spatial(torch.full((N,), 0.7))}, "S*laplacian(u)"),
    }
    for term, parameters, same in coefficients.values():
        made = [
            fs.FieldEquation(f"du/dt = {text}", grid=graph(kind), parameters=parameters, components={"u": 2})
            for text in (term, same)
        ]
        torch.testing.assert_close(made[0](0.0, y), made[1](0.0, y))


def test_modules_functions_and_uniform_operands() -> None:
    class Sum(nn.Module):
        def forward(self, u: Tensor) -> Tensor:
            return u.cumsum(-1)

    g, y = graph(), field(2, 1, N)
    pointwise = nn.Linear(1, 1).double()
    equation = fs.FieldEquation(
        "du/dt = f(u) + g(u) + laplacian(S*u + tanh(R)) + t*laplacian(S)",
        grid=g,
        parameters={"S": fs.Spatial(torch.tensor([2.0])), "R": fs.Spatial(field(N))},
        modules={"f": pointwise, "g": fs.Nonlocal(Sum())},
    )
    expected = pointwise(y.mT).mT + y.cumsum(-1) + g.laplacian(2 * y + torch.tanh(field(N)))
    torch.testing.assert_close(equation(3.0, y), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.complex128])
def test_precision_of_the_state_is_kept(dtype: torch.dtype) -> None:
    fields = ("u",) if dtype.is_complex else ()
    text = "du/dt = 0.3*laplacian(u) + diffusion(1 + S, u) + mean(u)"
    equation = fs.FieldEquation(text, grid=graph(), parameters={"S": fs.Spatial(field(N) ** 2)}, complex_fields=fields)
    y = field(2, 1, N).to(dtype) * (1 + 2j if dtype.is_complex else 1)
    rate, precise = equation(0.0, y), equation(0.0, y.to(torch.complex128 if dtype.is_complex else torch.float64))
    assert rate.dtype == dtype
    torch.testing.assert_close(rate, precise.to(dtype), rtol=1e-5, atol=1e-5)


def test_samples_of_a_batch_do_not_meet() -> None:
    equation, y = everything("random-walk"), field(4, 1, N)
    whole = equation(0.0, y)
    for sample in range(4):
        torch.testing.assert_close(whole[sample], equation(0.0, y[sample]))
    torch.testing.assert_close(torch.func.vmap(lambda v: equation(0.0, v))(y), whole)


def test_front_ends_agree() -> None:
    g = graph()
    s = fs.Symbols(g)
    u, D = s.field("u"), s.parameter("D")
    rate = D * s.laplacian(u) + s.gradient_squared(u) - s.mean(u) * u

    class Law(fs.System):
        u = fs.Field()
        D = 0.3

        def rates(self, s: fs.Symbols) -> Mapping[str, Any]:
            return {"u": self.D * s.laplacian(self.u) + s.gradient_squared(self.u) - s.mean(self.u) * self.u}

    text = "du/dt = D*laplacian(u) + gradient_squared(u) - mean(u)*u"
    by_text = fs.FieldEquation(text, grid=g, parameters={"D": 0.3})
    by_symbols = fs.FieldEquation({u: rate}, grid=g, parameters={"D": 0.3})
    by_class = Law.equation(grid=g)
    assert by_text.right_sides == by_symbols.right_sides == by_class.right_sides
    assert str(by_text) == text
    assert by_text.grid is g


# -- solutions -------------------------------------------------------------------------------------------------------


def test_heat_kernel_of_a_cycle_and_a_path() -> None:
    n, t, vertex = 12, 0.8, np.arange(12)
    theta = np.pi * np.arange(n) / n
    cycle = sum(np.cos(2 * k * theta[1] * vertex) * np.exp(-4 * t * np.sin(theta[k]) ** 2) for k in range(n)) / n
    modes = np.cos(theta[:, None] * (vertex + 0.5))
    squares = np.where(np.arange(n) == 0, n, n / 2)
    path = (modes * (modes[:, :1] * np.exp(-4 * t * np.sin(theta / 2) ** 2)[:, None] / squares[:, None])).sum(0)
    start = torch.zeros(n, dtype=torch.float64)
    start[0] = 1.0
    for g, kernel in ((fs.Graph.cycle(n), cycle), (fs.Graph.path(n), path)):
        equation = fs.FieldEquation("du/dt = laplacian(u)", grid=g)
        solution = fs.solve(equation, {"u": start}, t_span=(0, t), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(solution.fields["u"][-1].numpy(), kernel, atol=1e-9)


def test_waves_on_a_cycle_keep_their_frequency() -> None:
    n, k = 16, 3
    frequency = 2 * math.sin(math.pi * k / n)
    mode = torch.cos(2 * math.pi * k * torch.arange(n, dtype=torch.float64) / n)
    equation = fs.FieldEquation("d2u/dt2 = laplacian(u)", grid=fs.Graph.cycle(n))
    solution = fs.solve(equation, {"u": mode, "du/dt": 0.0}, t_span=(0, 2.0), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(solution.fields["u"][-1], mode * math.cos(frequency * 2.0), rtol=0, atol=1e-8)


def test_on_a_causal_graph_nothing_is_heard_of_the_future() -> None:
    g = fs.Graph.causal(9, window=3)
    text = "du/dt = laplacian(u) + diffusion(1 + u**2, u) + gradient_squared(u) - biharmonic(u) + sin(u)"
    equation = fs.FieldEquation(text, grid=g)

    def end(y: Tensor) -> Tensor:
        return fs.solve(equation, y, t_span=(0, 0.5), method="rk4", dt=0.05, gradient="direct", check="off").y[-1, 0]

    J = torch.autograd.functional.jacobian(end, 0.3 * field(1, 9))[:, 0]
    assert torch.equal(J.triu(1), torch.zeros_like(J))
    assert (J.tril(-1)[1:].abs().sum(-1) > 1e-3).all()
    pattern = equation.jacobian().pattern().toarray()
    assert not np.triu(pattern, 1).any()


@pytest.mark.parametrize("kind", KINDS)
def test_what_each_laplacian_conserves(kind: str) -> None:
    g = graph(kind)
    weight = {"combinatorial": torch.ones(N).double(), "random-walk": g.degrees, "normalised": g.degrees.sqrt()}[kind]
    text = "du/dt = 0.3*laplacian(u) - 0.05*biharmonic(u)" + (
        " + diffusion(1 + u**2, u)" if kind != "normalised" else ""
    )
    equation = fs.FieldEquation(text, grid=g)
    solution = fs.solve(equation, field(2, 1, N), t_span=(0, 1), method="rk4", dt=0.01)
    before, after = ((weight * y).sum(-1) for y in (solution.y[0], solution.y[-1]))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)
    assert (solution.y[-1] - solution.y[0]).abs().max() > 0.1
    found = equation.conserved()
    np.testing.assert_array_equal(found, [[1.0]] if kind != "normalised" else np.zeros((0, 1)))


# -- weights as a parameter --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_weights_by_name_are_those_of_the_graph(kind: str) -> None:
    fixed, y = everything(kind), field(2, 1, N)
    parameters = {"D": 0.3, "S": fs.Spatial(field(N, seed=8)), "w": fs.Parameter(torch.tensor(WEIGHTS), positive=True)}
    named = fs.FieldEquation(EVERYTHING, grid=graph(kind, weights="w"), parameters=parameters)
    torch.testing.assert_close(named(0.0, y), fixed(0.0, y), rtol=1e-6, atol=1e-6)
    assert "w" in named.raw
    assert named.describe_parameters()["w"] == "tensor(8,) (trainable)"


@pytest.mark.parametrize("kind", KINDS)
def test_weights_travel_through_pure(kind: str) -> None:
    text, w = EVERYTHING.replace("D*", "0.3*").replace("S*", ""), torch.tensor(WEIGHTS, dtype=torch.float64)
    equation = fs.FieldEquation(text, grid=graph(kind, weights="w"), parameters={"w": fs.Parameter(w, positive=True)})
    function, parameters = equation.pure()
    t, y = torch.tensor(0.0, dtype=torch.float64), field(2, 1, N)
    assert len(parameters) == 1
    assert torch.autograd.gradcheck(lambda v: function((v,), t, y), w.clone().requires_grad_())
    batch = torch.stack([w, 2 * w, w**2])
    many = torch.func.vmap(lambda v: function((v,), t, y))(batch)
    for weights, rate in zip(batch, many, strict=True):
        same = fs.FieldEquation(text, grid=graph(kind, weights=weights))
        torch.testing.assert_close(rate, same(0.0, y))
    tangent = torch.func.jvp(lambda v: function((v,), t, y), (w,), (torch.ones_like(w),))[1]
    step = (function((w + 1e-6,), t, y) - function((w - 1e-6,), t, y)) / 2e-6
    torch.testing.assert_close(tangent, step, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("gradient", ["direct", "checkpointed"])
def test_training_recovers_the_weights(gradient: str) -> None:
    truth, states = torch.tensor(WEIGHTS, dtype=torch.float64), field(8, 1, N)
    options: dict[str, Any] = {"t_span": (0, 0.5), "method": "rk4", "dt": 0.1, "check": "off"}
    teacher = fs.FieldEquation("du/dt = laplacian(u)", grid=graph())
    target = fs.solve(teacher, states, **options).y[-1]
    start = fs.Parameter(torch.ones(8), positive=True)
    student = fs.FieldEquation("du/dt = laplacian(u)", grid=graph(weights="w"), parameters={"w": start})
    optimiser = torch.optim.LBFGS(student.parameters(), lr=1, max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = (fs.solve(student, states, gradient=gradient, **options).y[-1] - target).square().mean()
        value.backward()
        return value

    optimiser.step(loss)
    torch.testing.assert_close(student.parameter_values()["w"].detach(), truth, rtol=1e-3, atol=1e-3)


def test_knowledge_follows_the_weights() -> None:
    w = fs.Parameter(torch.tensor(WEIGHTS, dtype=torch.float64), positive=True)
    equation = fs.FieldEquation("du/dt = laplacian(u) - u", grid=graph(weights="w"), parameters={"w": w})
    before = equation.linear_part().bound.lowest
    np.testing.assert_allclose(before, np.linalg.eigvalsh(dense(graph()).numpy()).min() - 1)
    with torch.no_grad():
        equation.raw["w"] += math.log(3.0)
    np.testing.assert_allclose(equation.linear_part().bound.lowest, 3 * (before + 1) - 1)
    copied = copy.deepcopy(equation)
    np.testing.assert_allclose(copied.linear_part().bound.lowest, 3 * (before + 1) - 1)


# -- what is known ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "directed"), [(k, False) for k in KINDS] + [(k, True) for k in KINDS[:2]])
def test_eigenvalues_are_those_of_the_jacobian(kind: str, directed: bool) -> None:
    text = "du/dt = 0.4*laplacian(u) + diffusion(0.1, u) - biharmonic(u) + 2*v\ndv/dt = laplacian(v) - 3*u - v"
    equation = fs.FieldEquation(text, grid=graph(kind, directed=directed))
    linear = equation.linear_part()
    expected = np.linalg.eigvals(equation.jacobian().dense(0.0, field(2, N)).numpy())
    assert linear.bound.kind == "exact"
    assert linear.eigenvalues is not None
    distances = np.abs(expected[:, None] - linear.eigenvalues)
    assert max(distances.min(0).max(), distances.min(1).max()) < 1e-8
    assert linear.transform == ("none" if directed else "graph fourier",)


@pytest.mark.parametrize(("kind", "directed"), [(k, False) for k in KINDS] + [(k, True) for k in KINDS[:2]])
@pytest.mark.parametrize("term", ["S*laplacian(u)", "diffusion(S, u)", "S*biharmonic(u)", "-S*u + diffusion(2*S, u)"])
def test_bounds_hold_the_spectrum_where_coefficients_vary(term: str, kind: str, directed: bool) -> None:
    S = fs.Spatial(field(N, seed=2).abs())
    equation = fs.FieldEquation(f"du/dt = {term}", grid=graph(kind, directed=directed), parameters={"S": S})
    bound = equation.linear_part().bound
    values = np.linalg.eigvals(equation.jacobian().dense(0.0, field(1, N)).numpy())
    assert bound.kind == "upper"
    assert bound.lowest - 1e-9 <= values.real.min()
    assert values.real.max() <= bound.highest + 1e-9
    assert np.abs(values.imag).max() <= bound.imaginary + 1e-9


def test_many_vertices_are_bounded_by_their_degrees() -> None:
    g = fs.Graph.cycle(1500)
    linear = fs.FieldEquation("du/dt = laplacian(u)", grid=g).linear_part()
    assert (linear.bound.kind, linear.bound.lowest, linear.bound.highest) == ("upper", *g.bound())
    assert linear.eigenvalues is None


@pytest.mark.parametrize("method", ["euler", "rk4"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_step_limit_is_sharp(kind: str, method: str) -> None:
    equation = fs.FieldEquation("du/dt = 0.7*laplacian(u)", grid=graph(kind))
    eigenvalues, vectors = np.linalg.eig(dense(graph(kind)).numpy())
    limit = {"euler": 2.0, "rk4": 2.7852935634052818}[method] / (0.7 * np.abs(eigenvalues).max())
    with pytest.raises(fs.StabilityError) as caught:
        fs.solve(equation, {"u": 1.0}, t_span=(0, 5), method=method, dt=1.001 * limit)
    assert caught.value.limit == pytest.approx(limit, rel=1e-9)
    fastest = torch.as_tensor(vectors[:, np.argmin(eigenvalues)].real)
    for factor, grows in ((0.99, False), (1.01, True)):
        span = (0.0, 400 * factor * limit)
        run = fs.solve(equation, {"u": fastest}, t_span=span, method=method, dt=factor * limit, check="off")
        assert bool(run.y[-1].norm() > run.y[0].norm()) == grows


@pytest.mark.parametrize(("kind", "directed"), [(k, False) for k in KINDS] + [(k, True) for k in KINDS[:2]])
def test_sparse_jacobian_is_the_dense_one(kind: str, directed: bool) -> None:
    g = fs.Graph(EDGES, N + 4, None, directed, kind) if kind == "combinatorial" else graph(kind, directed=directed)
    text = "du/dt = diffusion(1 + v**2, u) + u*v + gradient_squared(u)\ndv/dt = laplacian(laplacian(v)) + biharmonic(u)"
    equation = fs.FieldEquation(text, grid=g)
    y = field(2, g.vertices)
    jacobian = equation.jacobian()
    exact = jacobian.dense(0.0, y).numpy()
    np.testing.assert_allclose(jacobian.sparse(0.0, y).toarray(), exact, atol=1e-12)
    near = (dense(g) != 0).numpy() | np.eye(g.vertices, dtype=bool)
    twice = (near.astype(int) @ near) > 0
    expected = np.block([[near, near], [twice, twice]])
    np.testing.assert_array_equal(jacobian.pattern().toarray(), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_of_the_jacobian_are_expressions_of_the_graph(kind: str) -> None:
    equation, y, v = everything(kind), field(1, N), field(1, N, seed=4)
    block = equation.jacobian().blocks["u", "u"]
    assert not any(getattr(node, "name", "").startswith("d_d") for node in walk(block))
    S = equation.parameter_values()["S"]
    linearised = fs.FieldEquation(
        {"u": block, "delta_u": 0 * fs.Symbols(equation.grid).field("delta_u")},
        grid=equation.grid,
        parameters={name: value for name, value in {"D": 0.3, "S": fs.Spatial(S)}.items() if name in str(block)},
    )
    found = linearised(0.0, torch.cat([y, v]))[:1]
    torch.testing.assert_close(found, equation.jacobian().product(0.0, y, v))


def test_steady_states_are_uniform_where_uniform_states_stay() -> None:
    for kind in KINDS[:2]:
        equation = fs.FieldEquation("du/dt = laplacian(u) + gradient_squared(u) + u - u**3", grid=graph(kind))
        np.testing.assert_allclose(equation.steady_states(starts=12), [[-1.0], [0.0], [1.0]], atol=1e-9)
    regular = fs.FieldEquation("du/dt = laplacian(u) + u - u**3", grid=fs.Graph.cycle(5, laplacian="normalised"))
    assert len(regular.steady_states(starts=12)) == 3
    refused = fs.FieldEquation("du/dt = laplacian(u) + u", grid=graph("normalised"))
    with pytest.raises(fs.EquationError, match="normalised Laplacian does not vanish on uniform states"):
        refused.steady_states()


def test_integrals_count_in_the_bound() -> None:
    equation = fs.FieldEquation("du/dt = laplacian(u) - 0.5*integral(u)", grid=graph("random-walk"))
    values = np.linalg.eigvals(equation.jacobian().dense(0.0, field(1, N)).numpy())
    bound = equation.linear_part().bound
    assert bound.lowest - 1e-9 <= values.real.min()


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_pages_and_fingerprints_tell_the_graph() -> None:
    made = [fs.FieldEquation("du/dt = laplacian(u)", grid=g) for g in (graph(), graph(weights=None), graph(KINDS[1]))]
    assert "on Graph(vertices=6, edges=8, laplacian='combinatorial')" in repr(made[0])
    assert "on Graph(vertices=6, edges=8" in str(fs.explain(made[0]))
    assert "vertices=6, edges=8" in made[0].fingerprint()["grid"]
    prints = [str(equation.fingerprint()) for equation in made]
    assert len(set(prints)) == 3
    assert prints[0] == str(fs.FieldEquation("du/dt = laplacian(u)", grid=graph()).fingerprint())
    assert "∇²u" in made[0].pretty()
    assert "nabla" in made[0].latex()


def test_copies_compute_the_same() -> None:
    equation, y = everything(), field(2, 1, N)
    for other in (copy.deepcopy(equation), pickle.loads(pickle.dumps(equation))):
        assert torch.equal(other(0.0, y), equation(0.0, y))


def test_solutions_become_tables_and_pictures(tmp_path: Path) -> None:
    pytest.importorskip("xarray")
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=graph())
    solution = fs.solve(equation, {"u": field(2, N)}, t_span=(0, 1), save_at=[0.0, 0.5, 1.0])
    table = solution.to_xarray()
    assert table["u"].dims == ("time", "batch", "vertex")
    assert "vertex" not in table.coords
    axes = solution.plot().axes[0]
    assert axes.get_xlabel() == "vertex"
    assert axes.get_xlim() == (-0.5, N - 0.5)
    assert solution.animate(tmp_path / "u.gif").stat().st_size > 0


# -- what is refused ---------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[str, dict[str, Any], type[Exception], str]] = {
    "boundary": ("u", {"boundary": fs.Periodic()}, fs.BoundaryError, "a graph has no walls; drop it"),
    "scheme": ("u", {"scheme": fs.Spectral()}, fs.GridError, r"scheme= was given, but a graph has one Laplacian"),
    "order": ("u", {"space_order": 4}, fs.GridError, r"space_order= was given, but a graph has one Laplacian"),
    "metric": ("u", {"metric": torch.eye(1)}, fs.GridError, r"metric= was given, but a graph has one Laplacian"),
    "mask": ("u", {"mask": torch.ones(N) > 0}, fs.GridError, r"mask= was given, but a graph has one Laplacian"),
    "coordinate": ("x*u", {}, EquationTypeError, "a graph has no coordinate 'x'; give its values at the vertices"),
    "name": ("w*u", {}, UnknownNameError, "unknown name 'w'"),
    "d_dx": ("d_dx(u)", {}, EquationTypeError, "d_dx is not defined on a graph, which has laplacian, diffusion"),
    "d2_dy2": ("d2_dy2(u)", {}, EquationTypeError, "d2_dy2 is not defined on a graph"),
    "gradient": ("dot(gradient(u), gradient(u))", {}, EquationTypeError, "gradient is not defined on a graph"),
    "divergence": ("divergence(gradient(u))", {}, EquationTypeError, "divergence is not defined on a graph"),
    "curl": ("curl(u)", {}, EquationTypeError, "curl is not defined on a graph"),
    "advection": ("advection(u, u)", {}, EquationTypeError, "advection is not defined on a graph"),
    "fractional": ("fractional_laplacian(0.5, u)", {}, EquationTypeError, "fractional_laplacian is not defined on a"),
    "kernel": (
        "convolve(w, u)",
        {"kernels": {"w": fs.Kernel(torch.ones(3), edge="zero")}},
        EquationTypeError,
        "convolve is not defined on a graph",
    ),
    "matrix": (
        "diffusion(K, u)",
        {"parameters": {"K": [[1.0]]}},
        EquationTypeError,
        "diffusion takes a scalar coefficient on a graph, not a matrix",
    ),
    "coloured": (
        "u + coloured_noise(0, 0.1)",
        {"calculus": "ito"},
        EquationTypeError,
        r"needs distances, and a graph has none; write white_noise",
    ),
    "spatial": ("S*u", {"parameters": {"S": fs.Spatial(torch.ones(5))}}, fs.ParameterError, r"shape \(5,\)"),
    "weights missing": (
        "u",
        {"grid": graph(weights="w")},
        fs.ParameterError,
        "takes its weights from 'w', which is not",
    ),
    "weights of another shape": (
        "u",
        {"grid": graph(weights="w"), "parameters": {"w": torch.ones(3)}},
        fs.ParameterError,
        r"one real number per edge, shape \(8,\), got a global parameter of shape \(3,\)",
    ),
    "complex weights": (
        "u",
        {"grid": graph(weights="w"), "parameters": {"w": torch.ones(8) * 1j}},
        fs.ParameterError,
        "got a complex parameter",
    ),
    "weights per sample": (
        "u",
        {"grid": graph(weights="w"), "parameters": {"w": fs.PerSample(torch.ones(2, 8))}},
        fs.ParameterError,
        "got a per sample parameter",
    ),
    "negative weights": (
        "u",
        {"grid": graph(weights="w"), "parameters": {"w": -torch.ones(8)}},
        fs.GridError,
        "weights are finite and not negative",
    ),
    "captured weights": (
        "u",
        {"grid": graph(weights=torch.ones(8, requires_grad=True))},
        fs.GridError,
        r"require gradients, so they are a parameter of the equation; write Graph\(\.\.\., weights='w'\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refusals_say_what_to_write(case: tuple[str, dict[str, Any], type[Exception], str]) -> None:
    text, options, error, sentence = case
    with pytest.raises(error, match=sentence):
        fs.FieldEquation(f"du/dt = {text}", **{"grid": graph(), **options})


def test_words_of_a_grid_are_refused_from_every_front_end() -> None:
    g, line = graph(), fs.Symbols(fs.Grid(6, extent=1.0))
    s = fs.Symbols(g)
    u = s.field("u")
    with pytest.raises(EquationTypeError, match="d_dy is not defined on a graph"):
        s.d_dy(u)
    with pytest.raises(EquationTypeError, match="a graph has no coordinate 'x'"):
        _ = s.x
    for foreign in (line.laplacian(u), line.d_dx(u), line.x * u):
        with pytest.raises(EquationTypeError):
            fs.FieldEquation({u: foreign}, grid=g)


def test_knowledge_of_grids_is_refused() -> None:
    equation = everything()
    with pytest.raises(fs.EquationError, match="a graph has no plane waves"):
        equation.symbol([1.0])
    with pytest.raises(fs.EquationError, match="no coordinates that an exact solution could be an expression of"):
        equation.manufactured({"u": "exp(-t)"})
    with pytest.raises(fs.EquationError, match="couples all points"):
        equation.jacobian().pattern()
    with pytest.raises(fs.GridError, match="needs a grid, with coordinates and distances"):
        equation.layout.required_grid()
    with pytest.raises(fs.GridError, match=r"the weights of this graph are the parameter 'w'"):
        graph(weights="w").laplacian(field(N))


def test_sympy_is_refused() -> None:
    pytest.importorskip("sympy")
    from fieldsolver.equations.views.sympy_view import SympyView

    with pytest.raises(EquationTypeError, match="the operators of a graph are no derivatives"):
        SympyView.of_equation(everything())


def test_limits_of_other_methods_use_the_same_spectrum() -> None:
    from fieldsolver.methods import METHODS

    linear = fs.FieldEquation("du/dt = laplacian(u)", grid=graph()).linear_part()
    lowest = np.linalg.eigvalsh(dense(graph()).numpy()).min()
    assert step_limit(METHODS["euler"], linear).dt == pytest.approx(-2 / lowest)
    assert step_limit(METHODS["euler"], linear).exact
