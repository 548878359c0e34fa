"""The optimal schedule: its closed form against the recurrence it solves."""

from __future__ import annotations

from functools import cache
from math import comb

import pytest

from fieldsolver.gradients.discrete.binomial import advances, beta, next_kept, repetitions


@cache
def fewest(steps: int, slots: int) -> int:
    """By trying every place of the next kept state."""
    if steps <= 1:
        return 0
    if slots == 1:
        return steps * (steps - 1) // 2
    return min(m + fewest(m, slots) + fewest(steps - m, slots - 1) for m in range(1, steps))


@pytest.mark.parametrize("slots", range(1, 9))
def test_the_closed_form_is_the_minimum_of_the_recurrence(slots: int) -> None:
    for steps in range(1, 81):
        assert advances(steps, slots) == fewest(steps, slots)


@pytest.mark.parametrize("slots", range(2, 9))
def test_the_next_kept_state_attains_the_minimum_and_none_farther_does(slots: int) -> None:
    for steps in range(2, 81):
        costs = {m: m + fewest(m, slots) + fewest(steps - m, slots - 1) for m in range(1, steps)}
        assert next_kept(steps, slots) == max(m for m, cost in costs.items() if cost == fewest(steps, slots))


def test_printed_values() -> None:
    """Griewank, Walther 2000: with c snapshots and r repetitions (c + r)! / (c! r!) steps are reversed; there 10 steps
    with 3 snapshots take 15 forward steps, and Griewank 1992 lists beta(3, 3) = 20."""
    assert beta(3, 3) == 20
    assert repetitions(10, 3) == 2
    assert advances(10, 3) == 15
    assert repetitions(11, 3) == 3


@pytest.mark.parametrize("slots", [1, 2, 3, 5, 16, 100])
def test_the_closed_form_in_its_usual_letters(slots: int) -> None:
    """t N - C(k + t, t - 1)."""
    for steps in (1, 2, 17, 100, 999, 10_000):
        t = repetitions(steps, slots)
        assert beta(slots, t - 1) < steps <= beta(slots, t)
        assert advances(steps, slots) == t * steps - (comb(slots + t, t - 1) if t else 0)
