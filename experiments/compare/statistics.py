"""Statistics of few seeds: means with intervals, paired tests, a correction for many claims, the test set's share."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fieldsolver.errors import OptionError

MOST_EXACT = 20
"""Pairs up to which all 2^n assignments of signs are counted."""
DRAWS = 100_000


@dataclass(frozen=True)
class Summary:
    """Repetitions of one measurement.

    Attributes:
        mean: their mean.
        deviation: sample deviation (n - 1); NaN of a single one.
        low, high: ends of the 95 % interval of the mean (Student's t); infinite of a single one.
        number: n.
    """

    mean: float
    deviation: float
    low: float
    high: float
    number: int


def summary(values: Sequence[float] | np.ndarray) -> Summary:
    """Mean, sample deviation and 95 % interval of (n,) repetitions.

    Raises:
        OptionError: there are none, or one is not finite.
    """
    found = _numbers(values)
    mean, number = float(found.mean()), len(found)
    if number == 1:
        return Summary(mean, math.nan, -math.inf, math.inf, 1)
    deviation = float(found.std(ddof=1))
    half = _quantile(number) * deviation / math.sqrt(number)
    return Summary(mean, deviation, mean - half, mean + half, number)


@dataclass(frozen=True)
class PairedTest:
    """First less second, seed by seed; the null is that neither is better.

    Attributes:
        mean, low, high: of the differences, with the 95 % interval.
        p_t: two-sided p-value of the paired t test; 1 where all differences are 0, NaN where it is not defined (one
            pair, or differences that are all alike and not 0).
        p_signs: two-sided p-value of the sign-flip permutation test; never below ``2 / 2^n``.
        number: n pairs.
    """

    mean: float
    low: float
    high: float
    p_t: float
    p_signs: float
    number: int

    @property
    def least_p_signs(self) -> float:
        """The smallest p-value that the sign-flip test can give with so few pairs."""
        return min(1.0, 2.0 ** (1 - self.number))

    @property
    def p(self) -> float:
        """The p-value to decide by: of the t test; where that is not defined, of the permutation test."""
        return self.p_signs if math.isnan(self.p_t) else self.p_t


def paired_test(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> PairedTest:
    """Compare two (n,) measurements of the same seeds, in the same order.

    Raises:
        OptionError: their lengths differ, there are none, or one is not finite.
    """
    left, right = _numbers(first), _numbers(second)
    if len(left) != len(right):
        raise OptionError(f"a paired test compares the same seeds, got {len(left)} and {len(right)} of them")
    differences = left - right
    found = summary(differences)
    return PairedTest(found.mean, found.low, found.high, _p_t(differences), p_signs(differences), found.number)


def p_signs(differences: np.ndarray) -> float:
    """Two-sided p-value of the sign-flip permutation test of (n,) differences (Fisher 1935).

    Every assignment of signs up to `MOST_EXACT` pairs; beyond, `DRAWS` seeded ones and the observed one.
    """
    number = len(differences)
    observed = abs(differences.sum())
    near = 1e-9 * np.abs(differences).sum()  # sums of the same numbers in another order are ties
    if number > MOST_EXACT:
        signs = np.random.default_rng(0).choice((-1.0, 1.0), (DRAWS, number))
        reached = np.abs(signs @ differences) >= observed - near
        return float((reached.sum() + 1) / (DRAWS + 1))
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate((sums + difference, sums - difference))
    return float((np.abs(sums) >= observed - near).mean())


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for being several (Holm 1979), in the order given; the family's error is kept."""
    order = sorted(range(len(p_values)), key=lambda position: p_values[position])
    raised = [p_values[position] * (len(p_values) - rank) for rank, position in enumerate(order)]
    adjusted = [0.0] * len(p_values)
    for position, value in zip(order, itertools.accumulate(raised, max), strict=True):
        adjusted[position] = min(1.0, value)
    return adjusted


def sampling_error(accuracy: float, samples: int) -> float:
    """One standard deviation of the accuracy that another test set of this size would cause (binomial)."""
    return math.sqrt(accuracy * (1 - accuracy) / samples)


def rank_correlation(first: np.ndarray, second: np.ndarray, draws: int = 2000) -> tuple[float, float]:
    """Spearman's rank correlation of two (n,) arrays and its two-sided p-value by seeded permutations.

    Constant data have correlation 0 and p-value 1.
    """
    from scipy import stats

    ranks = [stats.rankdata(values) for values in (first, second)]
    left, right = (values - values.mean() for values in ranks)
    size = math.sqrt(float(left @ left) * float(right @ right))
    if size == 0:
        return 0.0, 1.0
    observed = float(left @ right) / size
    generator = np.random.default_rng(0)
    drawn = np.array([left @ generator.permutation(right) for _ in range(draws)]) / size
    return observed, float((np.sum(np.abs(drawn) >= abs(observed) - 1e-12) + 1) / (draws + 1))


def slope(sizes: Sequence[float], values: Sequence[float]) -> Summary:
    """Slope of log(value) over log(size) by least squares, with its 95 % interval; needs three points."""
    from scipy import stats

    if len(sizes) < 3:
        raise OptionError(f"a slope with an interval needs at least 3 points, got {len(sizes)}")
    fit = stats.linregress(np.log(sizes), np.log(values))
    half = float(stats.t.ppf(0.975, len(sizes) - 2)) * float(fit.stderr)
    steepness = float(fit.slope)
    return Summary(steepness, float(fit.stderr), steepness - half, steepness + half, len(sizes))


def _p_t(differences: np.ndarray) -> float:
    from scipy import stats

    if not differences.any():
        return 1.0
    if len(differences) < 2 or np.ptp(differences) <= 1e-12 * np.abs(differences).max():
        return math.nan
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def _quantile(number: int) -> float:
    from scipy import stats

    return float(stats.t.ppf(0.975, number - 1))


def _numbers(values: Sequence[float] | np.ndarray) -> np.ndarray:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise OptionError(f"statistics need a list of finite numbers, got {values!r}")
    return found
