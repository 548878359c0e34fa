"""Graph Laplacians against the dense matrix of their definition, closed spectra, and the laws of diffusion."""

from __future__ import annotations

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
import scipy.sparse
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import GridError
from fieldsolver.space import Grid, Neumann, Periodic
from fieldsolver.space.graphs import Graph

KINDS = ("combinatorial", "random-walk", "normalised")
CASES = [(kind, False) for kind in KINDS] + [(kind, True) for kind in KINDS[:2]]
N = 9


def random_edges(directed: bool, *, seed: int = 0) -> np.ndarray:
    """A connected graph of N vertices: a path, which makes vertex 0 a source if directed, and some edges more."""
    pairs = [pair for pair in itertools.combinations(range(N), 2) if pair[1] - pair[0] > 1]
    pairs += [(b, a) for a, b in pairs if directed and a > 0]
    some = np.random.default_rng(seed).permutation(len(pairs))[:11]
    return np.array([(i, i + 1) for i in range(N - 1)] + [pairs[i] for i in some])


def random_weights(edges: np.ndarray, *, seed: int = 1) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(seed).uniform(0.2, 3.0, len(edges)))


def random_graph(kind: str = "combinatorial", directed: bool = False) -> Graph:
    edges = random_edges(directed)
    return Graph(edges, N, random_weights(edges), directed, kind)


def dense(edges: np.ndarray, weights: torch.Tensor, kind: str, directed: bool, vertices: int = N) -> torch.Tensor:
    """The matrix, from its definition."""
    A = torch.zeros(vertices, vertices, dtype=weights.dtype)
    for (source, target), weight in zip(edges.tolist(), weights, strict=True):
        A = A.index_put((torch.tensor(target), torch.tensor(source)), weight)
        if not directed:
            A = A.index_put((torch.tensor(source), torch.tensor(target)), weight)
    d = A.sum(1)
    unit = torch.where(d > 0, d, 1.0)
    if kind == "combinatorial":
        return A - torch.diag(d)
    if kind == "random-walk":
        return A / unit[:, None] - torch.diag((d > 0).to(d))
    return A / (unit[:, None] * unit).sqrt() - torch.eye(vertices, dtype=A.dtype)


def field(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 5) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


# Values and gradients


@pytest.mark.parametrize(("kind", "directed"), CASES)
def test_the_dense_matrix_gives_the_same_values_and_gradients(kind, directed):
    """In the field and in the weights, to the second derivative."""
    edges = random_edges(directed)
    results = []
    for sparse in (True, False):
        weights, u = random_weights(edges).requires_grad_(), field(3, 2, N).requires_grad_()
        if sparse:
            out = Graph(edges, N, weights, directed, kind).laplacian(u)
        else:
            out = u @ dense(edges, weights, kind, directed).T
        first = torch.autograd.grad((out**3).sum(), (u, weights), create_graph=True)
        second = torch.autograd.grad((first[0] ** 2).sum() + (first[1] ** 2).sum(), (u, weights))
        results.append((out, *first, *second))
    for fast, naive in zip(*results, strict=True):
        torch.testing.assert_close(fast, naive, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize(("kind", "directed"), CASES)
def test_gradcheck_in_both_modes(kind, directed):
    edges = random_edges(directed)

    def both(u, weights):
        graph = Graph(edges, N, directed=directed, laplacian=kind).with_weights(weights)
        return graph.laplacian(u), graph.diffusion(1 + u**2, u)

    inputs = (field(2, N).requires_grad_(), random_weights(edges).requires_grad_())
    assert torch.autograd.gradcheck(both, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(both, inputs)


@pytest.mark.parametrize(("kind", "directed"), CASES)
def test_fixed_and_trainable_weights_agree(kind, directed):
    fixed, u = random_graph(kind, directed), field(2, N)
    trained = Graph(fixed.edges, N, fixed.weights.clone().requires_grad_(), directed, kind)
    torch.testing.assert_close(fixed.laplacian(u), trained.laplacian(u))
    torch.testing.assert_close(fixed.diffusion(u.exp(), u), trained.diffusion(u.exp(), u))
    with torch.no_grad():
        trained.weights.mul_(2)  # what an optimiser does is seen
    scale = 2 if kind == "combinatorial" else 1
    torch.testing.assert_close(scale * fixed.laplacian(u), trained.laplacian(u))


@pytest.mark.parametrize(("kind", "directed"), CASES)
def test_the_matrix_is_the_operator(kind, directed):
    graph, u = random_graph(kind, directed), field(N)
    matrix = graph.matrix()
    assert scipy.sparse.issparse(matrix)
    assert matrix.format == "csr"
    naive = dense(graph.edges.numpy(), graph.weights, kind, directed)
    np.testing.assert_allclose(matrix.toarray(), naive, rtol=0, atol=1e-14)
    np.testing.assert_allclose(graph.laplacian(u), matrix @ u.numpy(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
def test_dtypes_axes_and_devices(dtype, trainable, device):
    graph = random_graph("normalised")
    naive = torch.as_tensor(graph.matrix().toarray(), device=device)
    if trainable:
        graph = Graph(graph.edges, N, graph.weights.to(device).requires_grad_(), laplacian="normalised")
    u = field(2, N, 3, dtype=dtype).to(device)
    out = graph.laplacian(u, dim=-2)
    assert (out.dtype, out.device, out.shape) == (u.dtype, u.device, u.shape)
    torch.testing.assert_close(out, torch.einsum("ij,bjc->bic", naive.to(dtype), u))
    one = torch.ones(N, dtype=u.real.dtype, device=device)
    torch.testing.assert_close(graph.diffusion(one, u, dim=-2), out)
    assert graph.gradient(u, dim=-2).shape == (2, len(graph.edges), 3)


def test_half_precision_is_close(device):
    graph, u = random_graph(), field(4, N).to(device)
    out = graph.laplacian(u.bfloat16())
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.double(), graph.laplacian(u), rtol=0.1, atol=0.3)


def test_function_transforms():
    """vmap over fields, weights and both; forward over reverse; and what was kept meanwhile serves afterwards."""
    edges = random_edges(False)
    graph, weights, u = Graph(edges, N, laplacian="random-walk"), field(4, len(edges)).exp(), field(4, 2, N)
    energy = lambda w, u: (graph.with_weights(w).laplacian(u) ** 2).sum()  # noqa: E731 - a formula
    naive = lambda w, u: ((u @ dense(edges, w, "random-walk", False).T) ** 2).sum()  # noqa: E731 - a formula
    for dims in ((0, 0), (0, None), (None, 0)):
        arguments = [value if dim == 0 else value[0] for value, dim in zip((weights, u), dims, strict=True)]
        fast = torch.func.vmap(torch.func.grad(energy, argnums=(0, 1)), dims)(*arguments)
        for index in range(4):
            own = [value[index] if dim == 0 else value for value, dim in zip(arguments, dims, strict=True)]
            expected = torch.func.grad(naive, argnums=(0, 1))(*own)
            torch.testing.assert_close([g[index] for g in fast], list(expected))
    hessian = torch.func.hessian(energy)(weights[0], u[0])
    torch.testing.assert_close(hessian, torch.func.hessian(naive)(weights[0], u[0]))
    with torch.inference_mode():
        fresh = Graph(edges, N, laplacian="random-walk")
        fresh.laplacian(u)
    v = u.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: fresh.laplacian(fresh.diffusion(v.exp(), v)), v)


def test_compiled_whole():
    graph, u = random_graph("random-walk"), field(3, N)
    compiled = torch.compile(
        lambda u: graph.laplacian(u) + graph.diffusion(u.exp(), u), backend="aot_eager", fullgraph=True
    )
    torch.testing.assert_close(compiled(u), graph.laplacian(u) + graph.diffusion(u.exp(), u))


@pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node")  # torch, of any captured tensor
def test_traced_whole_and_on_a_device_that_is_not_here():
    graph, u = random_graph("random-walk"), field(3, N)
    out, push = torch.func.linearize(graph.laplacian, u)
    torch.testing.assert_close(push(u), out)
    with FakeTensorMode(allow_non_fake_inputs=True):
        out = graph.laplacian(torch.empty(2, N, device="cuda"))
        assert (out.device.type, out.dtype) == ("cuda", torch.float32)


# The continuous counterpart


def field_equation(grid: Grid, periodic: tuple[str, ...], rate: str = "laplacian(u)") -> FieldEquation:
    boundary = {name: Periodic() if name in periodic else Neumann(0) for name in grid.axes}
    return FieldEquation(f"du/dt = {rate}", grid=grid, boundary=boundary)


@pytest.mark.parametrize(
    ("grid", "periodic"),
    [
        (Grid(7, extent=1.3), ()),
        (Grid(7, extent=1.3), ("x",)),
        (Grid((5, 4), extent=(1.0, 0.7)), ("y",)),
        (Grid((4, 3, 5), extent=(1.0, 0.7, 2.0)), ("x", "z")),
        (Grid((5, 4), extent=1.0, centring="node", periodic=("x", "y")), ("x", "y")),
    ],
)
def test_the_laplacian_of_a_grid_graph_is_that_of_the_grid(grid, periodic):
    u = field(3, 1, *grid.shape)
    out = Graph.from_grid(grid, periodic=periodic).laplacian(u.flatten(2)).reshape(u.shape)
    torch.testing.assert_close(out, field_equation(grid, periodic)(0.0, u), rtol=1e-12, atol=1e-11)


def test_diffusion_on_a_grid_graph_is_that_of_the_grid():
    grid = Grid((5, 4), extent=(1.0, 0.7))
    u = field(3, 1, *grid.shape)
    out = Graph.from_grid(grid).diffusion((1 + u**2).flatten(2), u.flatten(2)).reshape(u.shape)
    expected = field_equation(grid, (), "diffusion(1 + u**2, u)")(0.0, u)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-11)


# Spectra in closed form


def test_spectra_of_path_cycle_and_complete_graph():
    n = 12
    k = np.arange(n)
    falling = lambda values: np.sort(values)[::-1]  # noqa: E731 - a formula
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)  # noqa: E731 - a formula
    close(Graph.path(n).eigenvalues(), falling(-4 * np.sin(np.pi * k / (2 * n)) ** 2))
    close(Graph.cycle(n).eigenvalues(), falling(-4 * np.sin(np.pi * k / n) ** 2))
    close(Graph.cycle(n, laplacian="normalised").eigenvalues(), falling(-2 * np.sin(np.pi * k / n) ** 2))
    # A path's walk turns back at its ends: 1 - cos(pi k / (n - 1)), F. Chung, Spectral Graph Theory, example 1.4.
    close(Graph.path(n, laplacian="random-walk").eigenvalues(), falling(np.cos(np.pi * k / (n - 1)) - 1))
    complete = list(itertools.combinations(range(n), 2))
    close(Graph(complete, n).eigenvalues(), [0.0] + [-float(n)] * (n - 1))
    close(Graph(complete, n, laplacian="random-walk").eigenvalues(), [0.0] + [-n / (n - 1)] * (n - 1))
    close(Graph.causal(5, 2).eigenvalues().real, [0, -1, -2, -2, -2])  # triangular


def test_spectra_of_large_graphs_are_complete():
    """Lanczos iterations miss no copy of a multiple eigenvalue, nor zeros of separate components."""
    n, k = 1600, np.array([0, 1, 1, 2, 2, 3, 3])
    exact = -4 * np.sin(np.pi * k / n) ** 2
    np.testing.assert_allclose(Graph.cycle(n).eigenvalues(7), exact, rtol=0, atol=1e-13)
    paths = np.concatenate([Graph.path(200).edges.numpy() + 200 * i for i in range(8)])
    values = Graph(paths, n, laplacian="random-walk").eigenvalues(10)
    exact = [0.0] * 8 + [math.cos(math.pi / 199) - 1] * 2
    np.testing.assert_allclose(values, exact, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_zero_eigenvalues_as_components(kind):
    triangle = np.array([(0, 1), (1, 2), (2, 0)])
    edges = np.concatenate([triangle, triangle + 3, triangle + 6])
    values = Graph(edges, 9, random_weights(edges), laplacian=kind).eigenvalues()
    assert (values.abs() < 1e-14).sum() == 3
    if kind == "combinatorial":  # isolated vertices are components too
        assert (Graph(triangle, 6).eigenvalues().abs() < 1e-14).sum() == 4


@pytest.mark.parametrize(("kind", "directed"), CASES)
@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold(kind, directed, seed):
    edges = random_edges(directed, seed=seed)
    graph = Graph(edges, N, random_weights(edges, seed=seed), directed, kind)
    lowest, highest = graph.bound()
    values = graph.eigenvalues()
    real = values.real if directed else values
    assert lowest - 1e-12 <= real.min()
    assert real.max() <= highest + 1e-12
    assert real.diff().max() < 1e-12  # falling
    torch.testing.assert_close(graph.eigenvalues(3), values[:3])


def test_bounds_that_are_attained():
    assert Graph.cycle(8).bound() == (-4.0, 0.0)
    assert Graph.cycle(8, laplacian="random-walk").eigenvalues()[-1] == pytest.approx(-2)
    star = Graph([(0, i) for i in range(1, 6)], 6)
    assert star.eigenvalues()[-1].item() == pytest.approx(star.bound()[0]) == -6.0
    assert Graph([], 3).bound() == (0.0, 0.0)


# Laws of diffusion


@pytest.mark.parametrize("kind", KINDS)
def test_self_adjoint_and_not_positive(kind):
    graph, u, v = random_graph(kind), field(N, seed=1), field(N, seed=2)
    weight = graph.weights_of_vertices
    torch.testing.assert_close(weight @ (v * graph.laplacian(u)), weight @ (u * graph.laplacian(v)))
    assert weight @ (u * graph.laplacian(u)) < 0
    expected = graph.degrees if kind == "random-walk" else torch.ones(N).double()
    assert torch.equal(weight, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_conserved_and_what_stays_at_rest(kind):
    graph, u = random_graph(kind), field(N)
    d, one = graph.degrees, torch.ones(N).double()
    conserved, rest = {
        "combinatorial": (one, one),
        "random-walk": (d, one),
        "normalised": (d.sqrt(), d.sqrt()),
    }[kind]
    for rate in (graph.laplacian(u), graph.diffusion(u.exp(), u)):
        assert abs(conserved @ rate) < 1e-13
        assert rate.abs().max() > 0.1
    assert graph.laplacian(rest).abs().max() < 1e-14
    assert graph.diffusion(u.exp(), rest).abs().max() < 1e-14


@pytest.mark.parametrize("kind", ["combinatorial", "random-walk"])
def test_directed_graphs_keep_constants_and_their_sources(kind):
    graph = random_graph(kind, directed=True)
    assert graph.laplacian(torch.ones(N).double()).abs().max() < 1e-14
    out = graph.laplacian(field(N))
    assert graph.degrees[0] == 0
    assert out[0] == 0
    assert torch.equal(graph.weights_of_vertices, torch.ones(N).double())


def test_direction_of_an_edge():
    """(0, 1): vertex 1 hears vertex 0."""
    graph = Graph([(0, 1)], 2, [3.0], directed=True)
    assert graph.laplacian(torch.tensor([1.0, 2.0])).tolist() == [0.0, -3.0]


@pytest.mark.parametrize("directed", [False, True])
def test_gradient_and_divergence(directed):
    graph, u, flux = random_graph(directed=directed), field(2, N), field(2, len(random_edges(directed)))
    source, target = graph.edges.T
    torch.testing.assert_close(graph.gradient(u), u[:, target] - u[:, source])
    adjoint = -(flux * graph.gradient(u)).sum()
    torch.testing.assert_close((graph.divergence(flux) * u).sum(), adjoint)
    assert graph.divergence(flux).sum(-1).abs().max() < 1e-14
    composed = graph.divergence(graph.weights * graph.gradient(u))
    if directed:
        assert (composed - graph.laplacian(u)).abs().max() > 0.1
    else:
        torch.testing.assert_close(composed, graph.laplacian(u))


@pytest.mark.parametrize(("kind", "directed"), CASES)
def test_diffusion_from_its_definition(kind, directed):
    """Weights times the mean coefficient: ``d_i^-a sum_j w_ij (D_i + D_j)/2 (v_j - v_i)`` with ``v = d^-b u``."""
    edges = random_edges(directed)
    weights, u = random_weights(edges), field(N)
    coefficient = field(N, seed=6).exp()
    middle = (coefficient[edges[:, 0]] + coefficient[edges[:, 1]]) / 2
    inner = dense(edges, weights * middle, "combinatorial", directed)
    d = dense(edges, weights, "combinatorial", directed).diagonal().neg()
    d = torch.where(d > 0, d, 1.0)
    expected = {
        "combinatorial": inner @ u,
        "random-walk": inner @ u / d,
        "normalised": (inner @ (u / d.sqrt())) / d.sqrt(),
    }[kind]
    graph = Graph(edges, N, weights, directed, kind)
    torch.testing.assert_close(graph.diffusion(coefficient, u), expected)
    torch.testing.assert_close(graph.diffusion(torch.full((N,), 0.7).double(), u), 0.7 * graph.laplacian(u))
    u2 = torch.stack([u, 2 * u])  # a coefficient and a field per sample, along another axis
    both = torch.stack([coefficient, 3 * coefficient])
    out = graph.diffusion(both.T, u2.T, dim=-2)
    torch.testing.assert_close(out, torch.stack([expected, 6 * expected], dim=1))


@pytest.mark.parametrize("kind", ["combinatorial", "random-walk"])
def test_a_causal_graph_never_hears_the_future(kind):
    n, window = 12, 3
    graph, u = Graph.causal(n, window, laplacian=kind), field(n)
    for operator in (graph.laplacian, lambda u: graph.diffusion(1 + u**2, u)):
        jacobian = torch.func.jacrev(operator)(u)
        lag = torch.arange(n)[:, None] - torch.arange(n)
        assert torch.equal(jacobian != 0, (lag >= 0) & (lag <= window) & (torch.arange(n) > 0)[:, None])
        poisoned = u.clone()
        poisoned[7:] = torch.nan
        assert torch.equal(operator(poisoned)[:7], operator(u)[:7])
    assert graph.laplacian(u)[0] == 0
    mean = (u[2] + u[3] + u[4]) / (3 if kind == "random-walk" else 1)
    torch.testing.assert_close(graph.laplacian(u)[5], mean - u[5] * (1 if kind == "random-walk" else 3))


def test_a_window_longer_than_the_past():
    edges = Graph.causal(4, 100).edges.tolist()
    assert edges == [[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]]


# Other constructors


def test_nearest_neighbours_by_brute_force():
    points = np.random.default_rng(0).random((40, 3))
    distance = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distance, np.inf)
    near = np.argsort(distance, axis=1)[:, :4]
    expected = {tuple(sorted((i, int(j)))) for i in range(40) for j in near[i]}
    graph = Graph.nearest_neighbours(torch.as_tensor(points), 4, length_scale=0.2)
    assert {tuple(edge) for edge in graph.edges.tolist()} == expected
    source, target = graph.edges.numpy().T
    np.testing.assert_allclose(graph.weights, np.exp(-((distance[source, target] / 0.2) ** 2) / 2))
    assert Graph.nearest_neighbours(points, 4).weights.unique().tolist() == [1]
    coinciding = Graph.nearest_neighbours(np.zeros((6, 2)), 2)
    assert coinciding.degrees.min() >= 2


@pytest.mark.parametrize("make", [scipy.sparse.coo_array, scipy.sparse.csr_matrix, "torch coo", "torch csr"])
@pytest.mark.parametrize("directed", [False, True])
def test_sparse_matrices(make, directed):
    graph = random_graph(directed=directed)
    adjacency = graph.matrix().toarray() + np.diag(graph.degrees)
    if isinstance(make, str):
        matrix = torch.as_tensor(adjacency).to_sparse()
        matrix = matrix.to_sparse_csr() if make.endswith("csr") else matrix
    else:
        matrix = make(adjacency)
    again = Graph.from_sparse(matrix, directed=directed)
    assert len(again.edges) == len(graph.edges)
    np.testing.assert_allclose(again.matrix().toarray(), graph.matrix().toarray(), rtol=0, atol=1e-14)


def test_entries_of_a_sparse_matrix_at_one_place_add_up_and_zeros_are_no_edges():
    matrix = scipy.sparse.coo_array(([1.0, 2.0, 3.0, 0.0], ([0, 0, 1, 2], [1, 1, 0, 1])), (3, 3))
    graph = Graph.from_sparse(matrix)
    assert graph.edges.tolist() == [[0, 1]]
    assert graph.weights.tolist() == [3.0]


# What a graph is


def test_shape_representation_and_equality():
    graph = Graph([(0, 1), (1, 2)], 4)
    assert (graph.shape, graph.size, graph.vertices) == ((4,), 4, 4)
    assert repr(graph) == "Graph(vertices=4, edges=2, laplacian='combinatorial')"
    assert repr(Graph.causal(3, 1)) == "Graph(vertices=3, edges=2, laplacian='combinatorial', directed=True)"
    same = Graph(torch.tensor([[0, 1], [1, 2]]), 4, [1, 1])
    assert graph == same == pickle.loads(pickle.dumps(graph)) == copy.deepcopy(graph)
    assert hash(graph) == hash(same)
    others = [Graph([(0, 1), (1, 2)], 5), Graph([(0, 1), (1, 3)], 4), Graph(graph.edges, 4, [1, 2]),
              Graph(graph.edges, 4, directed=True), Graph.path(3, laplacian="random-walk"), "graph"]  # fmt: skip
    assert all(graph != other for other in others)
    trained = torch.ones(2).requires_grad_()
    assert Graph(graph.edges, 4, trained) == Graph(graph.edges, 4, trained) != graph
    assert Graph(graph.edges, 4, trained) != Graph(graph.edges, 4, trained.detach().clone().requires_grad_())


def test_what_the_user_does_to_their_arrays_later_is_not_seen():
    edges, weights, u = np.array([(0, 1), (1, 2)]), torch.ones(2).double(), field(3)
    graph = Graph(edges, 3, weights)
    before = graph.laplacian(u)
    edges[:] = 0
    weights[:] = 7
    graph.edges[:] = 0
    assert torch.equal(graph.laplacian(u), before)
    assert graph == Graph.path(3)


# What cannot be

E = [(0, 1), (1, 2)]
UNSYMMETRIC = scipy.sparse.coo_array(([1.0, 2.0], ([0, 1], [1, 0])), (2, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Graph(E, 2), r"edge \(1, 2\) leaves the vertices 0 \.\. 1; give vertices=N"),
        (lambda: Graph([(0, -1)], 2), r"edge \(0, -1\) leaves"),
        (lambda: Graph([(0, 1), (1, 0)], 2), r"edge \(1, 0\) is given twice; list an undirected edge once"),
        (lambda: Graph([(0, 1), (0, 1)], 2, directed=True), r"edge \(0, 1\) is given twice; to add weights up"),
        (lambda: Graph([(1, 1)], 2), r"edge \(1, 1\) is a self-loop, whose difference is always zero; drop it"),
        (lambda: Graph([(0, 1, 2)], 3), r"an array \(E, 2\), got the shape \(1, 3\)"),
        (lambda: Graph(torch.zeros(2, 5, dtype=torch.long), 3), r"got the shape \(2, 5\); transpose it"),
        (lambda: Graph([(0, 1), (2,)], 3), "rows of several lengths"),
        (lambda: Graph([(0.0, 1.0)], 3), "pairs of integers, .* got the dtype float64"),
        (lambda: Graph(E, 3.0), "vertices is an integer of at least 1, got vertices=3.0"),
        (lambda: Graph(E, True), "vertices is an integer"),
        (lambda: Graph(E, 3, [1, math.nan]), "weights are finite and not negative, got nan for edge 1"),
        (lambda: Graph(E, 3, [-0.5, 1]), "not negative, got -0.5 for edge 0"),
        (lambda: Graph(E, 3, [1.0]), r"one number per edge, shape \(2,\), got \(1,\)"),
        (lambda: Graph(E, 3, 2.0), r"shape \(2,\), got \(\)"),
        (lambda: Graph(E, 3, ["a", "b"]), "one number per edge, got list that torch cannot read"),
        (lambda: Graph(E, 3, [1j, 1]), "weights are real numbers, got the dtype torch.complex"),
        (lambda: Graph(E, 3).with_weights(torch.ones(3)), r"shape \(2,\), got \(3,\)"),
        (lambda: Graph(E, 3, laplacian="normalized"), "got 'normalized'; did you mean 'normalised'"),
        (lambda: Graph(E, 3, directed=True, laplacian="normalised"), "which a directed graph does not have; write"),
        (lambda: Graph(E, 4, laplacian="random-walk"), r"vertex 3 has no neighbours \(degree 0\), and the random-walk"),
        (lambda: Graph(E, 4, laplacian="normalised"), "vertex 3 has no neighbours .* write laplacian='combinatorial'"),
        (lambda: Graph(E, 3, [0, 1], laplacian="normalised"), "vertex 0 has no neighbours"),
        (lambda: Graph(E, 4, directed=True, laplacian="random-walk"), "vertex 3 has no neighbours"),
        (lambda: Graph.path(1), "n is an integer of at least 2, got n=1"),
        (lambda: Graph.cycle(2), "n is an integer of at least 3, got n=2"),
        (lambda: Graph.causal(4, 0), "window is an integer of at least 1, got window=0"),
        (lambda: Graph.nearest_neighbours(np.zeros((3, 2)), 3), "k=3 neighbours need more than 3 points, got 3"),
        (lambda: Graph.nearest_neighbours(np.zeros(3), 1), r"shape \(N, d\), got the shape \(3,\)"),
        (lambda: Graph.nearest_neighbours(np.full((3, 1), np.nan), 1), "points are finite coordinates"),
        (lambda: Graph.nearest_neighbours(np.eye(3), 1, length_scale=0), "length_scale is a positive length"),
        (lambda: Graph.from_sparse(UNSYMMETRIC), r"got A\[0, 1\] = 1 and A\[1, 0\] = 2; make it symmetric"),
        (lambda: Graph.from_sparse(np.eye(2)), "takes a SciPy or torch sparse matrix, got ndarray"),
        (lambda: Graph.from_sparse(scipy.sparse.coo_array((2, 3))), r"is square, \(N, N\), got the shape \(2, 3\)"),
        (lambda: Graph.from_sparse(scipy.sparse.eye_array(2)), "is a self-loop"),
        (lambda: Graph.from_sparse(torch.eye(2).to_sparse().requires_grad_()), r"given as Graph\(edges, N, weights="),
        (lambda: Graph.from_grid(Grid(4, extent=1, centring="node")), "axis 'x' has nodes on its walls"),
        (lambda: Graph.from_grid(Grid(2, extent=1), periodic=("x",)), "the periodic axis 'x' has 2 points"),
        (lambda: Graph.from_grid(Grid(3, extent=1, nodes={"x": [0.1, 0.5, 0.6]})), "but 'x' has nodes=; drop it"),
        (lambda: Graph.from_grid(Grid(4, extent=1), periodic=("y",)), "periodic names the axis 'y'"),
        (lambda: Graph.path(3).eigenvalues(4), "a graph of 3 vertices has as many eigenvalues, got k=4"),
        (lambda: Graph.path(3).laplacian(torch.ones(4)), r"has 3 values along dim=-1, got the shape \(4,\)"),
        (lambda: Graph.path(3).laplacian(torch.ones(3), dim=0), "name the axis from the end, such as dim=-1"),
        (lambda: Graph.path(3).laplacian(torch.ones(3), dim=-2), "has 3 values along dim=-2"),
        (lambda: Graph.path(3).divergence(torch.ones(3)), "an edge field on this graph has 2 values"),
        (lambda: Graph.path(3).diffusion(torch.ones(2), torch.ones(3)), "has 3 values along dim=-1"),
        (
            lambda: Graph(E, 3, torch.ones(2).requires_grad_()).laplacian(torch.ones(3, device="meta")),
            "the field is on meta but the graph's weights are on cpu; move one of them",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(make, message):
    with pytest.raises(GridError, match=message) as refusal:
        make()
    assert "\n" not in str(refusal.value)
