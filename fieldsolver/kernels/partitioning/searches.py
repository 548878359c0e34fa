"""The searches of `partition`: which one, for how long, and by turns where several can do it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import complete_differencing, four_lists, many_way_differencing
from .complete_differencing import TwoWaySearch
from .complete_greedy import ManyWaySearch, objective_bound, objective_of, part_sums
from .differencing import many_way, many_way_balanced, two_way
from .limits import Limits
from .many_way_differencing import ManyWayDifferencing
from .pairs_of_parts import rebalanced
from .repair import best_fit, repaired
from .weights import Weights

CHUNK = 200_000
"""Nodes between two looks at the clock, where they are compiled."""

PLAIN_CHUNK = 2_000
"""The same for integers beyond int64."""

FIRST_TURN = 1_000
"""Nodes of the first turn of each search; turns double."""

SECONDS_PER_PAIR = 5e-7
"""Guess of what a pair of the four lists costs; the walk cannot be interrupted, so it must fit into the time."""

TRIAL_NODES = 3_000_000
"""Nodes of complete differencing before four lists are tried."""


@dataclass(frozen=True)
class Task:
    """What is to be partitioned, and how."""

    weights: Weights
    parts: int
    objective: str
    method: str
    limits: Limits

    @cached_property
    def bound(self) -> int:
        """No partition has a better objective."""
        bound = objective_bound(sorted(self.weights.values, reverse=True), self.parts, self.objective)
        return max(bound, _two_way_bound(self.weights, self.objective)) if self.parts == 2 else bound

    @property
    def is_free(self) -> bool:
        """Whether the parts may hold anything."""
        return self.limits.free(len(self.weights.values))

    def value(self, assignment: np.ndarray) -> int:
        """The objective, as an integer of the weights' unit."""
        return objective_of(part_sums(self.weights.array(), assignment, self.parts), self.objective)

    def shown(self, value: int) -> int | float:
        """A value of the objective as the user gave the weights."""
        return self.weights.given(-value if self.objective == "smallest" else value)


@dataclass
class Found:
    """The best assignment so far.

    Attributes:
        optimal: no partition is better; without an assignment, none keeps the limits.
    """

    assignment: np.ndarray | None
    nodes: int = 0
    optimal: bool = False
    timed_out: bool = False


class Clock:
    """When the search has to end."""

    def __init__(self, seconds: float, nodes: int | None, *, compiled: bool) -> None:
        self._seconds, self._nodes = seconds, nodes
        self._chunk = CHUNK if compiled else PLAIN_CHUNK
        self._end = time.monotonic() + seconds

    def start_after(self, *loads: Callable[[int], None]) -> None:
        """Begin to count once the compiled loops are there: compiling them at first use may take seconds."""
        if self._seconds > 0:
            for load in loads:
                load(0)
        self._end = time.monotonic() + self._seconds

    def chunk(self, visited: int) -> int:
        """Nodes that may be visited before the next look; 0 when time or nodes are used up."""
        if time.monotonic() >= self._end:
            return 0
        return self._chunk if self._nodes is None else max(0, min(self._chunk, self._nodes - visited))

    @property
    def left(self) -> float:
        return self._end - time.monotonic()


class Report:
    """Tells the user of improvements."""

    def __init__(self, task: Task, callback: Callable[[int | float], None] | None) -> None:
        self._task, self._callback, self._best = task, callback, math.inf

    def __call__(self, assignment: np.ndarray) -> None:
        if self._callback is None:
            return
        value = self._task.value(assignment)
        if value < self._best:
            self._best = value
            self._callback(self._task.shown(value))


def best_found(task: Task, clock: Clock, report: Report) -> Found:
    """Differencing first, then the searches that the method names, until the optimum is proved or time is up."""
    start = _start(task)
    if start.assignment is not None:
        report(start.assignment)
    if start.optimal or task.method == "differencing":
        return start
    if task.parts == 2 and task.method != "complete_greedy" and task.is_free:
        return _search_two(task, clock, report, start)
    return _search_many(task, clock, report, start)


def _two_way_bound(weights: Weights, objective: str) -> int:
    """The difference has the parity of the total."""
    odd, total = weights.total % 2, weights.total
    return {"difference": odd, "largest": (total + odd) // 2, "smallest": -((total - odd) // 2)}[objective]


def _start(task: Task) -> Found:
    """What differencing finds; with limits, what can be made of it."""
    values, limits = task.weights.array(), task.limits
    if limits.contradiction(task.weights.values):
        return Found(None, optimal=True)
    assignment = repaired(values, _differenced(values, task), task.parts, limits)
    if assignment is None:
        assignment = best_fit(values, task.parts, limits)
    if assignment is None or not limits.keep(values, assignment, task.parts):
        return Found(None)
    return Found(assignment, optimal=task.value(assignment) <= task.bound)


def _differenced(values: np.ndarray, task: Task) -> np.ndarray:
    if task.parts == 1:
        return np.zeros(len(values), dtype=np.int64)
    integers = [int(value) for value in values]
    if task.limits.most < len(values):
        return many_way_balanced(integers, task.parts)
    return two_way(values) if task.parts == 2 else many_way(integers, task.parts)


def _search_two(task: Task, clock: Clock, report: Report, start: Found) -> Found:
    """Two parts: the best difference is the best of every objective."""
    values = task.weights.array()
    able = task.weights.fits and len(values) <= four_lists.MOST_ITEMS
    if task.method == "four_lists":
        return _by_four_lists(values, report, 0)
    if len(values) > complete_differencing.MOST_ITEMS:
        start.timed_out = True  # the tree would hold n^2 numbers
        return start
    search, affordable = TwoWaySearch(values), 2.0 ** (len(values) / 2) * SECONDS_PER_PAIR
    clock.start_after(search.run)
    while not search.finished:
        nodes = clock.chunk(search.nodes)
        if nodes == 0:
            break
        best = search.best
        search.run(nodes)
        if search.best != best:
            report(search.sides())
        if task.method == "auto" and able and search.nodes > TRIAL_NODES and affordable < clock.left:
            return _by_four_lists(values, report, search.nodes)
    if search.nodes == 0:
        return Found(start.assignment, timed_out=True)
    return Found(search.sides(), search.nodes, search.finished, not search.finished)


def _by_four_lists(values: np.ndarray, report: Report, nodes: int) -> Found:
    sides = four_lists.best_sides(values)
    report(sides)
    return Found(sides, nodes, optimal=True)


def _search_many(task: Task, clock: Clock, report: Report, start: Found) -> Found:
    """The searches take turns and tell each other of improvements; the first that is through has the proof."""
    best, nodes = start.assignment, 0
    searches, turn = _many_way_searches(task, best), FIRST_TURN
    clock.start_after(TwoWaySearch(task.weights.array()[:1]).run, *(search.run for search in searches))
    if task.method == "auto" and task.is_free and best is not None:
        best, nodes = rebalanced(task.weights.array(), best, task.parts, clock.chunk)
        report(best)
        for search in searches:
            search.learn(best)
    before = nodes
    while not any(search.finished for search in searches):
        for search in searches:
            allowed = min(clock.chunk(nodes), max(1, turn // search.nodes_apiece))
            if allowed == 0:
                return Found(best, nodes, timed_out=True)
            known = search.best
            search.run(allowed)
            nodes = before + sum(one.nodes for one in searches)
            if search.best is not None and search.best != known:
                best = search.assignment
                report(best)
                for other in searches:
                    if other is not search:
                        other.learn(best)
            if search.finished:
                break
        turn *= 2
    return Found(best, nodes, optimal=True)


def _many_way_searches(task: Task, start: np.ndarray | None) -> list[ManyWaySearch | ManyWayDifferencing]:
    values, limits = task.weights.array(), task.limits
    searches: list[ManyWaySearch | ManyWayDifferencing] = []
    if task.method != "complete_differencing":
        bounds = np.array(limits.capacities or (task.weights.total,) * task.parts, dtype=values.dtype)
        searches.append(ManyWaySearch(values, bounds, limits.most, limits.fuller, task.objective, start))
    able = task.is_free and many_way_differencing.holds(len(values), task.parts)
    if task.method != "complete_greedy" and able and start is not None:
        searches.append(ManyWayDifferencing(values, task.parts, task.objective, start))
    return searches
