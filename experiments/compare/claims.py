"""Claims of source documents, and what the measurements say of each: reproduced, not reproduced, not measured."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from .outcome import Outcome
from .statistics import holm

SIGNIFICANT = 0.05
WIDEST = 0.01
"""Half of an interval beyond which a mean that lies below a stated accuracy decides nothing: one point."""
SHORT = "a short run decides nothing about accuracies"


class Judgement(enum.StrEnum):
    """What is said of a claim."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_MEASURED = "not measured"


class Finding(NamedTuple):
    """What a rule found.

    Attributes:
        holds: whether the claim does; None: it was not measured.
        words: the numbers, in a sentence.
        p: p-value of the test that decides, to be corrected for all claims; None: no test decides.
    """

    holds: bool | None
    words: str
    p: float | None = None


class Evidence(NamedTuple):
    """What rules look at: the outcome of the study, and numbers that were measured apart from it, by name."""

    outcome: Outcome
    measured: Mapping[str, Mapping[str, Any]]


class Rule(Protocol):
    """Decides a claim."""

    def __call__(self, evidence: Evidence) -> Finding:
        """What the evidence says."""


@dataclass(frozen=True)
class Claim:
    """One sentence of a source document.

    Attributes:
        text: what is claimed.
        source: where.
        rule: what decides it.
    """

    text: str
    source: str
    rule: Rule


class Judged(NamedTuple):
    """A claim and what is said of it."""

    claim: Claim
    judgement: Judgement
    words: str


def verdicts(claims: Sequence[Claim], evidence: Evidence) -> list[Judged]:
    """Judge claims; those that a test decides hold if its p-value, corrected for all of them (Holm), is below 0.05."""
    findings = [claim.rule(evidence) for claim in claims]
    tested = [place for place, finding in enumerate(findings) if finding.holds is not None and finding.p is not None]
    adjusted = dict(zip(tested, holm([findings[place].p or 0.0 for place in tested]), strict=True))
    return [
        _judged(claim, finding, adjusted.get(place))
        for place, (claim, finding) in enumerate(zip(claims, findings, strict=True))
    ]


def _judged(claim: Claim, finding: Finding, adjusted: float | None) -> Judged:
    if finding.holds is None:
        return Judged(claim, Judgement.NOT_MEASURED, finding.words)
    words = finding.words if adjusted is None else f"{finding.words}; p = {adjusted:.3g} after Holm"
    holds = finding.holds and (adjusted is None or adjusted < SIGNIFICANT)
    return Judged(claim, Judgement.REPRODUCED if holds else Judgement.NOT_REPRODUCED, words)


@dataclass(frozen=True)
class Reaches:
    """A row's mean accuracy is the stated one or higher: the stated one does not lie above its 95 % interval.

    The interval is over seeds. The stated number is that of one test set, the same one where the data set is whole.
    An interval that reaches up to the stated number only because it is wide (`WIDEST`) says neither yes nor no, and
    short runs are not judged: with two seeds the interval is 13 standard errors wide to either side.
    """

    row: str
    data: str
    stated: float

    def __call__(self, evidence: Evidence) -> Finding:
        """Compare."""
        row = evidence.outcome.rows.get((self.row, self.data))
        if row is None or not row.is_measured:
            why = "" if row is None else row.entry.left_out
            return Finding(None, why or f"{self.row} on {self.data} was not measured")
        found = row.accuracy()
        head = f"{percent(found.mean)} % on {self.data}, {row.results[0].note}"
        if found.number == 1:
            return Finding(None, f"{head}; one seed gives no interval")
        interval = f"95 % interval {percent(found.low)} to {percent(found.high)}, {found.number} seeds"
        words = f"{head} ({interval})"
        if evidence.outcome.study.quick:
            return Finding(None, f"{words}; {SHORT}")
        if found.mean < self.stated <= found.high and found.high - found.mean > WIDEST:
            return Finding(None, f"{words}; too wide to decide, more seeds would")
        return Finding(self.stated <= found.high, words)


@dataclass(frozen=True)
class Exceeds:
    """The first row's accuracy is above the second's by more than `by`, and a paired test tells them apart."""

    first: str
    second: str
    data: str
    by: float = 0.0

    def __call__(self, evidence: Evidence) -> Finding:
        """Compare."""
        test = evidence.outcome.paired(self.first, self.second, self.data)
        if test is None:
            return Finding(None, f"{self.first} or {self.second} on {self.data} was not measured")
        words = f"{self.first} less {self.second} on {self.data}: {100 * test.mean:+.2f} points"
        if test.number == 1:
            return Finding(None, f"{words}; one seed gives no test")
        interval = f"95 % interval {100 * test.low:+.2f} to {100 * test.high:+.2f}, {test.number} seeds"
        if evidence.outcome.study.quick:
            return Finding(None, f"{words} ({interval}); {SHORT}")
        return Finding(test.mean > self.by, f"{words} ({interval})", test.p)


@dataclass(frozen=True)
class TimesSmaller:
    """A quantity of the first row is the stated number of times smaller than the second's, to a tenth."""

    quantity: str
    words: str
    first: str
    second: str
    data: str
    stated: float

    def __call__(self, evidence: Evidence) -> Finding:
        """Compare."""
        rows = [evidence.outcome.rows.get((name, self.data)) for name in (self.first, self.second)]
        small, large = (math.nan if row is None or not row.is_measured else row.mean(self.quantity) for row in rows)
        if not (small > 0 and large > 0):
            return Finding(None, f"{self.words} of {self.first} or {self.second} was not measured")
        ratio = large / small
        words = f"{self.words}: {large:.4g} of {self.second} over {small:.4g} of {self.first} is {ratio:.3g}"
        return Finding(ratio >= 0.9 * self.stated, words)


@dataclass(frozen=True)
class Computed:
    """A matter of mathematics: a computation decides, not a training run."""

    compute: Callable[[], Finding]

    def __call__(self, evidence: Evidence) -> Finding:
        """Compute."""
        return self.compute()


@dataclass(frozen=True)
class Measured:
    """Numbers that were measured apart from the study, and what is read from them."""

    name: str
    read: Callable[[Mapping[str, Any]], Finding]

    def __call__(self, evidence: Evidence) -> Finding:
        """Read, if they are there."""
        found = evidence.measured.get(self.name)
        return Finding(None, f"{self.name} was not measured") if found is None else self.read(found)


@dataclass(frozen=True)
class NotMeasured:
    """A claim that nothing here decides."""

    why: str

    def __call__(self, evidence: Evidence) -> Finding:
        """Say why."""
        return Finding(None, self.why)


def percent(share: float) -> str:
    """A share in percent, two digits after the point."""
    return f"{100 * share:.2f}"
