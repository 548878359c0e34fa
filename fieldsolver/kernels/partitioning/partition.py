"""`partition`: weights in parts of sums as equal as can be, with a bound that says how far from the best they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.results import Verdict

from . import four_lists, many_way_differencing
from .complete_greedy import OBJECTIVES
from .partition_result import SCHEMA, Partition, partition_dataset
from .searches import Clock, Found, Limits, Report, Task, best_found
from .weights import Weights, exact_weights

if TYPE_CHECKING:
    import xarray

METHODS: tuple[str, ...] = ("auto", "differencing", "complete_differencing", "complete_greedy", "four_lists")


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
        method: ``"differencing"`` (Karmarkar and Karp, no search), ``"complete_differencing"`` (up to 7 parts),
            ``"complete_greedy"``, ``"four_lists"`` (two parts, at most 50 items: Schroeppel and Shamir), or ``"auto"``:
            of the searches that can do it, by turns.
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
    task = Task(exact, parts, objective, method, _limits(exact, parts, capacities, balanced))
    _check_method(task)
    found = best_found(task, Clock(time_limit, most_nodes, compiled=exact.fits), Report(task, callback))
    return _result(task, found)


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


def _result(task: Task, found: Found) -> Partition:
    def dataset(bound: int) -> xarray.Dataset:
        return partition_dataset(task.weights, task.parts, task.objective, found.assignment, bound, found.nodes)

    if found.assignment is None:
        return Partition(dataset(0), *_nothing(task, found), SCHEMA)
    value, bound = task.value(found.assignment), task.bound
    shown = task.shown(value)
    if found.optimal or value <= bound:
        reason = f"no partition has a better {task.objective} than {shown}"
        return Partition(dataset(value), Verdict.OPTIMAL, reason, SCHEMA)
    status = Verdict.TIMEOUT if found.timed_out else Verdict.FEASIBLE
    what = "the search was not finished" if found.timed_out else "no search was asked for"
    reason = f"the {task.objective} is {shown}, the bound {task.shown(bound)}; {what}"
    return Partition(dataset(bound), status, reason, SCHEMA)


def _nothing(task: Task, found: Found) -> tuple[Verdict, str]:
    if found.timed_out:
        return Verdict.TIMEOUT, "no partition that keeps the limits was found in time; raise time_limit"
    if task.method == "differencing":
        return Verdict.NOT_FOUND, "differencing does not keep the limits; use method='auto'"
    return Verdict.NOT_FOUND, "no partition keeps the capacities and the numbers of items"


def _check_method(task: Task) -> None:
    count, parts, method = len(task.weights.values), task.parts, task.method
    if method in ("complete_differencing", "four_lists") and not task.is_free:
        raise OptionError(f"method={method!r} knows no limits of the parts; use method='complete_greedy'")
    if method == "four_lists" and parts != 2:
        raise OptionError(f"method='four_lists' splits into 2 parts, got parts={parts}; use method='auto'")
    if method == "complete_differencing" and parts > 2 and not many_way_differencing.holds(count, parts):
        raise OptionError(
            f"method='complete_differencing' takes at most {many_way_differencing.MOST_PARTS} parts, and fewer items "
            f"the more parts there are; got {count} items in {parts} parts; use method='complete_greedy'"
        )
    if method == "four_lists" and not (task.weights.fits and count <= four_lists.MOST_ITEMS):
        raise OptionError(
            f"method='four_lists' takes at most {four_lists.MOST_ITEMS} weights whose exact sums fit into int64, got "
            f"{count} weights that need {task.weights.total.bit_length()} bits; use method='complete_differencing'"
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
