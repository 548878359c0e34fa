"""A start that keeps the capacities: items move or change places until no part holds too much.

A start that is none yet comes from differencing, or from putting weights, the largest first, where they leave the least
room. Both are heuristics: that they find nothing proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .complete_greedy import part_sums
from .limits import Limits

MOST_STEPS = 1000


@dataclass(frozen=True)
class Step:
    """One item goes to another part, perhaps in exchange for one from there (-1: for none).

    Attributes:
        excess: what the two parts hold too much afterwards.
    """

    excess: int
    given: int
    taken: int
    source: int
    target: int


def repaired(values: np.ndarray, assignment: np.ndarray, parts: int, limits: Limits) -> np.ndarray | None:
    """An assignment ``(n,)`` that keeps the limits, or None; the given one must keep the numbers of items."""
    if limits.capacities is None:
        return assignment
    assignment = largest_to_roomiest(values, assignment, limits.capacities)
    for _ in range(MOST_STEPS):
        sums = part_sums(values, assignment, parts)
        excess = [max(0, total - most) for total, most in zip(sums, limits.capacities, strict=True)]
        if not any(excess):
            return assignment
        better = [
            (step.excess - excess[step.source] - excess[step.target], step)
            for step in _steps(values, assignment, sums, limits)
        ]
        gain, step = min(better, key=lambda pair: pair[0], default=(0, None))
        if step is None or gain >= 0:
            return None
        assignment[step.given] = step.target
        if step.taken >= 0:
            assignment[step.taken] = step.source
    return None


def best_fit(values: np.ndarray, parts: int, limits: Limits) -> np.ndarray | None:
    """Weights, the largest first, each into the part that it leaves the least room in; None if one fits nowhere."""
    room, counts = list(limits.capacities or [int(values.sum())] * parts), [0] * parts
    assignment = np.empty(len(values), dtype=np.int64)
    for item in np.argsort(-values, kind="stable").tolist():
        weight = int(values[item])
        fitting = [part for part in range(parts) if room[part] >= weight and _may_grow(counts, part, limits)]
        if not fitting:
            return None
        part = min(fitting, key=lambda one: (room[one], one))
        assignment[item] = part
        room[part] -= weight
        counts[part] += 1
    return assignment


def largest_to_roomiest(values: np.ndarray, assignment: np.ndarray, capacities: tuple[int, ...]) -> np.ndarray:
    """The same parts under other numbers: the largest sum where the largest capacity is."""
    parts = len(capacities)
    sums = part_sums(values, assignment, parts)
    renamed = np.empty(parts, dtype=np.int64)
    renamed[sorted(range(parts), key=lambda part: sums[part])] = sorted(range(parts), key=lambda part: capacities[part])
    return np.asarray(renamed[assignment])


def _may_grow(counts: list[int], part: int, limits: Limits) -> bool:
    after = counts.copy()
    after[part] += 1
    return limits.keep_counts(after)


def _steps(values: np.ndarray, assignment: np.ndarray, sums: list[int], limits: Limits) -> Iterator[Step]:
    """The best step from every part that holds too much to every other one."""
    capacities = limits.capacities or ()
    counts = np.bincount(assignment, minlength=len(sums)).tolist()
    for source, target in np.ndindex(len(sums), len(sums)):
        over, room = sums[source] - capacities[source], capacities[target] - sums[target]
        if source != target and over > 0:
            after = counts.copy()
            after[source] -= 1
            after[target] += 1
            found = _best_transfer(values, assignment, (source, target), (over, room), limits.keep_counts(after))
            if found is not None:
                yield found


def _best_transfer(
    values: np.ndarray, assignment: np.ndarray, ends: tuple[int, int], bounds: tuple[int, int], may_move: bool
) -> Step | None:
    """The item of one part, and the one of the other or none, that leave the least excess of both.

    Moving d from a part that is `over` by some to one with `room` leaves max(0, over - d) + max(0, d - room).
    """
    over, room = bounds
    given, taken = (np.flatnonzero(assignment == part) for part in ends)
    taken = taken[np.argsort(values[taken], kind="stable")]
    back = values[taken]
    if may_move:
        taken, back = np.append(-1, taken), np.append(values[:1] * 0, back)
    if not len(given) or not len(back):
        return None
    most = max(over, room)  # the excess is least for d between `over` and `room`: take the d next to the upper end
    place = np.searchsorted(back, values[given] - most)
    best: Step | None = None
    for near in (np.minimum(place, len(back) - 1), np.maximum(place - 1, 0)):
        moved = values[given] - back[near]
        excess = np.maximum(over - moved, 0) + np.maximum(moved - room, 0)
        first = int(np.argmin(excess))
        if best is None or excess[first] < best.excess:
            best = Step(int(excess[first]), int(given[first]), int(taken[near[first]]), *ends)
    return best
