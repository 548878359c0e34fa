"""Where states are kept: the cost of the backward pass that follows, without any numerics."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldsolver.gradients.discrete.binomial import advances
from fieldsolver.gradients.discrete.placement import KnownPlacement, OnlinePlacement, Placement

BUDGETS = [1, 2, 3, 5, 8, 16, 32, 64, 100]


class Watched:
    """A placement, and what it keeps."""

    def __init__(self, placement: Placement) -> None:
        self.placement = placement
        self.kept = [0]
        self.steps = 1

    def grow(self, steps: int) -> None:
        """To a run of so many steps."""
        for number in range(self.steps, steps):
            keep, given_up = self.placement.offer(number)
            assert 0 not in given_up
            assert set(given_up) <= set(self.kept)
            if given_up:
                gone = set(given_up)
                self.kept = [kept for kept in self.kept if kept not in gone]
            self.kept += [number] * keep
        self.steps = max(self.steps, steps)

    def cost(self) -> int:
        """Steps of forward pass, recomputation and differentiation: each segment has the slots that are free by then.

        Segments are reversed from the last to the first, and a state that was passed leaves its slot to the others.
        """
        ends = [*self.kept[1:], self.steps]
        segments = zip(self.kept, ends, strict=True)
        again = sum(advances(end - start, self.placement.slots - i) for i, (start, end) in enumerate(segments))
        return self.steps + again + self.steps


def optimum(steps: int, slots: int) -> int:
    """The same for the best places. The loss is one more step, which is differentiated without being repeated."""
    return advances(steps + 1, slots) + steps


@pytest.mark.parametrize("slots", BUDGETS)
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 67, 100, 1000, 10_000])
def test_known_steps_cost_the_optimum(steps: int, slots: int) -> None:
    watched = Watched(KnownPlacement(steps, slots))
    watched.grow(steps)
    assert len(watched.kept) <= slots
    assert watched.cost() == optimum(steps, slots)


@pytest.mark.parametrize("slots", BUDGETS)
def test_unknown_steps_cost_at_most_a_tenth_more_than_the_optimum(slots: int) -> None:
    """For all lengths of runs at once: the placement never learns where the end is."""
    watched, worst = Watched(OnlinePlacement(lambda steps: slots)), 0.0
    for steps in [*range(10, 1000), *range(1000, 10_000, 97), 10_000]:
        watched.grow(steps)
        assert len(watched.kept) <= slots
        worst = max(worst, watched.cost() / optimum(steps, slots))
    assert worst <= {1: 1.0, 2: 1.1, 3: 1.06, 5: 1.06}.get(slots, 1.03)


@settings(max_examples=50)
@given(steps=st.integers(1, 300), slots=st.integers(1, 40))
def test_a_run_that_fits_keeps_everything_and_repeats_nothing(steps: int, slots: int) -> None:
    for placement in (OnlinePlacement(lambda _: slots), KnownPlacement(steps, slots)):
        watched = Watched(placement)
        watched.grow(steps)
        assert len(watched.kept) <= slots
        if steps <= slots:
            assert watched.kept == list(range(steps))
            assert watched.cost() == 2 * steps


def test_slots_may_grow_on_the_way() -> None:
    watched = Watched(OnlinePlacement(lambda steps: max(8, 2 * int(steps**0.5))))
    for steps in (50, 500, 5000):
        watched.grow(steps)
        assert len(watched.kept) <= 2 * steps**0.5 + 8
        assert watched.cost() <= 3 * steps  # no step is made more than three times
        assert max(b - a for a, b in pairwise(watched.kept)) <= 2 * steps**0.5 + 8


def test_a_run_that_ends_before_its_known_end_is_still_reversed() -> None:
    watched = Watched(KnownPlacement(1000, 5))
    watched.grow(300)
    assert watched.cost() <= 2 * optimum(300, 5)
