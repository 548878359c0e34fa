"""The search tree of complete differencing in many parts, piece by piece."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from fieldsolver.kernels.partitioning.complete_greedy import OBJECTIVES, objective_bound, objective_of, part_sums
from fieldsolver.kernels.partitioning.differencing import many_way
from fieldsolver.kernels.partitioning.many_way_differencing import ManyWayDifferencing
from fieldsolver.kernels.partitioning.many_way_differencing_loop import _least_value, _list_children


def falling(generator: np.random.Generator, parts: int) -> np.ndarray:
    """A tuple as the tree holds them: from large to small, the last 0, many equal ones."""
    values = np.sort(generator.integers(0, 4, parts))[::-1]
    return values - values[-1]


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_the_children_are_all_different_pairings_once_the_least_spread_first(parts: int) -> None:
    generator, orders = np.random.default_rng(parts), np.array(list(permutations(range(parts))))
    for _ in range(60):
        first, second = falling(generator, parts), falling(generator, parts)
        found = np.zeros(len(orders), dtype=np.int32)
        count = _list_children(first, second, orders, found)
        pairings = [tuple(sorted(zip(first.tolist(), second[order].tolist(), strict=True))) for order in orders]
        assert len({pairings[which] for which in found[:count]}) == count == len(set(pairings))
        spreads = [np.ptp(first + second[orders[which]]) for which in found[:count]]
        assert spreads == sorted(spreads)
        assert spreads[0] == np.ptp(first + second[::-1])


def test_the_bounds_of_a_node_are_as_strong_as_they_can_be_said() -> None:
    assert _least_value(1, 10, 10, 3, False, OBJECTIVES.index("largest")) == 4  # the mean, rounded up
    assert _least_value(6, 10, 10, 3, False, OBJECTIVES.index("largest")) == 6
    assert _least_value(6, 10, 16, 3, False, OBJECTIVES.index("largest")) == 8  # 2 were taken off every part
    assert _least_value(6, 10, 10, 3, False, OBJECTIVES.index("smallest")) == -2
    assert _least_value(6, 10, 10, 3, False, OBJECTIVES.index("difference")) == 4
    assert objective_bound([3, 3, 3, 2, 2], 2, "largest") == 7  # 13 in two parts
    assert objective_bound([5, 5, 5, 1], 2, "largest") == 10  # two of the first three come together


@pytest.mark.parametrize("parts", [3, 4])
@pytest.mark.parametrize("seed", range(6))
def test_the_first_leaf_is_the_partition_of_karmarkar_and_karp(seed: int, parts: int) -> None:
    values = np.random.default_rng(seed).integers(1, 10**6, 12)
    search = ManyWayDifferencing(values, parts, "difference", np.zeros(12, dtype=np.int64))
    search.run(12)  # one node on every level
    sums = part_sums(values, many_way(values.tolist(), parts), parts)
    assert search.best == max(sums) - min(sums)
    assert sorted(part_sums(values, search.assignment, parts)) == sorted(sums)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", range(6))
def test_a_perfect_partition_is_found_and_nothing_close_to_it_is_called_one(seed: int, objective: str) -> None:
    generator = np.random.default_rng(seed)
    cuts = np.sort(generator.choice(np.arange(1, 60), (3, 3)), axis=1)
    values = np.diff(cuts, axis=1, prepend=0, append=60).ravel()  # three times 60
    start = np.arange(12) % 3
    search = ManyWayDifferencing(values, 3, objective, start)
    search.run(10**6)
    assert search.finished
    assert search.best == {"difference": 0, "largest": 60, "smallest": -60}[objective]


def test_a_start_next_to_the_bound_is_still_improved() -> None:
    values = np.array([3, 3, 2, 2, 1, 1])
    search = ManyWayDifferencing(values, 3, "largest", np.array([0, 1, 0, 2, 1, 2]))
    assert (search.best, search.bound) == (5, 4)
    search.run(1000)
    assert search.best == 4


def test_what_was_learnt_is_not_mixed_with_what_was_found() -> None:
    values = np.random.default_rng(0).integers(1, 10**6, 14)
    search = ManyWayDifferencing(values, 3, "difference", np.zeros(14, dtype=np.int64))
    search.run(14)
    other = ManyWayDifferencing(values, 3, "difference", search.assignment)
    other.run(20_000)
    assert other.best < search.best
    search.learn(other.assignment)
    search.run(1)
    assert search.best == objective_of(part_sums(values, search.assignment, 3), "difference") == other.best
