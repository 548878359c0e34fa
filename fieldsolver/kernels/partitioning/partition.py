"""`partition`: weights in parts of sums as equal as can be, with a bound that says how far from the best they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict

from . import four_lists, many_way_differencing
from .checks import one_of, real_number, shown, whole_number, yes_or_no
from .complete_greedy import OBJECTIVES
from .limits import limits_of
from .partition_result import SCHEMA, Partition, partition_dataset
from .searches import Clock, Found, Report, Task, best_found
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
        capacities: the largest sum of every part, one number for all or k of them; infinity is no limit.
        balanced: the numbers of items of two parts differ by at most one.
        time_limit: seconds of search, without those of compiling at first use; 0 takes what differencing gives.
        most_nodes: nodes of the search, for results that do not depend on the speed of the machine.
        callback: called with the value of the objective whenever it improves.

    Returns:
        Schema ``partition/1``, dimensions ``item`` (`weight`, `assignment`) and ``part`` (`part_sum`, `part_count`);
        scalars `difference`, `largest`, `smallest`, `value` (of the objective), `lower_bound`, `gap`, `nodes`. Of
        integers beyond int64 these are rounded to floats (infinite beyond 1.8e308), and `part_sum_exact` is their text.
        OPTIMAL: no partition is better. FEASIBLE: no search was asked for. TIMEOUT: the limit came first; the gap says
        what is still possible. NOT_FOUND: no partition keeps the limits. INCONCLUSIVE: differencing found none that
        keeps them, and there may be one.
        The same weights always give the same parts, unless the time limit ends the search.

    Raises:
        OptionError: weights, the number of parts, or an option that makes no sense.
    """
    exact = exact_weights(weights)
    parts = _parts(parts, len(exact.values))
    limits = limits_of(exact, parts, capacities, yes_or_no("balanced", balanced))
    task = Task(exact, parts, one_of("objective", objective, OBJECTIVES), one_of("method", method, METHODS), limits)
    _check_method(task)
    _check_callback(callback)
    found = best_found(task, _clock(time_limit, most_nodes, exact), Report(task, callback))
    return _result(task, found)


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
    limits = task.limits.words(len(task.weights.values))
    if found.timed_out:
        return Verdict.TIMEOUT, f"no partition that keeps {limits} was found in time; raise time_limit"
    if found.optimal:
        why = task.limits.contradiction(task.weights.values)
        return Verdict.NOT_FOUND, f"no partition keeps {limits}" + (f": {why}" if why else "")
    return Verdict.INCONCLUSIVE, (
        f"differencing and its repair found no partition that keeps {limits}, and there may be one; use method='auto'"
    )


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


def _parts(parts: Any, count: int) -> int:
    parts = whole_number("parts", parts, 1)
    if parts > count:
        raise OptionError(f"{parts} parts of {count} weights would leave {parts - count} empty; take parts <= {count}")
    return parts


def _clock(time_limit: Any, most_nodes: Any, weights: Weights) -> Clock:
    seconds = real_number("time_limit", time_limit, "a number of seconds from 0 on")
    nodes = None if most_nodes is None else whole_number("most_nodes", most_nodes, 0)
    return Clock(seconds, nodes, compiled=weights.fits)


def _check_callback(callback: Any) -> None:
    if callback is not None and not callable(callback):
        raise OptionError(f"callback is a function of the value of the objective, or None; got {shown(callback)}")
