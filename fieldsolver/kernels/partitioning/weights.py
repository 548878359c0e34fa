"""Weights as exact integers: floats are integers over a power of two, and sums of them lose nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from fieldsolver.errors import OptionError

from .checks import entries_of, shown

LARGEST = 2**62
"""Totals below it are searched in int64.

A loop adds weights of different items, takes such sums off each other, or doubles one of them: nothing it forms is 2^63
in size. Larger totals are Python integers throughout; no number stands for "more than any sum" in either.
"""


@dataclass(frozen=True)
class Weights:
    """Weights as integers.

    Attributes:
        values: Python integers, not negative.
        unit: a weight of 1 among `values`, in the units that were given.
        is_integer: integers were given.
    """

    values: tuple[int, ...]
    unit: Fraction
    is_integer: bool

    @cached_property
    def total(self) -> int:
        return sum(self.values)

    @property
    def fits(self) -> bool:
        """Whether all sums fit into int64."""
        return self.total < LARGEST

    def array(self) -> np.ndarray:
        """``(n,)``: int64 if all sums fit, else Python integers."""
        return np.array(self.values, dtype=np.int64 if self.fits else object)

    def given(self, value: int) -> int | float:
        """A sum of `values` in the units that were given, rounded once where it is a float."""
        return value if self.is_integer else as_float(value * self.unit)


def as_float(value: int | Fraction) -> float:
    """The nearest float; infinite beyond the largest one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def exact_weights(weights: Sequence[Any] | np.ndarray, name: str = "weights") -> Weights:
    """Read weights: integers of any size, or floats, which are dyadic fractions.

    Args:
        weights: ``(n,)``.
        name: what errors call them.

    Raises:
        OptionError: none, negative, not finite, no real numbers, or floats whose sum is none.
    """
    entries = entries_of(name, weights)
    if not entries:
        raise OptionError(f"{name} is empty; give at least one number")
    if isinstance(weights, np.ndarray) and weights.dtype.kind in "iu" and weights.min() >= 0:
        return Weights(tuple(entries), Fraction(1), is_integer=True)
    fractions = [_fraction(entry, place, name) for place, entry in enumerate(entries)]
    scale = max(value.denominator for value in fractions)  # powers of two: the largest is the common one
    whole = all(isinstance(entry, (int, np.integer)) for entry in entries)
    exact = Weights(tuple(int(value * scale) for value in fractions), Fraction(1, scale), whole)
    if not whole and exact.given(exact.total) == math.inf:
        raise OptionError(f"{name} add up to more than the largest float, 1.8e308; divide them all, or give integers")
    return exact


def _fraction(entry: Any, place: int, name: str) -> Fraction:
    if isinstance(entry, (bool, np.bool_)) or not isinstance(entry, (int, float, np.integer, np.floating)):
        raise OptionError(f"{name} are integers or floats, got {shown(entry)} at position {place}")
    if isinstance(entry, (int, np.integer)):
        exact = Fraction(int(entry))
    elif np.isfinite(entry):
        exact = Fraction(*entry.as_integer_ratio())  # of a long double too
    else:
        raise OptionError(f"{name} are finite, got {shown(entry)} at position {place}")
    if exact < 0:
        raise OptionError(
            f"{name} are not negative, got {shown(entry)} at position {place}; a shift would change the problem"
        )
    return exact
