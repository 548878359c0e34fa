"""Faults that users of graph partitions met, each with the input that showed it."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import types
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from fieldsolver.kernels import graph_partition
from fieldsolver.kernels.graphs import metis
from fieldsolver.kernels.graphs.adjacency import weighted_graph
from fieldsolver.kernels.graphs.balance import largest_allowed
from fieldsolver.kernels.graphs.packing import pairs_refined, without_empty_parts
from fieldsolver.kernels.graphs.refinement import refined
from fieldsolver.results import Verdict, VerdictNotReached

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode has no package of tests
from naive_refinement import naive_refined

SQUARE = [(0, 1), (1, 2), (2, 3), (3, 0)]


def test_components_that_fit_are_found() -> None:
    """Sizes 5 + 3 + 2 = 10: bisection along an eigenvector does not see that they fill two parts of 5."""
    pieces = nx.disjoint_union_all([nx.path_graph(size) for size in (5, 3, 2)])
    result = graph_partition(pieces, 2, imbalance=0, method="spectral")
    assert (result.status, result.cut) == (Verdict.FEASIBLE, 0)
    assert "no smaller cut is possible" in result.reason
    three = nx.disjoint_union_all([nx.complete_graph(size) for size in (6, 5, 4, 4, 3, 2)])
    assert graph_partition(three, 3, imbalance=0, method="spectral").cut == 0  # 6 + 2, 5 + 3, 4 + 4


@pytest.mark.parametrize("method", ["spectral", "auto"])
def test_sizes_that_can_be_balanced_are(method: str) -> None:
    """Whatever the graph is: found whenever brute force finds one, denied only where there is none."""
    generator = np.random.default_rng(0)
    for case in range(60):
        order = int(generator.integers(2, 8))
        parts = int(generator.integers(1, min(order, 4) + 1))
        sizes = generator.integers(1, 12, order) if case % 3 else generator.random(order)
        graph = nx.gnp_random_graph(order, 0.4, seed=case)
        result = graph_partition(graph, parts, sizes=sizes, imbalance=0.1 * (case % 2), method=method)
        allowed = float(result["largest_allowed"]) * (1 + 1e-12)
        possible = any(
            len(set(one)) == parts and np.bincount(one, weights=sizes).max() <= allowed
            for one in itertools.product(range(parts), repeat=order)
        )
        assert (result.status is not Verdict.NOT_FOUND) is possible
        if possible:
            assert np.bincount(result.assignment, weights=sizes).max() <= allowed
            assert len(set(result.assignment)) == parts


def test_what_was_not_found_has_no_values() -> None:
    result = graph_partition(nx.path_graph(5), 2, sizes=[5, 4, 4, 4, 3], imbalance=0, method="spectral")
    assert result.status is Verdict.NOT_FOUND  # 20 in all, and no subset of sum 10
    for name in ("assignment", "cut"):
        with pytest.raises(VerdictNotReached, match="raise imbalance"):
            getattr(result, name)
    assert (result["assignment"].values == -1).all()
    assert (result["connected"].values == -1).all()
    for name in ("cut", "size", "imbalance"):
        assert np.isnan(result[name].values).all()


def test_one_large_vertex_does_not_loosen_the_balance() -> None:
    """22 in all: the bound was two largest vertices, 20, and parts of 12 and 10 passed though 11 and 11 exist."""
    for graph in (nx.path_graph(13), nx.star_graph(12)):
        result = graph_partition(graph, 2, sizes=[10] + [1] * 12, imbalance=0, method="spectral")
        assert float(result["largest_allowed"]) == 11
        assert result["size"].values.tolist() == [11, 11]


@pytest.mark.parametrize(
    ("sizes", "parts", "imbalance", "allowed"),
    [
        ([1] * 5, 2, 0.0, 3),  # 2.5, rounded up to a whole vertex
        ([0.1] * 3, 2, 0.0, 0.2),  # also where a vertex is no integer
        ([6, 4, 4, 4], 2, 0.0, 10),  # 9, rounded up to an even number
        ([1] * 256, 2, 0.03, 131),  # 131.84: what is left of a vertex fits nowhere
        ([1] * 20, 2, 0.3, 13),  # 0.3 is a little less than 3 / 10
        ([0.5, 0.25, 0.25], 2, 0.0, 0.5),
        ([2.0**-1074, 1.0, 1.0], 2, 0.0, 1.0),
        ([3, 4], 2, float("inf"), 7),
    ],
)
def test_how_much_a_part_may_hold(sizes: list, parts: int, imbalance: float, allowed: float) -> None:
    assert largest_allowed(np.array(sizes, dtype=float), parts, imbalance) == allowed


def test_a_balance_that_no_parts_keep_is_loosened_aloud() -> None:
    result = graph_partition(nx.path_graph(3), 2, sizes=[10, 9, 9], imbalance=0, method="spectral")
    assert (result.status, float(result["largest_allowed"])) == (Verdict.FEASIBLE, 20)
    assert result.reason.startswith("no parts hold at most 14 each, so 20 is allowed")


def test_no_part_is_left_empty() -> None:
    for imbalance in (0.0, 3.0, float("inf")):
        result = graph_partition(SQUARE, 3, imbalance=imbalance, method="spectral")
        assert sorted(result["size"].values) == [1, 1, 2]
    graph = weighted_graph(nx.star_graph(4))
    filled = without_empty_parts(graph, np.zeros(5, dtype=np.int64), 3)
    assert filled[0] == 0  # the centre would cost four edges
    assert sorted(np.bincount(filled)) == [1, 1, 3]


def test_pairs_of_parts_exchange_vertices() -> None:
    graph = weighted_graph(nx.path_graph(12))
    mixed = np.arange(12) % 3
    sorted_out = pairs_refined(graph, mixed, 3, 4.0)
    assert np.bincount(sorted_out).max() <= 4
    assert graph.cut(sorted_out) < graph.cut(mixed) / 2


def test_the_unit_of_sizes_and_weights_does_not_matter() -> None:
    """Tolerances of the refinement were absolute: weights below 1e-12 were never improved."""
    matrix = nx.to_numpy_array(nx.random_geometric_graph(60, 0.25, seed=3))
    sizes = np.random.default_rng(0).integers(1, 9, 60).astype(float)
    for method in ("spectral", "metis"):
        if method == "metis" and importlib.util.find_spec("pymetis") is None:
            continue
        plain = graph_partition(matrix, 2, sizes=sizes, method=method)
        for unit in (2.0**-70, 2.0**70):
            scaled = graph_partition(unit * matrix, 2, sizes=unit * sizes, method=method, imbalance=0.03)
            assert scaled.cut <= unit * plain.cut * 1.35
            assert scaled.status is Verdict.FEASIBLE
    assert graph_partition(np.full((4, 4), 5e-324), 2, method="spectral").cut == 4 * 5e-324


SIZES = [
    lambda generator, count: np.ones(count),
    lambda generator, count: generator.integers(1, 5, count).astype(float),
    lambda generator, count: generator.integers(1, 10**6, count).astype(float),
]


@pytest.mark.parametrize("draw", SIZES)
@pytest.mark.parametrize("seed", range(8))
def test_refinement_makes_the_moves_of_its_specification(seed: int, draw) -> None:
    """A look at all vertices per move was slow at 5000; the tournaments choose the same ones."""
    generator = np.random.default_rng(seed)
    plain = nx.gnp_random_graph(30, 0.15, seed=seed)
    for one, two in plain.edges:
        plain[one][two]["weight"] = int(generator.integers(1, 6))
    graph = weighted_graph(plain, draw(generator, 30))
    total = float(graph.sizes.sum())
    for share, slack in ((0.5, 0.0), (0.3, 0.05)):
        low, high = np.floor((share - slack) * total), np.ceil((share + slack) * total)
        side = generator.integers(0, 2, 30)
        expected, least = naive_refined(graph, side, low, high)
        found, cut = refined(graph, side, low, high)
        np.testing.assert_array_equal(found, expected)
        assert cut == least == graph.cut(found)


def test_metis_gives_the_exact_bisections() -> None:
    pytest.importorskip("pymetis")
    graphs = ((nx.path_graph(64), 1), (nx.cycle_graph(64), 2), (nx.grid_2d_graph(16, 16), 16),
              (nx.grid_2d_graph(8, 16), 8), (nx.hypercube_graph(6), 32), (nx.barbell_graph(16, 0), 1),
              (nx.complete_graph(16), 64))  # fmt: skip
    for graph, least in graphs:
        result = graph_partition(graph, 2, imbalance=0, method="metis")
        assert (result.status, result.cut, result.dataset.attrs["method"]) == (Verdict.FEASIBLE, least, "metis")


def test_metis_of_awkward_graphs() -> None:
    pytest.importorskip("pymetis")
    assert graph_partition(np.zeros((6, 6)), 3, method="metis").cut == 0
    assert graph_partition(nx.path_graph(3), 1, method="metis").cut == 0
    assert graph_partition(nx.complete_graph(5), 5, method="metis").cut == 10
    assert graph_partition(nx.path_graph(4), 2, sizes=[7.5, 7.5, 7.5, 1.0], method="metis")["size"].values.max() <= 15
    heavy = np.random.default_rng(0).random(3000) + 0.5  # 3000 vertices of about 10**6 each would overflow 32 bits
    many = graph_partition(nx.path_graph(3000), 4, sizes=heavy, method="metis")
    assert many.status in (Verdict.FEASIBLE, Verdict.INCONCLUSIVE)
    assert many.cut <= 12


def test_what_metis_is_given_adds_up_in_32_bits() -> None:
    for values in (
        np.random.default_rng(0).random(5000),
        np.full(5000, 10.0**6),
        np.full(3, 1e300),
        np.full(3, 1e-300),
    ):
        scaled = metis._integers(values)
        assert scaled.min() >= 1
        assert scaled.sum() <= 2**30
        np.testing.assert_allclose(scaled / scaled.max(), values / values.max(), atol=1e-4)
    np.testing.assert_array_equal(metis._integers(np.array([1.0, 7, 3])), [1, 7, 3])
    assert len(metis._integers(np.zeros(0))) == 0


class Module(types.ModuleType):
    """A `pymetis` whose answer is given."""

    def __init__(self, answer: list[int]) -> None:
        super().__init__("pymetis")
        self.answer, self.calls = answer, []

    def CSRAdjacency(self, starts, neighbours):
        return starts, neighbours

    def Options(self, **options):
        return options

    def part_graph(self, parts, adjacency, **arguments):
        self.calls.append((parts, adjacency, arguments))
        return 0, self.answer


def test_metis_is_given_the_graph_and_its_answer_is_verified(monkeypatch) -> None:
    module = Module([0, 0, 1, 1])
    monkeypatch.setitem(sys.modules, "pymetis", module)
    path = [(0, 1, 5.0), (1, 2, 2.0), (2, 3, 5.0)]
    good = graph_partition(path, 2, sizes=[1, 2, 3, 4], imbalance=0.5, method="metis", seed=7)
    assert (good.cut, good.dataset.attrs["method"]) == (2, "metis")
    parts, (starts, neighbours), arguments = module.calls[0]
    assert (parts, starts, neighbours) == (2, [0, 1, 3, 5, 6], [1, 0, 2, 1, 3, 2])
    assert (arguments["eweights"], arguments["vweights"]) == ([5, 5, 2, 2, 5, 5], [1, 2, 3, 4])
    assert arguments["options"]["seed"] == 7
    assert arguments["options"]["ufactor"] == 399  # 7 is the most, where 5 is the mean: a share of 0.4, cut off


def test_an_answer_of_metis_that_breaks_the_bound_is_not_passed_on(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pymetis", Module([0, 0, 0, 0]))
    path = nx.path_graph(4)
    for method in ("metis", "auto"):
        mended = graph_partition(path, 2, imbalance=0, method=method)
        assert (mended.status, mended.cut) == (Verdict.FEASIBLE, 1)
    monkeypatch.setitem(sys.modules, "pymetis", Module([0, 1, 0, 1]))  # balanced, and a cut of 3
    assert graph_partition(path, 2, imbalance=0).cut == 1
    assert graph_partition(path, 2, imbalance=0, method="metis").status is Verdict.INCONCLUSIVE


def test_a_scaled_graph_has_weights_from_one_to_two() -> None:
    graph, unit = weighted_graph([(0, 1, 3e-20), (1, 2, 1e-20)], [5e9, 1e9, 1e9]).scaled()
    assert 1 <= graph.weights.max() < 2
    assert 1 <= graph.sizes.max() < 2
    assert unit * graph.sizes[0] == 5e9
