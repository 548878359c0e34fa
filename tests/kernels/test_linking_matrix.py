"""Many loops at once, and sums by moments, against the direct sum."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from fieldsolver.errors import CurveError, OptionError
from fieldsolver.kernels import linking_matrix, linking_number
from fieldsolver.kernels.topology import linking_matrix as matrix_module
from fieldsolver.kernels.topology.approximate_sum import approximate_sum
from fieldsolver.kernels.topology.curves import segment_ends
from fieldsolver.kernels.topology.gauss_sum import gauss_sum
from fieldsolver.results import Verdict

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode has no package of tests
from curves import SQUARE, circle, torus_link


def test_a_matrix_has_a_picture() -> None:
    rings = random_loops(6, 2.0)
    for curves in (rings, [rings[0], rings[0] + [0, 0, 0.1], rings[0] @ np.diag([1, 1, 1])]):
        title = linking_matrix(curves).plot(theme="dark").get_axes()[0].get_title()
        assert "pairs are linked" in title


def random_loops(count: int, size: float, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    loops = []
    for _ in range(count):
        q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        loops.append(circle(30) @ q + rng.uniform(0, size, 3))
    return loops


def test_every_pair_is_right_and_far_ones_are_not_listed() -> None:
    loops = random_loops(25, 4.0)
    result = linking_matrix(loops)
    dense = result.to_dense()
    assert result.status is Verdict.PROVED
    assert 0 < len(result["lk"]) < 25 * 24 / 2
    for i in range(25):
        for j in range(i):
            assert dense[i, j] == dense[j, i] == linking_number(loops[i], loops[j]).value
    assert np.count_nonzero(dense) > 10


def test_a_chain_of_rings() -> None:
    rings = []
    for k in range(6):
        ring = circle(40) if k % 2 else circle(40)[:, [0, 2, 1]]
        rings.append(ring + [1.5 * k, 0, 0])
    dense = linking_matrix(rings).to_dense()
    neighbours = np.abs(np.subtract.outer(np.arange(6), np.arange(6))) == 1
    np.testing.assert_array_equal(dense != 0, neighbours)


def test_touching_loops_are_named() -> None:
    loops = [SQUARE, SQUARE + [2, 0, 0], SQUARE + [9, 9, 9]]
    result = linking_matrix(loops)
    assert result.status is Verdict.DEGENERATE
    assert "curves 0 and 1" in result.reason


def test_moments_agree_with_the_direct_sum_and_their_bound_holds() -> None:
    a, b = torus_link(11, 3000)
    ends = (*segment_ends(a, closed=True), *segment_ends(b, closed=True))
    direct = gauss_sum(*ends).value
    for beta in (2.0, 3.0, 6.0):
        found = approximate_sum(*ends, closed=False, beta=beta)
        error = abs(found.value - direct)
        assert error <= found.error_bound
        assert error < {2.0: 0.1, 3.0: 0.01, 6.0: 1e-4}[beta]


def test_open_chains_by_moments() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(1500, 3)).cumsum(0), rng.normal(size=(1200, 3)).cumsum(0)
    ends = (*segment_ends(a, closed=False), *segment_ends(b, closed=False))
    direct = gauss_sum(*ends).value
    assert approximate_sum(*ends, closed=False, beta=4.0).value == pytest.approx(direct, abs=5e-3)


def test_pairs_hardly_apart_are_exact_among_moments() -> None:
    a, b = torus_link(3, 2000)
    a, b = a.copy(), b.copy()
    middle, across = (b[900] + b[901]) / 2, np.array([0.01, -0.02, 0.03])
    a[17], a[18] = middle - across, middle + across + 1e-16  # rounding alone does not tell the side
    ends = (*segment_ends(a, closed=True), *segment_ends(b, closed=True))
    found, direct = approximate_sum(*ends, closed=True), gauss_sum(*ends)
    assert found.exact_pairs > 0
    assert round(found.value) == round(direct.value)
    assert found.value == pytest.approx(direct.value, abs=0.05)


def test_without_proof_it_is_called_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[matrix_module.__module__], "DIRECT_PAIRS", 1000)
    links = [*torus_link(5, 2000)]
    supported = linking_matrix(links, proof=False)
    assert supported.status is Verdict.PASS
    assert supported.to_dense()[0, 1] == linking_matrix(links).to_dense()[0, 1] == -5


def test_wrong_lists() -> None:
    with pytest.raises(CurveError, match="curve 1"):
        linking_matrix([circle(5), [(0, 0, 0)]])
    with pytest.raises(OptionError, match="list of arrays"):
        linking_matrix(circle(5))
    assert linking_matrix([]).to_dense().shape == (0, 0)
