"""What each part may hold: sums and numbers of items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldsolver.errors import OptionError

from .checks import entries_of, real_number
from .complete_greedy import part_sums
from .weights import Weights, exact_weights


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

    def words(self, count: int) -> str:
        """What has to be kept, for a sentence."""
        asked = {"the capacities": self.capacities is not None, "the numbers of items": self.most < count}
        return " and ".join(name for name, is_asked in asked.items() if is_asked)

    def contradiction(self, values: Sequence[int]) -> str:
        """Why no partition can keep the capacities, where that is plain to see; else nothing."""
        if self.capacities is None:
            return ""
        if max(values) > max(self.capacities):
            return "the heaviest weight is more than the largest capacity"
        if sum(values) > sum(self.capacities):
            return "the weights are more than all capacities together"
        return ""

    def keep_counts(self, counts: Sequence[int]) -> bool:
        """Whether parts may hold so many items."""
        return max(counts) <= self.most and sum(count == self.most for count in counts) <= self.fuller

    def keep(self, values: np.ndarray, assignment: np.ndarray, parts: int) -> bool:
        """Whether an assignment ``(n,)`` of weights ``(n,)`` keeps all of them."""
        if not self.keep_counts(np.bincount(assignment, minlength=parts).tolist()):
            return False
        if self.capacities is None:
            return True
        sums = part_sums(values, assignment, parts)
        return all(total <= most for total, most in zip(sums, self.capacities, strict=True))


def limits_of(weights: Weights, parts: int, capacities: Sequence[Any] | float | None, balanced: bool) -> Limits:
    """The limits as `partition` is given them; an infinite capacity is none.

    Raises:
        OptionError: capacities of another number, negative, or no numbers.
    """
    count = len(weights.values)
    most, fuller = (-(-count // parts), count % parts or parts) if balanced else (count, parts)
    if capacities is None:
        return Limits(None, most, fuller)
    sums = tuple(_capacity(value, part, weights) for part, value in enumerate(_one_for_each(capacities, parts)))
    return Limits(sums if min(sums) < weights.total else None, most, fuller)


def _one_for_each(capacities: Any, parts: int) -> list[Any]:
    if isinstance(capacities, (int, float, np.integer, np.floating)) or getattr(capacities, "shape", None) == ():
        capacities = [capacities] * parts
    given = entries_of("capacities", capacities)
    if len(given) != parts:
        raise OptionError(f"capacities has {len(given)} entries for {parts} parts; give one for each, or one number")
    return given


def _capacity(value: Any, part: int, weights: Weights) -> int:
    """A capacity as an integer of the weights' unit; of all weights together if it is more."""
    if real_number(f"the capacity of part {part}", value, "a number from 0 on or infinity") == math.inf:
        return weights.total
    exact = exact_weights([value], "capacities")
    return min(weights.total, math.floor(exact.values[0] * exact.unit / weights.unit))
