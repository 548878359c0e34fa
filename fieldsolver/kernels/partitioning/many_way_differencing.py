"""Complete differencing in k parts: the search tree that Karmarkar and Karp's many-way heuristic descends in.

A node is a list of tuples of k part sums, the least of each taken off. The two tuples of the largest spread are added
in every order of the second that is different: k! at most. Let T be the sum over all tuples that are left and m the
largest entry: no completion has a largest sum below t = max(m, T / k), nor a least one above (T - t) / (k - 1).

Source: Korf, *A complete anytime algorithm for number partitioning*, Artificial Intelligence 106 (1998) 181, section 6;
Korf, *Multi-way number partitioning*, IJCAI (2009).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from .complete_greedy import OBJECTIVES, objective_bound, objective_of, part_sums

MOST_PARTS = 7
"""k! orders are looked at per node."""

MOST_CHILDREN = 10_000_000
"""n k!: every level keeps the orders that are left."""


def holds(count: int, parts: int) -> bool:
    """Whether the tree of so many weights in so many parts fits into memory."""
    return parts <= MOST_PARTS and count * math.factorial(parts) <= MOST_CHILDREN


@dataclass
class ManyWayDifferencing:
    """The state of a search, so that it can stop and go on; attributes as `ManyWaySearch`.

    Args:
        values: ``(n,)``, int64 or Python integers, n >= k.
        parts: k, from 2 to `MOST_PARTS`.
        objective: one of `OBJECTIVES`.
        start: an assignment ``(n,)``; only better ones are kept.
    """

    values: np.ndarray
    parts: int
    objective: str
    start: np.ndarray
    best: int = field(init=False)
    nodes: int = 0
    finished: bool = False
    assignment: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        """The root: one tuple (w, 0, ..., 0) per weight, from large to small, ties by position."""
        count, parts, kind = len(self.values), self.parts, self.values.dtype
        self._orders = np.array(list(permutations(range(parts))), dtype=np.int64)
        self._tuples = np.zeros((2 * count - 1, parts), dtype=kind)
        self._tuples[:count, 0] = self.values
        self._active = np.argsort(-self.values, kind="stable")
        self._totals = np.zeros(count, dtype=kind)
        self._totals[0] = self.values.sum()
        self._children = np.zeros((count, len(self._orders)), dtype=np.int32)
        # per level: children, the next of them (-1: not visited), where the joined tuple went, the two that were joined
        self._levels = np.zeros((count, 5), dtype=np.int64)
        self._levels[0, 1] = -1
        self._slots = np.zeros((count, parts, 2), dtype=np.int64)
        self._best_slots, self._best_levels = self._slots.copy(), self._levels.copy()
        self._place = np.zeros(3, dtype=np.int64)  # level, nodes, 1 if something better was found
        self._least = np.zeros(1, dtype=kind)
        ordered = [int(value) for value in np.sort(self.values)[::-1]]
        self.bound = objective_bound(ordered, parts, self.objective)
        self.learn(self.start)

    @property
    def nodes_apiece(self) -> int:
        """What a node costs, in nodes of the other searches: its children are listed and sorted."""
        return max(1, math.factorial(self.parts) // 8)

    def learn(self, assignment: np.ndarray) -> None:
        """Take an assignment as the best so far: nothing that is no better will be looked at."""
        self.assignment = assignment
        self.best = objective_of(part_sums(self.values, assignment, self.parts), self.objective)
        self._least[0] = self.best

    def run(self, nodes: int) -> None:
        """Visit up to so many nodes more."""
        from .many_way_differencing_loop import search

        if self.best <= self.bound:
            self.finished = True
            return
        visit = search if self.values.dtype == np.int64 else search.py_func
        self._place[2] = 0
        self.finished = bool(
            visit(
                self._tuples, self._active, self._totals, self._orders, self._children, self._levels, self._slots,
                self._best_levels, self._best_slots, self._place, self._least, OBJECTIVES.index(self.objective),
                self.bound, nodes,
            )
        )  # fmt: skip
        self.nodes = int(self._place[1])
        if self._place[2]:
            self.best, self.assignment = int(self._least[0]), self._parts()

    def _parts(self) -> np.ndarray:
        """Follow the best leaf from its last tuple, whose slots are the parts, down to the weights."""
        count = len(self.values)
        part_of = np.zeros((2 * count - 1, self.parts), dtype=np.int64)
        part_of[-1] = np.arange(self.parts)
        for level in range(count - 2, -1, -1):
            first, second = self._best_levels[level, 3:]
            part_of[first, self._best_slots[level, :, 0]] = part_of[count + level]
            part_of[second, self._best_slots[level, :, 1]] = part_of[count + level]
        return part_of[:count, 0].copy()
