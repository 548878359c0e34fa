"""Complete greedy search: weights from large to small, each into every part that differs, the emptiest first.

A branch ends when even the best completion is no better than the best partition so far. Let R be what is not placed
yet, and L the water level: the largest L with sum_j max(0, L - s_j) <= R. Then the least sum ends at L or below, the
largest at max(max s_j, the mean) or above.

Sources: Korf, *Multi-way number partitioning*, IJCAI (2009), for the search; the water level bounds all three
objectives of Korf, *Objective functions for multi-way number partitioning*, SoCS (2010).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

OBJECTIVES: tuple[str, ...] = ("difference", "largest", "smallest")
"""What is made small: largest minus smallest sum; the largest sum; minus the smallest sum."""


@dataclass
class ManyWaySearch:
    """The state of a search, so that it can stop and go on.

    Args:
        values: ``(n,)``, int64 or Python integers.
        capacities: ``(k,)``, the largest sum of each part; one value stands for parts that are alike.
        most: the largest number of items of a part.
        fuller: the largest number of parts that hold `most` items.
        objective: one of `OBJECTIVES`.
        start: an assignment ``(n,)`` that keeps the limits, or None.

    Attributes:
        best: value of the objective, as `objective_of`; None while nothing was found.
        assignment: ``(n,)`` parts of the items.
        nodes: visited.
        finished: the tree is exhausted or the bound is met: `best` is optimal, or None if the limits cannot be kept.
    """

    values: np.ndarray
    capacities: np.ndarray
    most: int
    fuller: int
    objective: str
    start: np.ndarray | None = None
    best: int | None = None
    nodes: int = 0
    finished: bool = False
    assignment: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        """The root: nothing is placed."""
        count, parts = len(self.values), len(self.capacities)
        self._order = np.argsort(-self.values, kind="stable")
        self._sorted = self.values[self._order]
        rest = np.zeros(count + 1, dtype=self.values.dtype)
        rest[:count] = np.cumsum(self._sorted[::-1])[::-1]
        self._rest = rest
        self._sums = np.zeros(parts, dtype=self.values.dtype)
        self._counts = np.zeros(parts, dtype=np.int64)
        self._tried = np.zeros((count + 1, parts), dtype=np.int64)  # parts in the order of their sums at this level
        self._next = np.zeros(count + 1, dtype=np.int64)
        self._next[0] = -1
        self._placed = np.zeros(count, dtype=np.int64)
        self._found = np.zeros(count, dtype=np.int64)
        self._place = np.zeros(3, dtype=np.int64)  # level, nodes, 1 if something was found
        self._least = np.zeros(1, dtype=self.values.dtype)
        self.assignment = np.zeros(count, dtype=np.int64)
        if self.start is not None:
            self.learn(self.start)

    @property
    def nodes_apiece(self) -> int:
        """What a node costs, in nodes of this search."""
        return 1

    def learn(self, assignment: np.ndarray) -> None:
        """Take an assignment that keeps the limits as the best so far: only better ones will be looked for."""
        self.best, self.assignment = self._value(assignment), assignment
        self._least[0], self._place[2] = self.best, 1

    @property
    def bound(self) -> int:
        """No partition is better than this."""
        return objective_bound([int(value) for value in self._sorted], len(self.capacities), self.objective)

    def run(self, nodes: int) -> None:
        """Visit up to so many nodes more."""
        from .complete_greedy_loop import search

        if self.best is not None and self.best <= self.bound:
            self.finished = True
            return
        visit = search if self.values.dtype == np.int64 else search.py_func
        before = self.best
        self.finished = bool(
            visit(
                self._sorted, self._rest, self.capacities, self.most, self.fuller,
                OBJECTIVES.index(self.objective), self.bound, self._sums, self._counts, self._tried, self._next,
                self._placed, self._found, self._place, self._least, nodes,
            )
        )  # fmt: skip
        self.nodes = int(self._place[1])
        if self._place[2]:
            self.best = int(self._least[0])
        if self.best != before:
            self.assignment = np.empty(len(self.values), dtype=np.int64)
            self.assignment[self._order] = self._found

    def _value(self, assignment: np.ndarray) -> int:
        return objective_of(part_sums(self.values, assignment, len(self.capacities)), self.objective)


def part_sums(values: np.ndarray, assignment: np.ndarray, parts: int) -> list[int]:
    """The sum of each part, exactly."""
    if values.dtype == np.int64:
        totals = np.zeros(parts, dtype=np.int64)
        np.add.at(totals, assignment, values)
        return [int(total) for total in totals]
    sums = [0] * parts
    for value, part in zip(values.tolist(), assignment.tolist(), strict=True):
        sums[part] += value
    return sums


def objective_of(sums: list[int], objective: str) -> int:
    """The value that is made small."""
    return {"difference": max(sums) - min(sums), "largest": max(sums), "smallest": -min(sums)}[objective]


def objective_bound(values: list[int], parts: int, objective: str) -> int:
    """A bound of the objective from the total and the largest weights (given from large to small)."""
    total, count = sum(values), len(values)
    mean = -(-total // parts)
    largest = max(mean, values[0], values[parts - 1] + values[parts] if count > parts else 0)
    # the parts without the largest weight share the rest
    smallest = min(total // parts, (total - values[0]) // (parts - 1)) if parts > 1 else total
    smallest = 0 if count < parts else smallest
    return {"difference": max(0, largest - smallest), "largest": largest, "smallest": -smallest}[objective]
