"""`partition`: weights in parts of sums as equal as can be, with a bound that says how far from the best they are."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.results import Verdict

from . import complete_differencing, four_lists
from .complete_differencing import TwoWaySearch
from .complete_greedy import OBJECTIVES, ManyWaySearch, objective_bound, objective_of, part_sums
from .differencing import many_way, two_way
from .partition_result import SCHEMA, Partition, partition_dataset
from .weights import LARGEST, Weights, exact_weights

METHODS: tuple[str, ...] = ("auto", "differencing", "complete_differencing", "complete_greedy", "four_lists")
CHUNK = 200_000
"""Nodes between two looks at the clock."""

SECONDS_PER_PAIR = 5e-7
"""Guess of what a pair of the four lists costs; the walk cannot be interrupted, so it must fit into the time."""

TRIAL_NODES = 3_000_000
"""Nodes of complete differencing before four lists are tried."""


@dataclass(frozen=True)
class Limits:
    """What each part may hold.

    Attributes:
        capacities: ``(k,)`` largest sums as integers of the weights' unit, or None.
        most: largest number of items.
        fuller: largest number of parts that hold `most` items.
    """

    capacities: tuple[int, ...] | None
    most: int
    fuller: int

    def free(self, count: int) -> bool:
        """Whether there is nothing to keep."""
        return self.capacities is None and self.most >= count


@dataclass
class Found:
    """The best assignment so far."""

    assignment: np.ndarray | None
    nodes: int = 0
    optimal: bool = False
    timed_out: bool = False


def partition(
    weights: Sequence[Any] | np.ndarray,
    parts: int,
    *,
    objective: str = "difference",
    method: str = "auto",
    capacities: Sequence[Any] | float | None = None,
    balanced: bool = False,
    time_limit: float = 1.0,
    most_nodes: int | None = None,
    callback: Callable[[int | float], None] | None = None,
) -> Partition:
    """Split weights into parts.

    Args:
        weights: ``(n,)`` integers of any size, or floats, not negative; computed with as exact integers.
        parts: k, from 1 to n.
        objective: ``"difference"`` (largest minus smallest sum is made small), ``"largest"`` (the largest sum is made
            small) or ``"smallest"`` (the smallest sum is made large). With three parts or more these have different
            answers.
        method: ``"differencing"`` (Karmarkar and Karp, no search), ``"complete_differencing"`` (two parts),
            ``"complete_greedy"``, ``"four_lists"`` (two parts, at most 50 items: Schroeppel and Shamir), or ``"auto"``.
        capacities: the largest sum of every part, one number for all or k of them.
        balanced: the numbers of items of two parts differ by at most one.
        time_limit: seconds of search; 0 takes what differencing gives.
        most_nodes: nodes of the search, for results that do not depend on the speed of the machine.
        callback: called with the value of the objective whenever it improves.

    Returns:
        Schema ``partition/1``, dimensions ``item`` (`weight`, `assignment`) and ``part`` (`part_sum`, `part_count`);
        scalars `difference`, `largest`, `smallest`, `value` (of the objective), `lower_bound`, `gap`, `nodes`.
        OPTIMAL: no partition is better. FEASIBLE: no search was asked for. TIMEOUT: the limit came first; the gap says
        what is still possible. NOT_FOUND: no partition keeps the capacities.
        The same weights always give the same parts, unless the time limit ends the search.

    Raises:
        OptionError: weights, the number of parts, or an option that makes no sense.
    """
    exact = exact_weights(weights)
    _check(exact, parts, objective, method, time_limit, most_nodes)
    limits = _limits(exact, parts, capacities, balanced)
    _check_method(exact, parts, method, limits)
    clock = _Clock(time_limit, most_nodes)
    report = _Report(exact, parts, objective, callback)
    found = _start(exact, parts, limits, report)
    if not found.optimal and method != "differencing":
        found = _search(exact, parts, objective, method, limits, clock, report, found)
    return _result(exact, parts, objective, found, searched=method != "differencing")


class _Clock:
    """When the search has to end."""

    def __init__(self, seconds: float, nodes: int | None) -> None:
        self._end, self._nodes = time.monotonic() + seconds, nodes

    def chunk(self, visited: int) -> int:
        """Nodes that may be visited before the next look; 0 when time or nodes are used up."""
        if time.monotonic() >= self._end:
            return 0
        return CHUNK if self._nodes is None else max(0, min(CHUNK, self._nodes - visited))

    @property
    def left(self) -> float:
        return self._end - time.monotonic()


class _Report:
    """Tells the user of improvements, and knows the objective."""

    def __init__(self, weights: Weights, parts: int, objective: str, callback: Callable[..., None] | None) -> None:
        self._weights, self._parts, self._objective, self._callback = weights, parts, objective, callback
        self._array, self._best = weights.array(), math.inf
        self.bound = objective_bound(sorted(weights.values, reverse=True), parts, objective)
        if parts == 2:
            self.bound = max(self.bound, _two_way_bound(weights, objective))

    def __call__(self, assignment: np.ndarray) -> int:
        value = objective_of(part_sums(self._array, assignment, self._parts), self._objective)
        if value < self._best:
            self._best = value
            if self._callback is not None:
                self._callback(_signed(self._weights, value, self._objective))
        return value


def _two_way_bound(weights: Weights, objective: str) -> int:
    """The difference has the parity of the total."""
    odd, total = weights.total % 2, weights.total
    return {"difference": odd, "largest": (total + odd) // 2, "smallest": -((total - odd) // 2)}[objective]


def _start(weights: Weights, parts: int, limits: Limits, report: _Report) -> Found:
    values = weights.array()
    if parts == 1:
        assignment = np.zeros(len(values), dtype=np.int64)
    else:
        assignment = two_way(values) if parts == 2 else many_way([int(value) for value in values], parts)
    if not _keeps(values, assignment, parts, limits):
        return Found(None)
    return Found(assignment, optimal=report(assignment) <= report.bound)


def _search(
    weights: Weights, parts: int, objective: str, method: str, limits: Limits, clock: _Clock, report: _Report,
    start: Found,
) -> Found:  # fmt: skip
    if parts == 2 and method != "complete_greedy" and limits.free(len(weights.values)):
        return _search_two(weights, method, clock, report, start)
    return _search_many(weights, parts, objective, limits, clock, report, start)


def _search_two(weights: Weights, method: str, clock: _Clock, report: _Report, start: Found) -> Found:
    """Two parts: the best difference is the best of every objective."""
    values = weights.array()
    able = weights.fits and len(values) <= four_lists.MOST_ITEMS
    if method == "four_lists":
        return _by_four_lists(values, report, 0)
    if len(values) > complete_differencing.MOST_ITEMS:
        start.timed_out = True  # the tree would hold n^2 numbers
        return start
    search, affordable = TwoWaySearch(values), 2.0 ** (len(values) / 2) * SECONDS_PER_PAIR
    while not search.finished:
        nodes = clock.chunk(search.nodes)
        if nodes == 0:
            break
        best = search.best
        search.run(nodes)
        if search.best != best:
            report(search.sides())
        if method == "auto" and able and search.nodes > TRIAL_NODES and affordable < clock.left:
            return _by_four_lists(values, report, search.nodes)
    if search.nodes == 0:
        return Found(start.assignment, timed_out=True)
    return Found(search.sides(), search.nodes, search.finished, not search.finished)


def _by_four_lists(values: np.ndarray, report: _Report, nodes: int) -> Found:
    sides = four_lists.best_sides(values)
    report(sides)
    return Found(sides, nodes, optimal=True)


def _search_many(
    weights: Weights, parts: int, objective: str, limits: Limits, clock: _Clock, report: _Report, start: Found
) -> Found:
    values = weights.array()
    capacities = limits.capacities or (min(weights.total, LARGEST),) * parts
    bounds = np.array([min(value, weights.total) for value in capacities], dtype=values.dtype)
    search = ManyWaySearch(values, bounds, limits.most, limits.fuller, objective, start.assignment)
    while not search.finished:
        nodes = clock.chunk(search.nodes)
        if nodes == 0:
            break
        best = search.best
        search.run(nodes)
        if search.best != best:
            report(search.assignment)
    assignment = search.assignment if search.best is not None else None
    return Found(assignment, search.nodes, search.finished, not search.finished)


def _keeps(values: np.ndarray, assignment: np.ndarray, parts: int, limits: Limits) -> bool:
    counts = np.bincount(assignment, minlength=parts)
    if counts.max() > limits.most or (counts == limits.most).sum() > limits.fuller:
        return False
    if limits.capacities is None:
        return True
    sums = part_sums(values, assignment, parts)
    return all(value <= most for value, most in zip(sums, limits.capacities, strict=True))


def _limits(weights: Weights, parts: int, capacities: Sequence[Any] | float | None, balanced: bool) -> Limits:
    count = len(weights.values)
    most, fuller = (-(-count // parts), count % parts or parts) if balanced else (count, parts)
    if capacities is None:
        return Limits(None, most, fuller)
    given = [capacities] * parts if isinstance(capacities, (int, float)) else list(capacities)
    if len(given) != parts:
        raise OptionError(f"capacities has {len(given)} entries for {parts} parts; give one for each, or one number")
    exact = exact_weights(given)
    return Limits(tuple(math.floor(value * exact.unit / weights.unit) for value in exact.values), most, fuller)


def _result(weights: Weights, parts: int, objective: str, found: Found, *, searched: bool) -> Partition:
    if found.assignment is None:
        if found.timed_out:
            status, reason = (
                Verdict.TIMEOUT,
                "no partition that keeps the limits was found in time; raise time_limit",
            )
        elif not searched:
            status, reason = Verdict.NOT_FOUND, "differencing does not keep the limits; use method='auto'"
        else:
            status, reason = Verdict.NOT_FOUND, "no partition keeps the capacities and the numbers of items"
        return Partition(partition_dataset(weights, parts, objective, None, 0, found.nodes), status, reason, SCHEMA)
    sums = part_sums(weights.array(), found.assignment, parts)
    value = objective_of(sums, objective)
    bound = objective_bound(sorted(weights.values, reverse=True), parts, objective)
    bound = max(bound, _two_way_bound(weights, objective)) if parts == 2 else bound
    optimal = found.optimal or value <= bound
    bound = value if optimal else bound
    dataset = partition_dataset(weights, parts, objective, found.assignment, bound, found.nodes)
    shown = _signed(weights, value, objective)
    if optimal:
        status, reason = Verdict.OPTIMAL, f"no partition has a better {objective} than {shown}"
    else:
        status = Verdict.TIMEOUT if found.timed_out else Verdict.FEASIBLE
        what = "the search was not finished" if found.timed_out else "no search was asked for"
        reason = f"the {objective} is {shown}, the bound {_signed(weights, bound, objective)}; {what}"
    return Partition(dataset, status, reason, SCHEMA)


def _signed(weights: Weights, value: int, objective: str) -> int | float:
    return weights.given(-value if objective == "smallest" else value)


def _check_method(weights: Weights, parts: int, method: str, limits: Limits) -> None:
    count = len(weights.values)
    if method in ("complete_differencing", "four_lists") and (parts != 2 or not limits.free(count)):
        raise OptionError(f"method={method!r} splits into 2 parts without limits; use method='complete_greedy'")
    if method == "four_lists" and not (weights.fits and count <= four_lists.MOST_ITEMS):
        raise OptionError(
            f"method='four_lists' takes at most {four_lists.MOST_ITEMS} weights whose exact sums fit into int64, got "
            f"{count} weights that need {weights.total.bit_length()} bits; use method='complete_differencing'"
        )


def _check(weights: Weights, parts: Any, objective: Any, method: Any, time_limit: Any, most_nodes: int | None) -> None:
    count = len(weights.values)
    if isinstance(parts, bool) or not isinstance(parts, (int, np.integer)) or parts < 1:
        raise OptionError(f"parts is a whole number from 1 on, got {parts!r}")
    if parts > count:
        raise OptionError(f"{parts} parts of {count} weights would leave {parts - count} empty; take parts <= {count}")
    for name, value, known in (("objective", objective, OBJECTIVES), ("method", method, METHODS)):
        if value not in known:
            raise OptionError(f"{name} is one of {listing(known)}, got {value!r}{nearest(str(value), known)}")
    if not (isinstance(time_limit, (int, float)) and time_limit >= 0):
        raise OptionError(f"time_limit is a number of seconds that is not negative, got {time_limit!r}")
    if most_nodes is not None and not (isinstance(most_nodes, int) and most_nodes >= 0):
        raise OptionError(f"most_nodes is a whole number that is not negative, or None; got {most_nodes!r}")
