"""Complete differencing: the search tree whose first leaf is the partition of Karmarkar and Karp, two parts.

At each node the two largest numbers go to different sides (their difference stays) or, later, to the same one (their
sum stays). A node whose largest number is no less than the sum of the others is a leaf: the others go against it. With
four numbers or fewer differencing is optimal. The search ends when it reaches the parity of the total.

Source: Korf, *A complete anytime algorithm for number partitioning*, Artificial Intelligence 106 (1998) 181.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_ITEMS = 2000
"""The tree keeps a sorted list per level: n^2 numbers."""


@dataclass
class TwoWaySearch:
    """The state of a search, so that it can stop and go on.

    Args:
        values: ``(n,)``, int64 or Python integers.

    Attributes:
        best: the smallest difference so far.
        nodes: visited.
        finished: the tree is exhausted or the bound is met: `best` is optimal.
    """

    values: np.ndarray
    best: int = -1
    nodes: int = 0
    finished: bool = False

    def __post_init__(self) -> None:
        """The root: all numbers, from large to small, ties by position."""
        count = len(self.values)
        order = np.argsort(-self.values, kind="stable")
        self._numbers = np.zeros((count + 1, count), dtype=self.values.dtype)
        self._items = np.zeros((count + 1, count), dtype=np.int64)
        self._numbers[0], self._items[0] = self.values[order], order
        self._rest = np.zeros(count + 1, dtype=self.values.dtype)  # sums of all numbers of a level
        self._rest[0] = self.values.sum()
        self._phase = np.zeros(count + 1, dtype=np.int64)
        self._pairs = np.zeros((count, 3), dtype=np.int64)
        self._best_pairs = np.zeros((count, 3), dtype=np.int64)
        self._best_last = np.zeros(count, dtype=np.int64)
        # level, nodes, levels of the best leaf, numbers of the best leaf
        self._place = np.zeros(4, dtype=np.int64)
        self._smallest = np.array([self.values.sum() + 1], dtype=self.values.dtype)

    def run(self, nodes: int) -> None:
        """Visit up to so many nodes more."""
        from .complete_differencing_loop import search

        visit = search if self.values.dtype == np.int64 else search.py_func
        bound = int(self.values.sum()) % 2
        self.finished = bool(
            visit(
                self._numbers, self._items, self._rest, self._phase, self._pairs, self._best_pairs, self._best_last,
                self._place, self._smallest, bound, nodes,
            )
        )  # fmt: skip
        self.best, self.nodes = int(self._smallest[0]), int(self._place[1])

    def sides(self) -> np.ndarray:
        """Sides 0 and 1 ``(n,)`` of the best leaf."""
        count = len(self.values)
        sides = np.zeros(2 * count, dtype=np.int64)  # the pair made on level L is number n + L
        levels, left = int(self._place[2]), int(self._place[3])
        sides[self._best_last[1:left]] = 1
        for level in range(levels - 1, -1, -1):
            first, second, together = self._best_pairs[level]
            side = sides[count + level]
            sides[first], sides[second] = side, side if together else 1 - side
        return sides[:count]
