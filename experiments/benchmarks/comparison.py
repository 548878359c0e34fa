"""The two sides of a case, and the ratio that is asked for."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field, replace
from statistics import median

from fieldsolver.results import Verdict

from .timing import Times


class Quantity(enum.StrEnum):
    """What is compared; of all of them less is better."""

    SECONDS = "seconds"
    SECONDS_PER_STEP = "seconds per accepted step"
    SECONDS_PER_EVALUATION = "seconds per evaluation"
    EVALUATIONS = "evaluations"

    @property
    def is_time(self) -> bool:
        """Times are compared as a speed-up, other / ours, which has to be large; counts as ours / other."""
        return self is not Quantity.EVALUATIONS


@dataclass(frozen=True)
class Measurement:
    """One side of a case; NaN where a number was not measured or has no meaning.

    Attributes:
        name: package and method, such as ``"torchdiffeq dopri5"``.
        times: wall times of the whole solve.
        accepted: accepted steps; for a batch with steps of their own the mean over the samples.
        attempts: passes of the loop, accepted or not; for a batch those of the sample that takes most.
        evaluations: evaluations of f; for a batch the mean over the samples.
        error: distance from the reference solution, as the benchmark defines it.
        missing: why there is nothing, such as ``"torchdiffeq is not installed"``; None when it was measured.
    """

    name: str
    times: Times = field(default_factory=lambda: Times(math.nan, ()))
    accepted: float = math.nan
    attempts: float = math.nan
    evaluations: float = math.nan
    error: float = math.nan
    missing: str | None = None

    def with_times(self, times: Times) -> Measurement:
        """The same with wall times."""
        return replace(self, times=times)

    @property
    def seconds(self) -> float:
        """Median wall time."""
        return median(self.times.seconds) if self.times.seconds else math.nan

    @property
    def seconds_per_step(self) -> float:
        """Median wall time over the number of accepted steps (per sample, in the mean)."""
        return _quotient(self.seconds, self.accepted)

    @property
    def seconds_per_attempt(self) -> float:
        """Median wall time over the number of passes of the loop."""
        return _quotient(self.seconds, self.attempts)

    @property
    def seconds_per_evaluation(self) -> float:
        """Median wall time over the number of evaluations of the solution (per sample, in the mean)."""
        return _quotient(self.seconds, self.evaluations)

    def value(self, quantity: Quantity) -> float:
        """The number to compare."""
        return {
            Quantity.SECONDS: self.seconds,
            Quantity.SECONDS_PER_STEP: self.seconds_per_step,
            Quantity.SECONDS_PER_EVALUATION: self.seconds_per_evaluation,
            Quantity.EVALUATIONS: self.evaluations,
        }[quantity]


@dataclass(frozen=True)
class Comparison:
    """A case: both sides, and the ratio that is asked for.

    Attributes:
        case: what is solved.
        quantity: what is compared.
        ours, other: the two sides.
        bar: times: the speed-up to reach at least; counts: the ratio to stay below or at.
    """

    case: str
    quantity: Quantity
    ours: Measurement
    other: Measurement
    bar: float

    @property
    def ratio(self) -> float:
        """Of times other / ours, by the medians; of counts ours / other."""
        ours, other = self.ours.value(self.quantity), self.other.value(self.quantity)
        return _quotient(other, ours) if self.quantity.is_time else _quotient(ours, other)

    @property
    def ratio_range(self) -> tuple[float, float]:
        """The smallest and the largest ratio of neighbouring runs; for counts the ratio itself."""
        if not self.quantity.is_time or not math.isfinite(self.ratio):
            return self.ratio, self.ratio
        scale = self.ratio / _quotient(self.other.seconds, self.ours.seconds)  # of what is counted once
        pairs = zip(self.ours.times.seconds, self.other.times.seconds, strict=True)
        ratios = [scale * _quotient(theirs, ours) for ours, theirs in pairs]
        return min(ratios), max(ratios)

    @property
    def verdict(self) -> Verdict:
        """PASS or FAIL against the bar; NOT_APPLICABLE when a side is missing."""
        if self.ours.missing or self.other.missing:
            return Verdict.NOT_APPLICABLE
        if not math.isfinite(self.ratio):
            return Verdict.INCONCLUSIVE
        met = self.ratio >= self.bar if self.quantity.is_time else self.ratio <= self.bar
        return Verdict.PASS if met else Verdict.FAIL


def _quotient(a: float, b: float) -> float:
    return a / b if b else math.nan
