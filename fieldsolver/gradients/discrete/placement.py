"""Which states to keep while a run goes on: integers only.

Where the number of steps is known, the optimal places are (`binomial`). Where it is not, one asks after every step: if
the run were to end with the next one, would the backward pass be as cheap with the present state in place of one that
is kept? If so, the state whose loss costs least makes room. With two slots only one state can move, and short runs
feel each step that it is off: kept before step p, it moves as soon as it is sqrt(2 p) steps behind, which is about
where the optimum has it.

Runs of 10 to 10,000 steps then cost at most 1.10 times the optimum for that number of steps with two slots, 1.06 times
with three to five, 1.03 times with more.

Source of the problem: Stumm, Walther, *New algorithms for optimal online checkpointing*, SIAM J. Sci. Comput. 32 (2010)
836-854; Wang, Moin, Iaccarino, *Minimal repetition dynamic checkpointing algorithm for unsteady adjoint calculation*,
SIAM J. Sci. Comput. 31 (2009) 2549-2567. Theirs keep the number of repetitions small; here the cost itself decides.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Protocol

from .binomial import advances, next_kept

BATCH = 16
"""One slot out of so many is freed at a time, so that many slots are seldom looked through."""


class Placement(Protocol):
    """Decides which of the states before steps 0, 1, 2, ... are kept; that before step 0 always is.

    Attributes:
        slots: how many may be kept at a time.
    """

    @property
    def slots(self) -> int: ...

    def offer(self, number: int) -> tuple[bool, list[int]]:
        """Whether to keep the state before this step, and which kept ones to give up for it."""
        ...


class KnownPlacement:
    """The optimal places for a known number of steps.

    Args:
        steps: their number; a run that ends earlier costs no more for it.
        slots: states that are kept at a time, at least 1.
    """

    def __init__(self, steps: int, slots: int) -> None:
        self.slots = slots
        self._steps, self._free = steps, slots - 1
        self._next = self._following(0)

    def offer(self, number: int) -> tuple[bool, list[int]]:
        """Keep it if it is one of them."""
        if number != self._next:
            return False, []
        self._free -= 1
        self._next = self._following(number)
        return True, []

    def _following(self, number: int) -> int:
        left = self._steps - number
        return number + next_kept(left, self._free + 1) if self._free and left > 1 else -1


class OnlinePlacement:
    """Good places for an unknown number of steps.

    Args:
        slots: how many states may be kept at a time, at least 1; a function of the number of steps so far that never
            falls.
    """

    def __init__(self, slots: Callable[[int], int]) -> None:
        self._allowed = slots
        self.slots = slots(0)
        self._kept = [0]
        self._prices: _Prices | None = None

    def offer(self, number: int) -> tuple[bool, list[int]]:
        """Keep it if there is room, or if room is worth making."""
        self.slots = slots = self._allowed(number)
        if len(self._kept) < slots:
            self._kept.append(number)
            return True, []
        given_up = self._worth_giving_up(number) if slots > 1 else []
        if given_up:
            gone = set(given_up)
            self._kept = [*(kept for kept in self._kept if kept not in gone), number]
            self._prices = None
        return bool(given_up), given_up

    def _worth_giving_up(self, number: int) -> list[int]:
        last = self._kept[-1]
        if self.slots == 2:
            return [last] if (number - last) ** 2 >= 2 * last else []
        if self._prices is None or self._prices.slots != self.slots:
            self._prices = _Prices(self._kept, self.slots)
        return self._prices.worth_giving_up(number)


class _Prices:
    """What the backward pass costs without one of the kept states, all slots, three at least, being taken.

    The i-th segment, between neighbours, is reversed with the slots that are then free: its own and those behind it.
    The last one, up to now, is still growing, and is priced when asked.
    """

    def __init__(self, kept: list[int], slots: int) -> None:
        self.slots = slots
        self._kept = kept
        count = len(kept)
        lengths = [after - before for before, after in pairwise(kept)]
        stay = [0, *accumulate(advances(length, slots - i) for i, length in enumerate(lengths))]
        shifted = [advances(length, slots - i + 1) for i, length in enumerate(lengths)]
        behind = [*accumulate(reversed(shifted), initial=0)]  # the last 0, 1, 2, ... segments, with one slot more
        self._inner = [  # without the j-th, for all j but the first and the last
            stay[j - 1] + advances(kept[j + 1] - kept[j - 1], slots - j + 1) + behind[count - 2 - j]
            for j in range(1, count - 1)
        ]
        self._all, self._but_last = stay[-1], stay[-2]
        self._least = min(self._inner)

    def worth_giving_up(self, number: int) -> list[int]:
        """The states to give up for the one before this step; none, if the run is cheaper as it is."""
        last, before = self._kept[-1], self._kept[-2]
        unchanged = self._all + advances(number + 1 - last, 1)
        growing = advances(number - last, 2)
        without_last = self._but_last + advances(number - before, 2)
        least = min(self._least + growing, without_last)
        if least > unchanged:
            return []
        prices = [*(price + growing for price in self._inner), without_last]
        return [self._kept[1 + j] for j in _cheapest(prices, max(1, self.slots // BATCH))]


def _cheapest(prices: list[int], count: int) -> list[int]:
    """Places of the lowest prices, no two of them neighbours."""
    if count == 1:
        return [prices.index(min(prices))]
    found: set[int] = set()
    for j in sorted(range(len(prices)), key=prices.__getitem__):
        if j - 1 not in found and j + 1 not in found:
            found.add(j)
        if len(found) == count:
            break
    return sorted(found)
