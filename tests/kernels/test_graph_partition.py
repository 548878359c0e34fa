"""Graph bisections with known minima, and the bounds that are verified."""

from __future__ import annotations

import importlib.util

import networkx as nx
import numpy as np
import pytest
from scipy import sparse

from fieldsolver.errors import MissingDependencyError, OptionError
from fieldsolver.kernels import GraphPartition, graph_partition
from fieldsolver.kernels.graphs.adjacency import weighted_graph
from fieldsolver.kernels.graphs.coarsening import coarsened
from fieldsolver.kernels.graphs.refinement import refined
from fieldsolver.kernels.graphs.spectral import independent_component, slow_modes
from fieldsolver.results import Verdict, VerdictNotReached

MINIMA = [
    ("path", nx.path_graph(64), 1),
    ("cycle", nx.cycle_graph(64), 2),
    ("grid 16 x 16", nx.grid_2d_graph(16, 16), 16),  # a sweep over one vector of the double eigenvalue gives 30
    ("grid 8 x 16", nx.grid_2d_graph(8, 16), 8),
    ("hypercube 6", nx.hypercube_graph(6), 32),  # likewise 52
    ("barbell", nx.barbell_graph(16, 0), 1),
    ("complete 16", nx.complete_graph(16), 64),
    ("grid 40 x 40", nx.grid_2d_graph(40, 40), 40),  # modes of coarse graphs alone give 44
    ("hypercube 8", nx.hypercube_graph(8), 128),  # likewise 140
]


@pytest.mark.parametrize(("name", "graph", "least"), MINIMA, ids=[name for name, *_ in MINIMA])
def test_exact_bisections(name: str, graph: nx.Graph, least: int) -> None:
    result = graph_partition(graph, 2, imbalance=0, method="spectral")
    assert result.status is Verdict.FEASIBLE
    assert result.cut == least
    assert result["size"].values.tolist() == [graph.order() / 2] * 2


@pytest.mark.parametrize(
    ("graph", "second"),
    [
        (nx.path_graph(64), 2 - 2 * np.cos(np.pi / 64)),
        (nx.cycle_graph(64), 2 - 2 * np.cos(2 * np.pi / 64)),
        (nx.hypercube_graph(6), 2.0),
        (nx.complete_graph(16), 16.0),
        (nx.grid_2d_graph(30, 30), 2 - 2 * np.cos(np.pi / 30)),  # by LOBPCG
    ],
)
def test_second_eigenvalues(graph: nx.Graph, second: float) -> None:
    values, _ = slow_modes(weighted_graph(graph), 0)
    assert values[0] == pytest.approx(second, rel=1e-4)


@pytest.mark.parametrize("parts", [1, 3, 4, 7, 16])
def test_many_parts_keep_their_bounds(parts: int) -> None:
    graph = nx.grid_2d_graph(12, 12)
    result = graph_partition(graph, parts, method="spectral")
    sizes = np.bincount(result.assignment, minlength=parts)
    assert sizes.max() <= max(np.floor(1.03 * 144 / parts), np.ceil(144 / parts))
    names = list(graph.nodes)
    edges = sum(result.assignment[names.index(a)] != result.assignment[names.index(b)] for a, b in graph.edges)
    assert result.cut == edges
    assert result.status in (Verdict.FEASIBLE, Verdict.INCONCLUSIVE)


def test_weights_of_edges_and_vertices() -> None:
    edges = [(0, 1, 10.0), (1, 2, 1.0), (2, 3, 10.0), (3, 0, 1.0)]
    assert graph_partition(edges, 2, imbalance=0, method="spectral").cut == 2
    heavy = graph_partition(nx.path_graph(4), 2, sizes=[3.0, 1, 1, 1], imbalance=0, method="spectral")
    assert heavy["size"].values.tolist() == [3.0, 3.0]


def test_every_form_of_a_graph_is_the_same_graph() -> None:
    graph = nx.grid_2d_graph(5, 6)
    names = list(graph.nodes)
    edges = [(names.index(a), names.index(b)) for a, b in graph.edges]
    matrix = nx.to_scipy_sparse_array(graph)
    forms = [graph, edges, matrix, matrix.toarray(), sparse.coo_matrix(matrix)]
    cuts = {graph_partition(form, 2, imbalance=0, method="spectral").cut for form in forms}
    assert cuts == {5.0}


def test_the_seed_decides() -> None:
    graph = nx.random_geometric_graph(300, 0.1, seed=1)
    one, two = (graph_partition(graph, 3, method="spectral", seed=5).assignment for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_independent_components_are_the_coordinates_of_a_hypercube() -> None:
    """Its eigenspace is spanned by d vectors of entries 1 and -1; any mixture of them is as good to a solver."""
    graph = weighted_graph(nx.hypercube_graph(5))
    _, vectors = slow_modes(graph, 0)
    for start in np.random.default_rng(1).normal(size=(10, 5)):
        component = np.sqrt(32) * vectors[:, :5] @ independent_component(vectors[:, :5], start)
        np.testing.assert_allclose(np.abs(component), 1, atol=1e-6)


def test_coarsening_keeps_cuts() -> None:
    graph = weighted_graph(nx.grid_2d_graph(20, 20))
    levels, coarse = coarsened(graph, 0)
    assert coarse.order < 130
    assert coarse.sizes.sum() == 400
    side = np.random.default_rng(0).integers(0, 2, coarse.order)
    fine = side
    for level in reversed(levels):
        fine = fine[level.coarse_vertex]

    def cut(of, sides) -> float:
        matrix = of.matrix().tocoo()
        return matrix.data[sides[matrix.row] != sides[matrix.col]].sum() / 2

    assert cut(coarse, side) == cut(graph, fine)


def test_refinement_never_raises_a_balanced_cut() -> None:
    generator = np.random.default_rng(0)
    graph = weighted_graph(nx.random_regular_graph(4, 60, seed=2))
    matrix = graph.matrix().tocoo()
    for _ in range(20):
        side = generator.permutation(np.repeat([0, 1], 30))
        before = matrix.data[side[matrix.row] != side[matrix.col]].sum() / 2
        after_side, after = refined(graph, side, 30, 30)
        assert after <= before
        assert matrix.data[after_side[matrix.row] != after_side[matrix.col]].sum() / 2 == after
        assert (after_side == 0).sum() == 30


def test_a_part_in_pieces_is_not_called_good() -> None:
    star = nx.star_graph(9)  # every balanced half without the centre falls into single leaves
    result = graph_partition(star, 2, imbalance=0, method="spectral")
    assert result.status is Verdict.INCONCLUSIVE
    assert "fall into pieces" in result.reason


def test_a_bound_that_cannot_be_kept_is_not_found() -> None:
    result = graph_partition(nx.path_graph(3), 2, sizes=[5.0, 5.0, 5.0], imbalance=0, method="spectral")
    assert float(result["largest_allowed"]) == 10  # the mean of 7.5, rounded up to whole vertices
    uneven = graph_partition(nx.path_graph(4), 2, sizes=[7.0, 7.0, 7.0, 1.0], imbalance=0, method="spectral")
    assert uneven.status in (Verdict.NOT_FOUND, Verdict.FEASIBLE)
    if uneven.status is Verdict.NOT_FOUND:
        with pytest.raises(VerdictNotReached, match="raise imbalance"):
            _ = uneven.assignment


def test_a_graph_in_pieces() -> None:
    graph = nx.disjoint_union(nx.complete_graph(6), nx.complete_graph(6))
    result = graph_partition(graph, 2, imbalance=0, method="spectral")
    assert result.cut == 0
    assert result.status is Verdict.FEASIBLE


def test_metis_where_it_is_installed() -> None:
    grid = nx.grid_2d_graph(16, 16)
    if importlib.util.find_spec("pymetis") is None:
        with pytest.raises(MissingDependencyError, match="pip install pymetis"):
            graph_partition(grid, 2, method="metis")
    else:
        assert graph_partition(grid, 2, method="metis").cut == 16


def test_a_result_survives_its_file(tmp_path) -> None:
    result = graph_partition(nx.path_graph(10), 2, method="spectral")
    again = GraphPartition.from_netcdf(result.to_netcdf(tmp_path / "graph.nc"))
    np.testing.assert_array_equal(again.assignment, result.assignment)


@pytest.mark.parametrize(
    ("graph", "options", "words"),
    [
        (np.zeros((0, 0)), {}, "no vertices"),
        (np.array([[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]), {}, "directed"),
        (np.full((4, 4), -1.0), {}, "not negative"),
        (np.zeros((4, 5)), {}, "got an array of shape"),
        ([(0, -1), (1, 2)], {}, "whole numbers"),
        (nx.path_graph(4), {"parts": 5}, "from 1 to the 4 vertices"),
        (nx.path_graph(4), {"imbalance": -1}, "imbalance"),
        (nx.path_graph(4), {"method": "spektral"}, "did you mean 'spectral'"),
        (nx.path_graph(4), {"sizes": [1, 2]}, "4 positive numbers"),
    ],
)
def test_wrong_input_is_one_sentence(graph: object, options: dict, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        graph_partition(graph, **options)
    assert words in str(caught.value)
